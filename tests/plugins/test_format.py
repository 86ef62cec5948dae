from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.testing import make_group, make_rollout
from justtinker_plugins.rewards.format import Format, problem_of, problem_with
from tests.plugins.reward_groups import scored
from tests.plugins.test_text import NOTHING

GOOD = "<think>1 + 1 = 2</think>\\boxed{2}"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\n <think>\nhm 2\n</think>\n\nThe answer is \\boxed{2}.",
        "<think>da 2 < 3 and 5 > 4</think>5",
        "<think>\u8003\u3048\u308b</think>\u4e8c",
        "<think>a <thinking man> would</think>2",  # another word
        "<think>abc</think>\\boxed{\u2205}",
        "<think>abc</think>\\boxed{\u221e}",
        "<think>abc</think>\u221e",
        "<think>abc</think>\\boxed{\\{\\}}",
        "<think>xyz</think>so \\boxed{a} and \\boxed{2}",
    ],
)
def test_a_proper_thinking_block(text: str) -> None:
    assert problem_with(text) is None
    assert scored(Format(), [text]) == [0.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no thinking block"),
        ("\\boxed{2}", "no thinking block"),
        ("<think></think>hi", "an empty thinking block"),  # TRL pays this
        ("<think> \n\t\u3000</think>2", "an empty thinking block"),
        ("<think>...!?--</think>2", "an empty thinking block"),
        ("<think>\u200b\u200d\ufeff\x00</think>2", "an empty thinking block"),
        ("<think>ok</think>2", "an empty thinking block"),
        ("<think>\u3164\u3164\u3164</think>2", "an empty thinking block"),
        ("<think>\u115f\u1160\uffa0\u2800ab</think>2", "an empty thinking block"),
        ("<think>2", "not exactly one <think> and one </think> after it"),
        ("2</think>2", "not exactly one <think> and one </think> after it"),
        ("</think>a<think>2", "not exactly one <think> and one </think> after it"),
        (GOOD + "</think>", "not exactly one <think> and one </think> after it"),
        (GOOD + GOOD, "not exactly one <think> and one </think> after it"),
        ("<think><think>a</think>2", "not exactly one <think> and one </think> after it"),
        ("<think>a<THINK>b</think>2", "not exactly one <think> and one </think> after it"),
        ("<think>a</ think >b</think>2", "not exactly one <think> and one </think> after it"),
        ('<think>a<think id="1">b</think>2', "not exactly one <think> and one </think> after it"),
        ("Well, " + GOOD, "text before the thinking block"),
        ("<think>1+1=2</think>", "no answer after the thinking block"),
        ("<think>abc</think> \n.", "no answer after the thinking block"),
        ("<think>abc</think>\\boxed{}", "no answer after the thinking block"),
        *[(f"<think>abc</think>{blank}", "no answer after the thinking block") for blank in NOTHING],
        *[(f"<think>abc</think>So: \\boxed{{{blank}}}", "no answer after the thinking block") for blank in NOTHING],
        ("<think>abc</think>\\boxed", "no answer after the thinking block"),
        ("<think>abc</think>so \\boxed{2", "no answer after the thinking block"),
        ("<think>abc</think>\\boxed{1}, no: \\boxed{ }", "no answer after the thinking block"),
    ],
)
def test_what_a_policy_might_try(text: str, problem: str) -> None:
    assert problem_with(text) == problem
    assert scored(Format(), [text]) == [-1.0]


@pytest.mark.parametrize("marker", ["<|im_end|>", "<|im_start|>", "<|endoftext|>"])
def test_text_after_the_end(marker: str) -> None:
    assert scored(Format(), [f"{GOOD}{marker}and so on", GOOD]) == [-1.0, 0.0]
    assert scored(Format(markers=()), [f"{GOOD}{marker}and so on"]) == [0.0]


def test_only_correct_answers_unless_told() -> None:
    outcomes = ["incorrect", "unscored", "correct"]
    assert scored(Format(), ["2", "2", "2"], outcomes) == [None, None, -1.0]
    assert scored(Format(only_correct=False), ["2", "2", GOOD], outcomes) == [-1.0, -1.0, 0.0]


def test_least_thinking() -> None:
    texts = ["<think>ab, c</think>2", "<think>abcd</think>2"]
    assert scored(Format(min_thinking=4), texts) == [-1.0, 0.0]


@pytest.mark.parametrize("part", ["<" + " " * 5, "< / ", "<think", "<", "</", " ", "a", "\x00", "\ud800", "\\boxed{"])
def test_long_nonsense_is_judged_at_once(part: str) -> None:
    assert scored(Format(), ["<" + " " * 1_000_000, part * 200_000], tokens=[1, 1]) == [-1.0, -1.0]


def test_the_recipes_weight() -> None:
    assert Format.default_weight == 0.1
    assert list(Format().score(make_group([GOOD]))) == ["format"]


@given(st.text(), st.text(), st.text(min_size=1))
def test_any_thinking_and_answer_will_do_that_hold_no_tags(before: str, thinking: str, answer: str) -> None:
    text = f"{' ' * len(before)}<think>{thinking}xyz</think>{answer}y"
    clean = "<" not in thinking + answer and "\\boxed" not in answer
    assert problem_with(text) is None or not clean


@given(st.lists(st.sampled_from(["<think>", "</think>", "<|im_end|>", "a", " ", "\\boxed{", "2}", "\ud800", "\x00"])))
def test_never_breaks_and_pays_only_one_shape(parts: list[str]) -> None:
    text = "".join(parts)
    raw = scored(Format(), [text])[0]
    assert raw in (0.0, -1.0)
    if raw == 0.0:
        assert text.lstrip().startswith("<think>")
        assert (text.count("<think>"), text.count("</think>")) == (1, 1)
        assert text.partition("</think>")[2].strip()


OFF = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("opened", "text", "problem"),
    [
        ("<think>\n", "1 + 1 = 2\n</think>\n\n\\boxed{2}", None),
        ("<think>", "1 + 1 = 2</think>2", None),
        ("<think>\n", "1 + 1 = 2 \\boxed{2}", "not exactly one <think> and one </think> after it"),  # cut off
        ("<think>\n", GOOD, "not exactly one <think> and one </think> after it"),  # opened twice
        ("<think>\n", "</think>\n\n\\boxed{2}", "an empty thinking block"),
        ("<think>\n", "1 + 1 = 2</think>\\boxed{}", "no answer after the thinking block"),
        (OFF, "The answer is \\boxed{2}.", None),
        ("</think>", "2", None),
        (OFF, GOOD, "a thinking tag, though the prompt turns thinking off"),
        (OFF, "\\boxed{2}</think>", "a thinking tag, though the prompt turns thinking off"),
        (OFF, "\\boxed{ }", "no answer"),
        (OFF, "2<|im_end|>", "a control token inside the response"),
        ("", "1 + 1 = 2\n</think>\n\n\\boxed{2}", "not exactly one <think> and one </think> after it"),
    ],
)
def test_a_block_that_the_prompt_has_opened_or_closed(opened: str, text: str, problem: str | None) -> None:
    rollout = make_rollout(text, opened=opened)
    assert problem_of(rollout, markers=Format().markers) == problem
    assert scored(Format(), [text], opened=opened) == [0.0 if problem is None else -1.0]
