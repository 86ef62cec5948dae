from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict
from justtinker_core.evaluation.stats import summarise
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats
from justtinker_plugins.commands.compare import paired_interval
from tests.core.conftest import cli


def recorded(
    where: Path,
    right: dict[str, list[bool]],
    step: int = 0,
    name: str = "held",
    question: str = "?",
    answers: bool = False,
    **settings: object,
) -> Path:
    """Record an evaluation as the core does; `right` says which samples of each problem are right."""
    files = RunDir(where) if where.exists() else RunDir.create(where, "")
    groups = []
    for number, (problem, row) in enumerate(right.items()):
        rollouts = tuple(Rollout((1,) * 5, (0.0,) * 5, (True,) * 5, "x", not r) for r in row)
        given = ("right", "wrong") if answers else (None, None)
        verdicts = tuple(Verdict("correct", given[0]) if r else Verdict("incorrect", given[1]) for r in row)
        measures = {"thinking_rate": (1.0,) * len(row), "letters": (float(step),) * len(row)}
        groups.append(Group(step, number, Problem(problem, question), Prompt(), rollouts, verdicts, measures))
    metrics, intervals = summarise(groups)
    described = {"problems": len(groups), "samples": len(row), "temperature": 0.7, "seed": 0, **settings}
    files.write_groups(f"eval_{name}_{step:06d}", groups)
    files.append("evals.jsonl", asdict(EvalStats(step, name, metrics, intervals, described)))
    return where


def test_the_gain_of_b_problem_by_problem(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {f"p{i}": [i < 10] for i in range(40)})
    b = recorded(tmp_path / "b", {f"p{i}": [i < 30 and i != 0] for i in range(40)}, step=50)
    result = cli("compare", a, b)
    assert result.exit_code == 0, result.output
    head, of_a, of_b, _, accuracy, truncated, tokens, thinking, letters, _, *conclusion = result.output.splitlines()[
        :12
    ]
    assert head == "held, 40 problems"
    assert (of_a, of_b) == (f"A: {a}, step 0, 1 per problem", f"B: {b}, step 50, 1 per problem")
    _, low, high = paired_interval([-1.0] + [0.0] * 19 + [1.0] * 20, 2)
    assert accuracy.split() == [
        "accuracy", "25.0", "72.5", "+47.5", f"{low * 100:+.1f}", "to", f"{high * 100:+.1f}"
    ]  # fmt: skip
    assert truncated.split()[:4] == ["truncated_rate", "75.0", "27.5", "-47.5"]
    assert tokens.split() == ["tokens", "5", "5", "+0", "+0", "to", "+0"]
    assert thinking.split()[:4] == ["thinking_rate", "100.0", "100.0", "+0.0"]
    assert letters.split()[:4] == ["letters", "0", "50", "+50"]
    assert conclusion == ["B is better than A.", "B does better on 20 problems, worse on 1, equally well on 19."]


def test_two_steps_of_a_run_and_a_single_set(tmp_path: Path) -> None:
    for step, right in ((0, [False, False]), (4, [True, False]), (8, [True, True])):
        for name in ("held", "other"):
            recorded(tmp_path / "run", {f"p{i}": right for i in range(30)}, step=step, name=name)
    result = cli("compare", f"{tmp_path}/run@0", tmp_path / "run", "--data", "other")
    assert "held" not in result.output
    assert "step 8, 2 per problem" in result.output
    assert "pass@2" in result.output
    result = cli("compare", f"{tmp_path}/run@0", f"{tmp_path}/run@4")
    assert "other, 30 problems" in result.output
    assert "held, 30 problems" in result.output


def test_a_measure_that_the_first_problem_lacks_is_compared_too(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {"p1": [True], "p2": [False]}, step=3)
    file = "eval_held_000003"
    groups = [
        json.loads(line)
        for line in zstandard.decompress((a / "rollouts" / f"{file}.jsonl.zst").read_bytes()).splitlines()
    ]
    del groups[0]["rollouts"][0]["measures"]["letters"]
    text = "".join(json.dumps(group) + "\n" for group in groups)
    (a / "rollouts" / f"{file}.jsonl.zst").write_bytes(zstandard.compress(text.encode()))
    assert "\nletters " in cli("compare", a, a).output


def rows_of(output: str) -> dict[str, list[str]]:
    """Return the cells of the table by row."""
    return {cells[0]: cells[1:] for line in output.splitlines() if (cells := line.split())}


def test_a_vote_needs_as_many_samples_on_both_sides(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {f"p{i}": [True, False, False] for i in range(20)}, answers=True)
    b = recorded(tmp_path / "b", {f"p{i}": [True, True, i < 5] for i in range(20)}, answers=True)
    rows = rows_of(cli("compare", a, b).output)
    assert rows["pass@3"][:3] == ["100.0", "100.0", "+0.0"]
    assert rows["majority@3"][:3] == ["0.0", "100.0", "+100.0"]
    more = recorded(tmp_path / "more", {f"p{i}": [True] * 5 for i in range(20)}, answers=True)
    output = cli("compare", a, more).output
    assert "pass@3" in output
    assert "majority" not in output, "three votes are not five"


def test_rows_of_zeros_are_left_out(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {f"p{i}": [True] for i in range(20)})
    b = recorded(tmp_path / "b", {f"p{i}": [True] for i in range(20)})
    assert list(rows_of(cli("compare", a, b).output))[4:7] == ["accuracy", "tokens", "thinking_rate"]
    wrong = recorded(tmp_path / "c", {f"p{i}": [False] for i in range(20)})
    assert list(rows_of(cli("compare", wrong, wrong).output))[4:6] == ["accuracy", "truncated_rate"]


def test_a_difference_that_may_be_chance(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {f"p{i}": [i % 2 == 0] for i in range(30)})
    b = recorded(tmp_path / "b", {f"p{i}": [i % 3 == 0] for i in range(30)})
    conclusion = (
        "The difference in accuracy may be chance.\nB does better on 5 problems, worse on 10, equally well on 15."
    )
    assert conclusion in cli("compare", a, b).output


def test_other_problems_and_settings_are_noted(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {f"p{i}": [True] for i in range(5)}, temperature=0.7)
    b = recorded(tmp_path / "b", {f"p{i}": [True] for i in range(2, 12)}, temperature=1.0)
    output = cli("compare", a, b).output
    assert "compares only the 3 problems in both; A has 5, B has 10" in output
    assert "sampled differently: temperature is 0.7 in A and 1.0 in B" in output
    assert "seed" not in output


def test_an_id_with_another_question_is_another_problem(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {"p1": [True]}, question="1+1?")
    b = recorded(tmp_path / "b", {"p1": [True]}, question="2+2?")
    assert cli("compare", a, b).output == "Error: held: no problem has the same id and question in A and B\n"


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a", {"p": [True]})
    other = recorded(tmp_path / "b", {"p": [True]}, name="other")
    empty = tmp_path / "empty"
    RunDir.create(empty, "")
    for left, right, options, text in (
        (
            a,
            tmp_path / "no",
            (),
            f"expected the directory of a run or an evaluation, or DIR@STEP, got '{tmp_path}/no'",
        ),
        (a, f"{a}@x", (), f"expected the directory of a run or an evaluation, or DIR@STEP, got '{a}@x'"),
        (a, f"{a}@7", (), f"{a} has no evaluation of step 7; it has 0"),
        (a, empty, (), f"{empty} holds no evaluation yet"),
        (a, other, (), "A and B have no set in common: A has held; B has other"),
        (a, a, ("--data", "hold"), f"{a} has no evaluation of 'hold'; did you mean 'held'?"),
    ):
        result = cli("compare", left, right, *options)
        assert (result.exit_code, result.output) == (1, f"Error: {text}\n")
    (a / "rollouts" / "eval_held_000000.jsonl.zst").write_bytes(b"no")
    assert "the rollouts of held at step 0 cannot be read: " in cli("compare", a, a).output


def test_with_one_sample_it_is_the_interval_of_agresti_and_min() -> None:
    """It equals their adjusted Wald interval, from the table of pairs with 0.5 added to each cell."""
    better, worse, n = 20, 1, 40
    b, c, total = better + 0.5, worse + 0.5, n + 2
    centre = (b - c) / total
    half = 1.959964 * np.sqrt(((b + c) - (b - c) ** 2 / total) / total**2 * n / (n - 1))
    gain, low, high = paired_interval([1.0] * better + [-1.0] * worse + [0.0] * (n - better - worse), 2)
    assert gain == pytest.approx(19 / 40)
    assert (low, high) == pytest.approx((centre - half, centre + half))


@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=30), st.sampled_from([0.25, 1.0, 2.0])
)
def test_swapping_a_and_b_mirrors_the_interval(differences: list[float], weight: float) -> None:
    gain, low, high = paired_interval(differences, weight)
    assert -1 <= low <= high <= 1
    assert paired_interval([-d for d in differences], weight) == pytest.approx((-gain, -high, -low))


@pytest.mark.parametrize(("n", "k"), [(30, 1), (30, 8), (200, 4)])
@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_the_interval_covers_the_truth_as_often_as_it_claims(n: int, k: int, gain: float) -> None:
    """Problems of all difficulties; B solves a share `gain` of what A fails."""
    rng, times = np.random.default_rng(3), 800
    truth = gain * (1 - rng.beta(0.6, 0.9, 400_000)).mean()
    hits = 0
    for _ in range(times):
        chance = rng.beta(0.6, 0.9, n)
        d = (rng.binomial(k, chance + gain * (1 - chance)) - rng.binomial(k, chance)) / k
        _, low, high = paired_interval(list(d), 2 / k)
        hits += low <= truth <= high
    assert 0.93 <= hits / times <= 0.98


def test_pairing_is_sharper_than_two_separate_intervals() -> None:
    from justtinker_core.evaluation.stats import clustered_interval

    a = [[float(i < 50)] for i in range(100)]
    b = [[float(i < 60)] for i in range(100)]
    assert clustered_interval(a)[1] > clustered_interval(b)[0], "they overlap"
    assert paired_interval([y[0] - x[0] for x, y in zip(a, b, strict=True)], 2)[1] > 0


def test_no_difference_at_all_is_no_certainty() -> None:
    assert paired_interval([0.0] * 30, 2 / 8)[1:] == pytest.approx((-0.062, 0.062), abs=0.002)


def test_records_are_plain_json_lines(tmp_path: Path) -> None:
    """What the command reads is what core writes: a record without the later fields is read too."""
    a = recorded(tmp_path / "a", {"p": [True]})
    line = json.loads((a / "evals.jsonl").read_text())
    del line["by"]
    (a / "evals.jsonl").write_text(json.dumps(line) + "\n")
    assert cli("compare", a, a).exit_code == 0
