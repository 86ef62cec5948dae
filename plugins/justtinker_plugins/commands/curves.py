"""``justtinker curves``: draw the curves of a run or of a bare history as PNG and PDF. Needs the extra ``plots``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from justtinker_core import PluginError
from justtinker_core.plugins import Plugins
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.shared.charts.pictures import pictures_of, write_pictures
from justtinker_plugins.shared.records.bundled import located
from justtinker_plugins.shared.records.history import Records, read_records
from justtinker_plugins.shared.records.origin import records_to_show
from justtinker_plugins.shared.records.runs import existing


@click.command()
@click.argument("source", metavar="RUN_DIR|HISTORY", type=click.Path(path_type=Path))
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False),
    help="Where to write the pictures of a history; default: the working directory.",
)  # fmt: skip
def curves(source: Path, directory: Path | None) -> None:
    """Draw a run's curves.png, curves.pdf and the one-panel curves_simple into its directory.

    A bare history (a .csv or .jsonl file as for `monitor`, or exp001, which ships with the toolkit) gives
    NAME.curves.png and so on, marked with the findings of the default monitors. The curves of a run are marked with its
    own recorded findings.
    """
    source = located(source)
    if source.is_dir() and directory is None:
        for path in existing(source):
            click.echo("\n".join(map(str, write_pictures(RunDir(path)))) or f"{path} holds nothing to draw yet")
        return
    if source.is_dir():
        source = existing(source)[-1]
    records = records_to_show(RunDir(source)) if source.is_dir() else with_findings(read_records(source))
    folder = directory or Path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PluginError(f"cannot make the directory {folder}: {error.strerror}; name another with --dir") from None
    title = source.resolve().name if source.is_dir() else source.stem
    pictures = pictures_of(records, title)
    for name, content in pictures.items():
        RunDir(folder).replace(f"{title}.{name}", content)
        click.echo(folder / f"{title}.{name}")
    if not pictures:
        click.echo(f"{source} holds nothing to draw yet")


def with_findings(records: Records) -> Records:
    """Add the findings of the default monitors to the records."""
    return replace(records, said=tuple(replay(records, Plugins(active_monitors(default_config((), ()))))))
