"""How commands end: they print an error, then how to resume, and exit with a code."""

from __future__ import annotations

import json
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from justtinker_core import PluginError

EXIT_CODES = {"interrupted": 130, "stopped": 3, "failed": 1}  # stopped: by a monitor


def print_to_stderr(text: str) -> None:
    """Print on standard error, and ignore a closed pipe or terminal."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_error(error: BaseException) -> None:
    """Print a PluginError as a sentence and any other error with its traceback; nothing for Ctrl-C."""
    if isinstance(error, PluginError):
        print_to_stderr(f"Error: {error}")
    elif not isinstance(error, KeyboardInterrupt):
        print_to_stderr("".join(traceback.format_exception(error)).rstrip())


def print_if_killed(text: str) -> None:
    """Have `justtinker_core.cli` print this text if it must end the process before the command can print it."""
    click.get_current_context().ensure_object(dict)["go_on"] = text


def write_json(file: Path, summary: dict[str, Any]) -> None:
    """Write one JSON object to a file."""
    try:
        text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
        file.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise PluginError(f"cannot write {file}: {error.strerror}") from None
