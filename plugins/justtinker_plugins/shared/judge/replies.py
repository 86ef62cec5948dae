"""Read what a judge replies, strictly: one JSON object of the schema that was asked for, or no verdict at all.

A judge may repeat what it read, and what it read may hold a forged verdict. So a verdict is never looked for in the
middle of a text: the reply as a whole is the object, but for a block of thinking or a fence of code around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from justtinker_plugins.shared.strict_json import strict_json
from justtinker_plugins.text import answer_part

Schema = Mapping[str, Any]
"""The part of JSON schema that `mismatch` knows: object, string, boolean, integer with enum."""
KINDS: Mapping[str, type[Any]] = {"object": dict, "string": str, "boolean": bool, "integer": int}
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL)


class ReplyError(Exception):
    """A reply holds no verdict. The text says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one request used, in tokens."""

    input: int
    output: int


def object_schema(properties: Mapping[str, Schema]) -> Schema:
    """Make the schema of an object that has all of these properties and no other."""
    return {
        "type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def usage_of(payload: Mapping[str, Any]) -> Usage | None:
    """Return the tokens that a server has counted; None if it does not say."""
    usage = payload.get("usage")
    counts = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")] if isinstance(usage, dict) else [None]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return None
    return Usage(*counts)


def content_of(payload: Mapping[str, Any], max_tokens: int) -> str:
    """Return the text of a reply. ReplyError if the judge refused, was cut off, or said nothing."""
    try:
        choice = payload["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (LookupError, TypeError, AttributeError):
        raise ReplyError("the reply has no message in it") from None
    if refusal:
        raise ReplyError(f"the judge refused: {refusal!s:.100}")
    if ended == "content_filter":
        raise ReplyError("the judge refused: content filter")
    if ended == "length":
        raise ReplyError(f"the reply was cut off at max_tokens = {max_tokens}")
    if not isinstance(content, str) or not content.strip():
        raise ReplyError("the reply is empty")
    return content


def object_of_reply(content: str, schema: Schema) -> dict[str, Any]:
    """Read a reply as an object of the schema. ReplyError if it is anything else."""
    text = (answer_part(content) or "").strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        found = strict_json(text)
    except (ValueError, RecursionError):
        raise ReplyError("the reply is no JSON object") from None
    if wrong := mismatch(found, schema):
        raise ReplyError(f"the reply does not fit: {wrong}")
    result: dict[str, Any] = found
    return result


def mismatch(value: Any, schema: Schema, where: str = "the reply") -> str:
    """Say where a value does not fit a schema; '' if it does."""
    kind = schema["type"]
    if not isinstance(value, KINDS[kind]) or (kind == "integer" and isinstance(value, bool)):
        return f"{where} is no {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is none of {', '.join(map(str, schema['enum']))}"
    if kind != "object":
        return ""
    properties: Mapping[str, Schema] = schema["properties"]
    if set(value) != set(properties):
        return f"expected {', '.join(properties)} in {where}, got {', '.join(value)!s:.80}"
    return next(filter(None, (mismatch(value[name], part, name) for name, part in properties.items())), "")
