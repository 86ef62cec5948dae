from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Rollout, Verdict, config
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.pool.pool import Result, Status
from justtinker_plugins.verifiers._json_schema import schemas
from justtinker_plugins.verifiers.json_schema import JsonSchema, verdict_of

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def verifier() -> Iterator[JsonSchema]:
    verifier = JsonSchema(limit=0.5, workers=2)
    yield verifier
    verifier.finish_run()


def judge(verifier: JsonSchema, schema: Any, *texts: str) -> list[Verdict]:
    problem = Problem("1", "?", None, "json_schema", meta={"schema": schema})
    return verifier.verify(problem, [Rollout((), (), (), text) for text in texts]) or []


def run_of(*problems: Problem) -> Run:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    return Run(config.parse(tables, Path()), Plugins([]), RunDir(Path()), train_problems=problems)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada"}',
        '<think>{"name": 5}</think>\n\n{"name": "Ada", "born": "1815-12-10"}\n',
        'Here it is:\n```json\n{"name": "Ada"}\n```\nI hope that helps.',
        'First I thought\n```json\n{"name": 5}\n```\nbut no:\n\n  ```JSON\n  {"name": "Ada"}\n  ```',
        '```\n{"name": "Ada"}\n```',
    ],
)
def test_right_answers(verifier: JsonSchema, text: str) -> None:
    assert judge(verifier, PERSON, text)[0].outcome == "correct"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": 5}', "$.name: 5 is not of type 'string'"),
        ('{"name": "Ada", "born": "yesterday"}', "$.born: 'yesterday' is not a 'date'"),
        ("{}", "$: 'name' is a required property"),
        ('{"name": 5, "name": "Ada"}', "the answer is no JSON: an object has the key 'name' twice"),
        ('{"name": "Ada", "age": NaN}', "the answer is no JSON: NaN is not in JSON"),
        ("[1e400]", "the answer is no JSON: the number 1e400 is too large"),
        ('Here it is: {"name": "Ada"}', "the answer is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ('```json\n{"name": "Ada"}\n```\n```json\n{}\n```', "$: 'name' is a required property"),
        ('```python\n{"name": "Ada"}\n```', "the answer is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 150 + "]" * 150, "the answer is no JSON: it is nested deeper than 100 levels"),
        ("[" * 50_000, "the answer is no JSON: it is nested deeper than 100 levels"),
        ("", "there is no answer"),
        ('<think>{"name": "Ada"}', "a <think> is never closed"),
        (" " * 5 + "7" * 100_001, "the answer is longer than 100000 characters"),
    ],
)
def test_wrong_answers(verifier: JsonSchema, text: str, reason: str) -> None:
    [verdict] = judge(verifier, PERSON, text)
    assert (verdict.outcome, verdict.reason) == ("incorrect", reason)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (None, "the problem has no schema: expected JSON in its metadata 'schema' or as its gold answer"),
        (" ", "the problem has no schema: expected JSON in its metadata 'schema' or as its gold answer"),
        ("{", "the schema '{' is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ([1], "the schema '[1]': expected an object, got list"),
        ({}, "the schema '{}' allows anything"),
        (True, "the schema 'true' allows anything"),
        ({"type": "text"}, "the schema is invalid: 'text' is not valid under any of the given schemas"),
        ({"pattern": "(("}, "the schema is invalid: '((' is not a 'regex'"),
        ({"$schema": "draft 99"}, "the schema is invalid: '$schema': 'draft 99' is no draft of JSON Schema"),
        ({"items": {"$ref": "#/$defs/x"}},
         "the schema is invalid: '$ref': '#/$defs/x' is not in the schema, and nothing is fetched"),
        ({"$ref": "https://example.com/s"},
         "the schema is invalid: '$ref': 'https://example.com/s' is not in the schema, and nothing is fetched"),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"y": {"$id": "http://e/y"}}},
         "the schema is invalid: '$ref': '#/$defs/x' is not in the schema, and nothing is fetched"),
        ({"$id": "http://e/x", "items": {"$id": "y", "$defs": {"z": {}}, "items": {"$ref": "x#/$defs/z"}}},
         "the schema is invalid: '$ref': 'x#/$defs/z' is not in the schema, and nothing is fetched"),
        ({"$ref": "#/more/a", "more": {"a": {"items": {"$ref": "#/more/b"}}}},
         "the schema is invalid: '$ref': '#/more/b' is not in the schema, and nothing is fetched"),
        ({"items": {"$dynamicRef": "#x"}},
         "the schema is invalid: '$dynamicRef': '#x' is not in the schema, and nothing is fetched"),
        ({"items": {"$ref": "#/more/a"}, "more": {"a": {"pattern": "(("}}},
         "the schema is invalid: '((' is not a 'regex'"),
        ({"items": {"$ref": "#/more/a"}, "more": {"a": {"properties": 5}}},
         "the schema is invalid: 5 is not of type 'object'"),
        ({"items": {"$ref": "#/more/a"}, "more": {"a": [1]}},
         "the schema is invalid: [1] is not of type 'object', 'boolean'"),
        ({"$ref": "#"}, "the schema refers to itself without end"),
    ],
)  # fmt: skip
def test_a_schema_of_no_use(verifier: JsonSchema, schema: Any, reason: str) -> None:
    assert judge(verifier, schema, "{}") == [Verdict("unscored", None, "gold", reason)]
    problem = Problem("bad", "?", None, "json_schema", meta={"schema": schema})
    good = Problem("good", "?", json.dumps(PERSON), "json_schema")
    assert verifier.preflight(run_of(good, problem)) == [
        f"json_schema: [data.train] problem 'bad': {reason}; mend the data, or leave the row out"
    ]


@pytest.mark.parametrize("draft", ["http://json-schema.org/draft-07/schema#", None])
def test_references_into_the_schema_or_a_draft_hold(verifier: JsonSchema, draft: str | None) -> None:
    schema = {"definitions": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/definitions/n"}}
    schema |= {"$schema": draft} if draft else {}
    assert [v.outcome for v in judge(verifier, schema, "[1]", "[1.5]")] == ["correct", "incorrect"]
    meta = {"$ref": "http://json-schema.org/draft-07/schema#"}
    assert [v.outcome for v in judge(verifier, meta, '{"type": "null"}', '{"type": 1}')] == ["correct", "incorrect"]


@pytest.mark.parametrize("draft", [3, 4, 6, 7])
def test_older_drafts_have_lists_among_schemas_and_nothing_beside_references(verifier: JsonSchema, draft: int) -> None:
    url = f"http://json-schema.org/draft-0{draft}/schema#"
    needs = {"a": {"type": "object", "properties": {"b": {"type": "string"}}}, "c": ["d"]}
    schema: dict[str, Any] = {"$schema": url, "type": "object", "dependencies": needs}
    answers = ['{"a": 1}', '{"c": 1}', '{"a": 1, "b": 1}']
    assert [v.outcome for v in judge(verifier, schema, *answers)] == ["correct", "incorrect", "incorrect"]
    beside = {"$ref": "#/definitions/n", "items": {"$ref": "#/gone"}}
    schema = {"$schema": url, "definitions": {"n": {"type": "integer"}}, "type": "array", "items": beside}
    assert [v.outcome for v in judge(verifier, schema, "[1]", "[1.5]")] == ["correct", "incorrect"]


def test_a_pattern_that_takes_years_ends_an_answer_and_no_run(verifier: JsonSchema) -> None:
    bomb, good = judge(verifier, {"type": "string", "pattern": "^(a+)+$"}, json.dumps("a" * 60 + "b"), '"aa"')
    assert (bomb.outcome, bomb.rung, good.outcome) == ("incorrect", "limit", "correct")


def test_parts_with_addresses_of_their_own_may_be_referred_to(verifier: JsonSchema) -> None:
    part = {"$id": "http://e/y", "$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}
    schema = {"$ref": "http://e/y", "$defs": {"y": part}, "examples": [{"$ref": "#/none"}]}
    assert [v.outcome for v in judge(verifier, schema, "[1]", "[1.5]")] == ["correct", "incorrect"]


WINDING: dict[str, Any] = {"anyOf": [{"$ref": "#"}, {"type": "string"}]}
for _ in range(3):
    WINDING = {"allOf": [{"not": {"not": WINDING}}]}


@pytest.mark.parametrize(
    ("schema", "answer", "outcome"),
    [
        ({"type": "array", "items": WINDING}, "[" * 98 + '"x"' + "]" * 98, "correct"),
        ({"type": "array", "items": WINDING}, "[" * 98 + "5" + "]" * 98, "incorrect"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, '{"a": 1}', "incorrect"),
        ({"type": "number", "multipleOf": 0.01}, "1" + "0" * 400, "incorrect"),
        ({"type": "string", "format": "regex"}, '"a{99999999999999999999}"', "incorrect"),
    ],
)
def test_no_answer_can_choose_to_be_unscored(verifier: JsonSchema, schema: Any, answer: str, outcome: str) -> None:
    before = sys.getrecursionlimit()
    [verdict] = judge(verifier, schema, answer)
    assert verdict.outcome == outcome
    rung, reason = schemas.validate(json.dumps(schema), answer, True)
    assert (rung, reason == "") == (verdict.rung, outcome == "correct")
    assert sys.getrecursionlimit() == before


def test_an_answer_that_eats_all_memory_is_wrong() -> None:
    assert verdict_of("{}", Result("memory", detail="out of memory")).outcome == "incorrect"


def test_an_empty_column_leaves_the_schema_to_the_gold(verifier: JsonSchema) -> None:
    problem = Problem("1", "?", json.dumps(PERSON), "json_schema", meta={"schema": None})
    [verdict] = verifier.verify(problem, [Rollout((), (), (), '{"name": "Ada"}')]) or []
    assert verdict.outcome == "correct"


@pytest.mark.parametrize("status", ["died", "wall_limit", "error"])
def test_a_worker_that_is_lost_leaves_an_answer_unscored(status: Status) -> None:
    reason = f"the worker failed ({status}): why"
    assert verdict_of("{}", Result(status, detail="why")) == Verdict("unscored", "{}", "failed", reason)
    assert verdict_of("{}", Result("ok", ("gold", "why"))) == Verdict("unscored", "{}", "gold", "why")


def test_options() -> None:
    verifier = JsonSchema(kinds=("x",), column="form", formats=False, max_chars=40)
    problem = Problem("1", "?", '{"type": "null"}', "x", meta={"form": json.dumps(PERSON)})
    texts = ['{"name": "Ada", "born": "yesterday"}', "null", '{"name": "' + "a" * 40 + '"}']
    verdicts = verifier.verify(problem, [Rollout((), (), (), text) for text in texts])
    verifier.finish_run()
    assert verdicts is not None
    assert [v.outcome for v in verdicts] == ["correct", "incorrect", "incorrect"]
    assert verdicts[2].reason == "the answer is longer than 40 characters"
    assert verifier.verify(Problem("1", "?", "{}", "json_schema"), []) is None


def test_the_package_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    text = "the verifier json_schema needs a package: pip install 'justtinker[json-schema]'"
    assert JsonSchema().preflight(run_of()) == [text]
    with pytest.raises(PluginError) as error:
        judge(JsonSchema(), PERSON, "{}")
    assert str(error.value) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_what_json_writes_is_read_back_and_fits_its_own_constant(value: Any) -> None:
    text = json.dumps(value)
    assert schemas.read(text) == value
    schema = json.dumps({"const": value})
    assert schemas.trouble(schema) == ""
    assert schemas.validate(schema, text, True) == ("schema", "")
    assert schemas.validate(schema, json.dumps([value, "more"]), True)[1] != ""


@settings(deadline=None)
@given(st.text('{}[]",:0123e-. nulltrefas\\', max_size=40))
def test_any_text_is_valid_or_wrong_for_a_reason(text: str) -> None:
    rung, reason = schemas.validate('{"type": "object"}', text, True)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        assert rung == "json"
        return
    assert (reason == "") == isinstance(value, dict) or rung == "json"
