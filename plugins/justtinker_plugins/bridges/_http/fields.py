"""Reads fields of JSON objects, or says which one is wrong: what was expected, what came."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.shared.strict_json import strict_json

Body = Mapping[str, Any]


def parse(data: bytes) -> Body:
    """Read the body of a request, which must be a JSON object."""
    try:
        body = strict_json(data)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise PluginError(f"the body: expected a JSON object, got {shown(body)}")
    return body


def shown(value: Any) -> str:
    """Show the begin of a value as JSON."""
    return f"{json.dumps(value):.60}"


def need(body: Body, name: str, owner: str = "the request") -> Any:
    """Return a field; PluginError names the one that is not there, what there is, and what is perhaps meant as it."""
    if name not in body:
        there = f"has: {', '.join(body)}" if body else "is empty"
        raise PluginError(f"expected a field {name!r}; {owner} {there:.300}{meant(name, body)}")
    return body[name]


def meant(name: str, body: Body) -> str:
    """Return a hint about the field that may have been sent under another name, or ''."""
    close = difflib.get_close_matches(name, list(body), n=1)
    return f"; {close[0]!r} is perhaps meant as {name!r}" if close else ""


def only(body: Body, known: Collection[str]) -> None:
    """Raise PluginError if the object has a field that nobody would read."""
    for name in body:
        if name not in known:
            raise PluginError(f"the request takes no field {name!r}{nearest(name, known)}")


def check(name: str, value: Any, expected: str, fits: bool) -> Any:
    """Return the value if it fits; PluginError says what was expected."""
    if not fits:
        raise PluginError(f"{name}: expected {expected}, got {shown(value)}")
    return value


def text(name: str, value: Any) -> str:
    """Return a text."""
    checked: str = check(name, value, "text", isinstance(value, str))
    return checked


def gold(name: str, value: Any) -> str | None:
    """Return a gold answer: text, null or a number."""
    check(name, value, "text, a number or null", value is None or is_text(value) or is_number(value))
    return value if value is None else str(value)


def listed(name: str, value: Any, fits: Callable[[Any], bool], what: str) -> Sequence[Any]:
    """Return a list all of whose entries fit."""
    check(name, value, f"a list, each entry {what}", isinstance(value, list))
    for place, entry in enumerate(value):
        check(f"{name}[{place}]", entry, what, fits(entry))
    checked: Sequence[Any] = value
    return checked


def is_text(value: Any) -> bool:
    """Whether it is a text."""
    return isinstance(value, str)


def is_number(value: Any) -> bool:
    """Whether it is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether it is 0, 1, 2 ..."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_truth(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)
