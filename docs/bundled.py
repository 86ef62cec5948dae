"""Write docs/plugins/bundled.md, a line for each bundled plugin: ``python docs/bundled.py``.

A test checks that it is current."""

from __future__ import annotations

from pathlib import Path

from justtinker_core.discovery import COMMANDS, ROLES, find
from justtinker_plugins.commands.plugins import read_summary, single_backticks


def page() -> str:
    """The whole page."""
    parts = [
        "# All bundled plugins\n\nMade by `python docs/bundled.py`. `justtinker plugins NAME` explains one, with its "
        "options,\nits hooks and a table for a config. Commands are always available; a config enables all other "
        "plugins.\n"
    ]
    for role in (*ROLES, *COMMANDS):
        own = [f for f in find((role,)).values() if f.package == "justtinker"]
        rows = [f"| `{f.name}` | {single_backticks(read_summary(f.value)[0])} |" for f in own]
        if rows:
            parts.append("\n".join([f"## {role.capitalize()}\n\n| plugin | what it is |\n|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "plugins" / "bundled.md").write_text(page(), encoding="utf-8")
