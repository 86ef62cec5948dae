"""A plugin's options in words: their names, types, defaults and meanings, and an example table for a config."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from justtinker_core.hookspecs import implements
from justtinker_core.options import option_names

OptionRow = tuple[str, str, str, str]
"""Option, type, default, meaning."""
REQUIRED = "(required)"
LONG_DEFAULT = 200
"""A default of more characters is cut in the table and omitted from the example."""


def option_rows(cls: type[Any]) -> list[OptionRow]:
    """Describe each field of a plugin class in one row."""
    if not dataclasses.is_dataclass(cls):
        return []
    fields = [vars(base).get("__pydantic_fields__", {}) for base in reversed(cls.__mro__)]  # a base's come first
    meanings = {k: f.description for of_base in fields for k, f in of_base.items() if f.description}
    hints = typing.get_type_hints(cls, include_extras=True)
    rows = []
    for field in dataclasses.fields(cls):
        if field.init:
            hint = hints.get(field.name, field.type)
            rows.append((field.name, type_name(hint), default_text(field), meanings.get(field.name, "")))
    return rows


def plugin_option_rows(cls: type[Any]) -> list[OptionRow]:
    """Describe all options of a plugin, including those that the core adds to every reward."""
    from justtinker_core.weights import RewardOptions

    rows = option_rows(cls)
    if implements(cls, "score"):
        (weight, kind, default, meaning), mode = option_rows(RewardOptions)
        rows += [(weight, kind, str(getattr(cls, "default_weight", default)), meaning), mode]
    return rows


def example_table(name: str, cls: type[Any], rows: list[OptionRow]) -> str:
    """Write a config table that spells out every default, except the long ones."""
    lines = [f'[data.train]\nuse = "{name}"' if implements(cls, "load_problems") else f"[plugins.{name}]"]
    for key, kind, default, _ in rows:
        examples = getattr(getattr(cls, "__pydantic_fields__", {}).get(key), "examples", None)
        if default == "None" or len(default) > LONG_DEFAULT:
            lines.append(f"# {key} =")
        elif examples or default == REQUIRED:
            lines.append(f"{key} = {toml_text(examples[0]) if examples else placeholder(kind)}")
        else:
            lines.append(f"{key} = {default}")
    return "\n".join(lines)


def placeholder(kind: str) -> str:
    """A value of the given type, for an option that has no default."""
    return "1" if kind.startswith(("int", "float")) else "[]" if kind.startswith("list") else '"..."'


def type_name(hint: Any) -> str:
    """Name a type as one would in TOML: ``float >= 0``, ``"a" | "b"``, ``list of str``."""
    if hint is type(None):
        return ""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return type_name(arguments[0]) + limits(arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(filter(None, map(type_name, arguments)))
    if origin is Literal:
        return " | ".join(map(toml_text, arguments))
    if origin in (tuple, list, frozenset, set):
        return f"list of {type_name(arguments[0])}"
    if origin in (dict, Mapping):
        return f"table: {type_name(arguments[0])} -> {type_name(arguments[1])}"
    if dataclasses.is_dataclass(hint) and inspect.isclass(hint):
        return f"{{{', '.join(option_names(hint))}}}"
    name = hint.__name__ if inspect.isclass(hint) else str(hint)
    return re.sub(r"(?:\w+\.)+(?=\w)", "", name)


def limits(extras: tuple[Any, ...]) -> str:
    """The range that pydantic's `Field` sets for a number."""
    bounds = {
        k: getattr(m, k)
        for e in extras
        for m in getattr(e, "metadata", ())
        for k in ("ge", "gt", "le", "lt")
        if hasattr(m, k)
    }
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    if len(bounds) == 2:
        (low_kind, low), (high_kind, high) = sorted(bounds.items())
        return f" in {'[' if low_kind == 'ge' else '('}{low}, {high}{']' if high_kind == 'le' else ')'}"
    return "".join(f" {signs[kind]} {value}" for kind, value in bounds.items())


def default_text(field: Any) -> str:
    """A field's default in TOML, or that there is none."""
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return REQUIRED if default is dataclasses.MISSING else toml_text(default)


def toml_text(value: Any) -> str:
    """Write a value in TOML, on one line; a value that TOML lacks, such as None, as Python writes it."""
    import tomli_w  # here, so that listing plugins stays quick
    from pydantic_core import to_jsonable_python

    try:
        lines = tomli_w.dumps({"x": [[to_jsonable_python(value)]]}, indent=0)  # no string spans lines
    except (TypeError, ValueError):
        return str(value)
    return lines.replace("[\n", "[").replace(",\n]", "]").replace(",\n", ", ")[len("x = [[") : -len("]]\n")]
