from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Problem, Rollout, Verdict, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.pool.pool import Result, Status
from justtinker_plugins.verifiers.regex import Regex, verdict_of

BOMB = "(a+)+b"
DATE = r"\d{4}-\d\d-\d\d"


@pytest.fixture(scope="module")
def regex() -> Iterator[Regex]:
    verifier = Regex(limit=0.2, workers=2)
    yield verifier
    verifier.finish_run()


def judge(verifier: Regex, pattern: str | None, *texts: str) -> list[Verdict]:
    problem = Problem("1", "?", pattern, "regex")
    return verifier.verify(problem, [Rollout((), (), (), text) for text in texts]) or []


def run_of(*problems: Problem) -> Run:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    return Run(config.parse(tables, Path()), Plugins([]), RunDir(Path()), train_problems=problems)


def test_all_of_the_answer_must_match(regex: Regex) -> None:
    assert judge(
        regex, DATE, r"\boxed{2026-12-01}", r"\boxed{on 2026-12-01}", r"\boxed{2026-12-01 }", "2026-12-01"
    ) == [
        Verdict("correct", "2026-12-01", "boxed", vote="a match"),
        Verdict("incorrect", "on 2026-12-01", "boxed", "the pattern does not match"),
        Verdict("correct", "2026-12-01", "boxed", vote="a match"),
        Verdict("incorrect", None, "extract", r"no \boxed{…} in the answer"),
    ]
    assert judge(regex, "a", "\\boxed{a\nb}")[0].outcome == "incorrect", "a full match ends at the end, not at a line"


def test_a_pattern_that_takes_years_ends_an_answer_and_no_run(regex: Regex) -> None:
    bomb, good, wrong = judge(regex, BOMB, "\\boxed{" + "a" * 60 + "}", r"\boxed{aab}", r"\boxed{b}")
    assert (bomb.outcome, bomb.rung) == ("incorrect", "limit")
    assert bomb.reason.startswith("too much for a worker: ")
    assert (good.outcome, wrong.outcome) == ("correct", "incorrect")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (None, "the problem has no pattern: expected a regular expression, got None"),
        (" \n", "the problem has no pattern: expected a regular expression, got ' \\n'"),
        ("(a", "the pattern '(a' is none of Python's re: missing ), unterminated subpattern at position 0"),
        ("[^\n]*", "the pattern '[^\\n]*' matches anything"),
        (r"\p{L}", r"the pattern '\\p{L}' is none of Python's re: bad escape \p at position 0"),
    ],
)
def test_a_pattern_of_no_use(regex: Regex, pattern: str | None, reason: str) -> None:
    assert judge(regex, pattern, r"\boxed{a}") == [Verdict("unscored", None, "gold", reason)]
    problems = [Problem("good", "?", "a", "regex"), *(Problem(str(n), "?", pattern, "regex") for n in range(2))]
    end = "(and 1 more like it); mend the data, or leave the row out"
    assert regex.preflight(run_of(*problems)) == [f"regex: [data.train] problem '0': {reason} {end}"]
    assert regex.preflight(run_of(problems[0], Problem("other", "?", pattern))) == []


def test_options() -> None:
    verifier = configure(Regex, "plugins.regex", {"pipeline": "whole", "anywhere": True, "column": "p", "kinds": ["x"]})
    problem = Problem("1", "?", "unused", "x", meta={"p": "b+"})
    texts = ["<think>no</think> abbc\n", "<think>b</think>ac", "", "<think>b"]
    verdicts = verifier.verify(problem, [Rollout((), (), (), text) for text in texts])
    verifier.finish_run()
    assert verdicts == [
        Verdict("correct", "abbc", "whole", vote="a match"),
        Verdict("incorrect", "ac", "whole", "the pattern does not match"),
        Verdict("incorrect", None, "extract", "there is no answer"),
        Verdict("incorrect", None, "extract", "a <think> is never closed"),
    ]
    assert verifier.verify(Problem("1", "?", "a", "regex"), []) is None
    assert verifier.verify(Problem("1", "?", "a", "x"), [Rollout((), (), (), "a")])[0].reason == (
        "the problem has no pattern: expected a regular expression, got None"
    )


@pytest.mark.parametrize("status", ["died", "wall_limit", "error"])
def test_a_worker_that_is_lost_leaves_an_answer_unscored(status: Status) -> None:
    reason = f"the worker failed ({status}): why"
    assert verdict_of("a", "boxed", Result(status, detail="why")) == Verdict("unscored", "a", "failed", reason)


LETTERS = st.text("ab|()*+?.[]\\", max_size=8)


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@settings(max_examples=150, deadline=None)
@given(LETTERS, st.lists(st.text("ab.", min_size=1, max_size=6), min_size=1, max_size=4))
def test_it_says_what_re_says(regex: Regex, pattern: str, answers: list[str]) -> None:
    verdicts = judge(regex, pattern, *(f"\\boxed{{{answer}}}" for answer in answers))
    try:
        expected = [re.fullmatch(pattern, answer) is not None for answer in answers]
    except re.error:
        assert {verdict.outcome for verdict in verdicts} == {"unscored"}
        return
    if verdicts[0].outcome != "unscored" and "extract boxed" not in {v.rung for v in verdicts}:
        assert [verdict.outcome == "correct" for verdict in verdicts] == expected
