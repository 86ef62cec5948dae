"""``justtinker export``: write a run's weights as a directory that transformers, PEFT and vLLM load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size

import click

from justtinker_core import PluginError
from justtinker_core.config import RunConfig
from justtinker_core.discovery import find
from justtinker_core.enabling import open_plugins
from justtinker_core.plugins import Plugins
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.backend import backend_method
from justtinker_plugins.commands._cli.options import read_config, set_option
from justtinker_plugins.commands._export.card import Card, write_card
from justtinker_plugins.commands._export.directory import new_directory
from justtinker_plugins.commands._export.progress import progress_line
from justtinker_plugins.commands._export.prompt import asked, stop_there
from justtinker_plugins.shared.exports import Exported
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.records.weights import find_weights

NEEDED = ("backends", "prompts")
"""Roles that an export asks."""


@click.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--checkpoint", metavar="best|final|STEP|PATH", help="Default: the newest.")
@click.option("--merge", is_flag=True, help="Write a whole model: merge an adapter into the weights of its base model.")
@set_option
def export(run_dir: Path, directory: Path, checkpoint: str | None, merge: bool, sets: tuple[str, ...]) -> None:
    """Write the weights of RUN to the new directory DIR, with tokenizer, chat template and a README.md.

    DIR holds a whole model (all weights were trained, or --merge) or an adapter for PEFT. From a Tinker server, the
    weights are downloaded. Given the directory of a command with several runs, export the last of them.
    """
    run_dir = existing(run_dir)[-1]
    config = read_config(run_dir, sets, ())
    step, path, run = find_weights(run_dir, checkpoint, None)
    plugins = open_plugins(replace(config, enable=needed(config, run_dir)))
    write = writer_of(plugins)
    with new_directory(directory) as new:
        with progress_line() as progress:
            try:
                exported: Exported = write(config, str(path), new, merge, progress)
            except FileNotFoundError as error:
                raise PluginError(f"{error}; choose another with --checkpoint") from None
        example = asked(plugins, new)
        stop_there(new, example)
        name = run or config.run.name
        weights = f"step {step}" if run else f"checkpoint {str(path).rstrip('/').rpartition('/')[2]}"
        write_card(Card(name, weights, config, exported, example), new)
    kind = "a model" if exported.kind == "model" else f"an adapter of {exported.base}"
    click.echo(f"{directory} holds {kind}: {name}, {weights}")
    for note in ("README.md there shows the prompt and how to load it.", *exported.notes):
        click.echo(click.wrap_text(note, get_terminal_size().columns))


def needed(config: RunConfig, run_dir: Path) -> tuple[str, ...]:
    """The plugins that an export asks; local ones too, unless the run's record says that they have other hooks."""
    known, hooks = find(NEEDED), RunDir(run_dir).manifest().get("hooks", {})
    asked_for = {"open_backend", "build_prompt"}
    local = {name for name in config.local_plugins if asked_for & set(hooks.get(name, asked_for))}
    return tuple(name for name in config.enable if name in known or name in local)


def writer_of(plugins: Plugins) -> Callable[..., Exported]:
    """The `export` method of the run's backend."""
    plugins.require("open_backend", "an export")
    lacks = "the backend {name} cannot export its weights: its plugin has no method `export`"
    return backend_method(plugins, "export", lacks)  # type: ignore[no-any-return]
