"""The group of commands: each is a plugin, imported when it is called."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from justtinker_core.discovery import COMMANDS, find
from tests.core.conftest import cli

HELLO = "import click\n@click.command()\ndef hello():\n    'Says hello.'\n    click.echo('hello')\n"


def test_a_package_may_add_a_command(site: Callable[..., Path]) -> None:
    site("greet", {"commands": {"hello": "greet:hello"}}, {"greet.py": HELLO})
    assert cli("hello").output == "hello\n"
    assert re.search(r"hello +Says hello\.", cli("--help").output)


def test_help_lists_every_command() -> None:
    result = cli("--help")
    assert result.exit_code == 0
    for name in ("train", "eval", "check", "plugins", "presets"):
        assert re.search(rf"^  {name} ", result.output, re.MULTILINE)


def test_a_command_that_does_not_exist() -> None:
    result = cli("trian")
    assert result.exit_code == 2
    assert "No such command 'trian'; did you mean 'train'?\n" in result.output
    assert cli("grpo").exit_code == 2, "a plugin of another role is no command"


def test_a_broken_command_is_an_error_when_it_is_called(site: Callable[..., Path]) -> None:
    site("broken", {"commands": {"hello": "no_such_module:hello"}})
    result = cli("hello")
    assert result.exit_code == 1
    assert result.output.startswith("Error: plugin 'hello' of package broken 1.0 cannot be imported")


def test_a_broken_command_does_not_break_the_help(site: Callable[..., Path]) -> None:
    site("broken", {"commands": {"hello": "no_such_module:hello"}})
    result = cli("--help")
    assert result.exit_code == 0
    assert re.search(r"^  hello +\(cannot be imported\)$", result.output, re.MULTILINE)
    assert re.search(r"^  train ", result.output, re.MULTILINE)


def test_the_help_reads_what_a_command_does_from_its_file(site: Callable[..., Path]) -> None:
    for found in find(COMMANDS).values():
        assert found.docstring() == inspect.cleandoc(found.load().help), "as click has it, for each of our own"
    site(
        "greet", {"commands": {"hello": "loud.in_it:hello"}}, {"loud/__init__.py": LOUD, "loud/in_it.py": LOUD + HELLO}
    )
    assert re.search(r"hello +Says hello\.", cli("--help").output)
    assert "loud" not in sys.modules


LOUD = "raise RuntimeError('imported')\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (HELLO.replace("command()", "command(short_help='Waves.')"), "hello +Waves\\."),
        (HELLO.replace("command()", "command(**{'help': 'Bows.'})"), "hello +Bows\\."),
        (HELLO.replace("command()", "command(hidden=True)"), None),
        (HELLO.replace("command()", "command(deprecated=True)"), "hello +Says hello\\. \\(DEPRECATED\\)"),
        (HELLO.replace("    'Says hello.'\n", ""), "hello *$"),
        ("import click\nhello = click.Command('hello', help='Nods.')\n", "hello +Nods\\."),
        (
            "import click\nmake = click.command(help='Grins.')\n" + HELLO.replace("click.command()", "make"),
            "hello +Grins",
        ),
        ("def hello(:", "hello +\\(cannot be imported\\)"),
        ("x = 1", "hello +\\(cannot be imported\\)"),
    ],
)
def test_where_the_file_does_not_tell_the_command_is_imported(
    site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, command: str, said: str | None
) -> None:
    monkeypatch.delitem(sys.modules, "odd", raising=False)
    site("odd", {"commands": {"hello": "odd:hello"}}, {"odd.py": command})
    help_text = cli("--help").output
    assert re.search("^  train +Train", help_text, re.MULTILINE)
    assert re.search(f"^  {said}", help_text, re.MULTILINE) if said else "hello" not in help_text


def test_the_version() -> None:
    assert re.search(r"\d+\.\d+", cli("--version").output)


def test_ctrl_c_is_exit_code_130_whatever_the_command(site: Callable[..., Path]) -> None:
    wait = HELLO.replace("click.echo('hello')", "raise KeyboardInterrupt")
    site("patient", {"commands": {"hello": "patient:hello"}}, {"patient.py": wait})
    result = cli("hello")
    assert (result.exit_code, result.output) == (130, "\nInterrupted.\n")


def test_other_commands_end_with_a_closed_pipe_and_without_a_word() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "justtinker_core.cli", "plugins"]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")
