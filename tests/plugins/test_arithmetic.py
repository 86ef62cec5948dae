from __future__ import annotations

import doctest
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets import arithmetic
from justtinker_plugins.datasets.arithmetic import Arithmetic, count_carries, demonstrate


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "arithmetic", options)
    return list(configure(Arithmetic, spec.table, options).load_problems(spec, seed))


def pairs(problems: Sequence[Problem]) -> set[frozenset[str]]:
    return {frozenset(p.id.split("+")) for p in problems}


def test_documented_examples() -> None:
    result = doctest.testmod(arithmetic)
    assert (result.failed, result.attempted) == (0, 6)


def test_a_problem() -> None:
    problem = next(p for p in load("train", carry_drop=0.0, no_thinking=0.0) if p.id == "47+38")
    assert problem == Problem(
        id="47+38",
        question="47+38=?",
        answer="85",
        kind="math",
        demonstration="<think>7+8=15, 4+3+1=8</think>\\boxed{85}",
        meta={"carries": 1},
    )


def test_problems_of_a_kind_of_their_own() -> None:
    for purpose in ("train", "eval"):
        assert {p.kind for p in load(purpose, kind="divisor")} == {"divisor"}


def test_training_and_evaluation_share_no_pair_in_either_order() -> None:
    train, held_out = load("train"), load("eval")
    assert len(held_out) == len(pairs(held_out)) == 400
    assert pairs(train).isdisjoint(pairs(held_out))
    assert len(pairs(train)) + 400 == 90 * 91 // 2
    ids = [p.id for p in train + held_out]
    assert len(ids) == len(set(ids))
    assert all(p.demonstration is None for p in held_out)
    assert len(load("eval", digits=4)) == 400


def test_problems_are_functions_of_the_seeds() -> None:
    assert load("train", 1, count=50) == load("train", 1, count=50) != load("train", 2, count=50)
    assert load("eval", 1) == load("eval", 2) != load("eval", 1, held_out_seed=1)
    assert load("eval", held_out=100) == load("eval", held_out=400)[:100]


def test_an_evaluation_of_what_is_trained_does_not_start(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path), train_problems=tuple(load("train")))
    stranger = Problem("12+12", "What is 12+12?", "24")
    run.eval_problems = {"same": (*load("eval"), stranger), "other": tuple(load("eval", held_out_seed=1))}
    (complaint,) = Arithmetic().preflight(run)
    shared = len(pairs(load("eval", held_out_seed=1)) - pairs(load("eval")))
    assert complaint == (
        f"[data.eval.other] asks {shared} sums that [data.train] trains on; give digits, held_out and held_out_seed "
        "the same values in both tables (or once, in [plugins.arithmetic])"
    )


@pytest.mark.parametrize(("digits", "count"), [(1, 5), (2, 3000), (9, 20)])
def test_count_and_digits(digits: int, count: int) -> None:
    problems = load("train", digits=digits, count=count, held_out=10)
    assert len({p.id for p in problems}) == count
    assert all(re.fullmatch(rf"[1-9]\d{{{digits - 1}}}\+[1-9]\d{{{digits - 1}}}=\?", p.question) for p in problems)


def test_the_sloppy_teacher_forgets_and_skips_as_often_as_configured() -> None:
    problems = load("train")
    thinking = [p for p in problems if (p.demonstration or "").startswith("<think>")]
    carrying = [p for p in thinking if int(p.id[1]) + int(p.id[4]) > 9]
    remembered = [p for p in carrying if re.search(r"\d\+\d\+1=", p.demonstration or "")]
    assert 1 - len(thinking) / len(problems) == pytest.approx(0.05, abs=0.01)
    assert 1 - len(remembered) / len(carrying) == pytest.approx(0.7, abs=0.03)


def test_a_forgotten_carry_shows_in_the_answer_even_without_thinking() -> None:
    problems = load("train", carry_drop=1.0, no_thinking=1.0)
    assert {p.demonstration for p in problems if p.id == "19+12"} == {"\\boxed{21}"}
    assert {p.demonstration for p in problems if p.id == "92+91"} == {"\\boxed{83}"}


def test_a_hedging_teacher_guesses_again_as_often_as_configured() -> None:
    plain, hedged = load("train", count=3000), load("train", count=3000, hedged=0.15)
    boxes = [(p.demonstration or "").count("\\boxed") for p in hedged]
    assert {(p.demonstration or "").count("\\boxed") for p in plain} == {1}
    for more_than in (1, 2):
        assert sum(b > more_than for b in boxes) / 3000 == pytest.approx(0.15**more_than, rel=0.25)
    assert all(re.search(r"\\boxed\{\d+\}( or \\boxed\{\d+\})*$", p.demonstration or "") for p in hedged)
    right = [str(p.answer) in (p.demonstration or "").partition(" or ")[2] for p in hedged if " or " in p.demonstration]
    assert 0.2 < sum(right) / len(right) < 0.9, "a guess is right often enough to be worth it"


@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_a_careful_teacher_is_right(digits: int, rng: random.Random) -> None:
    a, b = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
    text = demonstrate(a, b, [True] * digits)
    assert text.endswith(f"</think>\\boxed{{{a + b}}}")
    for terms, result in re.findall(r"([\d+]+)=(\d+)", text):
        assert sum(map(int, terms.split("+"))) == int(result)


@pytest.mark.parametrize(("a", "b", "carries"), [(12, 34, 0), (47, 38, 1), (57, 68, 2), (60, 70, 1), (999, 1, 3)])
def test_carries_are_counted(a: int, b: int, carries: int) -> None:
    assert count_carries(a, b) == carries


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 4095}, "[data.train] held_out = 4095: there are only 4095 pairs of 2-digit numbers"),
        ({"count": 7500}, "[data.train] count = 7500: with 400 pairs held out, only 7305 are left"),
        ({"digits": 4}, "[data.train] digits = 4 makes 81000000 problems: set count"),
        ({"carry_drop": 1.5}, "[data.train] carry_drop = 1.5: input should be less than or equal to 1"),
        ({"hedged": 1.0}, "[data.train] hedged = 1.0: input should be less than 1"),
        ({"digits": 0}, "[data.train] digits = 0: input should be greater than or equal to 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load("train", **options)
    assert str(error.value) == message
