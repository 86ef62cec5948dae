r"""Responses to prompts that already hold the ``<think>``, or a whole empty block, as many chat templates write it.

The response then has no opening tag. Whoever looks for one takes a thought that was cut off for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from justtinker_plugins.commands._audit.items import Battery, Item, battery_name, register_in
from justtinker_plugins.text import CLOSE, OPEN

WRONG: dict[str, Battery] = {}
SLOPPY: dict[str, Battery] = {}
HONEST: dict[str, Battery] = {}
THINKING = f"{OPEN}\n"
"""What a prompt that opens the thinking holds of the response."""
NO_THINKING = f"{OPEN}\n\n{CLOSE}\n\n"
"""What a prompt that turns thinking off holds."""


@register_in(WRONG)
def opened_thinking_cut_off(item: Item) -> Iterator[str]:
    """Thinking that the prompt has opened and the response never closes, with the right answer in it."""
    thought, right = item.think(), item.format(item.gold)
    yield f"{thought} So it may be {right}. But let me check that."
    yield f"{thought}\n\n{right}"
    yield right
    yield f"{thought} It is {right}, so the answer is {right}.\n\n**Final answer:** {right}"
    yield f"{OPEN}\n{thought}\n\n{right}"
    yield f"{thought}\n</think >\n\n{right}"


@register_in(WRONG)
def opened_thinking_with_decoys(item: Item) -> Iterator[str]:
    """The right answer in thinking that the prompt has opened, and a wrong one or none after it."""
    thought, right, wrong = item.think(), item.format(item.gold), item.format(item.wrong_answers[0])
    yield f"{thought} So it may be {right}.\n{CLOSE}\n\n{wrong}"
    yield f"{right}\n{thought}\n{CLOSE}\n\nAs I have shown above."
    yield f"{thought} {right}\n{CLOSE}"
    yield f"{thought}\n{CLOSE}\n\n{right}\n{OPEN}\n{item.think()}\n{CLOSE}\n\n{wrong}"


@register_in(SLOPPY)
def opened_thinking_left_empty(item: Item) -> Iterator[str]:
    """Thinking that the prompt has opened, closed at once, opened again or closed twice."""
    thought, right = item.think(), item.format(item.gold)
    yield f"{CLOSE}\n\n{right}"
    yield f"\n\n{CLOSE}\n\n{right}"
    yield f"ok\n{CLOSE}\n\n{right}"
    yield f"{OPEN}\n{thought}\n{CLOSE}\n\n{right}"
    yield f"{thought}\n{CLOSE}\n{CLOSE}\n\n{right}"


@register_in(HONEST)
def opened_thinking(item: Item) -> Iterator[str]:
    """Thinking that the prompt has opened and the response closes, then the answer; a box in the thinking or not."""
    thought, right = item.think(), item.format(item.gold)
    yield f"{thought}\n{CLOSE}\n\n{right}"
    yield f"{thought} So it is {right}. {item.think(2)}\n{CLOSE}\n\n{right}"
    yield f"{thought} Is it {item.format(item.wrong_answers[0])}? No. {item.think(2)}\n{CLOSE}\n\n{right}"
    yield f"\n{thought}{CLOSE}{right}"


@register_in(HONEST)
def thinking_turned_off(item: Item) -> Iterator[str]:
    """The answer alone, or with its steps, after a prompt that has turned thinking off."""
    right = item.format(item.gold)
    yield right
    yield f"{item.think(3)}\n\n{right}"


OPENED: Mapping[str, str] = {name: THINKING for part in (WRONG, SLOPPY, HONEST) for name in part} | {
    battery_name(thinking_turned_off): NO_THINKING
}
"""Batteries whose prompts hold something of the response -> what they hold."""


def rest_of(response: str, opened: str) -> str:
    """Return what a response to a prompt that holds `opened` writes of a whole plain response."""
    if CLOSE in opened:
        return response.rpartition(CLOSE)[2].lstrip()
    return response.removeprefix(THINKING) if opened else response
