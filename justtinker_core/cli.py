"""The command line: a group whose commands are plugins, each imported when it is called."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import click

from justtinker_core.errors import PluginError, nearest

GRACE = 5.0
"""Seconds that a command has to let go after Ctrl-C; then, or at the next one, the process ends as it is."""


class Commands(click.Group):
    """The group of all commands. A PluginError is a message and exit code 1; Ctrl-C is 130."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every installed command, by name."""
        from justtinker_core.discovery import COMMANDS, find

        return list(find(COMMANDS))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command when it is called."""
        from justtinker_core.discovery import COMMANDS, find

        found = find(COMMANDS).get(name)
        if found is None:
            return None
        try:
            command: click.Command = found.load()
        except PluginError as error:
            return broken(name, error)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does; a name that no command has is told with the nearest one."""
        known = self.list_commands(ctx)
        if args[0] not in known and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}{nearest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; say what went wrong in a sentence."""
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        try:
            return super().invoke(ctx)
        except PluginError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            raise SystemExit(130) from None


def broken(name: str, error: PluginError) -> click.Command:
    """A command that cannot be imported: it says so when it is called, and does not disturb the others."""

    def fail(arguments: Any) -> None:
        raise error

    takes_anything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True}
    return click.Command(name, settings, fail, [takes_anything], short_help="(cannot be imported)")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="justtinker")
def main() -> None:
    """Reinforcement learning with verifiable rewards on your laptop."""


def run() -> None:
    """The command of the shell: `main`, and the end of its process, which threads that hang cannot put off."""
    words: dict[str, str] = {}  # the context's obj: a command leaves here as "go_on" how one can go on
    ends = threading.Event()

    def interrupt(*_: Any) -> None:
        if ends.is_set():
            end(words)
        ends.set()
        timer = threading.Timer(GRACE, end, [words])
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        main(obj=words)
    except SystemExit as ended:
        flush()
        if ends.is_set():
            leave(int(ended.code or 0))  # the interpreter would wait for threads that hang
        raise


def end(words: dict[str, str]) -> None:
    """End a process that does not let go."""
    with suppress(OSError):
        os.write(2, ("\n" + words.get("go_on", "Interrupted.") + "\n").encode())  # print() may be what hangs
    leave(130)


def leave(code: int) -> None:
    """End the process as it is: records are whole on the disk, and the terminal gets its cursor back."""
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, b"\x1b[?25h")
    os._exit(code)


def flush() -> None:
    """Write what is left; a closed pipe is no reason for another exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    run()
