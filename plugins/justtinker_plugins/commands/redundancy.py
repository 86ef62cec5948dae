"""``justtinker redundancy``: score how much texts repeat themselves, by the methods of the reward."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from justtinker_core import PluginError
from justtinker_core.discovery import find
from justtinker_core.plugins import activate
from justtinker_plugins.commands._cli.options import read_config
from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.records.step_files import step_files
from justtinker_plugins.shared.redundancy.flat import SHORT
from justtinker_plugins.shared.terminal import count_of, ends, plain_table

if TYPE_CHECKING:
    from justtinker_plugins.rewards.redundancy import Redundancy

NAME = "redundancy"
PENALTY = "redundancy_penalty"
BOUNDS = (0, 500, 2_000, 8_000, 32_000)
"""The lower bounds of the table's rows, in characters."""


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["flat", "fast", "exact"]), help="Default: the config's, else flat.")
@click.option("--config", "source", metavar="CONFIG", help="Take the options of its [plugins.redundancy].")
@click.option("--out", type=click.Path(path_type=Path), help="Write every text's numbers as JSON lines.")
@click.option(
    "--show", default=5, show_default=True, type=click.IntRange(0), help="Print this many texts, most redundant first."
)
def redundancy(texts: tuple[Path, ...], method: str | None, source: str | None, out: Path | None, show: int) -> None:
    """Score how much TEXTS repeat themselves, and count those that the reward would fine.

    TEXTS are run directories, for all their rollouts; files of JSON lines (.zst too): strings, objects with a "text",
    or some of a run's rollouts/*.jsonl.zst; or .txt and .md files, each of them one text.
    """
    term = configured_term(source, {"method": method} if method else {})
    files = [file for path in texts for file in (files_of_run(path) if path.is_dir() else [path])]
    located = [(f"{path}, text {i}", text) for path in files for i, text in enumerate(read_texts(path), 1)]
    rows = score_texts(term, located)
    if out is not None:
        out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    console = Console()
    fined = sum(row[PENALTY] > 0 for row in rows)
    console.print(f"{count_of(len(rows), 'text')}, method {term.method}: {fined:,} would be fined", highlight=False)
    if term.method == "flat" and (short := sum(row["characters"] < SHORT for row in rows)):
        console.print(
            f"{short:,} of them {'has' if short == 1 else 'have'} fewer than {SHORT} characters: too short to tell",
            highlight=False,
        )
    console.print(length_table(rows))
    for row, (_, text) in sorted(zip(rows, located, strict=True), key=lambda pair: -pair[0]["redundancy_score"])[:show]:
        heading = f"\n{row['place']}: score {row['redundancy_score']:.2f}, {row['characters']:,} characters"
        console.print(Text(f"{heading}\n  {ends(text)}"), soft_wrap=True)


def files_of_run(directory: Path) -> list[Path]:
    """List the rollout files of a run, or of the last of the runs in a directory."""
    run_dir = existing(directory)[-1]
    if not (files := step_files(run_dir)):
        raise PluginError(f"{run_dir / 'rollouts'} holds no rollouts: the run has recorded none")
    return files


def configured_term(source: str | None, options: dict[str, Any]) -> Redundancy:
    """Make the reward term with the options of a config, if given, overridden by `options`."""
    table: Mapping[str, Any] = {}
    if source is not None:
        run_config = read_config(source, only_plugins=True)
        if NAME not in run_config.enable:
            raise PluginError(f"{source} does not enable {NAME!r}, so it has no options for it")
        table = run_config.plugin_options.get(NAME, {})
    term: Redundancy = activate(find()[NAME], {**table, **options}).instance
    return term


def score_texts(term: Redundancy, located: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return a row per text: where it is from, its length and all its numbers."""
    columns = term.score_batch([text for _, text in located])
    return [
        {"place": place, "characters": len(text), **{name: float(values[i]) for name, values in columns.items()}}
        for i, (place, text) in enumerate(located)
    ]


def length_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Make a table of scores and penalties by length."""
    table = plain_table("characters", "texts", "mean score", "fined", "mean penalty")
    for name, group in length_ranges(rows):
        n, fined = len(group), sum(row[PENALTY] > 0 for row in group)
        score, penalty = (sum(row[key] for row in group) / n for key in ("redundancy_score", PENALTY))
        table.add_row(name, f"{n:,}", f"{score:.3f}", f"{fined:,} ({fined / n:.1%})", f"{penalty:.3f}")
    return table


def length_ranges(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each range of lengths that has rows, with its rows."""
    for low, high in pairwise([*BOUNDS, 1 << 62]):
        if group := [row for row in rows if low <= row["characters"] < high]:
            yield f"from {low:,}" if high > BOUNDS[-1] else f"{low:,} to {high - 1:,}", group
