"""Draws by the running pass rate: their weights, and above all that a resumed run draws what the first one did."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, History, PluginError, Problem, Prompt, StepStats, Verdict, hookimpl
from justtinker_core.rundir import RunDir
from justtinker_core.testing import Runner, make_problem
from justtinker_core.testing._running import Done
from justtinker_core.types import Outcome, Rollout
from justtinker_plugins.algorithms.sft import Sft
from justtinker_plugins.curricula.curriculum import (
    Curriculum,
    Outcomes,
    ordered,
    pass_rates,
    probabilities,
    recorded,
)

RATES = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=30)
SHARES = st.floats(0, 1)
PROBLEMS = [make_problem(f"{n}+0=?", str(n % 10), id=f"p{n}", meta={"level": n % 3}) for n in range(12)]


def run_at(
    folder: Path, steps: int = 0, problems: Sequence[Problem] = PROBLEMS, seed: int = 0, rollouts: float = 4
) -> Any:
    """What the plugin uses of a run whose records end after so many steps."""
    history = History(tuple(StepStats(step, {"rollouts": rollouts}) for step in range(1, steps + 1)))
    config = SimpleNamespace(run=SimpleNamespace(seed=seed))
    return SimpleNamespace(config=config, dir=folder, train_problems=tuple(problems), history=history)


def group_of(problem: Problem, outcomes: Sequence[Outcome], step: int = 1) -> Group:
    rollouts = tuple(Rollout((1,), (0.0,), (True,), "x") for _ in outcomes)
    return Group(step, 0, problem, Prompt(), rollouts, tuple(Verdict(outcome) for outcome in outcomes))


def taught(curriculum: Curriculum, steps: Sequence[Mapping[str, Sequence[Outcome]]]) -> Curriculum:
    """Show the plugin steps, given as outcomes by problem id."""
    known = {problem.id: problem for problem in PROBLEMS}
    for number, step in enumerate(steps, 1):
        groups = [group_of(known[name], outcomes, number) for name, outcomes in step.items()]
        curriculum.inspect_step(StepStats(number, {}), groups)
    return curriculum


def ids(problems: Sequence[Problem]) -> list[str]:
    return [problem.id for problem in problems]


# Weights


@given(RATES, SHARES)
def test_probabilities(rates: list[float], explore: float) -> None:
    found = probabilities(np.array(rates), explore)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= explore / len(rates) * (1 - 1e-12)
    assert found.max() <= explore / len(rates) + 1 - explore + 1e-12
    weights = [p * (1 - p) for p in rates]
    expected = [explore / len(rates) + (1 - explore) * w / sum(weights) for w in weights]
    assert found == pytest.approx(expected)


@given(RATES, st.floats(0, 0.9))
def test_the_nearer_to_a_half_the_more(rates: list[float], explore: float) -> None:
    by_distance = sorted(range(len(rates)), key=lambda i: abs(rates[i] - 0.5))
    found = probabilities(np.array(rates), explore)
    assert all(found[a] >= found[b] - 1e-12 for a, b in pairwise(by_distance))


@pytest.mark.parametrize(
    ("outcomes", "rate"),
    [([], 1 / 2), ([Outcomes(0, 8)], 1 / 18), ([Outcomes(8, 8)], 17 / 18), ([Outcomes(1, 4)], 3 / 10)],
)
def test_a_rate_begins_at_a_half(outcomes: list[Outcomes], rate: float) -> None:
    assert pass_rates([{"a": o} for o in outcomes], {"a": "a"}, 4.0) == pytest.approx([rate])


@given(st.lists(st.integers(0, 4), max_size=12), st.floats(0.5, 20))
def test_an_outcome_counts_half_after_so_many_visits(correct: list[int], memory: float) -> None:
    ages = range(len(correct) - 1, -1, -1)
    right = sum(c * 0.5 ** (age / memory) for c, age in zip(correct, ages, strict=True))
    graded = sum(4 * 0.5 ** (age / memory) for age in ages)
    steps = [{"a": Outcomes(c, 4)} for c in correct]
    assert pass_rates(steps, {"a": "a"}, memory) == pytest.approx([(0.5 + right) / (1 + graded)])


def test_only_own_visits_make_old() -> None:
    keys = {"a": "a", "b": "b"}
    steps = [{"a": Outcomes(4, 4)}, *[{"b": Outcomes(0, 4)}] * 9]
    assert pass_rates(steps, keys, 1.0)[0] == pytest.approx(9 / 10)


def test_problems_of_one_key_share_a_rate() -> None:
    keys = {"a": "easy", "b": "easy", "c": "hard"}
    found = pass_rates([{"a": Outcomes(4, 4), "b": Outcomes(2, 4), "gone": Outcomes(0, 4)}], keys, 4.0)
    assert found == pytest.approx([13 / 18, 13 / 18, 1 / 2])


def test_an_order_has_the_chances_of_draws_without_replacement() -> None:
    rng, counts = np.random.default_rng(0), Counter[tuple[int, ...]]()
    for _ in range(20_000):
        counts[tuple(ordered(np.array([0.6, 0.3, 0.1]), rng))] += 1
    assert counts[0, 1, 2] / 20_000 == pytest.approx(0.6 * 0.3 / 0.4, abs=0.015)
    assert counts[2, 1, 0] / 20_000 == pytest.approx(0.1 * 0.3 / 0.9, abs=0.005)
    assert sum(n for order, n in counts.items() if order[0] == 1) / 20_000 == pytest.approx(0.3, abs=0.015)


# Draws


def test_half_solved_problems_are_drawn_more_often(tmp_path: Path) -> None:
    step: dict[str, list[Outcome]] = {p.id: ["incorrect"] * 8 for p in PROBLEMS}
    step |= {"p0": ["correct"] * 4 + ["incorrect"] * 4, "p1": ["correct"] * 8}
    curriculum = taught(Curriculum(explore=0.1), [step] * 6)
    counts = Counter(
        ids(curriculum.draw_problems(100 + s, 1, (), run_at(tmp_path, 6)))[0] for s in range(1000)
    )  # fmt: skip
    rates = pass_rates([{n: Outcomes(o.count("correct"), 8) for n, o in step.items()}] * 6, {n: n for n in step}, 4.0)
    expected = 1000 * probabilities(rates, 0.1)
    assert expected[0] > 5 * expected[1]
    for i, problem in enumerate(PROBLEMS):
        assert abs(counts[problem.id] - expected[i]) < 5 * expected[i] ** 0.5, problem.id


def test_unscored_rollouts_do_not_count(tmp_path: Path) -> None:
    outcomes: list[Outcome] = ["correct", "unscored", "incorrect", "unscored"]
    some = taught(Curriculum(), [{"p0": outcomes, "p1": ["unscored"] * 4}])
    assert some._steps == {1: {"p0": Outcomes(1, 2)}}


@given(st.integers(0, 5), st.integers(1, 12), st.integers(1, 99), SHARES)
def test_no_problem_comes_twice_in_a_step(seed: int, n: int, step: int, explore: float) -> None:
    curriculum, run = Curriculum(explore=explore), run_at(Path(), seed=seed)
    first = curriculum.draw_problems(step, n, (), run)
    assert len({*ids(first)}) == len(first) == n
    more = curriculum.draw_problems(step, len(PROBLEMS) - n, first, run)
    assert {*ids(first), *ids(more)} == {*ids(PROBLEMS)}


def test_more_than_there_are_begins_again(tmp_path: Path) -> None:
    curriculum, run = Curriculum(), run_at(tmp_path)
    drawn = ids(curriculum.draw_problems(1, 29, (), run))
    assert len({*drawn[:12]}) == len({*drawn[12:24]}) == 12
    assert len(drawn) == 29
    assert len({*ids(curriculum.draw_problems(1, 5, PROBLEMS, run))}) == 5, "none is left, so all are"
    assert PROBLEMS[3] == curriculum.draw_problems(1, 2, [*PROBLEMS[:3], *PROBLEMS[4:]], run)[0]


def test_step_seed_and_round_decide(tmp_path: Path) -> None:
    curriculum = Curriculum()

    def drawn(step: int = 1, seed: int = 0, before: Sequence[Problem] = ()) -> list[str]:
        return ids(curriculum.draw_problems(step, 8, before, run_at(tmp_path, seed=seed)))

    assert drawn() == drawn()
    assert len({tuple(drawn()), tuple(drawn(step=2)), tuple(drawn(seed=1))}) == 3
    assert drawn(before=PROBLEMS[:1]) != [name for name in drawn() if name != "p0"]


def test_only_what_is_in_the_history_counts(tmp_path: Path) -> None:
    """An algorithm that works ahead asks for a later step; what was seen since the records end must not matter."""
    steps: list[dict[str, list[Outcome]]] = [{"p0": ["incorrect"] * 8}, {"p1": ["correct"] * 8}] * 5
    knows_more, knows_less = taught(Curriculum(explore=0), steps), taught(Curriculum(explore=0), steps[:4])
    for step in range(5, 30):
        run = run_at(tmp_path, 4)
        assert knows_more.draw_problems(step, 6, (), run) == knows_less.draw_problems(step, 6, (), run)


def test_a_later_record_changes_the_draw(tmp_path: Path) -> None:
    curriculum = taught(Curriculum(explore=0), [{f"p{n}": ["incorrect"] * 8 for n in range(6)}] * 9)
    before, after = (
        Counter(i for s in range(300) for i in ids(curriculum.draw_problems(s, 4, (), run_at(tmp_path, known))))
        for known in (0, 9)
    )
    old, new = (sum(counts[f"p{n}"] for n in range(6)) for counts in (before, after))
    assert 540 < old < 660, "half of 1200 while nothing is known"
    assert new < 120


# Records


def test_memory_and_files_say_the_same(tmp_path: Path) -> None:
    groups = [
        group_of(PROBLEMS[0], ["correct", "incorrect", "unscored"]),
        group_of(PROBLEMS[1], ["incorrect"] * 3),
        group_of(PROBLEMS[0], ["correct"] * 2),
        group_of(PROBLEMS[2], ["unscored"]),
        Group(1, 4, PROBLEMS[3], Prompt(), (Rollout((1,), (0.0,), (True,), "nobody asked a verifier"),)),
    ]
    RunDir(tmp_path).write_groups("step_000001", groups)
    curriculum = Curriculum()
    curriculum.inspect_step(StepStats(1, {}), groups)
    assert recorded(tmp_path / "rollouts" / "step_000001.jsonl.zst") == curriculum._steps[1]
    assert curriculum._steps[1] == {"p0": Outcomes(3, 4), "p1": Outcomes(0, 3)}


def test_a_step_without_a_file_is_no_error_but_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(Curriculum().draw_problems(2, 4, (), run_at(tmp_path, 1, rollouts=0))) == 4
        assert caplog.text == "", "a step without groups has no file"
        assert len(Curriculum().draw_problems(2, 4, (), run_at(tmp_path, 1))) == 4
    file = tmp_path / "rollouts" / "step_000001.jsonl.zst"
    assert caplog.messages == [f"curriculum: {file} is gone, so pass rates do without step 1"]


# In a run


def respond(prompt: str, index: int) -> str:
    """Problem 0 is solved half of the time, 1 always, all others never."""
    return {"0": "0" if index % 2 else "no", "1": "1"}.get(prompt.partition("+")[0], "no")


def sampled(done: Done) -> dict[int, list[str]]:
    """The problems of each step, as the records have them."""
    found: dict[int, list[str]] = {}
    for group in done.groups:
        found.setdefault(group.step, []).append(group.problem.id)
    return found


def test_a_resumed_run_draws_the_same(run_with: Runner) -> None:
    given_to_all: dict[str, Any] = {"problems": PROBLEMS, "respond": respond}
    config = {"checkpoints.every": 1, "plugins.curriculum.explore": 0.1}
    whole = sampled(run_with(Curriculum, steps=9, config=config, **given_to_all))
    assert sorted(whole) == list(range(1, 10))
    first = run_with(Curriculum, steps=5, config=config, directory="resumed", **given_to_all)
    then = run_with(Curriculum, steps=9, config=config, directory="resumed", **given_to_all)
    assert sampled(first) | sampled(then) == whole
    assert sorted(sampled(then)) == [6, 7, 8, 9]


def test_a_killed_run_draws_the_same(run_with: Runner) -> None:
    """It dies after step 5, of which the last checkpoint, that of step 4, knows nothing."""

    class Crash:
        @hookimpl
        def keep_group(self, group: Group) -> None:
            if group.step == 6:
                raise RuntimeError("killed")

    given_to_all: dict[str, Any] = {"steps": 8, "problems": PROBLEMS, "respond": respond}
    config = {"checkpoints.every": 2}
    whole = sampled(run_with(Curriculum, config=config, **given_to_all))
    with pytest.raises(PluginError, match="killed"):
        run_with(Curriculum, Crash, config=config, directory="killed", **given_to_all)
    done = run_with(Curriculum, config=config, directory="killed", **given_to_all)
    assert (done.dir / "set_aside_1" / "step_000005.jsonl.zst").exists()
    assert sampled(done) == {step: drawn for step, drawn in whole.items() if step > 4}


def test_a_run_prefers_what_is_solved_half_of_the_time(run_with: Runner) -> None:
    config = {"plugins.curriculum.explore": 0.1}
    done = run_with(Curriculum, steps=60, problems=PROBLEMS, respond=respond, config=config)
    late = Counter(name for step, drawn in sampled(done).items() if step > 30 for name in drawn)
    assert late["p0"] > 24, "of 30 steps"
    assert max(late[f"p{n}"] for n in range(1, 12)) < 15


def test_rates_by_a_key_of_the_metadata(run_with: Runner) -> None:
    """Level 0 is solved half of the time, the others never: in time a step is mostly of level 0."""

    def solve(prompt: str, index: int) -> str:
        number = int(prompt.partition("+")[0])
        return str(number % 10) if number % 3 == 0 and index % 2 else "no"

    config = {"plugins.curriculum.by": "level", "plugins.curriculum.explore": 0.0}
    done = run_with(Curriculum, steps=30, problems=PROBLEMS, respond=solve, config=config)
    levels = Counter(group.problem.meta["level"] for group in done.groups if group.step > 20)
    assert levels[0] > 2 * (levels[1] + levels[2])


def test_a_misspelt_key(run_with: Runner) -> None:
    with pytest.raises(PluginError) as error:
        run_with(Curriculum, problems=PROBLEMS, config={"plugins.curriculum.by": "levle"})
    assert str(error.value) == (
        "[plugins.curriculum] by = 'levle': expected a key of every training problem's meta; 12 of 12 have none, the "
        "first is problem 'p0'; did you mean 'level'?"
    )
    some = [*PROBLEMS, make_problem("1+1=?", "2", id="bare")]
    with pytest.raises(PluginError, match=r"1 of 13 have none, the first is problem 'bare'; there are none$"):
        run_with(Curriculum, problems=some, config={"plugins.curriculum.by": "level"})


@pytest.mark.parametrize(
    ("option", "value", "bound"),
    [
        ("explore", 1.5, "less than or equal to 1"),
        ("explore", -0.1, "greater than or equal to 0"),
        ("memory", 0.0, "greater than 0"),
    ],
)
def test_options_out_of_bounds(run_with: Runner, option: str, value: float, bound: str) -> None:
    with pytest.raises(PluginError, match=rf"^\[plugins.curriculum\] {option} = {value}: input should be {bound}$"):
        run_with(Curriculum, config={f"plugins.curriculum.{option}": value})


def test_an_algorithm_that_draws_by_itself_is_named(run_with: Runner, caplog: pytest.LogCaptureFixture) -> None:
    run_with(Sft(batch_size=1, require_thinking=False), Curriculum(), steps=2)
    said = [r.getMessage() for r in caplog.records if "does nothing" in r.getMessage()]
    assert said == ["plugin 'curriculum' does nothing: algorithm 'sft' does not ask which problems to draw"]
