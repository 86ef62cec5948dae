"""The command line: a group of commands that are plugins. A command is imported when it is called."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from justtinker_core.errors import PluginError, nearest

if TYPE_CHECKING:
    from justtinker_core.discovery import Found

GRACE = 5.0
"""Seconds that a command has to end after Ctrl-C. Then, or at the next Ctrl-C, the process is ended."""


class Commands(click.Group):
    """The group of all commands. A PluginError becomes a message and exit code 1, Ctrl-C exit code 130."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List every installed command by name."""
        from justtinker_core.discovery import COMMANDS, find

        return list(find(COMMANDS))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        from justtinker_core.discovery import COMMANDS, find

        found = find(COMMANDS).get(name)
        return None if found is None else load_command(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands as click does, each by the docstring in its file, so that hardly any is imported."""
        from justtinker_core.discovery import COMMANDS, find

        listed = {
            name: load_command(found) if (text := found.docstring()) is None else click.Command(name, help=text)
            for name, found in find(COMMANDS).items()
        }
        click.Group(commands=listed).format_commands(ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Resolve a command as click does; the error for an unknown name suggests the nearest one."""
        known = self.list_commands(ctx)
        if args[0] not in known and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}{nearest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; print a PluginError as a message."""
        handler = logging.lastResort or logging.StreamHandler()  # looks up sys.stderr, which a live line replaces
        handler.setLevel(logging.INFO)  # of our own; others' loggers let only warnings pass
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING, handlers=[handler])
        logging.getLogger("justtinker").setLevel(logging.INFO)
        try:
            return super().invoke(ctx)
        except PluginError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            raise SystemExit(130) from None


def load_command(found: Found) -> click.Command:
    """Import a command; return a stand-in if it cannot be imported."""
    try:
        command: click.Command = found.load()
    except PluginError as error:
        return broken_command(found.name, error)
    return command


def broken_command(name: str, error: PluginError) -> click.Command:
    """Return a stand-in for a command that cannot be imported. It raises the error when it is called, not before."""

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
    """Run `main` as the shell's command. After Ctrl-C the process ends even if some of its threads hang."""
    messages: dict[str, str] = {}  # the context's obj: under "go_on", a command leaves how to continue
    interrupted = threading.Event()

    def interrupt(*_: Any) -> None:
        if interrupted.is_set():
            end_process(messages)
        interrupted.set()
        timer = threading.Timer(GRACE, end_process, [messages])
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        main(obj=messages)
    except SystemExit as ended:
        flush_output()
        if interrupted.is_set():
            exit_at_once(int(ended.code or 0))  # the interpreter would wait for threads that hang
        raise


def end_process(messages: dict[str, str]) -> None:
    """Print how to continue, and end a process that has not ended by itself."""
    with suppress(OSError):
        os.write(2, ("\n" + messages.get("go_on", "Interrupted.") + "\n").encode())  # print() may be what hangs
    exit_at_once(130)


def exit_at_once(code: int) -> None:
    """End the process without waiting for threads, and show the terminal's cursor. Records on disk are whole."""
    with suppress(OSError):
        for terminal in filter(os.isatty, (1, 2)):
            os.write(terminal, b"\x1b[?25h")
    os._exit(code)


def flush_output() -> None:
    """Flush stdout and stderr; a closed pipe does not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    run()
