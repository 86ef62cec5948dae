"""``justtinker score``: what saved rollouts would have been paid under any reward stack. Nothing is sampled or trained.

It verifies, measures, scores and gives advantages by the functions that training uses, so a run's rollouts under the
run's own config get the rewards that were recorded. The token ids are gone: a plugin that reads them cannot be asked.
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

from justtinker_core import PluginError, config
from justtinker_core.config import RunConfig
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._score.rescoring import Configs, Out, Scorer, rescore, unscored_lines
from justtinker_plugins.commands._score.tally import Change, Tally
from justtinker_plugins.shared.records.groups import group_of, rollout_files
from justtinker_plugins.shared.records.lines import Line, lines
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.terminal import ends, plain_table

path = click.Path(path_type=Path)


@click.command()
@click.argument("rollouts", nargs=-1, required=True, type=path)
@click.option("--config", "source", metavar="CONFIG", help="The reward stack; of a single run directory its own.")
@click.option("--against", metavar="CONFIG", help="Another one to compare it with (a run directory, too).")
@set_option
@plugin_option
@click.option("--out", type=path, help="Every score, as JSON lines; the same command goes on with it.")
@click.option("--json", "summary", type=path, help="What is printed, as one JSON object.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Most changed samples to print.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: one a core.")
def score(
    rollouts: tuple[Path, ...], source: str | None, against: str | None, sets: tuple[str, ...],
    switches: tuple[str, ...], out: Path | None, summary: Path | None, show: int, jobs: int | None,
) -> None:  # fmt: skip
    """Score saved ROLLOUTS again, under the reward stack of any config, and compare two stacks.

    ROLLOUTS are run directories, files of their rollouts/, or JSON lines like {"question": …, "answer": …,
    "responses": [text, …]} with "tokens": [n, …] where a term needs lengths. --set and -p change --config, not
    --against. With --out, the numbers are of all that FILE holds.
    """
    configs = {"config": read_config(stack_of(source, rollouts), sets, switches)}
    if against is not None:
        configs["against"] = config.read(run_or_file(against))
    Scorer(configs).close()  # a mistake shows now, not in another process
    files = rollout_files(rollouts)
    tally = Tally(show)
    try:
        score_all(files, configs, tally, out, jobs or cores())
    except KeyboardInterrupt:
        more = "the same command goes on where it ended" if out else "with --out FILE it could have been continued"
        click.echo(f"interrupted after {tally.samples:,} rollouts; {more}", err=True)
        raise SystemExit(130) from None
    if not tally.groups:
        raise PluginError("there are no rollouts in these files")
    changes = [describe(change) for change in sorted(tally.changes, reverse=True)]
    report(Console(), tally, configs, changes)
    if summary is not None:
        write_json(summary, {**tally.summary(), "changes": changes})


def stack_of(source: str | None, rollouts: Sequence[Path]) -> str | Path:
    """Where the reward stack comes from."""
    if source is not None:
        return run_or_file(source)
    if len(rollouts) == 1 and rollouts[0].is_dir():
        return existing(rollouts[0])[-1]
    raise click.UsageError("say with --config which reward stack: only that of a single run directory is known")


def run_or_file(source: str) -> str | Path:
    """A config's name; the directory of several runs stands for the last of them."""
    return existing(Path(source))[-1] if Path(source).is_dir() else source


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score_all(files: Sequence[Path], configs: Configs, tally: Tally, out: Path | None, jobs: int) -> None:
    """Score what is not scored yet, and count all of it."""
    done: Counter[str] = Counter()
    kept = Out(out, {side: each.dump() for side, each in configs.items()}) if out is not None else None
    for record in kept.begin() if kept else ():
        tally.add(record)
        done[record["key"]] += 1
    if done:
        click.echo(f"{tally.samples:,} rollouts were scored before, in {out}", err=True)
    before = tally.samples
    with ExitStack() as stack:
        progress = stack.enter_context(Advance(files))
        for line, records in rescore(unscored_lines(every_line(files), done), configs, jobs):
            if kept:
                kept.add(records)
            for record in records:
                tally.add(record)
            progress.at(line, tally.samples - before)


def every_line(files: Sequence[Path]) -> Iterator[Line]:
    """The lines of all files."""
    for file in files:
        yield from lines(file)


class Advance:
    """A bar over the bytes of the files, with rollouts a second, on the terminal's error stream."""

    def __init__(self, files: Sequence[Path]) -> None:
        sizes = [file.stat().st_size for file in files]
        self._before = {file: sum(sizes[:i]) for i, file in enumerate(files)}
        columns = "{task.percentage:>3.0f} %", "{task.fields[samples]:,} rollouts, {task.fields[rate]:,.0f} a second"
        console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(20), *(TextColumn(c) for c in columns), TimeRemainingColumn(), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=sum(sizes), samples=0, rate=0.0)
        self._begun = time.perf_counter()

    def __enter__(self) -> Advance:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def at(self, line: Line, samples: int) -> None:
        """Everything up to this line is done."""
        rate = samples / (time.perf_counter() - self._begun)
        self._bar.update(self._task, completed=self._before[line.file] + line.read, samples=samples, rate=rate)


def describe(change: Change) -> dict[str, Any]:
    """A changed sample with its text, as JSON."""
    file, number, rollout = change.place
    found: dict[str, Any] = {"file": file, "line": number, "rollout": rollout}
    try:
        line = next((line for line in lines(Path(file)) if line.number == number), None)
        group = group_of(line)[0] if line else None
    except PluginError:
        group = None  # an earlier call scored it, and the file is gone
    if group is not None:
        problem = {"problem": group.problem.id, "question": group.problem.question, "answer": group.problem.answer}
        found |= {**problem, "text": group.rollouts[rollout].text}
    return found | dict(change.sides)


# What is printed


def report(console: Console, tally: Tally, configs: dict[str, RunConfig], changes: Sequence[dict[str, Any]]) -> None:
    """The tables."""
    summary = tally.summary()
    console.print(f"{summary['rollouts']:,} rollouts in {summary['groups']:,} groups", highlight=False)
    if known := summary["recorded"]["rewards"]:
        console.print(f"{summary['recorded']['equal']:,} of {known:,} rewards are as recorded", highlight=False)
    if found := summary.get("left_out"):
        of = f"of {summary['groups']:,} groups"
        lacks = (f"{name} (no {each['lacks']} in {each['groups']:,} {of})" for name, each in sorted(found.items()))
        console.print(Text(f"metrics left out, for what the records lack: {', '.join(lacks)}"), soft_wrap=True)
    for side, title in titles(configs).items():
        if side in summary:
            console.print()
            console.print(Text(title, style="bold"))
            console.print(terms_table(summary[side]))
            console.print(numbers_table(summary[side]))
    if "difference" in summary:
        console.print()
        console.print(Text("the difference", style="bold"))
        console.print(difference_table(summary))
    for number, change in enumerate(changes, 1):
        print_change(console, number, change)


def titles(configs: dict[str, RunConfig]) -> dict[str, str]:
    """What each side is called."""
    names = {side: each.run.name for side, each in configs.items()}
    return {side: f"--{side} {name}" for side, name in names.items()}


def terms_table(side: dict[str, Any]) -> Table:
    """A row a reward term."""
    table = plain_table("term", "raw", "weighted", "applies", "touches")
    for name, term in side["terms"].items():
        shares = (f"{term[key]:.1%}" for key in ("applies", "touches"))
        table.add_row(Text(name), f"{term['raw']:+.4f}", f"{term['weighted']:+.4f}", *shares)
    return table


def numbers_table(side: dict[str, Any]) -> Table:
    """What is not of one term."""
    table = Table.grid(padding=(0, 2))
    table.add_row("reward", f"{side['reward']:.4f}", "accuracy", f"{side['accuracy']:.1%}")
    table.add_row("unscored", f"{side['unscored_rate']:.1%}", "advantage > 0", f"{side['positive_advantage']:.1%}")
    dropped = f"{1 - side['groups_kept']:.1%}"
    table.add_row("groups without signal", f"{side['groups_without_signal']:.1%}", "groups dropped", dropped)
    return table


def difference_table(summary: dict[str, Any]) -> Table:
    """How far the two stacks are apart."""
    found, groups, samples = summary["difference"], summary["groups"], summary["rollouts"]
    table = Table.grid(padding=(0, 2))

    def row(name: str, key: str, of: int) -> None:
        table.add_row(name, f"{found[key]:,} of {of:,}", f"{found[key] / max(of, 1):.1%}")

    row("groups with a pair the other way round", "inverted_groups", groups)
    row("groups ranked otherwise, ties included", "reranked_groups", groups)
    row("advantages of the other sign", "sign_flips", samples)
    row("advantages of another sign, zero included", "sign_changes", samples)
    row("rewards that differ", "rewards", samples)
    row("verdicts that differ", "verdicts", samples)
    if found["left_out_by_one"]:
        row("graded under one stack only", "left_out_by_one", samples)
    if found["kendall_tau"] is not None:
        table.add_row("Kendall's tau, mean over groups", f"{found['kendall_tau']:.3f}", "")
    return table


def print_change(console: Console, number: int, change: dict[str, Any]) -> None:
    """One sample that the two stacks judge differently."""
    a, b = change["config"], change["against"]
    where = f"{Path(change['file']).name}, line {change['line']}, rollout {change['rollout']}"
    console.print()
    console.print(Text(f"{number}. {where}", style="bold"))
    if "text" not in change:
        console.print("   (the file is gone)")
    else:
        question, gold = ends(change["question"], 30), ends(change["answer"] or "none", 10)
        console.print(Text(f"   {question}   gold {gold}"))
        console.print(Text(f"   {ends(change['text'], 100)}", style="dim"))
    terms = {name: (a["terms"].get(name), b["terms"].get(name)) for name in {**a["terms"], **b["terms"]}}
    parts = [f"{name} {number_of(x)} -> {number_of(y)}" for name, (x, y) in terms.items() if x != y]
    pairs = {"reward": (a["reward"], b["reward"]), "advantage": (a["advantage"], b["advantage"])}
    parts = [f"{name} {number_of(x)} -> {number_of(y)}" for name, (x, y) in pairs.items()] + parts
    console.print(Text(f"   --config -> --against: {', '.join(parts)}"))


def number_of(value: Any) -> str:
    """A number, a list of them, or none, in a few characters."""
    return "none" if value is None else "by token" if isinstance(value, list) else f"{value:.3g}"
