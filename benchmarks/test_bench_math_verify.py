r"""math_verify against math-verify called one by one, in one run: rollouts graded a second, and the ratio.

    JUSTTINKER_DATA=... pytest benchmarks/test_bench_math_verify.py

The mixes are of real golds: responses of about 4,000 characters in groups of 8. In the distinct mixes each group has a
real question and eight different answers: the gold, 15 % equivalent variants, and wrong ones, as a policy writes them
that has not settled. In the others, 40 % have the gold verbatim, 15 % a variant, 45 % are wrong, and there is no
question; so answers repeat, and are judged once. Some mixes have 1 % bombs. Before anything is timed, both must agree
on the plain cases (the gold verbatim, and another whole number). Our verifier starts cold in every round: no verdict,
text, question or gold is remembered; its workers, which a run starts once, are up. The reference is
``verify(parse(gold), parse(response))`` with its own time-outs, gold boxed.

Both sides take turns, and the fastest round of each counts, so that a busy machine slows both alike.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from justtinker_core import Problem, Rollout
from justtinker_plugins.commands._audit.variants import equivalent_variants, strip_wrapping, wrong_variants
from justtinker_plugins.verifiers.math_verify import MathVerify
from tests.plugins.real_golds import load_problems

DATA = os.environ.get("JUSTTINKER_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds eval/*.parquet")

GROUP = 8
BOMBS = (
    "9^{9^{9}}", r"\sum_{k=1}^{10^{7}} k^k", r"\binom{10^9}{5 \cdot 10^8}", "(x+y+z)^{1000}",
    r"\prod_{k=1}^{10^{9}} k", "(10^{6})!", r"\sin(10^{10^{10}})", "(x+1)^{10^{10}}",
)  # fmt: skip
PROSE = "Let us look at the next case, where $a_{n+1} = 2 a_n + 3$ and so $a_4 = 45$; this leaves us with one more. "


class Case(NamedTuple):
    gold: str
    response: str
    kind: str
    question: str = "?"


def response(answer: str) -> str:
    return f"<think>\n{PROSE * 36}\n</think>\nAs shown above, the answer is\n\n$$\\boxed{{{answer}}}$$"


def mix(sets: tuple[str, ...], count: int, bombs: float = 0.0, *, distinct: bool = False) -> list[Case]:
    """`count` cases, in groups of one gold."""
    dice = random.Random(7)
    problems = [(question, gold) for name, question, gold in load_problems(Path(str(DATA)) / "eval") if name in sets]
    dice.shuffle(problems)
    golds = [gold for _, gold in problems]
    problems = (problems * (count // GROUP // len(problems) + 1))[: count // GROUP]
    if distinct:
        cases = [case for question, gold in problems for case in _different(dice, question, gold, golds)]
    else:
        cases = [_case(dice, gold, golds) for _, gold in problems for _ in range(GROUP)]
    for k in range(round(bombs * count)):
        at = int((k + 0.5) * len(cases) / round(bombs * count))
        cases[at] = cases[at]._replace(response=response(BOMBS[k % len(BOMBS)]), kind="bomb")
    return cases


def _different(dice: random.Random, question: str, gold: str, golds: list[str]) -> Iterator[Case]:
    """A group whose answers all differ: the gold, and with chances of 15 and 85 %, a variant or a wrong answer."""
    pools = {
        "variant": [text for _, text in equivalent_variants(gold)],
        "wrong": [text for _, text in wrong_variants(gold, dice.sample(golds, 12))],
    }
    for pool in pools.values():
        dice.shuffle(pool)
    seen = {strip_wrapping(gold)}
    yield Case(gold, response(strip_wrapping(gold)), "verbatim", question)
    while len(seen) < GROUP:
        kind = dice.choices(["variant", "wrong"], [15, 85])[0]
        kind = kind if pools[kind] else next(other for other, pool in pools.items() if pool)
        if (text := pools[kind].pop()) not in seen:
            seen.add(text)
            yield Case(gold, response(text), kind, question)


def _case(dice: random.Random, gold: str, golds: list[str]) -> Case:
    kind = dice.choices(["verbatim", "variant", "wrong"], [40, 15, 45])[0]
    if kind == "verbatim":
        return Case(gold, response(strip_wrapping(gold)), kind)
    pairs = equivalent_variants(gold) if kind == "variant" else wrong_variants(gold, [dice.choice(golds)])
    texts = [text for _, text in pairs]
    return Case(gold, response(dice.choice(texts)), kind)


def ours(verifier: MathVerify, cases: list[Case]) -> list[str]:
    outcomes: list[str] = []
    for start in range(0, len(cases), GROUP):
        group = cases[start : start + GROUP]
        problem = Problem("p", group[0].question, group[0].gold)
        verdicts = verifier.verify(problem, [Rollout((), (), (), c.response) for c in group])
        outcomes += [verdict.outcome for verdict in verdicts or []]
    return outcomes


def theirs(cases: list[Case]) -> list[bool]:
    from math_verify import parse, verify

    golds = {case.gold: parse(rf"\boxed{{{strip_wrapping(case.gold)}}}") for case in cases}
    return [verify(golds[case.gold], parse(case.response)) for case in cases]


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerify]:
    made = MathVerify()
    ours(made, [Case(r"\max(a, b)", response(r"\max(b, a)"), "warm-up")])
    theirs([Case("1", response("2"), "warm-up")])
    yield made
    made.finish_run()


def forget(verifier: MathVerify) -> None:
    """Forget all texts: every bounded cache of the reading and comparing of answers."""
    verifier._memo.clear()
    for name, module in list(sys.modules.items()):
        for function in vars(module).values() if name.startswith("justtinker_plugins.") else ():
            if hasattr(function, "cache_parameters") and function.cache_parameters()["maxsize"]:
                function.cache_clear()


def agree(verifier: MathVerify, cases: list[Case]) -> None:
    plain = [
        Case(c.gold, response(answer), "") for c in cases[::GROUP] for answer in (strip_wrapping(c.gold), "987654321")
    ]
    plain = [case for case in plain if re.fullmatch(r"\\boxed\{[0-9]+\}|[0-9]+|\\frac\{[0-9]+\}\{[0-9]+\}", case.gold)]
    assert [outcome == "correct" for outcome in ours(verifier, plain_groups(plain))] == theirs(plain_groups(plain))


def plain_groups(cases: list[Case]) -> list[Case]:
    """Each case as a group of its own size, so that `ours` never mixes golds."""
    return [case for case in cases for _ in range(GROUP)][: 40 * GROUP]


AIME_LIKE, MATH = ("aime24", "aime25", "amc23"), ("math_500",)


@pytest.mark.parametrize(
    ("sets", "options", "bar"),
    [
        pytest.param(AIME_LIKE, {}, 21, id="aime-like"),
        pytest.param(MATH, {}, 18, id="math-500-mix"),
        pytest.param(MATH, {"bombs": 0.01}, 100, id="math-500-mix-with-bombs"),
        pytest.param(AIME_LIKE, {"distinct": True}, 18, id="aime-like-distinct"),
        pytest.param(MATH, {"distinct": True}, 20, id="math-500-distinct"),
        pytest.param(MATH, {"distinct": True, "bombs": 0.01}, 100, id="math-500-distinct-with-bombs"),
    ],
)
def test_rollouts_a_second(
    benchmark: Any, verifier: MathVerify, sets: tuple[str, ...], options: dict[str, Any], bar: float
) -> None:
    cases = mix(sets, 1600, **options)
    agree(verifier, cases)
    reference = [case for start in range(0, len(cases), 8 * GROUP) for case in cases[start : start + GROUP]]
    theirs_took: list[float] = []

    def turn() -> None:
        started = time.perf_counter()
        theirs(reference)
        theirs_took.append(time.perf_counter() - started)
        forget(verifier)

    outcomes = benchmark.pedantic(ours, args=(verifier, cases), setup=turn, rounds=5, iterations=1)
    our_rate, their_rate = len(cases) / benchmark.stats.stats.min, len(reference) / min(theirs_took)
    benchmark.extra_info |= {
        "ours per second": our_rate,
        "math-verify per second": their_rate,
        "ratio": our_rate / their_rate,
    }
    print(f"\n{our_rate:.0f} a second, math-verify {their_rate:.0f}, ratio {our_rate / their_rate:.1f} (bar {bar})")
    wanted = {"verbatim": "correct", "variant": "correct", "wrong": "incorrect", "bomb": "incorrect"}
    wrong = [case for case, outcome in zip(cases, outcomes, strict=True) if outcome != wanted[case.kind]]
    refused = [case for case in wrong if case.kind == "variant" and case.question != "?"]  # not in the form asked for
    assert [case for case in wrong if case not in refused] == []
    assert len(refused) < 0.01 * len(cases), refused
    assert our_rate >= bar * their_rate


@pytest.mark.slow  # asserts seconds of wall clock: for a quiet machine
def test_no_verdict_is_later_than_the_limit(benchmark: Any, verifier: MathVerify) -> None:
    """Bombs that reach a worker (their gold has the same operator), one at a time; the best of three, for the limit
    is in CPU seconds, which a busy machine does not give at once."""
    waits: dict[str, list[float]] = {
        r"\max(a, 9^{9^{9^9}})": [],
        r"\gcd(10^{10^{8}}, a)": [],
        r"\max(a, 7^{7^{7^7}} x)": [],
    }

    def grade_all() -> None:
        forget(verifier)
        for bomb, seconds in waits.items():
            started = time.perf_counter()
            assert ours(verifier, [Case(r"\max(a, b)", response(bomb), "bomb")]) == ["incorrect"]
            seconds.append(time.perf_counter() - started)

    benchmark.pedantic(grade_all, rounds=3, iterations=1)
    print("\nseconds:", {bomb: [round(wait, 3) for wait in seconds] for bomb, seconds in waits.items()})
    assert max(min(seconds) for seconds in waits.values()) < verifier.limit + 0.2
