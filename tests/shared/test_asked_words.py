r"""Which words beside an answer repeat the question, and which change the answer."""

# ruff: noqa: RUF001 (Chinese punctuation)
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.asked_words import without_asked_words
from justtinker_plugins.shared.latex.ladder import compare

BAGELS = "Leo sells 30 bagels and 4 plain rolls. How many plain bagels and rolls has he left?"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (BAGELS, r"26 \text{ bagels}"),
        (BAGELS, "26 bagels"),
        (BAGELS, r"\text{26 bagels}"),
        (BAGELS, r"26\,\mathrm{bagels}"),
        (BAGELS, r"26~\textbf{plain bagels}"),
        (BAGELS, "26 bagels left"),
        (BAGELS, r"\text{26} \text{ bagels}"),
        (BAGELS, "26 plain bagels in total"),
        (BAGELS, "26 of the bagels"),
        (BAGELS, "twenty-six bagels"),
        (BAGELS, r"\text{Twenty six bagels}"),
        (BAGELS, r"\text{The answer is } 26"),
        (BAGELS, r"\text{The final answer is 26 bagels}"),
        (BAGELS, "So the total is: 26 bagels"),
        ("How many boxes of berries are there?", "26 boxes"),
        ("How many boxes of berries are there?", "26 boxes of berries"),
        ("Find the number of teeth in the gear.", "26 teeth"),
        ("Find the number of children.", "26 children"),
        ("How many two-digit primes are there?", "26 primes"),
        ("How many quarters has he?", "26 quarters"),
        ("How many pairs of gloves has he?", "26 pairs of gloves"),
        ("How many pairs of gloves has he?", "26 pairs"),
        ("How many dozen bagels does he sell?", "26 dozen bagels"),
        ("How many group photos are there?", "26 photos"),
        ("There were bagels. What is left?", "26 bagels"),
        ("How many dozen bagels does he sell?", "26 dozen"),
        ("How many more bagels than rolls are there?", "26 more bagels"),
        ("How many millions of bagels does it sell?", "26 million bagels"),
        ("What is the price, in thousands of dollars?", r"26 \text{ thousand}"),
        ("¿Cuántos panes hay?", r"26 \text{ panes}"),
        ("¿Cuántas docenas de panes hay?", "26 docenas de panes"),
        ("盒子里有多少支铅笔？", "答案是26支"),
        ("盒子里有多少支铅笔？", "26支铅笔"),
        ("盒子里有几双鞋？", "26双"),
    ],
)
def test_words_of_the_question_are_dropped(question: str, answer: str) -> None:
    assert compare("26", without_asked_words(question, "26", answer)).equal is True


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (BAGELS, r"26 \text{ zebras}"),
        (BAGELS, "26 dozen bagels"),
        (BAGELS, "26 hundred bagels"),
        ("How many pairs of gloves has he?", "26 gloves"),
        ("How many dozen bagels does he sell?", "26 bagels"),
        ("How many million hens are there?", "26 hens"),
        ("How many two-digit primes are there?", "26 two"),
        ("How many two-digit primes are there?", "26 times two"),
        (BAGELS, "26 half bagels"),
        (BAGELS, "26 bagels or 27"),
        (BAGELS, r"26 \text{ bagels or } 27 \text{ bagels}"),
        (BAGELS, "26 bagels less"),
        (BAGELS, "26 bagels less than 50"),
        (BAGELS, "26 less than 50 bagels"),
        (BAGELS, "26 bagels times 2"),
        (BAGELS, "26 bagels 100"),
        (BAGELS, "26 of 30 bagels"),
        (BAGELS, "26 bagels not"),
        (BAGELS, r"\text{not } 26 \text{ bagels}"),
        (BAGELS, r"\text{between 20 and 26 bagels}"),
        (BAGELS, r"\text{The answer is not } 26"),
        (BAGELS, r"\text{The answer is about } 26"),
        (BAGELS, r"\text{The wrong answer is } 26"),
        (BAGELS, r"\text{The answer is } 26 \text{ or } 27"),
        (BAGELS, "twenty-six dozen bagels"),
        (BAGELS, "twenty-six or so bagels"),
        ("How many factors has the factorial?", "26 factorial"),
        ("For how many values of $abc$ is it true?", "26abc"),
        ("For how many $x$ is it true?", r"26\text{x}"),
        ("How many bagels does it sell?", "26 million bagels"),
        ("Write 0.26 repeating as a fraction.", "26 repeating"),
        ("How many integers less than 30 are there?", "26 less"),
        ("盒子里有多少支铅笔？", "26支狗"),
        ("盒子里有多少支铅笔？", "26双"),
        ("盒子里有多少支铅笔？", "26万支"),
    ],
)
def test_words_that_say_more_stay(question: str, answer: str) -> None:
    assert compare("26", without_asked_words(question, "26", answer)).equal is False


@pytest.mark.parametrize("answer", [r"\text{east}\text{west}", r"\text{east} \text{ or west}", r"\text{east} west"])
def test_a_word_after_words_is_another_answer(answer: str) -> None:
    question = "Lena turns around. Which direction (north, east or west) does she face then?"
    assert compare(r"\text{east}", without_asked_words(question, r"\text{east}", answer)).equal is False
    assert compare(r"\text{east}", without_asked_words(question, r"\text{east}", r"\text{east}")).equal


def test_thousands_do_not_grow_out_of_a_dropped_word() -> None:
    assert compare("26500", without_asked_words(BAGELS, "26500", "26 bagels 500")).equal is False
    assert compare("26500", without_asked_words(BAGELS, "26500", "26 500 bagels")).equal is True


@given(st.integers(0, 10**6), st.text(st.characters(codec=None), max_size=60))
def test_an_answer_without_words_is_left_as_it_is(number: int, question: str) -> None:
    for answer in (str(number), rf"\frac{{{number}}}{{7}}", f"x = {number}", f"({number}, {number})", "-x^2"):
        assert without_asked_words(question, "5", answer) == answer
