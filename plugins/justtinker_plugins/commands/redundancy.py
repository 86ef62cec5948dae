"""``justtinker redundancy``: the redundancy score of any texts, by the methods of the reward. Pays nobody."""

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

from justtinker_core import PluginError, config_files
from justtinker_core.discovery import find
from justtinker_core.plugins import activate
from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.shared.redundancy.flat import SHORT
from justtinker_plugins.shared.terminal import ends, plain_table

if TYPE_CHECKING:
    from justtinker_plugins.rewards.redundancy import Redundancy

NAME = "redundancy"
PENALTY = "redundancy_penalty"
BOUNDS = (0, 500, 2_000, 8_000, 32_000)
"""Characters from which a row of the table counts."""


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["flat", "fast", "exact"]), help="Default: the config's, else flat.")
@click.option("--config", "source", metavar="CONFIG", help="Take the options of its [plugins.redundancy].")
@click.option("--out", type=click.Path(path_type=Path), help="Every text's numbers, as JSON lines.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Most redundant texts to print.")
def redundancy(texts: tuple[Path, ...], method: str | None, source: str | None, out: Path | None, show: int) -> None:
    """Score how much TEXTS repeat themselves, and say which would be fined.

    TEXTS are files of JSON lines (.zst too): strings, objects with a "text", or a run's own rollouts/*.jsonl.zst; or
    .txt and .md files, each of them one text.
    """
    term = configured(source, {"method": method} if method else {})
    known = [(f"{path}, text {i}", text) for path in texts for i, text in enumerate(read_texts(path), 1)]
    rows = scored(term, known)
    if out is not None:
        out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    console = Console()
    fined = sum(row[PENALTY] > 0 for row in rows)
    console.print(f"{len(rows):,} texts, method {term.method}: {fined:,} would be fined", highlight=False)
    if term.method == "flat" and (short := sum(row["characters"] < SHORT for row in rows)):
        console.print(f"{short:,} of them have fewer than {SHORT} characters: too short to tell", highlight=False)
    console.print(by_length(rows))
    for row, (_, text) in sorted(zip(rows, known, strict=True), key=lambda pair: -pair[0]["redundancy_score"])[:show]:
        said = f"\n{row['place']}: score {row['redundancy_score']:.2f}, {row['characters']:,} characters"
        console.print(Text(f"{said}\n  {ends(text)}"), soft_wrap=True)


def configured(source: str | None, options: dict[str, Any]) -> Redundancy:
    """The reward term, with the options of a config, if there is one, and these."""
    table: Mapping[str, Any] = {}
    if source is not None:
        read = config_files.read(source)
        if NAME not in read.enable:
            raise PluginError(f"{source} does not enable {NAME!r}: there are no options of it to take")
        table = read.plugin_options.get(NAME, {})
    term: Redundancy = activate(find()[NAME], {**table, **options}).instance
    return term


def scored(term: Redundancy, texts: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A row a text: its place, its length and all that is measured."""
    measured = term.score_batch([text for _, text in texts])
    return [
        {"place": place, "characters": len(text), **{name: float(values[i]) for name, values in measured.items()}}
        for i, (place, text) in enumerate(texts)
    ]


def by_length(rows: Sequence[dict[str, Any]]) -> Table:
    """How texts of each length fare."""
    table = plain_table("characters", "texts", "mean score", "fined", "mean penalty")
    for name, some in ranges(rows):
        score, penalty = (sum(row[key] for row in some) / len(some) for key in ("redundancy_score", PENALTY))
        fined = sum(row[PENALTY] > 0 for row in some)
        table.add_row(name, f"{len(some):,}", f"{score:.3f}", f"{fined:,} ({fined / len(some):.1%})", f"{penalty:.3f}")
    return table


def ranges(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of each range of lengths that has any."""
    for low, high in pairwise([*BOUNDS, 1 << 62]):
        if some := [row for row in rows if low <= row["characters"] < high]:
            yield f"from {low:,}" if high > BOUNDS[-1] else f"{low:,} to {high - 1:,}", some
