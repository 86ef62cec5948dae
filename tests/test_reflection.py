"""Reflection on what is bundled: every plugin and command has a test file and stands in the docs.

Elsewhere: every hook is asked through a throw-away plugin (core/test_hookspecs.py) and has an example that runs
(test_docs_plugins.py), every option has a meaning (plugins/test_plugins_command.py), every command of the docs is one
that there is (test_docs_commands.py), and every kind of plugin has a template that runs (plugins/test_new.py).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from justtinker_core.discovery import COMMANDS, Found, find

ROOT = Path(__file__).parent.parent
BUNDLED = [f for f in (*find().values(), *find(COMMANDS).values()) if f.package == "justtinker"]
DOCS = "\n".join(page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))))
NAMES = [f"{found.role}-{found.name}" for found in BUNDLED]


@pytest.mark.parametrize("found", BUNDLED, ids=NAMES)
def test_one_file_one_plugin_one_test_file(found: Found) -> None:
    module, _, _ = found.value.partition(":")
    file = ROOT / "plugins" / Path(*module.split(".")).with_suffix(".py")
    assert file.is_file()
    assert file.stem == found.name, "a plugin's file is called like the plugin"
    names = (f"test_{found.name}.py", f"test_{found.name}_command.py")
    tests = [path for name in names if (path := ROOT / "tests" / "plugins" / name).is_file()]
    assert tests, f"there is no tests/plugins/{names[0]}"
    assert any("def test_" in path.read_text() for path in tests)


@pytest.mark.parametrize("found", BUNDLED, ids=NAMES)
def test_it_stands_in_the_docs(found: Found) -> None:
    listed = re.search(rf"^\| `{found.name}` \| \w", DOCS, re.MULTILINE)
    assert listed, f"run: python docs/bundled.py ({found.name})"


def test_no_two_bundled_ones_have_one_name() -> None:
    assert not [found for found in BUNDLED if found.clash]
