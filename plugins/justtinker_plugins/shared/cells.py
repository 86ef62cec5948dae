"""The cells of a row as text: nested columns, chat messages, numbers; errors name place and column."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.rows import Row


def column_names(row: Mapping[str, Any]) -> list[str]:
    """A row's columns, those one level down as ``outer.inner``."""
    names = []
    for name, value in row.items():
        names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    return names


def cell(row: Row, column: str) -> Any:
    """The value in a row's column; None if it is empty or missing."""
    cells = row[1]
    if column in cells:
        return cells[column]
    outer, _, inner = column.partition(".")
    nested = cells.get(outer)
    return nested.get(inner) if isinstance(nested, dict) else None


def text_cell(row: Row, column: str) -> str:
    """A cell as text: a number becomes its text; a blank cell or NaN (pandas' empty cell) the empty text."""
    value = cell(row, column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = "" if math.isnan(value) else str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not isinstance(value, str):
        hint = json.dumps(json.dumps(value, default=str)) if isinstance(value, list) else ""
        raise PluginError(
            f"{row[0]}, column {column!r}: expected text or a number, got {type(value).__name__}"
            + (f"; as text it is {hint}" if 0 < len(hint) < 60 else "")
        )
    return encodable(value, row, column)


def encodable(text: str, row: Row, column: str) -> str:
    r"""The text, if it can be encoded: JSON may hold half a character, as ``"\ud83d"``, where somebody cut a text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PluginError(
            f"{row[0]}, column {column!r}: half a character ({text[error.start]!a}); correct or drop the row"
        ) from None
    return text


def question_cell(row: Row, column: str) -> str:
    """The question: a text, or the user's message in a list of chat messages."""
    messages = cell(row, column)
    if not isinstance(messages, list):
        return text_cell(row, column)
    users = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if len(users) != 1 or not isinstance(users[0], str) or not users[0].strip():
        raise PluginError(
            f"{row[0]}, column {column!r}: expected one message with a text from the user, got {len(users)} from the "
            f"user among {len(messages)} messages"
        )
    return encodable(users[0], row, column)


def as_json(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells as JSON values: dates and the like as text, numbers that are not finite as None."""
    converted: dict[str, Any] = json.loads(json.dumps(cells, default=str), parse_constant=lambda _: None)
    return converted
