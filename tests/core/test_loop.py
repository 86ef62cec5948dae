"""The loop: the order of calls; above all, a run that dies anywhere and continues ends like one that never died."""

from __future__ import annotations

import json
import math
import re
import signal
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Finding, Group, PluginError, SamplingError, hookimpl
from justtinker_core.config import due
from justtinker_core.run import TELL_EVERY, Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import Batch
from tests.core.conftest import (
    Ask,
    Judge,
    Killed,
    Length,
    Player,
    Report,
    Rl,
    RunOf,
    ScriptedBackend,
    Sft,
    Trace,
    Watch,
    cast,
    config_of,
    go,
    plugins_of,
    problems,
    records,
)

CONFIG = {"run.steps": 4, "checkpoints.every": 2, "evaluation.every": 3}
SETS = {"train": problems(), "held": problems(1), "ünïcode": problems(1)}


class TracedDir(RunDir):
    """A run directory that logs its writes, and tears one in the middle if the run dies in it."""

    def __init__(self, path: Path, trace: Trace) -> None:
        super().__init__(path)
        self.trace = trace

    def _dies(self, call: str) -> bool:
        if self.trace.kill_at is not None and len(self.trace.calls) > self.trace.kill_at:
            raise Killed(call)
        try:
            self.trace(call)
        except Killed:
            return True
        return False

    def append(self, name: str, record: Any) -> None:
        if self._dies(f"append {name}"):
            line = json.dumps(record, ensure_ascii=False).encode()
            with (self.path / name).open("ab") as file:
                file.write(line[: len(line) // 2])
            raise Killed(name)
        super().append(name, record)
        self.trace(f"appended {name}")

    def replace(self, name: str, content: bytes) -> None:
        if self._dies(f"replace {name}"):
            part = self.path / name
            part.parent.mkdir(exist_ok=True)
            part.with_name(f".{part.name}.part").write_bytes(content[: len(content) // 2])
            raise Killed(name)
        super().replace(name, content)
        self.trace(f"replaced {name}")


def attempt(
    folder: Path,
    kill_at: int | None = None,
    algorithm: Any = None,
    changes: Mapping[str, Any] = CONFIG,
    concurrent: bool = False,
) -> Trace:
    """Train in the folder's run directory, from wherever it stands, with everything new, as a new process would."""
    trace = Trace()
    trace.kill_at = kill_at
    config = config_of(folder, changes, SETS)
    if not (folder / "run").exists():
        RunDir.create(folder / "run", config.dump())
    backend, *others, rl = cast(trace)
    backend.concurrent = concurrent
    players = [backend, *others, algorithm or rl, Length(trace), Watch(trace), Report(trace)]
    run = Run(config, plugins_of(*players), TracedDir(folder / "run", trace))
    if kill_at is None:
        assert go(run) == "finished"
    else:
        with pytest.raises(Killed):
            go(run)
    return trace


def outcome(folder: Path, last: int = 4) -> dict[str, Any]:
    """Return all that a run leaves behind, except times."""
    run = folder / "run"
    rollouts = {
        file.name: zstandard.decompress(file.read_bytes()).decode() for file in sorted(run.glob("rollouts/*.zst"))
    }
    return {
        "steps": records(run, "steps.jsonl"),
        "evals": records(run, "evals.jsonl"),
        "checkpoints": records(run, "checkpoints.jsonl"),
        "weights": json.loads((run / "checkpoints" / f"step_{last:06d}.json").read_text()),
        "rollouts": rollouts,
        "status": RunDir(run).manifest()["status"],
    }


def undisturbed() -> tuple[list[str], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        calls = attempt(Path(folder)).calls
        return calls, outcome(Path(folder))


CALLS, OUTCOME = undisturbed()


def test_the_undisturbed_run_is_what_the_kills_below_are_measured_by() -> None:
    assert [r["step"] for r in OUTCOME["steps"]] == [1, 2, 3, 4]
    assert [(r["step"], r["name"]) for r in OUTCOME["evals"]] == [(s, n) for s in (0, 3, 4) for n in list(SETS)[1:]]
    assert [(r["step"], r["kind"]) for r in OUTCOME["checkpoints"]] == [
        (2, "periodic"),
        (3, "periodic"),
        (3, "best"),
        (4, "final"),
    ]
    assert all(not Path(r["path"]).is_absolute() for r in OUTCOME["checkpoints"])
    assert len(OUTCOME["rollouts"]) == 4 + 6
    assert len({r["metrics"]["grad_norm"] for r in OUTCOME["steps"]}) == 4, "every step must change the weights"


SITES = [pytest.param(i, marks=[pytest.mark.slow] if i % 3 else []) for i in range(len(CALLS))]


@pytest.mark.parametrize("kill_at", SITES)
def test_a_run_killed_anywhere_ends_like_one_that_was_not(tmp_path: Path, kill_at: int) -> None:
    attempt(tmp_path, kill_at)
    attempt(tmp_path)
    assert outcome(tmp_path) == OUTCOME


@given(st.lists(st.integers(0, len(CALLS) // 3), min_size=2, max_size=4))
@settings(max_examples=10)
def test_a_run_killed_again_and_again_ends_like_one_that_was_not(kills: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kill in kills:
            try:
                attempt(Path(folder), kill)
            except pytest.fail.Exception:  # it had fewer calls to go
                break
        attempt(Path(folder))
        assert outcome(Path(folder)) == OUTCOME


def test_monitors_of_a_resumed_run_see_the_history_of_the_first(run_of: RunOf) -> None:
    class Remember(Player):
        history: Any = None

        @hookimpl
        def inspect_step(self, history: Any) -> None:
            self.history = replace(
                history,
                steps=tuple(replace(s, seconds={}) for s in history.steps),
                evals=tuple(replace(e, seconds={}) for e in history.evals),
            )

    def trained(directory: str, steps: tuple[int, ...]) -> Any:
        for last in steps:
            monitor = Remember()
            config = {"run.steps": last, "evaluation.every": 1, "evaluation.at_end": False}
            go(run_of(*cast(), monitor, problems=SETS, directory=directory, config=config))
        return monitor.history

    assert trained("stopped", (2, 4)).evals == trained("through", (4,)).evals


# The order of calls


def order(run: Run, trace: Trace) -> list[str]:
    go(run)
    return trace.calls


def test_all_samples_are_requested_before_the_first_is_judged(run_of: RunOf) -> None:
    trace = Trace()
    calls = order(run_of(*cast(trace), config={"run.steps": 1}), trace)
    assert calls.index("sample 2") < calls.index("verify")
    assert calls.count("sample 2") == 1
    assert "verify" not in calls[: calls.index("sample 2")]


def test_updates_and_the_next_sampler_are_submitted_before_any_is_awaited(run_of: RunOf) -> None:
    class Two(Rl):
        @hookimpl
        def collect_batch(self, step: int, run: Run) -> Batch:
            batch = super().collect_batch(step, run)
            return replace(batch, updates=batch.updates * 2)

    trace = Trace()
    backend, ask, judge, correct, mean, _ = cast(trace)
    calls = order(run_of(backend, ask, judge, correct, mean, Two(trace), config={"run.steps": 1}), trace)
    start = calls.index("forward_backward")
    assert calls[start : start + 9] == [
        "forward_backward", "optim_step", "forward_backward", "optim_step", "sampler",
        "await forward_backward", "await optim_step", "await forward_backward", "await optim_step",
    ]  # fmt: skip


def test_record_then_checkpoint_then_evaluation(run_of: RunOf, tmp_path: Path) -> None:
    position = {c: i for i, c in reversed(list(enumerate(CALLS)))}
    step_3 = [i for i, c in enumerate(CALLS) if c == "append steps.jsonl"][2]
    save = next(i for i, c in enumerate(CALLS) if c == "append checkpoints.jsonl" and i > step_3)
    evaluation = next(i for i, c in enumerate(CALLS) if c == "append evals.jsonl" and i > step_3)
    assert step_3 < save < evaluation
    assert position["sample 1"] < position["collect_batch"], "at_start comes first"


def test_the_learning_rate_that_the_config_asks_for_reaches_the_backend(run_of: RunOf) -> None:
    backend = ScriptedBackend()
    config = {"run.steps": 4, "optimizer.warmup_steps": 2, "optimizer.decay": "linear", "optimizer.beta1": 0.5}
    go(run_of(backend, Sft(), config=config))
    assert [a.learning_rate for a in backend.adams] == pytest.approx([0.05, 0.1, 0.1, 0.05])
    assert {a.beta1 for a in backend.adams} == {0.5}


def test_a_step_that_trains_nothing_still_is_a_step(run_of: RunOf, tmp_path: Path) -> None:
    class Nothing(Player):
        @hookimpl
        def collect_batch(self) -> Batch:
            return Batch(metrics={"mine": 3.0})

    backend = ScriptedBackend()
    assert go(run_of(backend, Nothing())) == "finished"
    assert backend.adams == []
    assert records(tmp_path / "run", "steps.jsonl")[0]["metrics"] == {"mine": 3.0, "learning_rate": 0.1, "trained": 0.0}


@pytest.mark.parametrize("name", ["accuracy", "loss", "thought"])
def test_an_algorithm_does_not_hide_its_numbers_behind_names_that_are_taken(run_of: RunOf, name: str) -> None:
    class Thought(Player):
        @hookimpl
        def measure(self, group: Group) -> dict[str, list[float]]:
            return {"thought": [1.0 for _ in group.rollouts]}

    class Named(Rl):
        @hookimpl
        def collect_batch(self, step: int, run: Run) -> Batch:
            return replace(super().collect_batch(step, run), metrics={name: 3.0})

    players = [player for player in cast() if not isinstance(player, Rl)]
    with pytest.raises(PluginError, match=rf"^algorithm 'named' gives a metric '{name}', a name of the core or of a "):
        go(run_of(*players, Thought(), Named()))


# Checkpoints


def test_when_the_newest_checkpoint_is_gone_an_older_one_is_taken(
    run_of: RunOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go(run_of(*cast(), config={"run.steps": 4, "checkpoints.every": 1}))
    before = outcome_of(tmp_path)
    for step in (3, 4):
        (tmp_path / "run" / "checkpoints" / f"step_{step:06d}.json").unlink()
    trace = Trace()
    go(run_of(*cast(trace), config={"run.steps": 4, "checkpoints.every": 1}))
    restored = [c for c in trace.calls if c.startswith("restore")]
    assert restored == ["restore step_000004", "restore step_000003", "restore step_000002"]
    assert outcome_of(tmp_path) == before
    [aside] = (tmp_path / "run").glob("set_aside_*")
    assert [r["step"] for r in records(aside, "checkpoints.jsonl")] == [3, 4]
    assert "resuming from the checkpoint of step 2; later records are set aside in set_aside_1" in caplog.text


def test_without_a_checkpoint_yet_a_resume_begins_anew_and_says_so(
    run_of: RunOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    players = cast()
    players[0].fail["save"] = OSError(28, "No space left on device")
    with pytest.raises(PluginError):
        go(run_of(*players))
    assert go(run_of(*cast())) == "finished"
    assert (
        "resuming from the beginning, for want of a checkpoint; later records are set aside in set_aside_1"
        in caplog.text
    )
    assert len(records(tmp_path / "run" / "set_aside_1", "steps.jsonl")) == 2


def outcome_of(folder: Path) -> list[Any]:
    return [records(folder / "run", f"{name}.jsonl") for name in ("steps", "checkpoints")]


def test_when_all_checkpoints_are_gone_it_says_so(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast()))
    (tmp_path / "run" / "checkpoints" / "step_000002.json").unlink()
    text = f"none of the 1 checkpoints of {tmp_path / 'run'} still exists; start a new run"
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        go(run_of(*cast()))
    assert len(records(tmp_path / "run", "steps.jsonl")) == 2, "nothing is set aside"


def test_a_finished_run_trains_no_further(run_of: RunOf) -> None:
    go(run_of(*cast()))
    trace = Trace()
    assert go(run_of(*cast(trace))) == "finished"
    assert "forward_backward" not in trace.calls


def test_the_next_run_starts_from_the_weights_of_the_one_before_with_a_fresh_optimizer(
    run_of: RunOf, tmp_path: Path
) -> None:
    first, second = ScriptedBackend(), ScriptedBackend()
    go(run_of(first, Sft(), directory="1-a"))
    config = {"run.start_from": "../1-a", "run.steps": 1, "optimizer.learning_rate": 1e-9}
    go(run_of(second, Sft(), directory="2-b", config=config))
    assert second.weights == pytest.approx(first.weights, abs=1e-6) != 1.0
    assert first.momentum != 0
    assert "restore step_000002 without optimizer" in second.trace.calls


def test_start_from_names_what_is_wrong(run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"^expected a checkpoint or a run directory, got 'nowhere' \(run.start_from, --checkpoint\)$"
    ):
        go(run_of(*cast(), config={"run.start_from": "nowhere"}))
    run_of(*cast(), directory="empty")
    with pytest.raises(PluginError, match=r"^the run .*empty has no checkpoint yet$"):
        go(run_of(*cast(), directory="b", config={"run.start_from": str(tmp_path / "empty")}))


def test_start_from_a_checkpoint_that_is_gone_is_a_clear_error(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), directory="a"))
    (tmp_path / "a" / "checkpoints" / "step_000002.json").unlink()
    with pytest.raises(
        PluginError,
        match=r"^the checkpoint .*step_000002.json is not there \(expired or deleted; run.start_from, --checkpoint\)",
    ):
        go(run_of(*cast(), directory="b", config={"run.start_from": "../a"}))


def test_a_full_disk_while_saving_is_a_clear_error(run_of: RunOf, tmp_path: Path) -> None:
    players = cast()
    players[0].fail["save"] = OSError(28, "No space left on device")
    with pytest.raises(PluginError) as error:
        go(run_of(*players))
    run = tmp_path / "run"
    assert str(error.value).startswith(
        f"cannot save the checkpoint of step 2 in {run}: [Errno 28] No space left on device"
    )
    assert RunDir(run).manifest()["status"] == "failed"
    assert players[0].closed == 1
    assert go(run_of(*cast())) == "finished"


# Monitors


class Stop(Player):
    @hookimpl
    def inspect_step(self, stats: Any) -> list[Finding]:
        return [Finding("stop" if stats.step == 2 else "warn", "enough", {"step": stats.step})]


def test_a_monitor_that_says_stop_ends_the_run_with_a_checkpoint(run_of: RunOf, tmp_path: Path) -> None:
    report = Report()
    assert go(run_of(*cast(), Stop(), report, config={"run.steps": 5})) == "stopped"
    assert [(r["step"], r["kind"]) for r in records(tmp_path / "run", "checkpoints.jsonl")] == [(2, "periodic")]
    assert RunDir(tmp_path / "run").manifest()["status"] == "stopped"
    assert report.statuses == ["stopped"]
    assert report.findings[-1] == Finding("stop", "enough", {"step": 2}, "stop")
    assert records(tmp_path / "run", "steps.jsonl")[1]["findings"][0]["source"] == "stop"


def test_a_fatal_monitor_that_fails_ends_the_run(run_of: RunOf) -> None:
    class Guard(Player):
        fatal = True

        @hookimpl
        def inspect_step(self) -> None:
            raise ValueError("no idea")

    report = Report()
    text = r"^plugin 'guard' \(under test\) failed in inspect_step at test_loop.py:\d+: ValueError: no idea$"
    with pytest.raises(PluginError, match=text):
        go(run_of(*cast(), Guard(), report))
    assert report.statuses == ["failed"]


def test_reporters_hear_of_every_stage_as_it_begins(run_of: RunOf) -> None:
    report = Report()
    go(run_of(*cast(), report, problems=SETS | {"train": problems(2)}, config={"run.steps": 1}))
    sets = [("evaluate held", 0, 1), ("evaluate held", 1, 1), ("evaluate ünïcode", 0, 1), ("evaluate ünïcode", 1, 1)]
    step = [("step 1", 0, 1), ("sample", 0, 2), ("sample", 1, 2), ("sample", 2, 2), ("train", 0, 1)]
    assert report.progress == [*sets, *step, *sets]


def test_a_backend_may_tell_its_progress_as_often_as_it_likes(run_of: RunOf) -> None:
    class Chatty(Player):
        @hookimpl
        def inspect_step(self) -> None:
            began = time.monotonic()
            while time.monotonic() - began < 2.5 * TELL_EVERY:
                self.told += 1
                run.report_progress("dig", self.told, 10**9)

        told = 0

    report, chatty = Report(), Chatty()
    run = run_of(*cast(), report, chatty, config={"run.steps": 1})
    go(run)
    dug = [done for stage, done, _ in report.progress if stage == "dig"]
    assert dug[0] == 1
    assert len(dug) == 3 < chatty.told


def test_other_observers_are_survived_and_reported_once(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Player):
        @hookimpl
        def inspect_step(self) -> None:
            raise ValueError("dizzy")

        @hookimpl
        def report_step(self) -> None:
            raise PluginError("speechless")

        @hookimpl
        def report_progress(self) -> None:
            raise ZeroDivisionError

        @hookimpl
        def report_eval(self) -> None:
            raise KeyError("x")

        @hookimpl
        def finish_run(self) -> None:
            raise RuntimeError("still here")

    report = Report()
    config = {"run.steps": 3, "evaluation.every": 1}
    assert go(run_of(*cast(), Broken(), report, problems=SETS, config=config)) == "finished"
    assert len(report.steps) == 3
    hooks = [re.search(r"failed in (\w+)|speechless", r.message).group(0) for r in caplog.records]  # type: ignore[union-attr]
    assert sorted(hooks) == sorted(
        ["failed in inspect_step", "speechless", "failed in report_progress", "failed in report_eval",
         "failed in finish_run"]
    )  # fmt: skip
    assert all(r.message.endswith("(logged once; the run goes on)") for r in caplog.records)


def generator(self: Any) -> Any:
    yield Finding("info", "first")
    raise ValueError("then broken")


ANSWERS = {
    "a generator that breaks": generator,
    "one Finding": lambda self: Finding("info", "all is well"),
    "words": lambda self: ["all is well"],
    "a number": lambda self: 3,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_monitor_that_answers_nonsense_is_survived(
    run_of: RunOf, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    monitor = type("Odd", (), {"inspect_step": hookimpl(ANSWERS[answer])})()
    ANSWERS[answer].__name__ = "inspect_step"
    assert go(run_of(*cast(), monitor)) == "finished"
    assert "plugin 'odd'" in caplog.text


@pytest.mark.parametrize("evidence", [math.nan, math.inf, object()], ids=["nan", "inf", "object"])
def test_evidence_that_is_not_json_does_not_end_the_run(run_of: RunOf, evidence: Any) -> None:
    class Odd(Player):
        @hookimpl
        def inspect_step(self) -> list[Finding]:
            return [Finding("warn", "strange", {"value": evidence})]

    assert go(run_of(*cast(), Odd())) == "finished"


def test_a_loss_that_is_not_finite_is_a_clear_error(run_of: RunOf, tmp_path: Path) -> None:
    backend, *others = cast()
    backend.gradient = math.inf
    with pytest.raises(PluginError, match=r"^step 1: grad_norm: expected a finite number, got inf$"):
        go(run_of(backend, *others))
    assert records(tmp_path / "run", "steps.jsonl") == []


# Errors and interruptions


def test_an_algorithm_that_returns_nothing_is_named(run_of: RunOf) -> None:
    class Forgetful(Player):
        @hookimpl
        def collect_batch(self) -> None:
            return None

    with pytest.raises(PluginError, match="forgetful"):
        go(run_of(ScriptedBackend(), Forgetful()))


def test_the_offending_group_is_kept(run_of: RunOf, tmp_path: Path) -> None:
    class Wild(Player):
        @hookimpl
        def score(self, group: Any) -> dict[str, list[float]]:
            return {"wild": [0.0, 2.0, 0.0]}

    kept = tmp_path / "run" / "offending_groups.jsonl"
    with pytest.raises(PluginError) as error:
        go(run_of(*cast(), Wild()))
    assert re.fullmatch(
        r"reward term 'wild' of plugin 'wild', rollout 1 of problem 'p\d': expected a raw number in \[-1, 1\], got 2.0 "
        rf"\(step 1, problem 'p\d'; the group is kept in {re.escape(str(kept))}\)",
        str(error.value),
    )
    [record] = RunDir(tmp_path / "run").read("offending_groups.jsonl")
    assert record["problem"]["id"] in str(error.value)
    assert len(record["rollouts"]) == 3
    assert record["rollouts"][0]["verdict"]["outcome"] in ("correct", "incorrect")


@pytest.mark.parametrize("hook", ["verify", "measure", "score", "advantages", "keep_group"])
def test_the_offending_group_is_kept_when_a_hook_raises(run_of: RunOf, tmp_path: Path, hook: str) -> None:
    def broken(self: Any, group: Any = None) -> None:
        raise ValueError("oh")

    broken.__name__ = hook
    backend, ask, judge, correct, mean, rl = cast()
    culprit = type("Culprit", (), {hook: hookimpl(broken)})()
    others = {"verify": [correct, mean], "advantages": [judge, correct]}.get(hook, [judge, correct, mean])
    text = rf"^plugin 'culprit' \(under test\) failed in {hook} at test_loop.py:\d+: ValueError: oh"
    with pytest.raises(PluginError, match=text):
        go(run_of(backend, ask, rl, *others, culprit))
    [record] = RunDir(tmp_path / "run").read("offending_groups.jsonl")
    assert record["rollouts"]


class Interrupt(Player):
    """A plugin that presses Ctrl-C once or twice in a hook of a step."""

    times, at = 1, 2

    @hookimpl
    def inspect_step(self, stats: Any) -> None:
        for _ in range(self.times if stats.step == self.at else 0):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_finishes_the_step_saves_and_can_go_on(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), directory="through", config={"run.steps": 4}))
    report, before = Report(), signal.getsignal(signal.SIGINT)
    assert go(run_of(*cast(), Interrupt(), report, config={"run.steps": 4})) == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    assert report.statuses == ["interrupted"]
    run = tmp_path / "run"
    assert RunDir(run).manifest()["status"] == "interrupted"
    assert [r["step"] for r in records(run, "steps.jsonl")] == [1, 2]
    assert [r["step"] for r in records(run, "checkpoints.jsonl")] == [2]
    assert go(run_of(*cast(), config={"run.steps": 4})) == "finished"
    weights = [records(tmp_path / d, "steps.jsonl")[-1]["metrics"] for d in ("run", "through")]
    assert weights[0] == weights[1]


def test_ctrl_c_during_an_evaluation_loses_nothing(run_of: RunOf, tmp_path: Path) -> None:
    class Press(Player):
        @hookimpl
        def report_eval(self, stats: Any) -> None:
            if stats.step == 2:
                signal.raise_signal(signal.SIGINT)

    sets, config = {"train": problems(), "held": problems(1)}, {"run.steps": 4, "evaluation.every": 2}
    go(run_of(*cast(), problems=sets, config=config, directory="through"))
    assert go(run_of(*cast(), Press(), problems=sets, config=config)) == "interrupted"
    assert go(run_of(*cast(), problems=sets, config=config)) == "finished"
    for name in ("steps.jsonl", "evals.jsonl"):
        assert records(tmp_path / "run", name) == records(tmp_path / "through", name)
    more = [r for r in records(tmp_path / "run", "checkpoints.jsonl") if r["step"] != 3]  # where it was interrupted
    assert more == records(tmp_path / "through", "checkpoints.jsonl")


def test_ctrl_c_in_the_last_step_is_a_finished_run(run_of: RunOf) -> None:
    assert go(run_of(*cast(), Interrupt())) == "finished"


def test_ctrl_c_twice_ends_it_at_once_and_closes_everything(run_of: RunOf, tmp_path: Path) -> None:
    report, before = Report(), signal.getsignal(signal.SIGINT)
    impatient = Interrupt()
    impatient.times = 2
    players = cast()
    with pytest.raises(KeyboardInterrupt):
        go(run_of(*players, impatient, report, config={"run.steps": 4}))
    assert players[0].closed == 1
    assert signal.getsignal(signal.SIGINT) is before
    assert [r["step"] for r in records(tmp_path / "run", "steps.jsonl")] == [1]
    assert go(run_of(*cast(), config={"run.steps": 4})) == "finished"


def test_ctrl_c_twice_is_recorded_as_an_interruption(run_of: RunOf, tmp_path: Path) -> None:
    report, impatient = Report(), Interrupt()
    impatient.times = 2
    with pytest.raises(KeyboardInterrupt):
        go(run_of(*cast(), impatient, report, config={"run.steps": 4}))
    assert RunDir(tmp_path / "run").manifest()["status"] == "interrupted"
    assert report.statuses == ["interrupted"]


@pytest.mark.parametrize(
    ("step", "every", "last", "at_end", "expected"),
    [(2, 2, 4, False, True), (4, 2, 4, False, False), (4, 2, 4, True, True), (3, 0, 4, True, False),
     (4, 0, 4, True, True), (1, 1, 4, False, True)],
)  # fmt: skip
def test_due(step: int, every: int, last: int, at_end: bool, expected: bool) -> None:
    assert due(step, every, last, at_end) is expected


@pytest.mark.parametrize(
    ("every", "at_start", "at_end", "expected"),
    [(0, True, True, [0, 5]), (0, False, True, [5]), (0, True, False, [0]), (2, True, True, [0, 2, 4, 5]),
     (5, False, False, []), (1, False, False, [1, 2, 3, 4])],
)  # fmt: skip
def test_evaluations_come_when_the_config_says(
    run_of: RunOf, tmp_path: Path, every: int, at_start: bool, at_end: bool, expected: list[int]
) -> None:
    config = {"run.steps": 5, "evaluation": {"every": every, "at_start": at_start, "at_end": at_end}}
    flat = {"run.steps": 5, **{f"evaluation.{k}": v for k, v in config["evaluation"].items()}}  # type: ignore[attr-defined]
    go(run_of(*cast(), problems={"train": problems(), "held": problems(2)}, config=flat))
    assert [r["step"] for r in records(tmp_path / "run", "evals.jsonl")] == expected


# Groups that could not be sampled


class Flaky(ScriptedBackend):
    """A backend that cannot sample the prompts in `broken`."""

    broken: tuple[str, ...] = ()

    def deliver_some(self, ready: list[Any]) -> None:
        for request, (future, samples) in zip(self.requests[-1], ready, strict=True):
            if self.decode(request.tokens) in self.broken:
                future.set_exception(SamplingError("the engine fell over"))
            else:
                future.set_result(samples)


def flaky(*broken: str) -> list[Any]:
    backend = Flaky()
    backend.broken, backend.deliver = broken, backend.deliver_some
    return [backend, *cast()[1:]]


def test_a_group_that_cannot_be_sampled_is_left_out_and_counted(
    run_of: RunOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    players = flaky("1+0=")
    players[-1].problems = 5
    go(run_of(*players, config={"run.steps": 1, "sampling.max_failed": 0.2}))
    [step] = records(tmp_path / "run", "steps.jsonl")
    assert (step["metrics"]["failed_groups"], step["metrics"]["rollouts"]) == (1.0, 12.0)
    trained = {"".join(map(chr, datum.inputs[:4])) for update in players[0].updates for datum in update.data}
    assert trained <= {"0+0=", "2+0=", "3+0=", "4+0="}, "never scored 0"
    assert "1 of 5 groups could not be sampled and are left out: the engine fell over" in caplog.text


def test_too_many_such_groups_end_the_run(run_of: RunOf) -> None:
    players = flaky("1+0=", "2+0=")
    players[-1].problems = 5
    text = r"^2 of 5 groups could not be sampled \(\[sampling\] max_failed = 0.2\); the first: the engine fell over$"
    with pytest.raises(PluginError, match=text):
        go(run_of(*players, config={"run.steps": 1, "sampling.max_failed": 0.2}))


def test_a_problem_that_cannot_be_sampled_is_left_out_of_its_evaluation(run_of: RunOf, tmp_path: Path) -> None:
    sets = {"train": problems(), "held": problems(5)}
    go(run_of(*flaky("1+0="), problems=sets, config={"run.steps": 0, "sampling.max_failed": 0.2}))
    [record] = records(tmp_path / "run", "evals.jsonl")
    assert record["settings"]["problems"] == 4


def test_a_failure_in_training_names_the_last_good_checkpoint(run_of: RunOf) -> None:
    class Fragile(ScriptedBackend):
        def optim_step(self, adam: Any) -> Any:
            future = super().optim_step(adam)
            if len(self.adams) == 4:
                broken: Future[Any] = Future()
                broken.set_exception(PluginError("out of memory"))
                return broken
            return future

    text = (
        r"^training failed at step 4: out of memory; the last good checkpoint is of step 2: "
        r"checkpoints/step_000002.json$"
    )
    with pytest.raises(PluginError, match=text):
        go(run_of(Fragile(), Sft(), config={"run.steps": 6, "checkpoints.every": 2}))


def test_a_failure_in_sampling_names_the_last_good_checkpoint(run_of: RunOf, tmp_path: Path) -> None:
    class Gone(ScriptedBackend):
        def sampler(self) -> Any:
            if len(self.adams) == 3:
                raise PluginError("no answer")
            return super().sampler()

    text = "no answer; the last good checkpoint is of step 2: checkpoints/step_000002.json"
    with pytest.raises(PluginError, match=f"^{text}$"):
        go(run_of(Gone(), Sft(), config={"run.steps": 6, "checkpoints.every": 2}))
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["error"] == f"PluginError: {text}"


# Checkpoints of all kinds


def test_a_rolling_checkpoint_is_replaced_by_the_next_one(run_of: RunOf, tmp_path: Path) -> None:
    backend = ScriptedBackend()
    config = {"run.steps": 7, "checkpoints.every": 4, "checkpoints.rolling": 1, "checkpoints.rolling_ttl_days": 0.5}
    go(run_of(backend, Sft(), config=config))
    rows = records(tmp_path / "run", "checkpoints.jsonl")
    assert [(r["step"], r["kind"]) for r in rows] == [
        (1, "rolling"), (2, "rolling"), (3, "rolling"), (4, "periodic"), (5, "rolling"), (6, "rolling"), (7, "final"),
    ]  # fmt: skip
    assert sorted(file.stem for file in (tmp_path / "run" / "checkpoints").iterdir()) == ["step_000004", "step_000007"]
    assert backend.ttls == [43200, 43200, 43200, None, 43200, 43200, None]
    assert all(("expires" in r) == (r["kind"] == "rolling") for r in rows)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["expires"])


def test_the_best_checkpoint_is_named(run_of: RunOf, tmp_path: Path) -> None:
    class Learner(ScriptedBackend):
        """A backend whose answers are right only at steps 2 and 3."""

        def sampler(self) -> Any:
            done = len(self.adams)
            self.respond = lambda prompt, index: str(int(prompt[0]) % 3) if done in (2, 3) else "no"
            return super().sampler()

    config = {"run.steps": 4, "evaluation.every": 1}
    sets = {"train": problems(), "held": problems(3)}
    go(run_of(Learner(), Ask(), Judge(), Sft(), problems=sets, config=config))
    rows = records(tmp_path / "run", "checkpoints.jsonl")
    assert [r["step"] for r in rows if r["kind"] == "best"] == [1, 2], "the earliest of equals"


# Money


def paid() -> list[Any]:
    players = cast()
    players[0].price = 0.01
    return players


def test_steps_and_evaluations_say_what_they_cost(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(*paid(), problems={"train": problems(), "held": problems(1)}, config={"run.steps": 2})
    go(run)
    rows = records(tmp_path / "run", "steps.jsonl") + records(tmp_path / "run", "evals.jsonl")
    assert [r["usd"] for r in rows] == pytest.approx([0.01 * sum(r["tokens"].values()) for r in rows])
    assert run.spent == pytest.approx(sum(r["usd"] for r in rows))
    assert run.spent > 1


def test_the_budget_stops_the_run_with_a_checkpoint_before_it_is_exceeded(run_of: RunOf, tmp_path: Path) -> None:
    report = Report()
    config = {"run.steps": 9, "run.budget_usd": 2.0}  # a step costs 0.66
    assert go(run_of(*paid(), report, config=config)) == "stopped"
    assert report.findings[-1].message == (
        "1.98 USD spent, a step costs 0.66: the next would exceed run.budget_usd = 2.0"
    )
    assert [r["step"] for r in records(tmp_path / "run", "checkpoints.jsonl")] == [3]


def test_a_budget_that_is_spent_is_not_overdrawn_by_resuming(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*paid(), config={"run.steps": 2, "checkpoints.every": 1}))
    here = tmp_path / "run" / "config.toml"
    for budget in (1.0, 1.5):  # a step costs 0.66
        text = f"1.32 USD spent, a step costs 0.66: the next would exceed run.budget_usd = {budget}"
        text += f"; raise it in {here}, then resume"
        with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
            go(run_of(*paid(), config={"run.steps": 4, "run.budget_usd": budget}))
    assert go(run_of(*paid(), config={"run.steps": 4, "run.budget_usd": 2.0})) == "stopped"


@pytest.mark.parametrize("at_start", [True, False])
def test_after_an_evaluation_that_goes_beyond_the_budget_no_step_follows(
    run_of: RunOf, tmp_path: Path, caplog: pytest.LogCaptureFixture, at_start: bool
) -> None:
    sets = {"train": problems(), "held": problems(40)}
    config = {"run.steps": 4, "run.budget_usd": 2.0, "evaluation.every": 1, "evaluation.at_start": at_start}
    assert go(run_of(*paid(), problems=sets, config=config)) == "stopped"
    assert [r["step"] for r in records(tmp_path / "run", "steps.jsonl")] == ([] if at_start else [1])
    assert [r["step"] for r in records(tmp_path / "run", "evals.jsonl")] == ([0] if at_start else [1])
    assert bool(records(tmp_path / "run", "checkpoints.jsonl")) == (not at_start)
    assert re.search(r"USD spent, a step costs 0.\d\d: the next would exceed run.budget_usd = 2.0$", caplog.text, re.M)


def test_what_was_set_aside_still_counts(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*paid(), config={"run.steps": 3, "checkpoints.every": 1}))
    (tmp_path / "run" / "checkpoints" / "step_000003.json").unlink()
    again = run_of(*paid(), config={"run.steps": 3, "checkpoints.every": 1})
    go(again)
    assert again.spent == pytest.approx(4 * 0.66), "step 3 was paid twice"


def test_a_budget_without_prices_is_refused(run_of: RunOf) -> None:
    text = r"^run.budget_usd is set, but the backend does not know what tokens cost: set its prices, or no budget$"
    with pytest.raises(PluginError, match=text):
        go(run_of(*cast(), config={"run.budget_usd": 1.0}))
