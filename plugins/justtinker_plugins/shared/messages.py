"""Chat messages as the text that a model wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import PluginError


def text_of(completion: Any, where: str) -> str:
    """Return the text of a completion: text, one chat message, or a list of messages, whose last one counts.

    Thinking that a chat format keeps apart from the content comes first, as a ``<think>`` block.
    """
    last = last_message(completion)
    thinking = reasoning_of(last)
    content = last.get("content") if isinstance(last, Mapping) else last
    if content is None and thinking:
        content = ""  # it was cut off while thinking
    if not isinstance(content, str):
        raise PluginError(f"{where}: expected text or chat messages with text, got {completion!r:.80}")
    return f"<think>\n{thinking}\n</think>\n\n{content}" if thinking else content


def last_message(completion: Any) -> Any:
    """Return the last of several chat messages; anything else as it is."""
    several = isinstance(completion, Sequence) and not isinstance(completion, str) and completion
    return completion[-1] if several else completion


def reasoning_of(message: Any) -> str:
    """Return the thinking that a chat message holds apart from its content; '' if there is none."""
    if not isinstance(message, Mapping):
        return ""
    found = message.get("reasoning_content") or message.get("thinking")
    return found if isinstance(found, str) else ""
