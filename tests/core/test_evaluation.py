"""Evaluation: the path of training with other settings, and a record with intervals and examples."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Rollout, Verdict, hookimpl
from justtinker_core.run import Run
from justtinker_core.types import EvalStats
from tests.core.conftest import (
    Ask,
    Correct,
    Judge,
    Killed,
    Length,
    Report,
    RunOf,
    ScriptedBackend,
    Sft,
    Watch,
    cast,
    go,
    problems,
    records,
)

SETS = {"train": problems(), "held": problems(6), "other": problems(2)}
CONFIG = {
    "run.steps": 0, "evaluation.temperature": 0.3, "evaluation.top_p": 0.9, "evaluation.seed": 7,
    "data.eval.held.samples": 3,
}  # fmt: skip


def right_twice(prompt: str, index: int) -> str:
    return str(int(prompt[0]) % 3) if index < 2 else "no"


def evaluated(run_of: RunOf, backend: ScriptedBackend, *others: Any, **config: Any) -> list[EvalStats]:
    report = Report()
    go(run_of(backend, Ask(), Judge(), Correct(), *others, report, problems=SETS, config={**CONFIG, **config}))
    return report.evals


def test_every_set_is_evaluated_with_its_own_samples(run_of: RunOf, tmp_path: Path) -> None:
    backend = ScriptedBackend(right_twice)
    held, other = evaluated(run_of, backend, Length())
    assert (held.name, other.name, held.step) == ("held", "other", 0)
    assert held.metrics["accuracy"] == pytest.approx(2 / 3)
    assert other.metrics["accuracy"] == 1.0
    assert held.metrics["letters"] == pytest.approx(4 / 3)
    assert [{r.n for r in sent} for sent in backend.requests] == [{3}, {1}]
    assert {(r.temperature, r.top_p, r.max_tokens) for sent in backend.requests for r in sent} == {(0.3, 0.9, 20)}


def test_the_record_says_how(run_of: RunOf, tmp_path: Path) -> None:
    held, _ = evaluated(run_of, ScriptedBackend(right_twice), **{"evaluation.max_tokens": 15})
    expected = {"problems": 6, "samples": 3, "temperature": 0.3, "top_p": 0.9, "max_tokens": 15, "seed": 7}
    assert expected.items() <= held.settings.items()
    row = records(tmp_path / "run", "evals.jsonl")[0]
    assert row["settings"] == held.settings
    assert set(held.seconds) == {"total"}
    assert (tmp_path / "run" / "rollouts" / "eval_held_000000.jsonl.zst").exists()


def test_examples_are_for_reading(run_of: RunOf) -> None:
    held, other = evaluated(run_of, ScriptedBackend(right_twice))
    assert len(held.examples) == 4
    assert len(other.examples) == 2
    assert held.examples[1] == {"question": "1+0", "gold": "1", "response": "1", "outcome": "correct"}


def test_intervals_are_clustered_by_problem(run_of: RunOf) -> None:
    held, other = evaluated(run_of, ScriptedBackend(right_twice))
    for stats in (held, other):
        for name, (low, high) in stats.intervals.items():
            assert low <= stats.metrics[name] + 1e-9
            assert high >= stats.metrics[name] - 1e-9
    assert set(held.intervals) >= {"accuracy", "unscored_rate", "truncated_rate"}


def test_sets_and_steps_and_training_have_seeds_of_their_own(run_of: RunOf) -> None:
    backend = ScriptedBackend(right_twice)
    config = {**CONFIG, "run.steps": 2, "evaluation.every": 1, "run.seed": 7}
    go(run_of(backend, Ask(), Judge(), Correct(), Sft(), problems=SETS, config=config))
    seeds = [r.seed for sent in backend.requests for r in sent]
    assert len(set(seeds)) == len(seeds) == 3 * 8


def test_a_set_that_has_a_record_is_not_evaluated_again(run_of: RunOf, tmp_path: Path) -> None:
    class Die:
        @hookimpl
        def report_eval(self, run: Run, stats: EvalStats) -> None:
            raise KeyboardInterrupt

    def players() -> list[Any]:
        return [ScriptedBackend(right_twice), Ask(), Judge(), Correct()]

    with pytest.raises(KeyboardInterrupt):
        go(run_of(*players(), Die(), problems=SETS, config=CONFIG))
    report = Report()
    again = players()
    go(run_of(*again, report, problems=SETS, config=CONFIG))
    names = [r["name"] for r in records(tmp_path / "run", "evals.jsonl")]
    assert names == ["held", "other"]
    assert len(again[0].requests) == 0, "the other set was sampled already, though not recorded"


class OneByOne(ScriptedBackend):
    """A backend that answers only the first `few` requests it ever gets."""

    def __init__(self, few: int) -> None:
        super().__init__(right_twice)
        self.left = few

    def deliver(self, ready: list[Any]) -> None:
        for future, samples in ready:
            if self.left > 0:
                self.left -= 1
                future.set_result(samples)
            else:
                future.set_exception(KeyboardInterrupt())


@pytest.mark.parametrize("few", [0, 1, 4, 6, 7])
def test_an_evaluation_that_was_killed_asks_only_for_the_rest(run_of: RunOf, tmp_path: Path, few: int) -> None:
    def players(backend: ScriptedBackend) -> list[Any]:
        return [backend, Ask(), Judge(), Correct(), Length()]

    whole = ScriptedBackend(right_twice)
    go(run_of(*players(whole), problems=SETS, config=CONFIG, directory="whole"))
    with pytest.raises(KeyboardInterrupt):
        go(run_of(*players(OneByOne(few)), problems=SETS, config=CONFIG))
    again = ScriptedBackend(right_twice)
    go(run_of(*players(again), problems=SETS, config=CONFIG))
    asked = [request for sent in again.requests for request in sent]
    assert asked == [request for sent in whole.requests for request in sent][few:]
    assert records(tmp_path / "run", "evals.jsonl") == records(tmp_path / "whole", "evals.jsonl"), "tokens included"
    for file in ("eval_held_000000.jsonl.zst", "eval_other_000000.jsonl.zst"):
        assert (tmp_path / "run" / "rollouts" / file).read_bytes() == (
            tmp_path / "whole" / "rollouts" / file
        ).read_bytes()
    assert not list((tmp_path / "run" / "rollouts").glob("partial_*"))


@pytest.mark.parametrize("cut", [1, 40])
def test_an_answer_that_is_cut_off_is_asked_for_again(run_of: RunOf, tmp_path: Path, cut: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(run_of(OneByOne(3), Ask(), Judge(), problems=SETS, config=CONFIG))
    [partial] = (tmp_path / "run" / "rollouts").glob("partial_*")
    partial.write_bytes(partial.read_bytes()[:-cut])
    for _ in range(2):
        backend = OneByOne(1)
        with pytest.raises(KeyboardInterrupt):
            go(run_of(backend, Ask(), Judge(), problems=SETS, config=CONFIG))
    assert [len(sent) for sent in backend.requests] == [3], "two of three, and one more"


def test_other_settings_are_another_evaluation(run_of: RunOf) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(run_of(OneByOne(3), Ask(), Judge(), problems=SETS, config=CONFIG))
    backend = ScriptedBackend(right_twice)
    go(run_of(backend, Ask(), Judge(), problems=SETS, config={**CONFIG, "evaluation.temperature": 0.4}))
    assert [len(sent) for sent in backend.requests] == [6, 2]


def test_progress_is_reported_for_every_set(run_of: RunOf) -> None:
    report = Report()
    go(run_of(ScriptedBackend(), Ask(), Judge(), report, problems=SETS, config=CONFIG))
    assert report.progress == [
        *(("evaluate held", done, 6) for done in range(7)),
        *(("evaluate other", done, 2) for done in range(3)),
    ]


def test_each_set_is_reported_as_it_is_done(run_of: RunOf) -> None:
    class Two(Judge):
        @hookimpl
        def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
            if problem.meta.get("broken"):
                raise ValueError("oh")
            return super().verify(problem, rollouts)

    report = Report()
    sets = {"train": problems(), "held": problems(2), "other": problems(2, meta={"broken": True})}
    with pytest.raises(PluginError):
        go(run_of(ScriptedBackend(), Ask(), Two(), report, problems=sets, config={"run.steps": 0}))
    assert [e.name for e in report.evals] == ["held"]


# In the background


class Remote(ScriptedBackend):
    """A backend whose samplers keep their weights; it answers evaluations when the test says so."""

    concurrent = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.gate = threading.Event()
        self.gate.set()

    def deliver(self, ready: list[Any]) -> None:
        if self.requests[-1][0].temperature == 0.7:  # an evaluation's
            threading.Thread(target=self._after_the_gate, args=(ready,), daemon=True).start()
        else:
            super().deliver(ready)

    def _after_the_gate(self, ready: list[Any]) -> None:
        self.gate.wait(30)
        super().deliver(ready)


BACKGROUND = {"run.steps": 6, "evaluation.every": 2, "evaluation.lag": 2, "checkpoints.every": 1}
HELD = {"train": problems(), "held": problems(3)}


def remote(run_of: RunOf, *others: Any, backend: Remote | None = None, **options: Any) -> Run:
    backend = backend or Remote()
    players = [backend, *cast(backend.trace)[1:]]
    return run_of(*players, *others, problems=HELD, config=BACKGROUND, **options)


def test_training_goes_on_while_an_evaluation_is_under_way(run_of: RunOf, tmp_path: Path) -> None:
    class Gate:
        """A monitor that releases the evaluation of step 0 when it inspects step 2."""

        @hookimpl
        def inspect_step(self, stats: Any) -> None:
            if stats.step == 2:
                assert not (tmp_path / "run" / "evals.jsonl").exists()
                backend.gate.set()

    backend = Remote()
    backend.gate.clear()
    assert go(remote(run_of, Gate(), backend=backend)) == "finished"
    rows = records(tmp_path / "run", "evals.jsonl")
    assert [(r["step"], r["seen"]) for r in rows] == [(0, 2), (2, 4), (4, 6), (6, 8)]


def test_what_monitors_see_does_not_depend_on_how_long_an_evaluation_takes(run_of: RunOf) -> None:
    watch = Report()
    go(remote(run_of, Watch(), watch))
    seen = {f.message: [e[0] for e in f.evidence["evals"]] for f in watch.findings}
    assert seen == {
        "step 1": [], "step 2": [], "step 3": [0], "step 4": [0], "step 5": [0, 2], "step 6": [0, 2],
    }  # fmt: skip


def test_the_record_is_that_of_an_evaluation_in_place(run_of: RunOf, tmp_path: Path) -> None:
    go(remote(run_of, directory="a"))
    go(run_of(*cast(), problems=HELD, config=BACKGROUND, directory="b"))
    a, b = (records(tmp_path / name, "evals.jsonl") for name in "ab")
    for row in (*a, *b):
        row.pop("seen")
    assert a == b
    assert records(tmp_path / "a", "steps.jsonl") == records(tmp_path / "b", "steps.jsonl")


@pytest.mark.parametrize("kill_at", range(10, 160, 8))
def test_a_run_killed_while_evaluating_ends_like_one_that_was_not(run_of: RunOf, tmp_path: Path, kill_at: int) -> None:
    go(remote(run_of, Watch(), directory="whole"))
    killed = Remote()
    killed.trace.kill_at = kill_at
    with pytest.raises(Killed):
        go(remote(run_of, Watch(), backend=killed))
    assert go(remote(run_of, Watch())) == "finished"
    for name in ("steps.jsonl", "evals.jsonl", "checkpoints.jsonl"):
        assert records(tmp_path / "run", name) == records(tmp_path / "whole", name)


def test_an_evaluation_that_fails_in_the_background_ends_the_run(run_of: RunOf) -> None:
    class Picky(Judge):
        @hookimpl
        def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
            if len(rollouts) == 1:
                raise ValueError("oh")
            return super().verify(problem, rollouts)

    _, ask, _, *others = cast()
    with pytest.raises(PluginError, match=r"failed in verify at test_evaluation.py"):
        go(run_of(Remote(), ask, Picky(), *others, problems=HELD, config=BACKGROUND))
