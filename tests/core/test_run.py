"""One run: opening, closing, roles, crediting, and what algorithms work with."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from justtinker_core import Group, PluginError, Prompt, Rollout, Verdict, hookimpl
from justtinker_core.checkpoints import checkpoint_of, located
from justtinker_core.enabling import open_plugins
from justtinker_core.grading import GroupError
from justtinker_core.loop import opened
from justtinker_core.loop.opening import Check, Say
from justtinker_core.run import Run
from justtinker_core.types import Reward
from tests.core.conftest import (
    Ask,
    Correct,
    Judge,
    Mean,
    Player,
    Report,
    Rl,
    RunOf,
    ScriptedBackend,
    Sft,
    cast,
    go,
    problems,
)  # fmt: skip


def raises(text: str) -> Any:
    return pytest.raises(PluginError, match=f"^{re.escape(text)}$")


def open_and_close(run: Run, checks: Sequence[Check] = (), say: Say = lambda what: None) -> None:
    with opened(run, checks, say):
        pass


# Opening and closing


def test_a_run_opens_everything_and_closes_it_again(run_of: RunOf) -> None:
    backend, report = ScriptedBackend(), Report()
    sets = {"train": problems(3), "held": problems(2)}
    with opened(run_of(backend, Ask(), Judge(), Sft(), report, problems=sets)) as run:
        assert run.backend is backend
        assert (len(run.train_problems), list(run.eval_problems)) == (3, ["held"])
        assert report.statuses == []
    assert backend.closed == 1
    assert report.statuses == ["failed"], "it was not finished"


def test_no_sampler_is_opened_before_one_is_needed(run_of: RunOf) -> None:
    backend = ScriptedBackend()
    with opened(run_of(backend, Sft())) as run:
        assert "sampler" not in backend.trace.calls
        assert run.sampler is run.sampler
    assert backend.trace.calls.count("sampler") == 1


def test_everything_is_closed_when_the_run_fails(run_of: RunOf) -> None:
    players, report = cast(), Report()
    players[0].fail["forward_backward"] = RuntimeError("out of memory")
    with pytest.raises(RuntimeError, match="out of memory"):
        go(run_of(*players, report))
    assert players[0].closed == 1
    assert report.statuses == ["failed"]


def test_everything_is_closed_when_a_reporter_fails_at_the_end(run_of: RunOf) -> None:
    class Broken(Player):
        @hookimpl
        def finish_run(self) -> None:
            raise ValueError

    players = cast()
    assert go(run_of(*players, Broken())) == "finished"
    assert players[0].closed == 1


def test_complaints_before_anything_is_spent_come_all_at_once(run_of: RunOf) -> None:
    class Fussy(Player):
        @hookimpl
        def preflight(self, run: Run) -> list[str]:
            assert run.backend
            assert run.train_problems
            return ["too small", "too slow"]

    class Calm(Player):
        @hookimpl
        def preflight(self) -> None:
            return None

    class Other(Player):
        @hookimpl
        def preflight(self) -> list[str]:
            return ["too dear"]

    players, report = cast(), Report()
    with raises("too small\ntoo slow\ntoo dear"):
        open_and_close(run_of(*players, Fussy(), Calm(), Other(), report))
    assert players[0].closed == 1
    assert report.statuses == ["failed"]
    assert "sampler" not in players[0].trace.calls


class Early(Player):
    """A plugin that records whether it could encode."""

    @hookimpl
    def preflight(self, run: Run) -> list[str]:
        return [f"ready: {run.ready}"]


class Unreachable(ScriptedBackend):
    """A backend whose plugin complains, as if its server did not answer."""

    @hookimpl
    def preflight(self, run: Run) -> list[str]:
        return ["no server answers"]


def full(run: Run) -> None:
    raise PluginError(f"the disk is full; ready: {run.ready}")


def test_data_plugins_and_the_callers_checks_complain_in_one_breath(run_of: RunOf) -> None:
    said: list[str] = []
    run = run_of(Early(), ScriptedBackend(), Ask(), Judge(), Sft(), problems={"train": problems(2), "held": []})
    with raises("[data.eval.held] listed gives no problem at all\nready: True\nthe disk is full; ready: True"):
        open_and_close(run, [full], said.append)
    assert len(run.train_problems) == 2, "one set that fails does not take the others along"
    assert said == [
        "opening the model scripted", "loading data.train (listed)", "loading data.eval.held (listed)",
        "checking what may prevent the run",
    ]  # fmt: skip


def test_a_backend_that_complains_is_named_before_data_is_loaded(run_of: RunOf) -> None:
    said: list[str] = []
    run = run_of(Early(), Unreachable(), Ask(), Judge(), Sft(), problems={"train": problems(2), "held": []})
    with raises("no server answers\nready: False\nthe disk is full; ready: False"):
        open_and_close(run, [full], said.append)
    assert (run.train_problems, run.eval_problems) == ((), {})
    assert said == ["opening the model scripted", "checking what may prevent the run"]


def test_plugins_asked_after_the_backend_know_whether_it_can_encode(run_of: RunOf) -> None:
    class Answers(ScriptedBackend):
        @hookimpl
        def preflight(self, run: Run) -> None:
            assert not run.ready

    for backend in (ScriptedBackend(), Answers()):
        with raises("ready: True"):
            open_and_close(run_of(Early(), backend, Sft(), directory=type(backend).__name__))

    class Raises(ScriptedBackend):
        @hookimpl
        def preflight(self, run: Run) -> None:
            raise OSError("socket")

    with pytest.raises(PluginError, match=r"failed in preflight .*OSError: socket\nready: False"):
        open_and_close(run_of(Early(), Raises(), Sft(), directory="raises"))


def test_without_a_backend_no_plugin_is_asked_but_the_callers_checks_are(run_of: RunOf) -> None:
    def check(run: Run) -> None:
        raise PluginError("the disk is full")

    backend = ScriptedBackend()
    backend.fail["open_backend"] = PluginError("no such model")
    run = run_of(Early(), backend, Sft())
    with raises("no such model\nthe disk is full"):
        open_and_close(run, [check])


def test_a_backend_that_does_not_open(run_of: RunOf) -> None:
    class Nobody(Player):
        @hookimpl
        def open_backend(self) -> None:
            return None

    report = Report()
    with raises("nobody returned None from open_backend"):
        open_and_close(run_of(Nobody(), Sft(), report))
    assert report.statuses == ["failed"]


def test_finish_run_is_called_when_data_cannot_be_loaded(run_of: RunOf) -> None:
    report = Report()
    with raises("[data.train] listed gives no problem at all"):
        open_and_close(run_of(ScriptedBackend(), Sft(), report, problems=[]))
    assert report.statuses == ["failed"]


# Roles


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (ScriptedBackend, "no active plugin implements open_backend, which every run needs; enable one of the"),
        (Rl, "no active plugin implements collect_batch, which training needs; enable one of the algorithms: grpo"),
        (Ask, "no active plugin implements build_prompt, which the algorithm 'rl' needs; enable one of the prompts: "),
        (Judge, "no active plugin implements verify, which the algorithm 'rl' needs; enable one of the verifiers: "),
        (Correct, "no active plugin implements score, which the algorithm 'rl' needs; enable one of the rewards: "),
        (Mean, "no active plugin implements advantages, which the algorithm 'rl' needs; enable one of the advantages"),
    ],
)  # fmt: skip
def test_a_role_without_a_plugin(run_of: RunOf, missing: type[Any], text: str) -> None:
    players = [player for player in cast() if not isinstance(player, missing)]
    with pytest.raises(PluginError, match=f"^{re.escape(text)}"):
        open_and_close(run_of(*players))


@pytest.mark.parametrize(
    ("doubled", "hook"), [(ScriptedBackend, "open_backend"), (Rl, "collect_batch"), (Mean, "advantages")]
)
def test_a_role_that_two_fill(run_of: RunOf, doubled: type[Any], hook: str) -> None:
    second = type("Second", (doubled,), {})()
    with raises(
        f"expected one plugin to implement {hook}, got {doubled.__name__.lower()} and second; "
        f"disable the others, e.g. with -p no:{doubled.__name__.lower()}"
    ):
        open_and_close(run_of(*cast(), second))


def test_sft_needs_no_verifier_without_evaluation(run_of: RunOf) -> None:
    assert go(run_of(ScriptedBackend(), Sft())) == "finished"


def test_an_evaluation_needs_a_verifier(run_of: RunOf) -> None:
    with pytest.raises(PluginError, match=r"^no active plugin implements verify, which the evaluation needs"):
        open_and_close(run_of(ScriptedBackend(), Ask(), Sft(), problems={"train": problems(), "held": problems()}))


def test_training_needs_data(run_of: RunOf) -> None:
    with raises("there is no table [data.train] to train on"):
        open_and_close(run_of(ScriptedBackend(), Ask(), Judge(), Sft(), problems={"held": problems()}))


def test_a_run_of_no_steps_needs_no_algorithm(run_of: RunOf) -> None:
    run = run_of(ScriptedBackend(), Ask(), Judge(), problems={"held": problems()}, config={"run.steps": 0})
    assert go(run) == "finished"


def test_only_what_is_enabled_is_imported(run_of: RunOf) -> None:
    assert list(open_plugins(run_of().config).active) == ["listed"]


# Crediting


def group(*outcomes: Any) -> Group:
    n = len(outcomes)
    rollouts = (Rollout((1, 2), (0.0, 0.0), (True, True), "x"),) * n
    verdicts = tuple(Verdict(o, reason="worker died" if o == "unscored" else "") for o in outcomes)
    rewards = tuple(Reward({"correct": float(o == "correct")}, {"correct": 1.0}) for o in outcomes)
    return Group(1, 0, problems()[0], Prompt(), rollouts, verdicts, {}, rewards)


class Advantage(Player):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer, self.seen = answer, 0

    @hookimpl
    def advantages(self, group: Group) -> Any:
        self.seen = len(group.rollouts)
        return self.answer(group) if callable(self.answer) else self.answer


def credited(run_of: RunOf, *players: Any, group: Group, unscored: str = "drop") -> Group:
    return run_of(*players, config={"run.unscored": unscored}).credit(group)


def test_unscored_rollouts_leave_before_advantages(run_of: RunOf) -> None:
    some = credited(run_of, Mean(), group=group("correct", "unscored", "incorrect"))
    assert some.advantages == (0.5, None, -0.5)
    assert len(some.rollouts) == 3


def test_unscored_rollouts_may_count_as_zero(run_of: RunOf) -> None:
    some = credited(run_of, Mean(), group=group("correct", "unscored"), unscored="zero")
    assert some.advantages == (0.5, -0.5)


def test_unscored_rollouts_may_end_the_run(run_of: RunOf) -> None:
    text = "problem 'p0' was not graded (worker died); run.unscored = 'abort'"
    with pytest.raises(GroupError, match=f"^{re.escape(text)}$") as error:
        credited(run_of, Mean(), group=group("correct", "unscored"), unscored="abort")
    assert len(error.value.group.rollouts) == 2
    assert credited(run_of, Mean(), group=group("correct"), unscored="abort").advantages == (0.0,)


def test_nothing_scored_is_not_asked(run_of: RunOf) -> None:
    asked = Advantage([])
    assert credited(run_of, asked, group=group("unscored", "unscored")).advantages == (None, None)
    assert asked.seen == 0


@pytest.mark.parametrize("answer", [(0.5, -0.5), np.array([0.5, -0.5]), np.array([0.5, -0.5], "f4"), iter([0.5, -0.5])])
def test_numbers_of_all_sorts(run_of: RunOf, answer: Any) -> None:
    some = credited(run_of, Advantage(answer), group=group("correct", "incorrect"))
    assert some.advantages == (0.5, -0.5)
    assert all(type(a) is float for a in some.advantages)


def test_one_number_a_token(run_of: RunOf) -> None:
    some = credited(run_of, Advantage([(0.5, 1), (-0.5, 0)]), group=group("correct", "incorrect"))
    assert some.advantages == ((0.5, 1.0), (-0.5, 0.0))


def test_one_number_for_each_token(run_of: RunOf) -> None:
    with pytest.raises(PluginError, match="advantage"):
        credited(run_of, Advantage([(0.5, 1.0, 2.0), (0.0, 0.0)]), group=group("correct", "incorrect"))


@pytest.mark.parametrize("answer", [[0.5], [0.5] * 3, []])
def test_a_wrong_number_of_advantages(run_of: RunOf, answer: Any) -> None:
    with pytest.raises(GroupError, match=f"^plugin 'advantage' gives {len(answer)} advantages for 2 rollouts$"):
        credited(run_of, Advantage(answer), group=group("correct", "incorrect"))


@pytest.mark.parametrize("value", [math.nan, math.inf, "x", (math.nan, 0.0)])
def test_advantages_are_finite_numbers(run_of: RunOf, value: Any) -> None:
    with pytest.raises(GroupError, match=r": expected a finite number, got (nan|inf|'x')$"):
        credited(run_of, Advantage([0.0, value]), group=group("correct", "incorrect"))


@pytest.mark.parametrize("answer", [None, 3.0])
def test_no_advantages_at_all(run_of: RunOf, answer: Any) -> None:
    with pytest.raises(PluginError, match="advantage"):
        credited(run_of, Advantage(answer), group=group("correct", "incorrect"))


@pytest.mark.parametrize(
    ("answers", "kept"),
    [((True, True), True), ((None, None), True), ((True, False), False), ((False, None), False), ((0, 1), True)],
)  # fmt: skip
def test_any_false_drops_a_group(run_of: RunOf, answers: tuple[Any, Any], kept: bool) -> None:
    class Keep(Player):
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        @hookimpl
        def keep_group(self, group: Group) -> Any:
            assert group.advantages == (0.5, -0.5)
            return self.answer

    first, second = (type(f"K{i}", (Keep,), {})(answer) for i, answer in enumerate(answers))
    assert credited(run_of, Mean(), first, second, group=group("correct", "incorrect")).kept is kept


def test_a_dropped_group_is_not_trained_but_counts(run_of: RunOf, tmp_path: Path) -> None:
    class Drop(Player):
        @hookimpl
        def keep_group(self) -> bool:
            return False

    players, report = cast(), Report()
    go(run_of(*players, Drop(), report))
    assert players[0].updates == []
    assert all(s.metrics["rollouts"] == 6 and s.metrics["trained"] == 0 for s in report.steps)


# What it counts


def test_tokens_are_counted(run_of: RunOf) -> None:
    report = Report()
    go(run_of(*cast(), report, problems={"train": problems(), "held": problems(3)}))
    # 2 prompts of 4 characters, each read 3 times; 6 responses of a digit and the end; 6 sequences of 4 + 2 - 1 places
    expected = {"prefill": 8, "cached_prefill": 16, "sampled": 12, "trained": 30}
    assert [s.tokens for s in report.steps] == [expected] * 2


def test_the_record_names_the_versions(run_of: RunOf) -> None:
    run = run_of(*cast())
    versions = run.versions()
    assert versions["plugins"]["rl"] == "under test"  # type: ignore[index]
    assert {"python", "platform"} <= set(versions)
    go(run)
    assert run.files.manifest()["plugins"] == versions["plugins"]


# Where weights come from


def test_checkpoint_of(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(*cast(), directory="1-a")
    go(run)
    (tmp_path / "2-b").mkdir()
    saved = tmp_path / "1-a" / "checkpoints" / "step_000002.json"
    assert checkpoint_of("../1-a", tmp_path / "2-b") == str(saved), "relative to the run"
    assert checkpoint_of(str(tmp_path / "1-a"), Path("elsewhere")) == str(saved)
    assert checkpoint_of(str(saved), Path("elsewhere")) == str(saved)
    assert checkpoint_of("tinker://x/y", tmp_path) == "tinker://x/y"


def test_checkpoint_of_the_working_directory(run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(run_of(*cast(), directory="1-a"))
    monkeypatch.chdir(tmp_path)
    assert checkpoint_of("1-a", tmp_path / "elsewhere").endswith("1-a/checkpoints/step_000002.json")


def test_a_run_directory_may_move(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), directory="a", config={"run.steps": 1}))
    (tmp_path / "a").rename(tmp_path / "b")
    trace = cast()[0].trace
    players = cast(trace)
    go(run_of(*players, directory="b"))
    assert "restore step_000001" in trace.calls


def test_located() -> None:
    assert located("checkpoints/x", Path("/run")) == "/run/checkpoints/x"
    assert located("/abs/x", Path("/run")) == "/abs/x"
    assert located("tinker://x", Path("/run")) == "tinker://x"


def test_groups_are_replaced_not_changed(run_of: RunOf) -> None:
    before = group("correct", "incorrect")
    copy = replace(before)
    credited(run_of, Mean(), group=before)
    assert before == copy


# Problems that plugins drop


class Drop:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def drop_problems(self, run: Run) -> Any:
        return self.answer


def test_dropped_problems_are_counted_and_not_trained(run_of: RunOf) -> None:
    with opened(run_of(ScriptedBackend(), Sft(), Drop({"p1": "dull", "p3": "dull"}))) as run:
        assert [p.id for p in run.train_problems] == ["p0", "p2", "p4"]
        assert run.skipped == {"data.train": {"dull": 2}}
    with opened(run_of(ScriptedBackend(), Sft(), Drop(None))) as run:
        assert len(run.train_problems) == 5


def test_only_training_problems_can_be_dropped(run_of: RunOf) -> None:
    with raises("plugin 'drop' drops 'q', which is not a training problem"):
        open_and_close(run_of(ScriptedBackend(), Sft(), Drop({"q": "dull"})))
