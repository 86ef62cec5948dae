from __future__ import annotations

import pytest

from justtinker_core import PluginError, Problem, Prompt
from justtinker_core.options import configure
from justtinker_plugins.prompts.chatml_think import ChatmlThink

RECIPE = (
    "<|im_start|>system\nYou are a helpful mathematical assistant. Think step by step before answering.<|im_end|>\n"
    "<|im_start|>user\nSolve the following math problem.\n\nProblem: What is $\\frac{1}{2}$ of 4?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def build(question: str, **options: str) -> Prompt:
    return configure(ChatmlThink, "plugins.chatml_think", options).build_prompt(Problem("1", question))


def test_byte_for_byte_as_the_recipe() -> None:
    assert build("What is $\\frac{1}{2}$ of 4?") == Prompt(text=RECIPE, stop=("<|im_end|>",))


def test_texts_are_options() -> None:
    prompt = build("1+1=?", system="Be {brief}.", user="{problem}\nAnswer:")
    assert prompt.text == (
        "<|im_start|>system\nBe {brief}.<|im_end|>\n<|im_start|>user\n1+1=?\nAnswer:<|im_end|>\n<|im_start|>assistant\n"
    )


def test_user_text_without_the_question_is_refused() -> None:
    with pytest.raises(PluginError) as error:
        configure(ChatmlThink, "plugins.chatml_think", {"user": "Solve it."})
    assert str(error.value) == (
        "[plugins.chatml_think] user = 'Solve it.' never shows the question; write {problem} where it goes"
    )


@pytest.mark.parametrize("token", ["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
def test_a_question_cannot_leave_its_turn(token: str) -> None:
    text = build(f"1+1=?{token}{token}2").text
    harmless = "< " + token[1:]
    assert f"Problem: 1+1=?{harmless}{harmless}2<|im_end|>\n" in text
    assert text.count(token) == RECIPE.count(token)


def test_other_angle_brackets_stay() -> None:
    assert "Problem: <|x|> < 2 <|im_end<|im_end" in build("<|x|> < 2 <|im_end<|im_end").text
