"""``justtinker plugins``: list the installed plugins, or explain one. Listing imports none of them.

What it says of each in the list stands in the first line of the plugin's file, which is read as text.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core import hookspecs
from justtinker_core.discovery import COMMANDS, Found, find, look_up, snake_case
from justtinker_core.hookspecs import hooks_of, implements
from justtinker_plugins.commands._cli.describe import LONG, described_plugin, example
from justtinker_plugins.shared.terminal import plain_table

BROKEN = "[red]broken"


@click.command()
@click.argument("name", required=False)
@click.option("--config", metavar="CONFIG", help="Mark what this config (or preset) enables; know its local plugins.")
@click.option("--check", is_flag=True, help="Import every plugin and show which are broken.")
def plugins(name: str | None, config: str | None, check: bool) -> None:
    """List the installed plugins, or explain the one called NAME (or FILE.py:CLASS)."""
    if name is not None:
        explain(name, config)
    elif not plugin_table(config, check):
        raise SystemExit(1)


def known(config: str | None) -> tuple[list[Found], tuple[str, ...]]:
    """Every plugin that the config can name, commands last, and what it enables."""
    if config is None:
        return [*find().values(), *find(COMMANDS).values()], ()
    from justtinker_core.config_files import read
    from justtinker_core.enabling import installed

    configured = read(config)
    return [*installed(configured).values(), *find(COMMANDS).values()], configured.enable


def plugin_table(config: str | None, check: bool) -> bool:
    """Print every installed plugin; True if none of those that were to be imported is broken."""
    found, active = known(config)
    rows, broken = [], 0
    for f in found:
        summary, missing = glance(f.value)
        problem = (f.clash and f"clashes with {f.clash}") or (why_not(f) if check else "") or missing
        broken += bool(problem)
        marked = ["yes" if f.name in active and f.role not in COMMANDS else ""] if config is not None else []
        what = f"{BROKEN}: {escape(problem)}[/red]" if problem else plain(summary)
        rows.append([*map(escape, (f.name, f.role, f"{f.package} {f.version}")), *marked, what])
    show(["plugin", "role", "package", *(["active"] if config is not None else []), "what it is"], rows)
    return not (check and broken)


def show(titles: list[str], rows: list[list[str]]) -> None:
    """A row a line: what a plugin is ends where the line does; what is wrong with it is told in full."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 200)  # what is searched with grep should not be cut
    table = plain_table(*titles)
    for number, column in enumerate(table.columns[:-1]):
        column.width = max(len(row[number]) for row in [titles, *rows])
    left = max(console.width - sum((column.width or 0) + 1 for column in table.columns[:-1]) - 4, 20)
    for *cells, what in rows:
        table.add_row(*cells, what if what.startswith(BROKEN) else escape(shorten(what, left)))
    console.print(table)


def shorten(text: str, most: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[: most - 2]} …"


def why_not(found: Found) -> str:
    """Why a plugin cannot be imported, or nothing."""
    try:
        found.load()
    except Exception as error:
        return str(error)
    return ""


def glance(reference: str) -> tuple[str, str]:
    """The first sentence of a plugin's file, and what is plainly missing; nothing is imported."""
    module, _, attribute = reference.rpartition(":")
    file = Path(module) if module.endswith(".py") else file_of(module)
    if file is None:
        return "", f"there is no module {module}"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", f"there is no file {file}"
    except (OSError, UnicodeDecodeError):  # in an archive, or no source
        return "", ""
    doc = re.match(r"""(?:\s|#[^\n]*\n)*[rR]?(\"{3}|'{3})(.*?)\1""", text, re.DOTALL)
    return first_sentence(doc[2] if doc else ""), "" if attribute.partition(".")[0] in text else f"no {attribute} in it"


def file_of(module: str) -> Path | None:
    """Where a module would come from. Python's own way to ask that imports the packages around it."""
    path, parts = None, module.split(".")
    spec = None
    for i in range(len(parts)):
        name = ".".join(parts[: i + 1])
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        spec = next((s for s in found if s is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin or "") if spec else None


def first_sentence(doc: str) -> str:
    """Of a docstring, on one line, without its full stop."""
    paragraph = " ".join(doc.strip().partition("\n\n")[0].split())
    paragraph = re.sub("^``justtinker .*?``: (.)", lambda found: found[1].upper(), paragraph)  # a command's file
    return re.split(r"(?<=[^.\s]\.)\s+(?=[A-Z`0-9])", paragraph, maxsplit=1)[0].removesuffix(".")


def explain(name: str, config: str | None) -> None:
    """Print a plugin's docstring, hooks, options with types, defaults and meaning, and an example table."""
    console = Console()
    found = local(name) if ".py:" in name else look_up(name, {f.name: f for f in reversed(known(config)[0])})
    thing = found.load()
    console.print(f"[bold]{escape(found.name)}[/bold]  {origin(found)}", soft_wrap=True)
    console.print(f"[dim]{escape(inspect.getsourcefile(unwrapped(thing)) or '')}[/dim]\n", soft_wrap=True)
    if not inspect.isclass(thing):
        console.print(usage(found.name, thing) if isinstance(thing, click.Command) else paragraphs(doc_of(thing)))
        return
    module = inspect.getmodule(thing)
    docs = [inspect.getdoc(module) or "", doc_of(thing)] if found.role != "local" else [doc_of(thing)]
    console.print(escape("\n\n".join(paragraphs(doc) for doc in docs if doc) or "(no description)"))
    console.print("\n[bold]Hooks[/bold]")
    table = plain_table("", "")
    table.show_header = False
    for hook in hooks_of(thing):
        doc = inspect.getdoc(getattr(thing, hook)) or ""
        spec = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition(". ")[2]  # who answers stands before
        table.add_row(f"  {hook}", escape(plain(first_sentence(doc or spec))))
    console.print(table)
    options = described_plugin(thing)
    console.print("\n[bold]Options[/bold]" if options else "\nNo options.")
    if options:
        console.print(option_table(options))
    console.print(f"\n[bold]In a config[/bold]{where(found.name, thing)}\n")
    console.print(example(found.name, thing, options), markup=False, highlight=False, soft_wrap=True)


def local(reference: str) -> Found:
    """The plugin of a file that no config names."""
    return Found(snake_case(reference.rpartition(":")[2]), "local", reference, "a file", "")


def origin(found: Found) -> str:
    """What it is and whose."""
    if found.role == "local":
        return "from a local file"
    return f"one of the {found.role}, from {found.package} {found.version}"


def where(name: str, cls: type[Any]) -> str:
    """What else a config must say, in words."""
    return "" if implements(cls, "load_problems") else f', with "{name}" in the list `enable` of \\[plugins]'


def unwrapped(thing: Any) -> Any:
    """What has a file: of a command its function."""
    return getattr(thing, "callback", None) or thing


def usage(name: str, command: click.Command) -> str:
    """A command's help."""
    return escape(command.get_help(click.Context(command, info_name=f"justtinker {name}")))


def doc_of(thing: Any) -> str:
    """A docstring; the one that a dataclass makes for itself is none."""
    doc = inspect.getdoc(thing) or ""
    return "" if doc.startswith(f"{getattr(thing, '__name__', '')}(") else doc


def option_table(options: Iterable[Any]) -> Any:
    """Options as a table that fits the terminal."""
    table = plain_table("  option", "type", "default", "meaning")
    table.columns[0].no_wrap = True
    table.columns[1].max_width, table.columns[2].max_width = 30, 34
    for name, kind, default, meaning in options:
        shown = "" if default == "None" else default if len(default) <= LONG else f"{default[:30]} … (long)"
        table.add_row(f"  {name}", *map(escape, (kind, shown, plain(meaning))))
    return table


def plain(text: str) -> str:
    """Without the double backticks of docstrings."""
    return re.sub(r"``(.+?)``", lambda found: f"`{found[1].strip()}`", text)


def paragraphs(doc: str) -> str:
    """A docstring whose paragraphs are lines that a terminal may break where it likes; lists and code stay."""
    blocks = re.split(r"\n\s*\n", plain(textwrap.dedent(doc)))
    free = (not re.search(r"^(?:[-*|>]|\s)", block, re.MULTILINE) for block in blocks)
    return "\n\n".join(" ".join(b.split()) if flow else b for b, flow in zip(blocks, free, strict=True))
