"""``justtinker plugins``: list the installed plugins, or explain one. Listing imports none of them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core.plugins import COMMANDS, Found, find, hooks_of, implements, look_up
from justtinker_plugins._tables import plain_table


@click.command()
@click.argument("name", required=False)
@click.option("--config", metavar="CONFIG", help="Mark what this config (or preset) enables; know its local plugins.")
@click.option("--check", is_flag=True, help="Import every plugin and show which are broken.")
def plugins(name: str | None, config: str | None, check: bool) -> None:
    """List the installed plugins, or explain one."""
    if name is not None:
        explain(name, config)
    elif not plugin_table(config, check):
        raise SystemExit(1)


def plugin_table(config: str | None, check: bool) -> bool:
    """Print every installed plugin; True if none of those that were to be imported is broken."""
    active: tuple[str, ...] = ()
    if config is not None:
        from justtinker_core.config import read

        active = read(config).enable
    found = [*find().values(), *find(COMMANDS).values()]
    table = plain_table("plugin", "role", "package", *(["active"] if config else []), *(["state"] if check else []))
    broken = 0
    for f in found:
        row = [f.name, f.role, f"{f.package} {f.version}"]
        if config is not None:
            row.append("yes" if f.name in active else "")
        if check:
            problem = broken_by(f)
            broken += bool(problem)
            row.append(f"[red]{problem}[/red]" if problem else "ok")
        elif f.clash:
            row[0] += f" [red](clashes with {f.clash})[/red]"
        table.add_row(*row)
    Console().print(table)
    return not broken


def broken_by(found: Found) -> str:
    """Why a plugin cannot be imported, or nothing."""
    try:
        found.load()
    except Exception as error:
        return str(error)
    return ""


def explain(name: str, config: str | None) -> None:
    """Print a plugin's docstring, hooks, options with types, defaults and meaning, and an example table."""
    console = Console()
    if config is None:
        found = look_up(name, find(COMMANDS) | find())
    else:
        from justtinker_core.config import read
        from justtinker_core.run import installed

        found = look_up(name, find(COMMANDS) | installed(read(config)))
    cls = found.load()
    console.print(f"[bold]{name}[/bold]  one of the {found.role}, from {found.package} {found.version}\n")
    console.print(inspect.getdoc(cls) or "(no description)", markup=False)
    if not inspect.isclass(cls):
        return
    from justtinker_core.weights import RewardOptions

    console.print(f"\nHooks: {', '.join(hooks_of(cls))}")
    options = described(cls)
    if implements(cls, "score"):
        (weight, kind, default, meaning), mode = described(RewardOptions)
        options += [(weight, kind, str(getattr(cls, "default_weight", default)), meaning), mode]
    if not options:
        console.print("No options.")
        return
    table = plain_table("option", "type", "default", "meaning")
    for option in options:
        table.add_row(*map(escape, option))
    console.print(table)
    console.print(f"\n[bold]In a config[/bold]\n\n\\[plugins.{name}]")
    for key, _, default, _ in options:
        console.print(f"{key} = {default}" if default != "None" else f"# {key} =", markup=False)


def described(cls: type[Any]) -> list[tuple[str, str, str, str]]:
    """Option, type, default, meaning: one row a field of a plugin class."""
    if not dataclasses.is_dataclass(cls):
        return []
    fields = [vars(base).get("__pydantic_fields__", {}) for base in reversed(cls.__mro__)]  # a base's come first
    meanings = {k: f.description for of_base in fields for k, f in of_base.items() if f.description}
    hints = typing.get_type_hints(cls)
    rows = []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        kind = hints.get(field.name, field.type)
        rows.append((field.name, type_name(kind), default_of(field), meanings.get(field.name, "")))
    return rows


def type_name(kind: Any) -> str:
    """A type as one would write it: ``float | None``, ``tuple[int, int]``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " | ".join(map(type_name, typing.get_args(kind)))
    name = kind.__name__ if inspect.isclass(kind) and not typing.get_args(kind) else str(kind)
    return re.sub(r"(?:\w+\.)+(?=\w)", "", name).replace("NoneType", "None")


def default_of(field: Any) -> str:
    """A field's default as TOML would say it."""
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if default is dataclasses.MISSING:
        return "(required)"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return str(list(default)).replace("'", '"')
    return f'"{default}"' if isinstance(default, str) else str(default)
