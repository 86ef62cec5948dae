"""Schemas and values in JSON: what is wrong with a schema, and with a value by a schema.

`validate` runs in a worker: it meets what a policy wrote.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.strict_json import strict_json

DEPTH = 100
"""Deeper values are refused."""
FRAMES = 10_000
"""Python's stack in a worker: a hundred frames a level, for keywords within keywords."""
STACK = 8 << 20
"""Bytes of the usual C stack, which holds twice as many frames."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
PROBES: tuple[Any, ...] = (None, "", 0, [], {})


def needed_package() -> Any:
    """Import `jsonschema`; PluginError if it is not installed."""
    return package("jsonschema", "the verifier json_schema", "justtinker[json-schema]")


def read(text: str) -> Any:
    """Read one JSON value. ValueError if it is none, holds NaN, too large a number or a key twice, or is too deep."""
    try:
        value = strict_json(text)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEPTH} levels") from None
    level = [value]
    for _ in range(DEPTH):
        level = [child for each in level for child in _children(each)]
        if not level:
            return value
    raise ValueError(f"it is nested deeper than {DEPTH} levels")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield from (each for each in (value.values() if isinstance(value, dict) else value))


@lru_cache(maxsize=1024)
def trouble(schema: str) -> str:
    """Say why a schema is of no use; '' if it is."""
    try:
        found = read(schema)
    except ValueError as error:
        return f"the schema {schema!r:.60} is no JSON: {error}"
    if not isinstance(found, dict | bool):
        return f"the schema {schema!r:.60}: expected an object, got {type(found).__name__}"
    if found in ({}, True):
        return f"the schema {schema!r:.60} allows anything"
    package = needed_package()
    try:
        draft = _draft(found)
        draft.check_schema(found)
        _check_references(found, draft)
        for value in PROBES:
            next(_made(found, draft).iter_errors(value), None)
    except RecursionError:
        return "the schema refers to itself without end"
    except (package.SchemaError, ValueError) as error:
        return f"the schema is invalid: {getattr(error, 'message', error)!s:.200}"
    except Exception as error:  # what no draft allows, in a place that no draft checks
        return f"the schema cannot be applied: {type(error).__name__}: {error!s:.150}"
    return ""


def _draft(schema: Any) -> Any:
    """The validator class of a schema's draft, by default of 2020-12. ValueError if it names none that is known."""
    validators = needed_package().validators
    name = schema.get("$schema") if isinstance(schema, dict) else None
    known = validators.validator_for(schema, default=None) if isinstance(name, str) else None
    if name is not None and known is None:
        raise ValueError(f"'$schema': {name!r:.80} is no draft of JSON Schema")
    return known or validators.Draft202012Validator


def _check_references(schema: Any, draft: Any) -> None:
    """ValueError for a reference to what is neither in the schema nor a draft; SchemaError for one to no schema.

    An ``$id`` gives a part an address of its own, at which its references begin. Until draft 7, what stands beside a
    ``$ref`` does not count. What a reference leads to may lie where no draft looks for schemas, so it is checked too.
    """
    from jsonschema_specifications import REGISTRY
    from referencing import jsonschema as specifications

    validators = needed_package().validators
    only_ref = draft in [getattr(validators, f"Draft{n}Validator") for n in (3, 4, 6, 7)]
    specification = specifications.specification_with(draft.META_SCHEMA["$schema"])
    own = specification.create_resource(schema)
    queue, seen = [(own, REGISTRY.resolver_with_root(own))], set[int]()
    while queue:
        part, resolver = queue.pop()
        found = part.contents
        if not isinstance(found, dict) or id(found) in seen:
            continue
        seen.add(id(found))
        references = [k for k in REFERENCES if k in draft.VALIDATORS and isinstance(found.get(k), str)]
        for key in references:
            to = _target(resolver, key, found[key])
            if id(to.contents) not in seen:
                draft.check_schema(to.contents)
                queue.append((type(own).from_contents(to.contents, specification), to.resolver))
        if not (only_ref and "$ref" in references):
            inner = [each for each in part.subresources() if isinstance(each.contents, dict)]  # or a list of names
            queue += [(each, resolver.in_subresource(each)) for each in inner]


def _target(resolver: Any, key: str, reference: str) -> Any:
    """What a reference leads to; ValueError if it leads nowhere."""
    try:
        return resolver.lookup(reference)
    except Exception:
        raise ValueError(f"{key!r}: {reference!r:.80} is not in the schema, and nothing is fetched") from None


def _made(schema: Any, draft: Any, formats: bool = True) -> Any:
    """A validator that fetches nothing."""
    from jsonschema_specifications import REGISTRY

    return draft(schema, registry=REGISTRY, format_checker=draft.FORMAT_CHECKER if formats else None)


# -- in a worker -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _validator(schema: str, formats: bool) -> Any:
    found = read(schema)
    return _made(found, _draft(found), formats)


def validate(schema: str, answer: str, formats: bool) -> tuple[str, str]:
    """Return what decided ("json", "schema", "limit", or "gold" if the schema is to blame), and what is wrong or "".

    What an answer can cause is never "gold": a policy would choose to be unscored.
    """
    try:
        value = read(answer)
    except ValueError as error:
        return "json", f"the answer is no JSON: {error}"[:200]
    try:
        with _deep_stack():
            wrong = next(_validator(schema, formats).iter_errors(value), None)
            return "schema", "" if wrong is None else f"{wrong.json_path}: {wrong.message}"[:200]
    except MemoryError:
        raise  # the pool knows what to do
    except (OverflowError, RecursionError) as failure:
        return "limit", f"the answer is too much for the schema: {type(failure).__name__}: {failure!s:.100}"
    except Exception as failure:
        return "gold", f"the schema cannot be applied: {type(failure).__name__}: {failure!s:.150}"


@contextmanager
def _deep_stack() -> Iterator[None]:
    before, size = sys.getrecursionlimit(), resource.getrlimit(resource.RLIMIT_STACK)[0]
    sys.setrecursionlimit(max(before, FRAMES if size < 0 else min(FRAMES, FRAMES * size // STACK)))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
