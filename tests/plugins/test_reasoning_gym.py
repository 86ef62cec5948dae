"""What of `reasoning_gym` needs no package: how entries are kept, what is unscored, what may be evaluated.

tests/bridges/test_reasoning_gym.py tries it on the package.
"""

from __future__ import annotations

import doctest
import json
import sys
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import DataSpec, PluginError, Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_plugins.environments import reasoning_gym
from justtinker_plugins.environments._reasoning_gym import entries, judge, sets
from justtinker_plugins.environments._reasoning_gym.entries import levels_of, packed, unpacked
from justtinker_plugins.environments.reasoning_gym import KIND, ReasoningGym
from justtinker_plugins.shared.pool.pool import Result

KEYS = st.one_of(st.integers(), st.text(max_size=3), st.tuples(st.integers(), st.integers()))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda some: st.one_of(
        st.lists(some, max_size=3), st.tuples(some, some), st.dictionaries(KEYS, some, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


def test_documented_examples() -> None:
    assert doctest.testmod(entries)[:] == (0, 4)
    assert doctest.testmod(reasoning_gym)[:] == (0, 3)


@given(VALUES)
def test_an_entry_survives_json(value: Any) -> None:
    assert repr(unpacked(json.loads(json.dumps(packed(value))))) == repr(value)


def test_what_json_does_not_have_becomes_a_text() -> None:
    assert packed({"rate": Fraction(2, 3), "n": (Fraction(1),)}) == {"rate": "2/3", "n": {"__tuple__": ["1"]}}


def test_levels_are_short_texts_and_whole_numbers() -> None:
    metadata = {
        "source_dataset": "x", "source_index": 3, "terms": 2, "expression": "1 + 2", "board": [[1]], "share": 0.5,
        "story": "long " * 20, "difficulty": {"terms": (2, 6), "digits": (1, 4), "p": 0.3, "none": None},
    }  # fmt: skip
    assert levels_of(metadata) == {"terms": 2, "expression": "1 + 2", "digits": "1-4", "p": "0.3"}
    assert levels_of({"difficulty": 1.0}) == {"difficulty": "1.0"}
    assert levels_of({}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "(3+4)*2",
        "2*x**2 + 3*x - C",
        "exp(-2*x)/4",
        "x^2",
        "sin(x) + log(x, 2)",
        "1.5*x",
        "2 - -3",
        "Abs(x)",
        "2**3*3**2",
        "x**2 + x**10",
    ],
)
def test_arithmetic_is_read(text: str) -> None:
    assert judge.not_arithmetic(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os').getcwd()", "it has other signs than"),
        ("open(x)", "it knows no 'open'"),
        ("x.args", "a letter after a full stop"),
        ("(x) . args", "a letter after a full stop"),
        ("x or 2", "it knows no 'or'"),
        ("x if x else 2", "it knows no 'if'"),
        ("[x]", "it has other signs than"),
        ("lambda: 1", "it has other signs than"),
        ("\uff4f\uff50\uff45\uff4e(x)", "it knows no"),  # Python reads full-width letters as plain ones
        ("9**9**9", "a power of powers"),
        ("9**(9**9)", "a power of powers"),
        ("2^(-3)^x", "a power of powers"),
        ("9**99999", "an exponent of five digits"),
        ("_x", "it knows no '_x'"),
        ("factorial(9)", "it knows no 'factorial'"),
    ],
)
def test_all_else_is_not(text: str, reason: str) -> None:
    assert judge.not_arithmetic(text).startswith("not an expression: ")
    assert reason in judge.not_arithmetic(text)


def judged(problem: Problem, text: str, **options: Any) -> Verdict:
    verdicts = configure(ReasoningGym, "t", options).verify(problem, [Rollout((), (), (), text)])
    assert verdicts is not None
    return verdicts[0]


def test_problems_of_other_kinds_are_passed_on() -> None:
    assert ReasoningGym().verify(Problem("1", "?", "4"), [Rollout((), (), (), r"\boxed{4}")]) is None


def test_a_problem_without_its_metadata_is_unscored() -> None:
    problem = Problem("1", "?", "4", KIND, meta={"dataset": "chain_sum"})
    assert judged(problem, r"\boxed{4}") == Verdict(
        "unscored", "4", "gold", "the problem does not say how to judge it: its meta lacks config, metadata"
    )


@pytest.mark.parametrize(
    ("text", "options", "rung", "reason"),
    [
        ("4", {}, "extract", r"no \boxed{…} in the answer"),
        ("<think>4", {"pipeline": "whole"}, "extract", "a <think> is never closed"),
        ("<think>4</think> ", {"pipeline": "whole"}, "extract", "there is no answer"),
        ("12345", {"pipeline": "whole", "max_chars": 4}, "extract whole", "the answer is longer than 4 characters"),
    ],
)
def test_no_answer(text: str, options: dict[str, Any], rung: str, reason: str) -> None:
    problem = Problem("1", "?", "4", KIND, meta={"dataset": "chain_sum", "config": {}, "metadata": {}})
    assert judged(problem, text, **options) == Verdict("incorrect", None, rung, reason)


FINE, RAISED, KILLED = Result("ok", 1.0), Result("error", detail="KeyError: 0"), Result("died", detail="killed")


@pytest.mark.parametrize(
    ("result", "control", "expected"),
    [
        (FINE, FINE, Verdict("correct", "x", KIND, vote="4")),
        (Result("ok", 0.125), FINE, Verdict("incorrect", "x", KIND, "its score is 0.125, not 1")),
        (RAISED, FINE, Verdict("incorrect", "x", "failed", "the judge cannot read it (error: KeyError: 0)")),
        (
            RAISED,
            RAISED,
            Verdict("unscored", "x", "failed", "the judge fails on the gold, too (KeyError: 0)"),
        ),
        (KILLED, FINE, Verdict("unscored", "x", "failed", "the judge was lost (died: killed)")),
    ],
)
def test_whose_fault_a_broken_judge_is(result: Result, control: Result, expected: Verdict) -> None:
    assert ReasoningGym()._verdict(Problem("1", "?", "4", KIND), "x", result, control) == expected


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(PluginError) as error:
        list(ReasoningGym(dataset="chain_sum").load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert str(error.value) == "reasoning_gym needs a package: pip install 'justtinker[reasoning-gym]'"


def test_neighbouring_seeds_are_far_apart() -> None:
    seeds = sorted(sets.seed_of(purpose, seed) for purpose in ("train", "held out") for seed in range(200))
    assert all(b - a > 1000 for a, b in pairwise(seeds))
    assert all(0 <= seed < 1 << 31 for seed in seeds)
