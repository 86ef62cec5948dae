"""Options of plugins: the `plugin` decorator turns fields into options, and `configure` fills them from a config table.

pydantic is imported together with the first plugin, so that listing plugins stays quick.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

from justtinker_core.errors import PluginError, nearest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@dataclass_transform(field_specifiers=(dataclasses.field,))
def plugin(cls: type[T]) -> type[T]:
    """Make a class a plugin: a dataclass whose fields are validated options.

    A string under a field is its description. Types are strict: ``"0.3"`` is not a number. Use
    ``Annotated[float, Field(ge=0, le=1)]`` for ranges and ``Literal`` for choices.
    ``__post_init__`` runs after validation.
    """
    from pydantic import ConfigDict
    from pydantic.dataclasses import dataclass as pydantic_dataclass

    config = ConfigDict(
        strict=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True, validate_by_name=True
    )
    return cast("type[T]", pydantic_dataclass(cls, config=config, eq=False))


def option_names(cls: type[Any]) -> list[str]:
    """Return the options of a plugin class, by their names in the config."""
    aliases = {name: f.alias for name, f in getattr(cls, "__pydantic_fields__", {}).items()}
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return [aliases.get(f.name) or f.name for f in fields if f.init]


def configure(
    cls: type[T],
    table: str,
    options: Mapping[str, Any],
    also: Collection[str] = (),
    other_names: Mapping[str, str] | None = None,
) -> T:
    """Make a plugin from its table of the config. Raises one PluginError that lists all mistakes with table and key.

    Hints also draw on `also` (options of the table that the core takes) and `other_names` (wrong name -> right name).
    """
    fields = [a for a in vars(cls).get("__annotations__", {}).values() if "ClassVar" not in str(a)]
    if fields and not dataclasses.is_dataclass(cls):
        raise PluginError(f"[{table}] {cls.__name__} declares options but is not a dataclass: decorate it with @plugin")
    known, others = option_names(cls), other_names or {}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise PluginError(
            "\n".join(
                f"[{table}] has no option {name!r}{nearest(others.get(name, name), [*known, *also])}"
                for name in unknown
            )
        )
    if not known:
        return cls()
    from pydantic import TypeAdapter

    return validated(TypeAdapter(cls), table, options)


def dump(instance: Any) -> dict[str, Any]:
    """Return a plugin's options as a config table, without those that are None: TOML has no null."""
    if not option_names(type(instance)):
        return {}
    from pydantic import TypeAdapter

    table: dict[str, Any] = TypeAdapter(type(instance)).dump_python(
        instance, mode="json", exclude_none=True, by_alias=True
    )
    return table


def validated(adapter: TypeAdapter[T], table: str, options: Mapping[str, Any]) -> T:
    """Validate a TOML table strictly; through JSON, so that a list may fill a tuple and a text a path."""
    from pydantic import ValidationError

    try:
        return adapter.validate_json(json.dumps(options), strict=True)
    except ValidationError as error:
        complaints: dict[tuple[str, ...], str] = {}
        for e in error.errors():
            keys = keys_of(e, options)
            complaints.setdefault(keys, complaint(table, ".".join(keys), e))  # of a union, only its first type's
        raise PluginError("\n".join(complaints.values())) from None
    except (TypeError, ValueError) as error:  # such as a date, which TOML has, but JSON and options do not
        raise PluginError(f"[{table}] {error}") from error


def keys_of(error: Any, options: Any) -> tuple[str, ...]:
    """Return the keys that lead to the wrong value; unlike pydantic's location, without the branches of unions."""
    keys: list[str] = []
    for key in error["loc"]:
        if isinstance(options, list | dict) and key in (options if isinstance(options, dict) else range(len(options))):
            keys.append(str(key))
            options = options[key]
    return (*keys, str(error["loc"][-1])) if error["type"] == "missing" else tuple(keys)


def complaint(table: str, key: str, error: Any) -> str:
    """Word one pydantic error as ``[table] key = found: what is wrong``."""
    if error["type"] == "missing":
        return f"[{table}] needs a value for {key!r}"
    if error["type"] == "value_error":  # raised by a plugin's own __post_init__, whose text says all
        return f"[{table}] {error['msg'].removeprefix('Value error, ')}"
    number = error["type"] == "string_type" and isinstance(error["input"], int | float)
    hint = f'; write it in quotes: "{error["input"]}"' if number else ""
    return f"[{table}] {key} = {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}{hint}"
