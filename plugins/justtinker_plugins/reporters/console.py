"""Show a run in the terminal: where it is, live, how long the rest takes, findings as they come, tables at the end.

In a pipe or a log file, it prints plain lines instead: every `every` steps, and at least every 30 seconds.
"""

from __future__ import annotations

import sys
import threading
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from justtinker_core import EvalStats, Finding, RunContext, StepStats, hookimpl, plugin
from justtinker_core.rundir import RunDir
from justtinker_plugins.reporters._console.pace import Speed, UnderWay
from justtinker_plugins.shared.records.origin import evaluated_weights, starting_evaluations
from justtinker_plugins.shared.terminal import VERDICTS, Screen, one_line, plain_table, printable, span

SHOWN = {
    "loss": "loss {:.3f}",
    "reward": "reward {:.3f}",
    "accuracy": "accuracy {:.1%}",
    "thinking_rate": "thinking {:.1%}",
    "mean_response_tokens": "{:.0f} tokens",
    "redundancy_score": "redundancy {:.2f}",
}
RATES = {"accuracy": "accuracy", "thinking_rate": "thinking", "boxed_rate": "boxed"}
COLUMNS = {
    "accuracy": "accuracy",
    "pass@{k}": "pass@k",
    "majority@{k}": "maj@k",
    "thinking_rate": "thinking",
    "boxed_rate": "boxed",
    "truncated_rate": "cut",
    "unscored_rate": "not graded",
}
"""Columns of the closing table; k is the number of samples for each problem."""
WITHOUT_INTERVAL = ("boxed_rate", "truncated_rate", "unscored_rate")
"""Rates without an interval in the table, for lack of room."""
WIDE = 0.2
"""The width above which an interval is pointed out."""
QUIET = 30.0
"""A log gets a line at least every so many seconds."""
STYLES = {"info": "cyan", "warn": "yellow", "stop": "bold red"}


@plugin
class Console:
    """Shows how far a run is, what its steps give, how long the rest takes, findings, and a closing table."""

    every: Annotated[int, Field(ge=1)] = 20
    """Without a terminal, print a step's lines every so many steps, and after any step that takes long."""
    answers: Annotated[int, Field(ge=0)] = 3
    """The number of questions whose answers, before and after, are shown at the end."""

    def __post_init__(self) -> None:
        self._terminal = Screen()
        self._live: Live | None = None
        self._shown: tuple[RenderableType, ...] = ()
        self._bar = Progress(TextColumn("[bold]{task.description}"), BarColumn(20), MofNCompleteColumn())
        self._lock = threading.RLock()  # a step may end while an evaluation goes on
        self._begun = time.perf_counter()
        self._under_way, self._speed = UnderWay(), Speed()
        self._printed = time.monotonic()
        self._over = threading.Event()
        self._waker: threading.Thread | None = None

    @hookimpl
    def report_progress(self, stage: str, done: int, total: int) -> None:
        """Show the stage; without a terminal, now and then."""
        self._under_way.tell(stage, done, total)
        with self._lock:
            if self._live is None and self._terminal.is_terminal:
                self._display()  # the first step of a large model takes minutes
            self._wake()

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Move the bar on, show the step's numbers and the time left below it, and print findings above it."""
        name, steps = run.config.run.name, run.config.run.steps
        with self._lock:
            self._speed.add(stats)
            if self._terminal.is_terminal:
                self._show(name, steps, stats.step, self._lines(run, stats))
            elif self._is_due(stats, steps):
                for line in filter(None, self._lines(run, stats)):
                    self._print(f"{name} {stats.step}/{steps}  {line}", markup=False)
            self._wake()
        for f in findings:
            text = f"[{STYLES[f.level]}]step {stats.step} {f.level}[/] {f.source}: {escape(printable(f.message))}"
            self._print(text, highlight=None)

    def _lines(self, run: RunContext, stats: StepStats) -> tuple[str, str]:
        """The numbers of a step, and the time that is left."""
        return line_of(stats, run.spent), self._speed.describe(run, stats.step)

    def _is_due(self, stats: StepStats, steps: int) -> bool:
        """Whether a log gets this step: the first, every so many, the last, or if it waited too long for the next."""
        late = time.monotonic() - self._printed + stats.seconds["total"] > QUIET
        return late or self._speed.first or stats.step % self.every == 0 or stats.step == steps

    def _show(self, name: str, steps: int, step: int, lines: Sequence[str]) -> None:
        if not self._bar.task_ids:
            self._bar.add_task(name, total=steps)
        self._bar.update(self._bar.task_ids[0], completed=step)
        self._shown = self._bar, *(indented(Text(line, overflow="fold")) for line in lines)
        self._display()

    def _display(self) -> None:
        if self._live is None:
            self._live = Live(console=self._terminal, redirect_stderr=sys.stderr.isatty())
            self._live.start()
        self._live.update(Group(*self._shown, indented(self._under_way)))

    def _wake(self) -> None:
        """Without a terminal, start the thread that breaks a long silence."""
        if self._waker is None and not self._terminal.is_terminal:
            self._waker = threading.Thread(target=self._break_silence, name="console", daemon=True)
            self._waker.start()

    def _break_silence(self) -> None:
        while not self._over.wait(self._printed + QUIET - time.monotonic()):
            with self._lock:
                if time.monotonic() - self._printed >= QUIET and not self._over.is_set():
                    self._print(str(self._under_way), markup=False)

    def _print(self, text: str, *, markup: bool = True, highlight: bool | None = False) -> None:
        """Print a text; in a log, on one line."""
        with self._lock:
            self._printed = time.monotonic()
            self._terminal.print(text, markup=markup, highlight=highlight, soft_wrap=not self._terminal.is_terminal)

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """Print an evaluation on one line."""
        known = [name for name in RATES if name in stats.metrics]
        rates = ", ".join(f"{RATES[name]} {rate(stats, name)} %" for name in known)
        self._print(f"[bold]{escape(stats.name)}[/bold] at step {stats.step}: {rates}")

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Print where the run is and, after a command's last run, a table of all evaluations and some answers."""
        self._over.set()
        if self._live is not None:
            rates = [indented(Text(self._speed.rates()))] if self._shown else []
            self._live.update(Group(*self._shown[:-1], *rates))  # nothing is under way, and no time is left
            self._live.stop()
        done = f"{run.config.run.name} {status} after {span(time.perf_counter() - self._begun)}, in {run.dir}"
        if (status in ("finished", "evaluated") and run.last) or status == "stopped":  # then no other run follows
            paths = (*run.previous, run.dir)
            evals = [(path, EvalStats(**r)) for path in paths for r in RunDir(path).read("evals.jsonl")]
            source, start = starting_evaluations(RunDir(paths[0]), [stats for path, stats in evals if path == paths[0]])
            evals = [(source.directory, stats) for stats in start if source] + evals
            if evals:
                self._terminal.print()
                self._terminal.print(closing_table(evals))
                for note in notes_on_width(evals):
                    self._terminal.print(note, highlight=False)
                self._terminal.print()
                for stats in [e for _, e in evals] if status == "evaluated" else ():
                    for key in stats.by:
                        self._terminal.print(by_table(stats, key))
                        self._terminal.print()
                self._terminal.print(answers_table(milestones(evals), self.answers))
                self._terminal.print()
        self._print(done, markup=False)


def indented(content: RenderableType) -> Padding:
    """Indent what stands below the bar, its folded lines too."""
    return Padding(content, (0, 0, 0, 2))


def line_of(stats: StepStats, spent: float = 0.0) -> str:
    """Put the numbers of a step on one line, with its cost and that of the run so far if they are known."""
    parts = [form.format(stats.metrics[name]) for name, form in SHOWN.items() if name in stats.metrics]
    if "rollouts" in stats.metrics:
        parts.append(f"trained {stats.metrics['trained']:.0f}/{stats.metrics['rollouts']:.0f}")
    if stats.usd is not None:
        so_far = f" ({spent:.2f} so far)" if spent > stats.usd else ""
        parts.append(f"{stats.usd:.2f} USD{so_far}")
    return ", ".join(parts)


def rate(stats: EvalStats, name: str) -> str:
    """Write a rate in per cent with its 95 % interval."""
    if name not in stats.metrics:
        return "-"
    if name not in stats.intervals or name in WITHOUT_INTERVAL:
        return f"{stats.metrics[name] * 100:.1f}"
    low, high = stats.intervals[name]
    return f"{stats.metrics[name]:.1%} [dim]({low:.0%}-{high:.0%})[/dim]".replace("%", "")


def weights_label(path: Path, stats: EvalStats) -> str:
    """Name the weights that an evaluation is of."""
    if weights := evaluated_weights(path):
        return weights
    config = path / "config.toml"
    run = tomllib.loads(config.read_text(encoding="utf-8"))["run"] if config.exists() else {"name": path.name}
    before = f"before {run['name']}" if run.get("start_from") else "before"  # each of two stages may have one
    return f"{run['name']} {stats.step}" if stats.step else before


def milestones(evals: Sequence[tuple[Path, EvalStats]]) -> list[tuple[Path, EvalStats]]:
    """Choose, from the set that was evaluated first, the first evaluation and the last of each run."""
    of_set = [(path, stats) for path, stats in evals if stats.name == evals[0][1].name]
    last = {entry[0]: entry for entry in of_set}
    return [of_set[0], *(entry for entry in last.values() if entry is not of_set[0])]


def closing_table(evals: Sequence[tuple[Path, EvalStats]]) -> Table:
    """Build a table with a row for each evaluation and a column for each rate that any of them has."""
    titles = {title: name for name, title in COLUMNS.items() if any(fills(stats, name) for _, stats in evals)}
    several = any(samples(stats) > 1 for _, stats in evals)
    table = plain_table("weights", "set", *titles, "tokens", "n")
    for column in table.columns[2:]:
        column.min_width = max(map(len, str(column.header).split()))  # so that no word of a title is folded
    table.columns[-1].min_width = 6 if several else 3
    table.collapse_padding = len(table.columns) > 7
    table.caption, table.caption_justify = "rates in per cent, with 95 % intervals; n problems", "left"
    if several:
        table.caption += ", k samples of each; accuracy: avg@k"
    for path, stats in evals:
        rates = (rate(stats, name.format(k=samples(stats))) for name in titles.values())
        tokens, n = f"{stats.metrics['mean_response_tokens']:.0f}", str(stats.settings["problems"])
        table.add_row(weights_label(path, stats), stats.name, *rates, tokens, f"{n}x{samples(stats)}" if several else n)
    return table


def samples(stats: EvalStats) -> int:
    """The number of samples for each problem."""
    return int(stats.settings.get("samples", 1))


def fills(stats: EvalStats, name: str) -> bool:
    """Whether an evaluation fills a column: it has the rate, and a rate of truncated or ungraded ones is not 0."""
    found = stats.metrics.get(name.format(k=samples(stats)))
    return found is not None and (found >= 0.0005 or name not in ("truncated_rate", "unscored_rate"))


def notes_on_width(evals: Sequence[tuple[Path, EvalStats]]) -> list[str]:
    """Warn of sets whose accuracy has a wide interval."""
    widest: dict[str, float] = {}
    for _, stats in evals:
        low, high = stats.intervals.get("accuracy", (0.0, 0.0))
        widest[stats.name] = max(widest.get(stats.name, 0.0), high - low)
    return [
        f"{escape(name)}: the interval of its accuracy is {width:.0%} wide; take more samples or more problems, and "
        "compare runs with justtinker compare"
        for name, width in widest.items()
        if width > WIDE
    ]


def by_table(stats: EvalStats, key: str) -> Table:
    """Build a table of the accuracy by a key of the problems' metadata."""
    table = plain_table(escape(key), "accuracy", "n")
    table.title, table.title_justify = escape(f"{stats.name} by {key}"), "left"
    for kind, row in stats.by[key].items():
        part = EvalStats(0, "", {"accuracy": row["accuracy"]}, {"accuracy": [row["low"], row["high"]]}, {})
        table.add_row(escape(kind), rate(part, "accuracy"), f"{row['problems']:.0f}")
    return table


def answers_table(evals: Sequence[tuple[Path, EvalStats]], questions: int) -> Table:
    """Build a table of sampled answers to the first questions, before and after."""
    table = plain_table("question", "weights", "a sampled answer", "")
    for number in range(questions):
        for path, stats in evals:
            for example in list(stats.examples)[number : number + 1]:
                outcome, style = example["outcome"], VERDICTS.get(example["outcome"], "yellow")
                texts = (escape(one_line(example[key])) for key in ("question", "response"))
                table.add_row(next(texts), weights_label(path, stats), next(texts), f"[{style}]{outcome}[/{style}]")
    return table
