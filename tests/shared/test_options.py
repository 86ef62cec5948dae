from __future__ import annotations

import pytest

from justtinker_plugins.shared.latex.options import choices_of, without_choices_text

QUESTIONS = (
    "Which is even? (A) 13 (B) 15 (C) 18",
    r"Which is even? $\textbf{(A)}\ 13 \qquad \textbf{(B)}\ 15 \qquad \textbf{(C)}\ 18$",
    "Which is even?\nA. 13\nB. 15\nC. 18",
    "Which is even?\nA) $13$\nB) $15$\nC) $18$",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_choices_of_a_question(question: str) -> None:
    assert choices_of(question) == {"A": "13", "B": "15", "C": "18"}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "answer", ["(C) 18", r"\textbf{(C) } 18", r"\text{(C)}\ 18", r"\text{(C) 18}", "C. 18", "C) 18", "C: 18"]
)
@pytest.mark.parametrize("gold", ["C", r"\text{(C)}", "(A)"])
def test_a_letter_with_its_own_text_is_that_letter(question: str, answer: str, gold: str) -> None:
    assert without_choices_text(question, gold, answer) == "C"


@pytest.mark.parametrize("answer", ["(C) 15", "(B) 18", "(C) 1", "(C)", "18", "(A) 13 (C) 18", "C = 18", "(C) 18, 13"])
def test_any_other_answer_stays_as_it_is(answer: str) -> None:
    assert without_choices_text(QUESTIONS[0], "C", answer) == answer
    assert without_choices_text("Which is even?", "C", answer) == answer


def test_a_gold_that_is_no_letter_needs_no_letter() -> None:
    assert without_choices_text(QUESTIONS[0], "18", "(C) 18") == "(C) 18"
