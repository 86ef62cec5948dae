"""The options of a plugin in words: names, types as TOML knows them, defaults, meanings, and a table to paste."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from justtinker_core.hookspecs import implements
from justtinker_core.options import option_names

Row = tuple[str, str, str, str]
"""Option, type, default, meaning."""
REQUIRED = "(required)"
LONG = 200  # characters of a default


def described(cls: type[Any]) -> list[Row]:
    """One row a field of a plugin class."""
    if not dataclasses.is_dataclass(cls):
        return []
    fields = [vars(base).get("__pydantic_fields__", {}) for base in reversed(cls.__mro__)]  # a base's come first
    meanings = {k: f.description for of_base in fields for k, f in of_base.items() if f.description}
    hints = typing.get_type_hints(cls, include_extras=True)
    rows = []
    for field in dataclasses.fields(cls):
        if field.init:
            kind = hints.get(field.name, field.type)
            rows.append((field.name, type_name(kind), default_of(field), meanings.get(field.name, "")))
    return rows


def described_plugin(cls: type[Any]) -> list[Row]:
    """All options of a plugin, those that core gives to a reward included."""
    from justtinker_core.weights import RewardOptions

    rows = described(cls)
    if implements(cls, "score"):
        (weight, kind, default, meaning), mode = described(RewardOptions)
        rows += [(weight, kind, str(getattr(cls, "default_weight", default)), meaning), mode]
    return rows


def example(name: str, cls: type[Any], options: list[Row]) -> str:
    """A table for a config that says aloud what holds anyway; what is long stays out."""
    lines = [f'[data.train]\nuse = "{name}"' if implements(cls, "load_problems") else f"[plugins.{name}]"]
    for key, kind, default, _ in options:
        examples = getattr(getattr(cls, "__pydantic_fields__", {}).get(key), "examples", None)
        if default == "None" or len(default) > LONG:
            lines.append(f"# {key} =")
        elif examples or default == REQUIRED:
            lines.append(f"{key} = {toml(examples[0]) if examples else something(kind)}")
        else:
            lines.append(f"{key} = {default}")
    return "\n".join(lines)


def something(kind: str) -> str:
    """A value of a type, for an option that needs one."""
    return "1" if kind.startswith(("int", "float")) else "[]" if kind.startswith("list") else '"..."'


def type_name(kind: Any) -> str:
    """A type as one would say it of a TOML value: ``float >= 0``, ``"a" | "b"``, ``list of str``."""
    if kind is type(None):
        return ""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return type_name(arguments[0]) + limits(arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(filter(None, map(type_name, arguments)))
    if origin is Literal:
        return " | ".join(map(toml, arguments))
    if origin in (tuple, list, frozenset, set):
        return f"list of {type_name(arguments[0])}"
    if origin in (dict, Mapping):
        return f"table: {type_name(arguments[0])} -> {type_name(arguments[1])}"
    if dataclasses.is_dataclass(kind) and inspect.isclass(kind):
        return f"{{{', '.join(option_names(kind))}}}"
    name = kind.__name__ if inspect.isclass(kind) else str(kind)
    return re.sub(r"(?:\w+\.)+(?=\w)", "", name)


def limits(extras: tuple[Any, ...]) -> str:
    """What `Field` allows of a number."""
    said = {
        k: getattr(m, k)
        for e in extras
        for m in getattr(e, "metadata", ())
        for k in ("ge", "gt", "le", "lt")
        if hasattr(m, k)
    }
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    if len(said) == 2:
        (low_kind, low), (high_kind, high) = sorted(said.items())
        return f" in {'[' if low_kind == 'ge' else '('}{low}, {high}{']' if high_kind == 'le' else ')'}"
    return "".join(f" {signs[kind]} {value}" for kind, value in said.items())


def default_of(field: Any) -> str:
    """A field's default as TOML would say it."""
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return REQUIRED if default is dataclasses.MISSING else toml(default)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml, value))}]"
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return str(value)
