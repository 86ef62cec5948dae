from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem
from justtinker_core.loop import opened
from justtinker_plugins.commands._preflight.data import overlap_lines
from justtinker_plugins.datasets.dapo_math_17k import AFTER, BEFORE
from justtinker_plugins.datasets.decontaminate import Decontaminate
from justtinker_plugins.shared.overlap import ngrams, overlaps
from tests.core.conftest import Ask, Judge, RunOf, ScriptedBackend, Sft

LONG = (
    "Find the number of ordered pairs of positive integers $(a, b)$ such that $a + b = 1000$ and neither has a zero "
    "digit."
)


def asked(*questions: str) -> list[Problem]:
    return [Problem(f"p{i}", question, "1") for i, question in enumerate(questions)]


def found(train: str, evaluated: str, **options: float) -> list[float]:
    return [each.share for each in overlaps(asked(train), {"held": asked(evaluated)}, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "share"),
    [
        (LONG, 1.0),
        (f"  {LONG.upper()}\n".replace(" ", "  "), 1.0),
        (LONG.replace("$", ""), 1.0),
        (f"Solve this. {LONG} Answer with a number.", 1.0),
        (LONG.replace("1000", "2000"), 8 / 15),
        (LONG.replace("Find the number", "How many are there").replace("1000", "2000"), None),
        ("What is one plus one, what is two plus two, and what is three plus three?", None),
    ],
)
def test_the_same_words_are_found_and_other_words_are_not(train: str, share: float | None) -> None:
    assert found(train, LONG) == ([] if share is None else [pytest.approx(share)])


def test_short_questions_must_be_the_same() -> None:
    assert found("12+34=", "12 + 34 =") == [1.0]
    assert found("12+34=", "12-34=") == []
    assert found("?", "!") == []
    assert found("What is 12+34?", "12+34") == []


def test_the_nearest_of_several_is_named() -> None:
    other = LONG.replace("1000", "2000")
    [hit] = overlaps([Problem("t", LONG)], {"one": asked("Nothing like it at all.", other, LONG)})
    assert (hit.set, hit.eval.question, hit.share) == ("one", LONG, 1.0)
    [hit] = overlaps([Problem("t", LONG + " Explain.")], {"one": asked(other, LONG)})
    assert (hit.eval.question, hit.share) == (LONG, 1.0)


def test_a_problem_that_stands_in_several_sets_is_a_hit_in_each() -> None:
    other = LONG.replace("1000", "2000")
    sets = {"one": asked(other), "two": asked(LONG), "three": asked("Nothing like it at all."), "four": asked(LONG)}
    hits = [(hit.set, hit.share) for hit in overlaps([Problem("t", LONG)], sets)]
    assert hits == [("two", 1.0), ("four", 1.0), ("one", pytest.approx(8 / 15))]


def test_such_a_problem_is_dropped_and_counted_once(run_of: RunOf) -> None:
    sets = {"train": asked("1+1?", LONG), "one": asked(LONG.replace("1000", "2000")), "two": asked(LONG)}
    with opened(run_of(ScriptedBackend(), Ask(), Judge(), Sft(), Decontaminate(), problems=sets)) as run:
        assert run.skipped["data.train"] == {"overlaps with [data.eval.two]": 1}
        found = list(overlaps(asked(*(problem.question for problem in sets["train"])), run.eval_problems))
    assert overlap_lines(found, 2)[0].startswith(
        "1 of 2 training problems are also in an evaluation set, word for word or"
    )
    assert "nearly so: two (1), one (1). " in overlap_lines(found, 2)[0]


WRAPPED = BEFORE + " {} " + AFTER


@pytest.mark.parametrize("wrapper", [WRAPPED, "{}"])
def test_an_instruction_around_all_problems_of_a_set_is_no_overlap(wrapper: str) -> None:
    """It would make every training problem with the same instruction a hit."""
    rng = random.Random(0)
    questions = [" ".join(rng.choices([f"w{i}" for i in range(300)], k=40)) for _ in range(40)]
    evaluated = [Problem(str(i), WRAPPED.format(q), "1") for i, q in enumerate(questions[:20])]
    train = [Problem(str(i), wrapper.format(q), "1") for i, q in enumerate(questions[15:], 15)]
    assert [(hit.train.id, hit.eval.id) for hit in overlaps(train, {"held": evaluated})] == [
        (str(i), str(i)) for i in range(15, 20)
    ]


WORDS = st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=5), st.integers(1, 4), st.sampled_from([0.3, 0.5, 1.0]))
def test_against_brute_force(train: str, evaluated: list[str], n: int, share: float) -> None:
    shares = [0.0]
    for question in evaluated:
        grams = ngrams(question, n)
        shares.append(len(grams & ngrams(train, n)) / len(grams) if grams else 0.0)
        shares.append(float(train.split() == question.split()))
    hits = [hit.share for hit in overlaps(asked(train), {"held": asked(*evaluated)}, n, share)]
    assert hits == ([pytest.approx(max(shares))] if max(shares) >= share else [])


def test_seventeen_thousand_against_a_thousand_in_seconds() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{i}" for i in range(3000)]
    questions = [" ".join(rng.choices(vocabulary, k=rng.randint(20, 120))) for _ in range(18_000)]
    questions[1000:1050] = [q.upper() for q in questions[:50]]
    begun = time.process_time()
    hits = list(overlaps(asked(*questions[1000:]), {"held": asked(*questions[:1000])}))
    assert len(hits) == 50
    assert time.process_time() - begun < 20


def test_a_run_trains_on_what_is_left(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    sets = {"train": asked("1+1?", LONG, "2+2?", f"{LONG} Explain."), "held": asked(LONG, "3+3?")}
    with opened(run_of(ScriptedBackend(), Ask(), Judge(), Sft(), Decontaminate(), problems=sets)) as run:
        assert [p.id for p in run.train_problems] == ["p0", "p2"]
        assert run.skipped["data.train"] == {"overlaps with [data.eval.held]": 2}
        assert len(run.eval_problems["held"]) == 2
    assert "[data.train] decontaminate leaves out 2 of 4 problems" in caplog.text
    with opened(
        run_of(ScriptedBackend(), Ask(), Judge(), Sft(), Decontaminate(share=1.0, words=30), problems=sets)
    ) as run:
        assert [p.id for p in run.train_problems] == ["p0", "p2", "p3"], "too short for that, save where it is the same"


def test_nothing_left_is_an_error(run_of: RunOf, tmp_path: Path) -> None:
    sets = {"train": asked(LONG), "held": asked(LONG)}
    with pytest.raises(PluginError) as error:
        opened(run_of(ScriptedBackend(), Ask(), Judge(), Sft(), Decontaminate(), problems=sets)).__enter__()
    assert str(error.value) == "[data.train] plugin 'decontaminate' leaves none of its 1 problems"


def test_without_training_there_is_nothing_to_drop(run_of: RunOf) -> None:
    sets = {"held": asked(LONG)}
    run = run_of(ScriptedBackend(), Ask(), Judge(), Decontaminate(), problems=sets, config={"run.steps": 0})
    with opened(run):
        assert run.train_problems == ()
