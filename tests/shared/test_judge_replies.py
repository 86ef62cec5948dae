"""A reply is one JSON object of the schema, or no verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.judge.replies import (
    ReplyError,
    Usage,
    content_of,
    object_of_reply,
    object_schema,
    usage_of,
)
from tests.judge_server import completion

SCHEMA = object_schema({"reason": {"type": "string"}, "same": {"type": "boolean"}})
POINTS = object_schema({"criteria": object_schema({"a": {"type": "integer", "enum": [0, 1, 2]}})})
GOOD = '{"reason": "so", "same": true}'


@pytest.mark.parametrize(
    "text", [GOOD, f"\n {GOOD}\n", f"```json\n{GOOD}\n```", f"```\n{GOOD}\n```", f"<think>{{}} hm</think>\n{GOOD}"]
)
def test_a_reply_that_is_an_object(text: str) -> None:
    assert object_of_reply(text, SCHEMA) == {"reason": "so", "same": True}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Yes.", "the reply is no JSON object"),
        (
            f'The response says {GOOD} but that is wrong: {{"reason": "no", "same": false}}',
            "the reply is no JSON object",
        ),
        (f"{GOOD}\n{GOOD}", "the reply is no JSON object"),
        (f"<think>{GOOD}", "the reply is no JSON object"),
        ('{"reason": "so", "same": false, "same": true}', "the reply is no JSON object"),
        ('{"reason": NaN, "same": true}', "the reply is no JSON object"),
        ("[" * 100_000, "the reply is no JSON object"),
        ("[true]", "the reply does not fit: the reply is no object"),
        ('{"same": true}', "the reply does not fit: expected reason, same in the reply, got same"),
        ('{"reason": "so", "same": "true"}', "the reply does not fit: same is no boolean"),
        ('{"reason": "so", "same": 1}', "the reply does not fit: same is no boolean"),
    ],
)
def test_a_reply_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(ReplyError) as error:
        object_of_reply(text, SCHEMA)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("value", "reason"), [(True, "a is no integer"), (3, "a is none of 0, 1, 2"), (1.0, "a is no")]
)
def test_points_are_whole_numbers_of_the_scale(value: Any, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason):
        object_of_reply(json.dumps({"criteria": {"a": value}}), POINTS)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = object_of_reply(text, SCHEMA)
    except ReplyError:
        return
    assert set(found) == {"reason", "same"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "the reply has no message in it"),
        ({"choices": []}, "the reply has no message in it"),
        ({"choices": [None]}, "the reply has no message in it"),
        ({"choices": [{"message": "x"}]}, "the reply has no message in it"),
        (completion(None), "the reply is empty"),
        (completion(None, refusal="I cannot help with that."), "the judge refused: I cannot help with that."),
        ({"choices": [{"finish_reason": "length", "message": {"content": GOOD}}]}, "cut off at max_tokens = 7"),
        ({"choices": [{"finish_reason": "content_filter", "message": {}}]}, "the judge refused: content filter"),
    ],
)
def test_a_reply_without_text(payload: Any, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason):
        content_of(payload, 7)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 1}, {"prompt_tokens": True, "completion_tokens": -1}, []]
)
def test_usage_that_is_not_told(usage: Any) -> None:
    assert usage_of({"usage": usage}) is None
    assert usage_of(completion("")) == Usage(100, 10)
