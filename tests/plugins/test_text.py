from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.text import (
    all_boxed,
    answer_part,
    last_boxed,
    letters_and_digits,
    says_something,
    thinking_part,
    visible,
)


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>a</think>b", "a", "b"),
        ("  <think>a</think>b", "a", "b"),
        ("<think></think>", "", ""),
        ("<think>a</think>b</think>c", "a", "c"),
        ("<think>a</think>b<think>c", "a", None),
        ("<think>a", None, None),
        ("x <think>a</think>b", None, "b"),
        ("plain", None, "plain"),
        ("a</think>b", None, "b"),
    ],
)
def test_parts(text: str, thinking: str | None, answer: str | None) -> None:
    assert thinking_part(text) == thinking
    assert answer_part(text) == answer


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed{5}", "5"),
        (r"\boxed {5}", "5"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{[0,1\}}", r"[0,1\}"),
        (r"\boxed{a \boxed{b}}", r"a \boxed{b}"),
        (r"\boxed{1} and \boxed{2", None),
        (r"\boxed{ \boxed{2}", "2"),
        (r"\boxed{}", ""),
        (r"} \boxed{3}", "3"),
        ("\\boxed{a\\\\}", "a\\\\"),
        (r"\fbox{7}", "7"),
        (r"\framebox{7}", "7"),
        (r"\framebox[2cm][l]{7}", "7"),
        (r"\boxed{6} \fbox{7}", "7"),
        (r"\fbox{6} \boxed{7}", "7"),
        (r"\boxed{\fbox{7}}", r"\fbox{7}"),
        (r"\boxed{6} \fbox{7", None),
        (r"\boxed{6} \framebox 7", "6"),
    ],
)
def test_last_boxed(text: str, content: str | None) -> None:
    box = last_boxed(text)
    assert box is not None
    assert box.content == content


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("none", []),
        (r"\boxed{1} and \boxed{2}", ["1", "2"]),
        (r"\boxed{1} and \boxed{2 \boxed{3} \boxed{4}}", ["1", r"2 \boxed{3} \boxed{4}"]),
        (r"\boxed{1} and \boxed{2", ["1", None]),
        (r"\boxed{1} and \boxed{2 \boxed{3}", ["1", "3"]),
        (r"\fbox{1}\framebox{2}", ["1", "2"]),
    ],
)
def test_all_boxes_that_are_in_no_other_one(text: str, contents: list[str | None]) -> None:
    boxes = all_boxed(text)
    assert [box.content for box in boxes] == contents
    assert all(text[box.start] == "\\" and text[: box.end][-1] == "}" for box in boxes if box.content is not None)


BOX_PIECES = [
    r"\boxed{",
    r"\fbox{",
    r"\boxed ",
    r"\framebox[1]{",
    r"\frac",
    "{",
    "}",
    "\\",
    r"\{",
    r"\}",
    "1",
    "box",
    " ",
    "\n",
]


@given(st.lists(st.sampled_from(BOX_PIECES), max_size=12).map("".join))
def test_a_box_before_it_changes_nothing_about_a_box(text: str) -> None:
    first = r"\boxed{0}"
    found = [(box.content, box.start, box.end, box.opened) for box in all_boxed(text)]
    after = [(b.content, b.start - len(first), b.end - len(first), b.opened - 1) for b in all_boxed(first + text)[1:]]
    assert found == after


def test_no_box() -> None:
    assert last_boxed("the answer is 5") is None
    assert last_boxed(r"\fboxed{5} \frameboxes{5}") is None
    assert last_boxed(r"\boxed 5") is None


@given(st.text(alphabet="\\{}boxed 1<>", max_size=60), st.text(alphabet="ab1", max_size=5))
def test_the_last_box_is_found(before: str, content: str) -> None:
    box = last_boxed(before + " \\boxed{" + content + "}")
    assert box is not None
    assert box.content is not None
    assert box.content.endswith(content)


def test_many_boxes_take_linear_time() -> None:
    assert last_boxed("\\boxed{" * 200_000) is not None
    assert last_boxed("\\boxed{" * 100_000 + "}" * 100_000) is not None
    assert last_boxed("\\framebox[" * 100_000) is None


@given(st.text(alphabet="\\\\{}b 1", max_size=40), st.text(alphabet="\\\\{}boxed 1", max_size=40))
def test_what_comes_before_the_first_box_does_not_matter(before: str, after: str) -> None:
    text = " \\boxed{" + after
    alone, behind = last_boxed(text), last_boxed(before + text)
    assert alone is not None
    assert behind == alone._replace(start=alone.start + len(before), end=alone.end + len(before))


@pytest.mark.parametrize("slashes", range(1, 6))
def test_an_even_run_of_backslashes_boxes_nothing(slashes: int) -> None:
    box = last_boxed("{" + "\\" * slashes + "boxed{5}}")
    assert (box is not None) == (slashes % 2 == 1)


NOTHING = [
    "", " \n\t", "{}", "{{}}", "~", "$$", r"\,", r"\ ", r"\quad", r"\qquad{}", r"\text{}", r"\text{ }", r"\mathrm{\,}",
    r"\boxed{}", r"\phantom{12}", r"\hspace{1cm}", r"\left.\right.", r"\displaystyle", r"{\bf }", r"\\", "\x00", "\x07",
    "\xa0", "\xad", "\u034f", "\u115f", "\u1160", "\u200b\u200d", "\u202e", "\u2060", "\u2061", "\u2800", "\u3000",
    "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\U0001d159", "\U000e0041", "\\text{\u3164}",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_invisible_texts(text: str) -> None:
    assert visible(text) == visible(text * 3) == visible(f"{{{text}}}") == ""
    assert not says_something(text)
    assert not list(letters_and_digits(text)) or "\\" in text


@pytest.mark.parametrize(
    "text", [".", "...", "\u2026", "-", "\u2014", "?!", "()", r"\_", "*", "'", "|", "^", "`", "\u0301"]
)
def test_visible_texts_that_say_nothing(text: str) -> None:
    assert visible(text)
    assert not says_something(text)


@pytest.mark.parametrize(
    "text",
    ["0", "x", "\u4e8c", "\u221e", "\u2205", "\u221a", r"\infty", r"\emptyset", r"\{\}", r"\{ \}", r"\text{no}", r"\,5",
     "<", "+",
     r"\pi", r"\textgreater", r"\quads", "\u2460", "\u00bd", "{.5}"],
)  # fmt: skip
def test_texts_that_say_something(text: str) -> None:
    assert says_something(text)
    assert says_something(f" {{\\text{{{text}}}}}.")


@pytest.mark.parametrize("unit", [*NOTHING[1:], "\\phantom{", "\\left ", "\\hspace", "\\", "{"])
def test_long_invisible_texts_are_read_in_linear_time(unit: str) -> None:
    assert not says_something(unit * (200_000 // len(unit)) + ".") or "\\" in unit


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\\{}~$ quadtext,.")))
def test_visible_characters_keep_their_order(text: str) -> None:
    seen = iter(text)
    assert all(c in seen for c in visible(text))
