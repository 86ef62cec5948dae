"""``justtinker score``: compute what saved rollouts would earn under any reward stack. It samples and trains nothing.

It verifies, measures, scores and gives advantages with the functions that training uses, so a run's rollouts under the
run's own config earn the recorded rewards again. Records hold no token ids: a plugin that reads them cannot be used.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from justtinker_core import PluginError, config_files
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._score.rescoring import Configs, Out, Rescorer, rescore, unscored_lines
from justtinker_plugins.commands._score.tally import Change, Tally
from justtinker_plugins.shared.records.groups import group_of, rollout_files
from justtinker_plugins.shared.records.lines import Line, lines
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.terminal import ends, plain_table

path = click.Path(path_type=Path)


@click.command()
@click.argument("rollouts", nargs=-1, required=True, type=path)
@click.option("--config", "source", metavar="CONFIG", help="Reward stack. Default: a single run directory's own.")
@click.option("--against", metavar="CONFIG", help="Another one to compare it with; may be a run directory.")
@set_option
@plugin_option
@click.option("--out", type=path, help="Write all scores as JSON lines; the same command resumes from them.")
@click.option("--json", "summary", type=path, help="Write the results as one JSON object.")
@click.option(
    "--show", default=5, show_default=True, type=click.IntRange(0), help="Print at most this many changed samples."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: one per core.")
def score(
    rollouts: tuple[Path, ...], source: str | None, against: str | None, sets: tuple[str, ...],
    switches: tuple[str, ...], out: Path | None, summary: Path | None, show: int, jobs: int | None,
) -> None:  # fmt: skip
    """Score saved ROLLOUTS again under the reward stack of any config, and compare two stacks.

    ROLLOUTS are run directories, files of their rollouts/, or JSON lines like {"question": …, "answer": …,
    "responses": [text, …]}, with "tokens": [n, …] if a term needs lengths. --set and -p change --config, not
    --against. With --out, the results cover everything in that file.
    """
    configs = {"config": read_config(stack_of(source, rollouts), sets, switches)}
    if against is not None:
        configs["against"] = config_files.read(run_or_file(against))
    Rescorer(configs).close()  # so that a mistake shows here, not in another process
    files = rollout_files(rollouts)
    tally = Tally(show)
    try:
        score_all(files, configs, tally, out, jobs or available_cores())
    except KeyboardInterrupt:
        advice = "run the same command again to go on" if out else "with --out FILE, a later call could go on from here"
        click.echo(f"interrupted after {tally.samples:,} rollouts; {advice}", err=True)
        raise SystemExit(130) from None
    if not tally.groups:
        raise PluginError("these files hold no rollouts")
    changes = [describe(change) for change in sorted(tally.changes, reverse=True)]
    print_report(Console(), tally, configs, changes)
    if summary is not None:
        write_json(summary, {**tally.summary(), "changes": changes})


def stack_of(source: str | None, rollouts: Sequence[Path]) -> str | Path:
    """Return the config or run that holds the reward stack."""
    if source is not None:
        return run_or_file(source)
    if len(rollouts) == 1 and rollouts[0].is_dir():
        return existing(rollouts[0])[-1]
    if missing := [path for path in rollouts if not path.exists()]:
        raise PluginError(f"there is no {missing[0]}: expected files of JSON lines or run directories")
    raise click.UsageError("add --config CONFIG: only a single run directory has a reward stack of its own")


def run_or_file(source: str) -> str | Path:
    """Return the last run of a directory; any other source as it is."""
    return existing(Path(source))[-1] if Path(source).is_dir() else source


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score_all(files: Sequence[Path], configs: Configs, tally: Tally, out: Path | None, jobs: int) -> None:
    """Score the groups that are not in `out` yet, and tally all of them."""
    done: Counter[str] = Counter()
    writer = Out(out, {side: each.dump() for side, each in configs.items()}) if out is not None else None
    for record in writer.begin() if writer else ():
        tally.add(record)
        done[record["key"]] += 1
    if done:
        click.echo(f"{out} already holds scores of {tally.samples:,} rollouts", err=True)
    before = tally.samples
    with ExitStack() as stack:
        progress = stack.enter_context(ScoringProgress(files))
        for line, records in rescore(unscored_lines(lines_of(files), done), configs, jobs):
            if writer:
                writer.add(records)
            for record in records:
                tally.add(record)
            progress.advance_to(line, tally.samples - before)


def lines_of(files: Sequence[Path]) -> Iterator[Line]:
    """Yield the lines of all files."""
    for file in files:
        yield from lines(file)


class ScoringProgress:
    """A progress bar over the bytes of the files, with rollouts per second, shown only in a terminal."""

    def __init__(self, files: Sequence[Path]) -> None:
        sizes = [file.stat().st_size for file in files]
        self._before = {file: sum(sizes[:i]) for i, file in enumerate(files)}
        columns = "{task.percentage:>3.0f} %", "{task.fields[samples]:,} rollouts, {task.fields[rate]:,.0f} per second"
        console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(20), *(TextColumn(c) for c in columns), TimeRemainingColumn(), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=sum(sizes), samples=0, rate=0.0)
        self._start = time.perf_counter()

    def __enter__(self) -> ScoringProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance_to(self, line: Line, samples: int) -> None:
        """Show that everything up to this line is scored."""
        rate = samples / (time.perf_counter() - self._start)
        self._bar.update(self._task, completed=self._before[line.file] + line.read, samples=samples, rate=rate)


def describe(change: Change) -> dict[str, Any]:
    """Return a changed sample with its text as a JSON object."""
    file, number, rollout = change.location
    record: dict[str, Any] = {"file": file, "line": number, "rollout": rollout}
    try:
        line = next((line for line in lines(Path(file)) if line.number == number), None)
        group = group_of(line)[0] if line else None
    except PluginError:
        group = None  # an earlier call scored it, and the file is gone
    if group is not None:
        problem = {"problem": group.problem.id, "question": group.problem.question, "answer": group.problem.answer}
        record |= {**problem, "text": group.rollouts[rollout].text}
    return record | dict(change.sides)


# Output


def print_report(console: Console, tally: Tally, configs: Configs, changes: Sequence[dict[str, Any]]) -> None:
    """Print the tables and the most changed samples."""
    summary = tally.summary()
    console.print(f"{summary['rollouts']:,} rollouts in {summary['groups']:,} groups", highlight=False)
    if known := summary["recorded"]["rewards"]:
        console.print(f"{summary['recorded']['equal']:,} of {known:,} rewards are as recorded", highlight=False)
    if left_out := summary.get("left_out"):
        total = f"of {summary['groups']:,} groups"
        lacks = (f"{name} (no {it['lacks']} in {it['groups']:,} {total})" for name, it in sorted(left_out.items()))
        console.print(Text(f"metrics left out because records lack data: {', '.join(lacks)}"), soft_wrap=True)
    for side, stack in configs.items():
        if side in summary:
            console.print()
            console.print(Text(f"--{side} {stack.run.name}", style="bold"))
            console.print(terms_table(summary[side]))
            console.print(totals_table(summary[side]))
    if "difference" in summary:
        console.print()
        console.print(Text("differences", style="bold"))
        console.print(difference_table(summary))
    for number, change in enumerate(changes, 1):
        print_change(console, number, change)


def terms_table(side: dict[str, Any]) -> Table:
    """Make a table with a row per reward term."""
    table = plain_table("term", "raw", "weighted", "applies", "touches")
    for name, term in side["terms"].items():
        shares = (f"{term[key]:.1%}" for key in ("applies", "touches"))
        table.add_row(Text(name), f"{term['raw']:+.4f}", f"{term['weighted']:+.4f}", *shares)
    return table


def totals_table(side: dict[str, Any]) -> Table:
    """Make a table of the numbers that belong to no single term."""
    table = Table.grid(padding=(0, 2))
    table.add_row("reward", f"{side['reward']:.4f}", "accuracy", f"{side['accuracy']:.1%}")
    table.add_row("unscored", f"{side['unscored_rate']:.1%}", "advantage > 0", f"{side['positive_advantage']:.1%}")
    dropped = f"{1 - side['groups_kept']:.1%}"
    table.add_row("groups without signal", f"{side['groups_without_signal']:.1%}", "groups dropped", dropped)
    return table


def difference_table(summary: dict[str, Any]) -> Table:
    """Make a table of how far the two stacks differ."""
    difference, groups, samples = summary["difference"], summary["groups"], summary["rollouts"]
    table = Table.grid(padding=(0, 2))

    def add_count(name: str, key: str, total: int) -> None:
        table.add_row(name, f"{difference[key]:,} of {total:,}", f"{difference[key] / max(total, 1):.1%}")

    add_count("groups with a pair in reverse order", "inverted_groups", groups)
    add_count("groups ranked differently, ties included", "reranked_groups", groups)
    add_count("advantages with the opposite sign", "sign_flips", samples)
    add_count("advantages with another sign, zero included", "sign_changes", samples)
    add_count("rewards that differ", "rewards", samples)
    add_count("verdicts that differ", "verdicts", samples)
    if difference["left_out_by_one"]:
        add_count("graded under one stack only", "left_out_by_one", samples)
    if difference["kendall_tau"] is not None:
        table.add_row("Kendall's tau, mean over groups", f"{difference['kendall_tau']:.3f}", "")
    return table


def print_change(console: Console, number: int, change: dict[str, Any]) -> None:
    """Print a sample that the two stacks judge differently."""
    a, b = change["config"], change["against"]
    location = f"{Path(change['file']).name}, line {change['line']}, rollout {change['rollout']}"
    console.print()
    console.print(Text(f"{number}. {location}", style="bold"))
    if "text" not in change:
        console.print("   (the file is gone)")
    else:
        question, gold = ends(change["question"], 30), ends(change["answer"] or "none", 10)
        console.print(Text(f"   {question}   gold {gold}"))
        console.print(Text(f"   {ends(change['text'], 100)}", style="dim"))
    terms = {name: (a["terms"].get(name), b["terms"].get(name)) for name in {**a["terms"], **b["terms"]}}
    numbers = [(name, (a[name], b[name])) for name in ("reward", "advantage")]
    numbers += [(name, pair) for name, pair in terms.items() if pair[0] != pair[1]]
    parts = [f"{name} {short_number(x)} -> {short_number(y)}" for name, (x, y) in numbers]
    console.print(Text(f"   --config -> --against: {', '.join(parts)}"))


def short_number(value: Any) -> str:
    """Format a number, a list of numbers or None in a few characters."""
    return "none" if value is None else "per token" if isinstance(value, list) else f"{value:.3g}"
