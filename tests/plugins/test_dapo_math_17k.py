from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets._hub import Part, Row
from justtinker_plugins.datasets.dapo_math_17k import AFTER, BEFORE, DapoMath17k, unwrapped
from tests.plugins.hub_data import load, write

SPEC = DataSpec("train", "train", "dapo_math_17k", {})


def row(problem: str, answer: str | None = "34", index: str = "a") -> dict[str, Any]:
    return {
        "data_source": "math_dapo",
        "prompt": [{"content": f"{BEFORE}\n\n{problem}\n\n{AFTER}", "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": answer, "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": index},
    }


def test_the_wrapper_is_the_published_one() -> None:
    assert BEFORE == (
        "Solve the following math problem step by step. The last line of your response should be of the form "
        "Answer: $Answer (without quotes) where $Answer is the answer to the problem."
    )
    assert unwrapped(f'{BEFORE}\n\nWhat is 1+1?\n\nRemember to put your answer on its own line after "Answer:".') == (
        "What is 1+1?"
    )


def test_a_row(tmp_path: Path) -> None:
    source = write(tmp_path, {"data/dapo-math-17k": [row("Find $n$.", index="9a9b")]})
    (problem,), skipped = load(DapoMath17k, source=source)
    assert (problem.question, problem.answer, problem.kind) == ("Find $n$.", "34", "math")
    assert problem.meta == {"source": "math_dapo", "index": "9a9b"}
    assert problem.id == "dapo/65c26d724ff03866"
    assert skipped == {}


def test_the_fallback_has_the_same_problems(tmp_path: Path) -> None:
    wrapped = row("Find $n$.")
    processed = {**wrapped, "prompt": "Find $n$.", "solution": "34", "source_prompt": wrapped["prompt"]}
    source = write(tmp_path / "b", {"train": [processed]})
    assert load(DapoMath17k, source=source) == load(DapoMath17k, source=write(tmp_path / "a", {"train": [wrapped]}))


def test_problems_that_begin_alike_are_not_copies(tmp_path: Path) -> None:
    alike = "Let $ABC$ be a triangle. " * 40
    rows = [row(alike + "Find $a$."), row(alike + "Find $b$."), row(alike + "Find  $a$.\n"), row(alike + "Find $a$.")]
    problems, skipped = load(DapoMath17k, source=write(tmp_path, {"train": rows}))
    assert [p.question[-9:] for p in problems] == ["Find $a$.", "Find $b$."]
    assert skipped == {"a copy of an earlier row": 2}


def test_copies_that_disagree_on_the_answer_are_left_out(tmp_path: Path) -> None:
    rows = [row("A?", "1"), row("B?", "1"), row("A?", "2"), row("A?", "1"), row("A?", "3")]
    problems, skipped = load(DapoMath17k, source=write(tmp_path, {"train": rows}))
    assert [p.question for p in problems] == ["B?"]
    assert skipped == {"a copy of an earlier row": 3, "its copies disagree on the answer": 1}


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    strange = row("C?")
    strange["prompt"] = [{"content": f"{BEFORE[:60]} Think.\n\nC?\n\n{AFTER}", "role": "user"}]
    rows = [row("A?", None), row("A?", " "), row(" "), strange, row("B?")]
    problems, skipped = load(DapoMath17k, source=write(tmp_path, {"train": rows}))
    assert [p.question for p in problems] == ["B?"]
    assert skipped == {"no answer": 2, "no problem": 1, "wrapped in an unknown instruction": 1}


@pytest.mark.parametrize("prompt", [[], [{"role": "user"}], [{"content": "A?"}, {"content": "B?"}], [3], ["A?"]])
def test_other_prompts_are_refused(prompt: Any) -> None:
    rows = [Row(Part("x", None, "train"), 1, {**row("A?"), "prompt": prompt})]
    with pytest.raises(PluginError) as error:
        list(DapoMath17k().usable(rows, SPEC))
    assert str(error.value) == (
        "x (train), row 1, column 'prompt': expected a text or one message with a text as content, got list"
    )


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("12"))))
def test_problems_are_those_that_have_one_answer_in_order_of_appearance(pairs: list[tuple[str, str]]) -> None:
    rows = [Row(Part("x", None, "train"), i, row(q, a)) for i, (q, a) in enumerate(pairs, start=1)]
    dapo = DapoMath17k()
    problems = [p for _, p in dapo.usable(rows, SPEC)]
    assert [p.question for p in problems] == [
        q for q in dict.fromkeys(q for q, _ in pairs) if len(answers(pairs, q)) == 1
    ]
    assert len({p.id for p in problems}) == len(problems)
    assert len(problems) + dapo.skipped.total() == len(rows)


def answers(pairs: list[tuple[str, str]], question: str) -> set[str]:
    return {a for q, a in pairs if q == question}


@given(st.text())
def test_stripping_leaves_the_problem_as_it_is(problem: str) -> None:
    assert unwrapped(f"{BEFORE}\n\n{problem}\n\n{AFTER}") == problem.strip()
