from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_plugins.datasets.openr1_math import Openr1Math, choose_generation
from justtinker_plugins.text import thinking_part
from tests.plugins.hub_data import load, write

GOOD = "<think>\n1+1 is 2.\n</think>\n\nSo it is $\\boxed{2}$."


def row(number: int, texts: list[Any] | None = None, marks: list[Any] | None = None) -> dict[str, Any]:
    return {
        "problem": f"{number}+1=?",
        "answer": str(number + 1),
        "problem_type": "Algebra",
        "source": "olympiads",
        "uuid": "u",
        "correctness_math_verify": [True] if marks is None else marks,
        "generations": [f"\n{GOOD}\n"] if texts is None else texts,
    }


def copy(directory: Path, rows: list[dict[str, Any]], config: str = "default") -> str:
    return write(directory, {f"{config}/train-00000-of-00001": rows})


def test_a_demonstration(tmp_path: Path) -> None:
    (problem,), skipped = load(Openr1Math, source=copy(tmp_path, [row(1)]), held_out=0.0)
    assert (problem.id, problem.question, problem.answer, problem.demonstration) == (
        "openr1/default/1", "1+1=?", "2", GOOD,
    )  # fmt: skip
    assert problem.meta == {"source": "olympiads", "subject": "Algebra", "verified": True}
    assert skipped == {}


@pytest.mark.parametrize(
    ("texts", "marks", "chosen"),
    [
        (["<think>a</think>1", "<think>b</think>2"], [False, True], ("<think>b</think>2", True)),
        (["<think>a</think>1", "<think>b</think>2"], [True, True], ("<think>a</think>1", True)),
        (["<think>a</think>1", "no thinking: 2"], [False, True], ("<think>a</think>1", False)),
        (["no thinking", "<think>cut", "<think>c</think>3"], [True, True, False], ("<think>c</think>3", False)),
        (["<think>a</think>1", "<think>b</think>2"], [None, True], ("<think>b</think>2", True)),
        (["<think>a</think>1", "<think>b</think>2"], [False], ("<think>a</think>1", False)),
        ([None, "<think>b</think>2"], [True, True], ("<think>b</think>2", True)),
    ],
)
def test_correct_with_thinking_first_then_any_with_thinking(
    tmp_path: Path, texts: list[Any], marks: list[Any], chosen: tuple[str, bool]
) -> None:
    (problem,), _ = load(Openr1Math, source=copy(tmp_path, [row(1, texts, marks)]), held_out=0.0)
    assert (problem.demonstration, problem.meta["verified"]) == chosen


TEXTS = st.sampled_from(["<think>a</think>b", " <think>c</think>", "<think>d", "e</think>f", "", "x<think>y</think>"])


@given(st.lists(st.tuples(TEXTS, st.booleans())))
def test_what_is_chosen_is_there_and_thinks(candidates: list[tuple[str, bool]]) -> None:
    text, verified = choose_generation(candidates)
    thinking = [(t.strip(), correct) for t, correct in candidates if thinking_part(t) is not None]
    assert (text is None) == (not thinking)
    assert verified == any(correct for _, correct in thinking)
    if text is not None:
        assert text.startswith("<think>")
        assert "</think>" in text
        assert (text, verified) in thinking


def test_rows_without_thinking_are_counted(tmp_path: Path) -> None:
    rows = [row(1), row(2, ["It is 3."]), row(3, []), row(4, [None], [True])]
    problems, skipped = load(Openr1Math, source=copy(tmp_path, rows), held_out=0.0)
    assert ([p.question for p in problems], skipped) == (["1+1=?"], {"no generation with a thinking block": 3})


def test_a_tenth_is_held_out_and_shares_no_problem_with_training(tmp_path: Path) -> None:
    source = copy(tmp_path, [row(i) for i in range(2000)])
    train, left = load(Openr1Math, source=source)
    held_out, kept = load(Openr1Math, "eval", source=source)
    assert {p.question for p in train}.isdisjoint(p.question for p in held_out)
    assert (left, kept) == ({"held out for evaluation": len(held_out)}, {"kept for training": len(train)})
    assert len(held_out) / 2000 == pytest.approx(0.1, abs=0.02)
    assert all(p.demonstration is None and p.answer for p in held_out)
    more, _ = load(Openr1Math, "eval", source=source, held_out=0.2)
    assert {p.id for p in held_out} < {p.id for p in more}


def test_held_out_without_answer_is_counted(tmp_path: Path) -> None:
    rows = [{**row(i), "answer": None if i < 1000 else "1"} for i in range(2000)]
    problems, skipped = load(Openr1Math, "eval", source=copy(tmp_path, rows), held_out=0.5)
    assert len(problems) == pytest.approx(500, abs=80)
    assert skipped["no answer"] == pytest.approx(500, abs=80)


def test_configurations(tmp_path: Path) -> None:
    source = copy(tmp_path, [row(1)], "extended")
    (problem,), _ = load(Openr1Math, source=source, config="extended", held_out=0.0)
    assert problem.id == "openr1/extended/1"
    with pytest.raises(PluginError, match=r"\[data.train\] config = 'extra': input should be 'default', 'extended' or"):
        load(Openr1Math, source=source, config="extra")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"generations": GOOD}, "column 'generations': expected a list of texts, got str"),
        ({"generations": [1]}, "column 'generations': expected a list of texts, got list"),
        ({"correctness_math_verify": True}, "column 'correctness_math_verify': expected a list of booleans, got bool"),
    ],
)
def test_other_types_are_refused(tmp_path: Path, cells: dict[str, Any], message: str) -> None:
    source = copy(tmp_path, [{**row(1), **cells}])
    with pytest.raises(PluginError) as error:
        load(Openr1Math, source=source, held_out=0.0)
    assert str(error.value).startswith(f"[data.train] {source} (default, train), row 1, {message}")


@pytest.mark.parametrize(
    ("question_type", "answer", "kind"),
    [
        ("MCQ", "D", "choice"),
        ("MCQ", "(D)", "choice"),
        ("MCQ", r"\text{D}", "choice"),
        ("MCQ", "12", "math"),
        ("MCQ", "d", "math"),
        ("MCQ", "A, C", "math"),
        ("math-word-problem", "D", "math"),
        ("math-word-problem", "12", "math"),
        (None, "D", "choice"),
        (None, r"\mathrm{(D)}", "choice"),
        (None, "F", "math"),
        (None, "AD", "math"),
        (None, "12", "math"),
    ],
)
@pytest.mark.parametrize("purpose", ["train", "eval"])
def test_multiple_choices_are_set_apart(
    tmp_path: Path, question_type: str | None, answer: str, kind: str, purpose: str
) -> None:
    cells = row(1) | {"answer": answer} | ({"question_type": question_type} if question_type else {})
    held_out = {"train": 0.0, "eval": 0.999}[purpose]
    (problem,), _ = load(Openr1Math, purpose, source=copy(tmp_path, [cells]), held_out=held_out)
    assert (problem.answer, problem.kind) == (answer, kind)
