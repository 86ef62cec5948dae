"""``justtinker plugins``: list the installed plugins, or explain one. Listing imports none of them.

The list describes each plugin by the first sentence of its file, which is read as text.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from justtinker_core import hookspecs
from justtinker_core.discovery import COMMANDS, Found, find, look_up, module_file, snake_case
from justtinker_core.hookspecs import hooks_of, implements
from justtinker_plugins.commands._cli.describe import LONG_DEFAULT, REQUIRED, example_table, plugin_option_rows
from justtinker_plugins.shared.terminal import plain_table

BROKEN = "[red]broken"
WIDE = 110
"""A terminal of fewer columns has no room for a table with sentences in it."""


@click.command()
@click.argument("name", required=False)
@click.option("--config", metavar="CONFIG", help="Mark what this config (or preset) enables; list its local plugins.")
@click.option("--check", is_flag=True, help="Import every plugin and show which are broken.")
def plugins(name: str | None, config: str | None, check: bool) -> None:
    """List the installed plugins, or explain the one called NAME (or FILE.py:CLASS)."""
    if name is not None:
        explain(name, config)
    elif not print_plugins(config, check):
        raise SystemExit(1)


def known_plugins(config: str | None) -> tuple[list[Found], tuple[str, ...]]:
    """Every plugin that the config can name, commands last, and the names that it enables."""
    if config is None:
        return [*find().values(), *find(COMMANDS).values()], ()
    from justtinker_core.config_files import read
    from justtinker_core.enabling import installed

    run_config = read(config)
    return [*installed(run_config).values(), *find(COMMANDS).values()], run_config.enable


def print_plugins(config: str | None, check: bool) -> bool:
    """Print every installed plugin; with `check`, import them and return False if one is broken."""
    found, enabled = known_plugins(config)
    rows, broken = [], 0
    for f in found:
        summary, missing = read_summary(f.value)
        problem = (f.clash and f"clashes with {f.clash}") or (import_error(f) if check else "") or missing
        broken += bool(problem)
        active = ["yes" if f.name in enabled and f.role not in COMMANDS else ""] if config is not None else []
        description = f"{BROKEN}: {escape(problem)}[/red]" if problem else single_backticks(summary)
        rows.append([*map(escape, (f.name, f.role, f"{f.package} {f.version}")), *active, description])
    print_table(["plugin", "role", "package", *(["active"] if config is not None else []), "what it is"], rows)
    return not (check and broken)


def print_table(titles: list[str], rows: list[list[str]]) -> None:
    """Print one line a row: descriptions are cut at the end of the line, problems are printed in full.

    In a narrow terminal, a heading names the role, and descriptions fold instead.
    """
    console = Console()
    if console.is_terminal and console.width < WIDE:
        print_by_role(console, titles, rows)
        return
    if not console.is_terminal:
        console.width = max(console.width, 200)  # so that grep finds what a terminal would cut
    table = plain_table(*titles)
    for number, column in enumerate(table.columns[:-1]):
        column.width = max(len(row[number]) for row in [titles, *rows])
    left = max(console.width - sum((column.width or 0) + 1 for column in table.columns[:-1]) - 4, 20)
    for *cells, description in rows:
        table.add_row(*cells, description if description.startswith(BROKEN) else escape(shorten(description, left)))
    console.print(table)


def print_by_role(console: Console, titles: list[str], rows: list[list[str]]) -> None:
    """Print the plugins of each role under its name; a package is named where it is not this toolkit."""
    own = f"justtinker {version('justtinker')}"
    width = max(len(name) for name, *_ in rows) + 2
    for role, members in groupby(rows, key=lambda row: row[1]):
        console.print(f"[bold]{role}[/bold]")
        table = plain_table("", *titles[3:])
        table.show_header = False
        table.columns[0].width = width
        for column in table.columns[1:-1]:
            column.width = len("yes")
        for name, _, package, *active, description in members:
            text = description if description.startswith(BROKEN) else escape(description)
            table.add_row(f"  {name}", *active, text if package == own else f"{text} ({package})")
        console.print(table)


def shorten(text: str, most: int) -> str:
    """Cut a text after so many characters."""
    return text if len(text) <= most else f"{text[: most - 2]} …"


def import_error(found: Found) -> str:
    """Why a plugin cannot be imported; empty if it can."""
    try:
        found.load()
    except Exception as error:
        return str(error)
    return ""


def read_summary(reference: str) -> tuple[str, str]:
    """The first sentence of a plugin's file, and what is plainly missing, without importing it."""
    module, _, attribute = reference.rpartition(":")
    file = Path(module) if module.endswith(".py") else module_file(module)
    if file is None:
        return "", f"there is no module {module}"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", f"there is no file {file}"
    except (OSError, UnicodeDecodeError):  # in an archive, or not a source file
        return "", ""
    doc = re.match(r"""(?:\s|#[^\n]*\n)*[rR]?(\"{3}|'{3})(.*?)\1""", text, re.DOTALL)
    return first_sentence(doc[2] if doc else ""), "" if attribute.partition(".")[0] in text else f"no {attribute} in it"


def first_sentence(doc: str) -> str:
    """A docstring's first sentence, on one line, without its full stop."""
    paragraph = " ".join(doc.strip().partition("\n\n")[0].split())
    paragraph = re.sub("^``justtinker .*?``: (.)", lambda match: match[1].upper(), paragraph)  # a command's file
    return re.split(r"(?<=[^.\s]\.)\s+(?=[A-Z`0-9])", paragraph, maxsplit=1)[0].removesuffix(".")


def explain(name: str, config: str | None) -> None:
    """Print a plugin's docstring, its hooks, its options and an example table."""
    console = Console()
    found = local_plugin(name) if ".py:" in name else look_up(name, {f.name: f for f in known_plugins(config)[0][::-1]})
    thing = found.load()
    console.print(f"[bold]{escape(found.name)}[/bold]  {role_and_package(found)}", soft_wrap=True)
    console.print(f"[dim]{escape(inspect.getsourcefile(code_of(thing)) or '')}[/dim]\n", soft_wrap=True)
    if not inspect.isclass(thing):
        console.print(command_help(found.name, thing) if isinstance(thing, click.Command) else reflow(docstring(thing)))
        return
    module = inspect.getmodule(thing)
    docs = [inspect.getdoc(module) or "", docstring(thing)] if found.role != "local" else [docstring(thing)]
    console.print(escape("\n\n".join(reflow(doc) for doc in docs if doc) or "(no description)"))
    console.print("\n[bold]Hooks[/bold]")
    table = plain_table("", "")
    table.show_header = False
    for hook in hooks_of(thing):
        doc = inspect.getdoc(getattr(thing, hook)) or ""
        spec = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition(". ")[2]  # the first sentence is who answers
        table.add_row(f"  {hook}", escape(single_backticks(first_sentence(doc or spec))))
    console.print(table)
    options = plugin_option_rows(thing)
    console.print("\n[bold]Options[/bold]" if options else "\nNo options.")
    if options:
        console.print(option_table(options) if console.width >= WIDE else option_list(options))
    console.print(f"\n[bold]In a config[/bold]{enable_hint(found.name, thing)}\n")
    console.print(example_table(found.name, thing, options), markup=False, highlight=False, soft_wrap=True)


def local_plugin(reference: str) -> Found:
    """The plugin of a file that no config names."""
    return Found(snake_case(reference.rpartition(":")[2]), "local", reference, "a file", "")


def role_and_package(found: Found) -> str:
    """Which role a plugin has and which package it is from."""
    if found.role == "local":
        return "from a local file"
    return f"one of the {found.role}, from {found.package} {found.version}"


def enable_hint(name: str, cls: type[Any]) -> str:
    """What a config needs besides the plugin's table, in words."""
    return "" if implements(cls, "load_problems") else f', with "{name}" in the list `enable` of \\[plugins]'


def code_of(thing: Any) -> Any:
    """The function or class that has a source file; of a command, its function."""
    return getattr(thing, "callback", None) or thing


def command_help(name: str, command: click.Command) -> str:
    """The help text of a command."""
    return escape(command.get_help(click.Context(command, info_name=f"justtinker {name}")))


def docstring(thing: Any) -> str:
    """A docstring; empty if it is the signature that a dataclass generates."""
    doc = inspect.getdoc(thing) or ""
    return "" if doc.startswith(f"{getattr(thing, '__name__', '')}(") else doc


def option_table(options: Iterable[Any]) -> Any:
    """Make a table of options that fits the terminal."""
    table = plain_table("  option", "type", "default", "meaning")
    table.columns[0].no_wrap = True
    table.columns[1].max_width, table.columns[2].max_width = 30, 34
    for name, kind, default, meaning in options:
        text = "" if default == "None" else default if len(default) <= LONG_DEFAULT else f"{default[:30]} … (long)"
        table.add_row(f"  {name}", *map(escape, (kind, text, single_backticks(meaning))))
    return table


def option_list(options: Iterable[Any]) -> Any:
    """List options with type and default, and their meanings below, for a terminal that is too narrow for a table."""
    table = plain_table("")
    table.show_header = False
    for name, kind, default, meaning in options:
        text = "" if default == "None" else default if len(default) <= LONG_DEFAULT else f"{default[:30]} … (long)"
        about = f"{kind}, default {text}" if text not in ("", REQUIRED) else f"{kind} {text}".strip()
        table.add_row(Padding(f"[bold]{name}[/bold]: {escape(about)}", (0, 0, 0, 2)))
        table.add_row(Padding(escape(single_backticks(meaning)), (0, 0, 0, 6)))
    return table


def single_backticks(text: str) -> str:
    """Replace the double backticks of docstrings."""
    return re.sub(r"``(.+?)``", lambda match: f"`{match[1].strip()}`", text)


def reflow(doc: str) -> str:
    """Join the lines of each paragraph, so that the terminal may break them; keep lists and code as they are."""
    blocks = re.split(r"\n\s*\n", single_backticks(textwrap.dedent(doc)))
    prose = (not re.search(r"^(?:[-*|>]|\s)", block, re.MULTILINE) for block in blocks)
    return "\n\n".join(" ".join(b.split()) if joined else b for b, joined in zip(blocks, prose, strict=True))
