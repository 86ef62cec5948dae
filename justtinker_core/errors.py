"""Errors that a user can act on, and helpers that word them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

T = TypeVar("T")


class PluginError(Exception):
    """Something is wrong with a plugin, a config or the data. The text says where, what was found, and the fix."""


class CannotResumeError(PluginError):
    """Resuming the run cannot help until what the text says is done."""


class SamplingError(PluginError):
    """A backend cannot sample a group. The core leaves the group out and counts it, up to `sampling.max_failed`."""


def all_or_none(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Return the results of all calls; or raise one PluginError with the texts of every one raised.

    None stands there twice, neither by itself nor of a table, as ``[data.train] …``.
    """
    answers, complaints = [], []
    for call in calls:
        try:
            answers.append(call())
        except PluginError as error:
            complaints.append(str(error))
    if complaints:
        lines = dict.fromkeys("\n".join(complaints).splitlines())
        again = {line for line in lines if line.startswith("[") and line.partition("] ")[2] in lines}
        raise PluginError("\n".join(line for line in lines if line not in again))
    return answers


def nearest(word: str, known: Collection[str]) -> str:
    """Return a hint to append to an error: ``; did you mean 'x'?``, or the list of known names if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else "; there are none"
