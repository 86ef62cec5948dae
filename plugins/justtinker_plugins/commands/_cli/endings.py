"""How a command that can go on ends: the reason first, then the advice."""

from __future__ import annotations

import json
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from justtinker_core import PluginError

EXIT_CODES = {"interrupted": 130, "stopped": 3, "failed": 1}  # stopped: by a monitor


def say(text: str) -> None:
    """On standard error, if anybody is left to read it."""
    with suppress(OSError):
        click.echo(text, err=True)


def say_why(error: BaseException) -> None:
    """A sentence for what is wrong with a plugin or a config, a traceback for anything else; none for Ctrl-C."""
    if isinstance(error, PluginError):
        say(f"Error: {error}")
    elif not isinstance(error, KeyboardInterrupt):
        say("".join(traceback.format_exception(error)).rstrip())


def last_words(text: str) -> None:
    """What the process says if it is ended before the command can say it."""
    click.get_current_context().ensure_object(dict)["go_on"] = text


def write(file: Path, summary: dict[str, Any]) -> None:
    """One JSON object as a file."""
    try:
        text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
        file.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise PluginError(f"cannot write {file}: {error.strerror}") from None
