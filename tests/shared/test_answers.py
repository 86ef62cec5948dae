from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.answers import Extracted, Pipeline, extract
from tests.plugins.test_text import NOTHING

BOTH: tuple[Pipeline, ...] = ("strict", "flexible")


@pytest.mark.parametrize("pipeline", BOTH)
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{5}", "5"),
        (r"<think>\boxed{4}</think>So \boxed{5}.", "5"),
        (r"<think>a</think>\boxed{4}<think>b</think>\boxed{5}", "5"),
        (r"\boxed{1} or \boxed{2}", "2"),
        (r"\boxed{ 4 or 5 }", "4 or 5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        *[(f"\\boxed{{{sign}}}", sign) for sign in (".", "?", "-", "\u221e", "\u2205", r"\{\}", r"\text{.}")],
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{\boxed{1} \boxed{2}}", r"\boxed{1} \boxed{2}"),
        (r"Answer: 4 and then \boxed{5}, Answer: 6", "5"),
        (r"\fbox{5}", "5"),
        (r"so \framebox[2cm]{$5$}", "$5$"),
        (r"\boxed{\fbox{5}}", "5"),
        ("\\boxed{5\\ }", "5"),
        ("\\boxed{5 \\\\ }", "5 \\\\"),
    ],
)
def test_the_last_box_after_thinking_is_the_answer(text: str, answer: str, pipeline: Pipeline) -> None:
    assert extract(text, pipeline, 100) == Extracted(answer, "boxed")


@pytest.mark.parametrize("pipeline", BOTH)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"<think>\boxed{5}", "a <think> is never closed"),
        (r"<think>a</think>\boxed{5}<think>", "a <think> is never closed"),
        (r"So 12. \boxed{}", r"the last \boxed{…} is empty"),
        (r"Answer: 12. \boxed{ \, ~ {} }", r"the last \boxed{…} is empty"),
        ("\\boxed{\u200b\x00}", r"the last \boxed{…} is empty"),
        *[(f"\\boxed{{{blank}}}", r"the last \boxed{…} is empty") for blank in NOTHING],
        (r"\boxed{5} \boxed{}", r"the last \boxed{…} is empty"),
        (r"\boxed{5} \boxed{6", r"the last \boxed{…} is never closed"),
        (r"\boxed{" + "1" * 101 + "}", r"the last \boxed{…} is longer than 100 characters"),
        (r"x = -\boxed{5}", "'-' beside the box changes its value: put all of it in the box"),
        (r"\boxed{5}^2", "'^' beside the box changes its value: put all of it in the box"),
        (r"\sqrt{\boxed{5}}", r"'\\sqrt' beside the box changes its value: put all of it in the box"),
    ],
)
def test_a_bad_last_box_is_no_answer(text: str, reason: str, pipeline: Pipeline) -> None:
    found = extract(text, pipeline, 100)
    assert (found.answer, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "answer", "matched"),
    [
        ("Answer: 42", "42", "Answer:"),
        ("**Final Answer:** 42", "42", "Answer:"),
        ("**Answer**: $42$.", "42", "Answer:"),
        ("answer:\n\n 42\nmore", "42", "Answer:"),
        ("6 * 7 = 42\n#### 42", "42", "####"),
        ("#### 3,159", "3,159", "####"),
        ("So the answer is 3.5. I am sure.", "3.5", "answer is"),
        ("The final answer is: **$\\frac12$**.", "\\frac12", "answer is"),
        ("The answer is 4. No, the answer is 5.", "5", "answer is"),
        ("Answer: 4\n#### 5", "5", "####"),
        (r"The answer is \[5\]", "5", "answer is"),
        ("The answer is:\n\\[\n x = \\frac{1}{2}.\n\\]\nDone.", r"x = \frac{1}{2}.", "answer is"),
        ("The answer is\n\n$$\n5\n$$", "5", "answer is"),
        (r"Answer: \(5\).", "5", "Answer:"),
        (r"The answer is \[3.5\]. I am sure.", "3.5", "answer is"),
        (r"The answer is \[5\] or \[6\].", r"5  or \[6\]", "answer is"),
        (r"Answer: \(5\) cm", "5  cm", "Answer:"),
        (r"The answer is \[5", r"\[5", "answer is"),
        ("Answer: `$5$`", "5", "Answer:"),
        ("Answer: `5`.", "5", "Answer:"),
        ("Answer: ``5``", "5", "Answer:"),
        ("Answer：5", "5", "Answer:"),  # noqa: RUF001
        ("**Answer：** 5", "5", "Answer:"),  # noqa: RUF001
        ("The answer is $5$ apples.", "$5$ apples", "answer is"),
        ("Answer: 5 apples", "5 apples", "Answer:"),
    ],
)
def test_flexible_names_what_matched(text: str, answer: str, matched: str) -> None:
    assert extract(text, "flexible", 100) == Extracted(answer, matched)
    assert extract(text, "strict", 100) == Extracted(None, "", r"no \boxed{…} in the answer")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("it is 42", "no \\boxed{…}, 'Answer:', '####' or 'the answer is' in the answer"),
        ("Answer: 42</think>hello", "no \\boxed{…}, 'Answer:', '####' or 'the answer is' in the answer"),
        ("my answers: 42", "no \\boxed{…}, 'Answer:', '####' or 'the answer is' in the answer"),
        ("Answer: ", "what follows 'Answer:' is empty"),
        ("Answer: 4\n####", "what follows '####' is empty"),
        ("#### " + "1" * 101, "what follows '####' is longer than 100 characters"),
    ],
)
def test_flexible_without_an_answer(text: str, reason: str) -> None:
    found = extract(text, "flexible", 100)
    assert (found.answer, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "answer", "parts"),
    [
        (r"$a=\boxed{5}$ and $b=\boxed{6}$", "5, 6", ("5", "6")),
        (r"\fbox{x=5} \boxed{\boxed{6}}", "x=5, 6", ("x=5", "6")),
        (r"\boxed{5, 6}", "5, 6", ()),
        (r"<think>\boxed{4} \boxed{5} \boxed{6}</think>\boxed{5}, \boxed{6}", "5, 6", ("5", "6")),
    ],
)
def test_boxes_may_be_the_parts_of_an_answer(text: str, answer: str, parts: tuple[str, ...]) -> None:
    assert extract(text, "strict", 100, 2) == Extracted(answer, "boxed", parts=parts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\boxed{5} \boxed{6} \boxed{7}", "3 boxes where the gold has 2 parts"),
        (r"\boxed{5} \boxed{6} so \boxed{5, 6}", "3 boxes where the gold has 2 parts"),
        (r"\boxed{5} \boxed{}", r"the last \boxed{…} is empty"),
        (r"\boxed{5} \boxed{6", r"the last \boxed{…} is never closed"),
        (r"-\boxed{5} \boxed{6}", "'-' beside the box changes its value: put all of it in the box"),
        (r"\boxed{" + "5" * 60 + r"}, \boxed{" + "6" * 60 + "}", r"the last \boxed{…} is longer than 100 characters"),
        ("5 and 6", r"no \boxed{…} in the answer"),
    ],
)
def test_other_boxes_are_no_answer_of_two_parts(text: str, reason: str) -> None:
    found = extract(text, "strict", 100, 2)
    assert (found.answer, found.reason) == (None, reason)


@pytest.mark.parametrize("parts", [1, 2, 3])
@given(contents=st.lists(st.integers(0, 99).map(str), min_size=1, max_size=4))
def test_several_boxes_never_are_two_guesses(contents: list[str], parts: int) -> None:
    found = extract(" and ".join(rf"\boxed{{{content}}}" for content in contents), "strict", 100, parts)
    if parts == 1 or len(contents) == 1:
        assert found.answer == contents[-1]
    else:
        assert found.answer == (", ".join(contents) if len(contents) == parts else None)


def test_gsm8k_accepts_its_own_form_only() -> None:
    assert extract("Answer: 3 #### 4\n\\boxed{5}", "gsm8k", 100) == Extracted("4", "####")
    assert extract("Answer: 3\n\\boxed{5}", "gsm8k", 100) == Extracted(None, reason="no '####' in the answer")


@pytest.mark.parametrize("pipeline", [*BOTH, "gsm8k"])
@given(text=st.text(st.characters(exclude_categories=()) | st.sampled_from("\\{}boxed Answer:#\x00\ud800<think>/")))
def test_any_text_has_an_answer_or_a_reason(text: str, pipeline: Pipeline) -> None:
    found = extract(text, pipeline, 50)
    assert (found.answer is None) == bool(found.reason)
    assert found.answer is None or 0 < len(found.answer) <= 50


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["\\boxed{", "{", "answer", "answer is ", "#### 1\n", "Answer:\n", " ", "\x00", "<think>"]
)
def test_ten_megabytes_are_read_in_linear_time(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    assert extract(text, "flexible", 1000).answer in (None, "1")


def test_a_label_far_from_its_colon_is_read_in_linear_time() -> None:
    begun = time.thread_time()
    assert extract("answer" + " " * 100_000 + "** \t: 7", "flexible", 100).answer == "7"
    assert extract("answer" + " " * 100_000, "flexible", 100).answer is None
    assert time.thread_time() - begun < 20


@given(st.text(alphabet="0123456789+-xy^ ", min_size=1, max_size=20).filter(str.strip), st.text(max_size=50))
def test_thinking_never_counts(answer: str, thought: str) -> None:
    text = f"<think>{thought} \\boxed{{0}}</think>\\boxed{{{answer}}}"
    assert extract(text, "strict", 100).answer == answer.strip()
