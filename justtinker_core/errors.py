"""What can go wrong, said in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

T = TypeVar("T")


class PluginError(Exception):
    """Something is wrong with a plugin, a config or the data; the text says where, what was found, and the fix."""


class SamplingError(PluginError):
    """A backend could not sample a group, for good: the group is left out and counted, up to `sampling.max_failed`."""


def all_or_none(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What all calls return; or one PluginError with the complaints of all that raised one."""
    answers, complaints = [], []
    for call in calls:
        try:
            answers.append(call())
        except PluginError as error:
            complaints.append(str(error))
    if complaints:
        raise PluginError("\n".join(complaints))
    return answers


def nearest(word: str, known: Collection[str]) -> str:
    """A ``; did you mean 'x'?`` to hang on an error, or the list of what there is."""
    close = difflib.get_close_matches(word, list(known), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is {', '.join(sorted(known))}" if known else "; there is none"
