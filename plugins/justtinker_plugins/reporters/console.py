"""What a person sees in the terminal while a run goes on: one live line, findings below it, tables at the end.

Where the output is no terminal (a pipe, a log file) a plain line is printed every `every` steps instead.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from justtinker_core import Finding, hookimpl, plugin
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats, StepStats

SHOWN = {
    "loss": "loss {:.3f}",
    "reward": "reward {:.3f}",
    "accuracy": "accuracy {:.1%}",
    "thinking_rate": "thinking {:.1%}",
    "mean_response_tokens": "{:.0f} tokens",
    "redundancy_score": "redundancy {:.2f}",
}
STYLES = {"info": "cyan", "warn": "yellow", "stop": "bold red"}


@plugin
class Console:
    """A live line a step with rich, findings as they come, and a closing table with intervals."""

    every: Annotated[int, Field(ge=1)] = 20
    """Without a terminal: print a line after every so many steps."""
    answers: Annotated[int, Field(ge=0)] = 2
    """Sampled answers to show with each row of the closing table."""

    def __post_init__(self) -> None:
        self._terminal = Terminal()
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._begun = time.perf_counter()

    @hookimpl
    def report_progress(self, stage: str, done: int, total: int) -> None:
        """What happens within a step."""
        if self._progress is not None:
            self._progress.update(self._task, stage=f"{stage} {done}/{total}" if done < total else "train")

    @hookimpl
    def report_step(self, run: Run, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Move the line on and say what monitors found."""
        line = line_of(stats)
        last = run.config.run.steps
        if self._terminal.is_terminal:
            self._live(run).update(self._task, completed=stats.step, line=line, stage="")
        elif stats.step % self.every == 0 or stats.step == last:
            self._terminal.print(f"{run.config.run.name} {stats.step}/{last}  {line}", highlight=False)
        for f in findings:
            style = STYLES[f.level]
            self._terminal.print(f"[{style}]step {stats.step} {f.level}[/{style}] {f.source}: {escape(f.message)}")

    def _live(self, run: Run) -> Progress:
        if self._progress is None:
            columns = ("[bold]{task.description}", BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
            text = (TextColumn("{task.fields[line]}"), TextColumn("[dim]{task.fields[stage]}"))
            described = [TextColumn(c) if isinstance(c, str) else c for c in columns]
            self._progress = Progress(*described, *text, console=self._terminal)
            total = run.config.run.steps
            self._task = self._progress.add_task(
                run.config.run.name, total=total, completed=run.step, line="", stage=""
            )
            self._progress.start()
        return self._progress

    @hookimpl
    def report_eval(self, run: Run, stats: EvalStats) -> None:
        """One line an evaluation."""
        parts = [f"[bold]{escape(stats.name)}[/bold] at step {stats.step}:"]
        parts += [f"{name} {rate(stats, name)}" for name in ("accuracy", "thinking_rate") if name in stats.metrics]
        self._terminal.print(" ".join(parts), highlight=False)

    @hookimpl
    def finish_run(self, run: Run, status: str) -> None:
        """The closing table: every evaluation of this command's runs, with intervals and some answers."""
        if self._progress is not None:
            self._progress.stop()
        evals = [(path, EvalStats(**r)) for path in (*run.previous, run.dir) for r in RunDir(path).read("evals.jsonl")]
        if evals and status == "finished":
            self._terminal.print(closing_table(evals))
            for path, stats in ends(evals) if self.answers else ():
                self._terminal.print(f"\n[bold]{label(path, stats)}[/bold] answers, for example:")
                for shown in stats.examples[: self.answers]:
                    self._terminal.print(answer_line(shown), soft_wrap=True, highlight=False)
        minutes, seconds = divmod(round(time.perf_counter() - self._begun), 60)
        self._terminal.print(
            f"\n{run.config.run.name} {status} after {minutes}:{seconds:02d} min, in {run.dir}", highlight=False
        )


def line_of(stats: StepStats) -> str:
    """The numbers of a step in one line."""
    parts = [form.format(stats.metrics[name]) for name, form in SHOWN.items() if name in stats.metrics]
    if "rollouts" in stats.metrics:
        parts.append(f"trained {stats.metrics['trained']:.0f}/{stats.metrics['rollouts']:.0f}")
    if sampled := stats.tokens.get("sampled", 0):
        parts.append(f"{sampled / max(stats.seconds['collect'], 1e-9):,.0f} tok/s")
    return ", ".join(parts)


def rate(stats: EvalStats, name: str) -> str:
    """A metric with its interval, in per cent."""
    if name not in stats.metrics:
        return "-"
    low, high = stats.intervals.get(name, (float("nan"),) * 2)
    return f"{stats.metrics[name]:.1%} [dim]({low:.1%} to {high:.1%})[/dim]"


def label(path: Path, stats: EvalStats) -> str:
    """Which weights an evaluation is of."""
    return f"{path.name.partition('-')[2] or path.name}, step {stats.step}"


def ends(evals: Sequence[tuple[Path, EvalStats]]) -> list[tuple[Path, EvalStats]]:
    """The first and the last evaluation."""
    return [evals[0], evals[-1]] if len(evals) > 1 else list(evals)


def closing_table(evals: Sequence[tuple[Path, EvalStats]]) -> Table:
    """One row an evaluation."""
    table = Table(title="Evaluation (95 % intervals)", title_justify="left", box=None, header_style="bold")
    for column in ("weights", "set", "accuracy", "thinking", "boxed", "tokens", "problems"):
        table.add_column(column)
    for path, stats in evals:
        rates = (rate(stats, name) for name in ("accuracy", "thinking_rate", "boxed_rate"))
        tokens = f"{stats.metrics['mean_response_tokens']:.0f}"
        table.add_row(label(path, stats), stats.name, *rates, tokens, str(stats.settings["problems"]))
    return table


def answer_line(shown: Mapping[str, str]) -> str:
    """One sampled answer."""
    colour = {"correct": "green", "incorrect": "red"}.get(shown["outcome"], "yellow")
    return f"  {escape(shown['question'])}  {escape(shown['response'])}  [{colour}]{shown['outcome']}[/{colour}]"
