"""Chat messages as the text that a model wrote."""

from __future__ import annotations

import pytest

from justtinker_core import PluginError
from justtinker_plugins.shared.messages import text_of


@pytest.mark.parametrize(
    "completion", ["hello", {"role": "assistant", "content": "hello"}, [{"role": "assistant", "content": "hello"}]]
)
def test_a_completion_is_text_or_messages(completion: object) -> None:
    assert text_of(completion, "row 1") == "hello"


def test_thinking_that_stands_apart_comes_first() -> None:
    message = {"role": "assistant", "reasoning_content": "so", "content": "hello"}
    assert text_of([message], "row 1") == "<think>\nso\n</think>\n\nhello"
    assert text_of([{**message, "content": None}], "row 1") == "<think>\nso\n</think>\n\n"


def test_other_completions_are_refused() -> None:
    with pytest.raises(PluginError, match=r"row 1: expected text or chat messages with text, got \[\]"):
        text_of([], "row 1")
