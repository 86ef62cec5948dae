from __future__ import annotations

from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Prompt
from justtinker_core.options import configure
from justtinker_plugins.prompts.chat_template import ChatTemplate


def build(question: str, **options: Any) -> Prompt:
    return configure(ChatTemplate, "plugins.chat_template", options).build_prompt(Problem("1", question))


def test_one_user_message_by_default() -> None:
    content = "What is $\\{1\\}$?\n\nPlease reason step by step, and put your final answer within \\boxed{}."
    assert build("What is $\\{1\\}$?") == Prompt(messages=({"role": "user", "content": content},))


def test_system_and_user_texts_are_options() -> None:
    assert build("1+1=?", system="Be brief.", user="Q: {problem}").messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: 1+1=?"},
    )


def test_variables_of_the_template_go_along() -> None:
    assert build("1+1=?", template={"enable_thinking": False}).template == {"enable_thinking": False}
    assert build("1+1=?").template == {}


def test_user_text_without_the_question_is_refused() -> None:
    with pytest.raises(PluginError) as error:
        build("1+1=?", user="Solve it.")
    assert str(error.value) == (
        "[plugins.chat_template] user = 'Solve it.' never shows the question; write {problem} where it goes"
    )
