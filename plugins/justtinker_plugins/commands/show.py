"""``justtinker show``: show the rollouts of a step in the terminal. The report page shows all steps.

A model's text is never interpreted as markup, and its control characters never reach the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from justtinker_core import PluginError
from justtinker_plugins.shared.records.runs import existing, how_it_ended
from justtinker_plugins.shared.records.step_files import is_training, read_groups, set_of, step_files, step_of, value_of
from justtinker_plugins.shared.terminal import VERDICTS, count_of, ends, one_line, plain_table, printable

Row = dict[str, Any]
Selected = tuple[Row, list[int]]
"""A group and the indices of its rollouts to show."""


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--step", type=int, help="Default: the last one with rollouts.")
@click.option("--eval", "evaluation", metavar="NAME", help="Show this evaluation set instead of training.")
@click.option(
    "--only",
    type=click.Choice(["best", "worst", "unscored", "truncated"]),
    help="best, worst: one rollout per group, sorted; unscored, truncated: only such rollouts.",
)
@click.option("--groups", default=5, show_default=True, type=click.IntRange(1), help="Show at most this many groups.")
@click.option("--rollout", metavar="GROUP.N", help="Show one rollout in full: prompt, response, verdict, reward.")
def show(
    run_dir: Path, step: int | None, evaluation: str | None, only: str | None, groups: int, rollout: str | None
) -> None:
    """Show the groups and rollouts of a step: problem, verdicts, rewards, advantages, shortened text.

    For the directory of several runs, it shows the last of them.
    """
    run_dir = existing(run_dir)[-1]
    path = find_step_file(run_dir, step, evaluation)
    console = Console(highlight=False)
    if rollout is not None:
        print_rollout(console, path, rollout)
        return
    selected = list(select(read_groups(path), only))
    if only in ("best", "worst"):
        selected.sort(key=lambda entry: sort_key(entry, 1 if only == "worst" else -1))
    console.print(Text(f"step {step_of(path)}, {set_of(path)}", style="bold"))
    for entry in selected[:groups]:
        print_group(console, entry)
    console.print()
    console.print(closing_line(selected, groups, only))
    if ending := how_it_ended(run_dir):
        console.print(Text(f"run {ending}"), soft_wrap=True)


def find_step_file(run_dir: Path, step: int | None, evaluation: str | None) -> Path:
    """Find the file of rollouts to show.

    Raises:
        PluginError: there is none; says which there are.
    """
    name = evaluation or "training"
    training = evaluation is None  # an evaluation set may be called "training", too
    files = [path for path in step_files(run_dir) if is_training(path) == training and set_of(path) == name]
    if not files:
        sets = ", ".join(dict.fromkeys(map(set_of, step_files(run_dir)))) or "none"
        hint = "; use --eval NAME for evaluations" if evaluation is None else ""
        ending = f"; run {status}" if (status := how_it_ended(run_dir)) else ""
        raise PluginError(f"{run_dir} has no rollouts of {name!r}; it has: {sets}{hint}{ending}")
    if step is None:
        return files[-1]
    for path in files:
        if step_of(path) == step:
            return path
    steps = [step_of(path) for path in files]
    nearest = min(steps, key=lambda other: abs(other - step))
    raise PluginError(
        f"{run_dir} has no rollouts of {name} at step {step}; it has rollouts of {count_of(len(steps), 'step')}, from "
        f"{steps[0]} to {steps[-1]}; the nearest is {nearest}"
    )


def select(groups: Iterator[Row], only: str | None) -> Iterator[Selected]:
    """Yield the groups that have rollouts to show, with their indices."""
    choose: Callable[[Sequence[Row]], list[int]] = {
        None: lambda rollouts: list(range(len(rollouts))),
        "unscored": lambda rollouts: [n for n, r in enumerate(rollouts) if value_of(r) is None],
        "truncated": lambda rollouts: [n for n, r in enumerate(rollouts) if r["truncated"]],
        "best": lambda rollouts: find_extreme(rollouts, max),
        "worst": lambda rollouts: find_extreme(rollouts, min),
    }[only]
    for group in groups:
        if indices := choose(group["rollouts"]):
            yield group, indices


def find_extreme(rollouts: Sequence[Row], extreme: Callable[..., int]) -> list[int]:
    """Return the index of the best or the worst graded rollout; none if none was graded."""
    values = {n: value for n, r in enumerate(rollouts) if (value := value_of(r)) is not None}
    return [extreme(values, key=values.__getitem__)] if values else []


def sort_key(entry: Selected, sign: int) -> float:
    """Return the value of a group's selected rollout, times `sign`."""
    group, (index,) = entry
    return sign * (value_of(group["rollouts"][index]) or 0.0)


def print_group(console: Console, entry: Selected) -> None:
    """Print the problem, and a line per rollout."""
    group, indices = entry
    rollouts, problem = group["rollouts"], group["problem"]
    right = sum(r.get("verdict", {}).get("outcome") == "correct" for r in rollouts)
    dropped = "" if group.get("kept", True) else ", dropped from training"
    console.print()
    console.print(Text(f"group {group['index']}: {right} of {len(rollouts)} correct{dropped}", style="bold"))
    console.print(Text(f"{one_line(problem['question'], 200)}   gold: {one_line(problem['answer'] or 'none')}"))
    table = plain_table("", "verdict", "reward", "advantage", "tokens", "answer", "text")
    for column in table.columns[2:5]:
        column.justify = "right"
    for column in table.columns[:5]:
        column.no_wrap = True
    for n in indices:
        table.add_row(*rollout_cells(group["index"], n, rollouts[n]))
    console.print(table)


def rollout_cells(index: int, n: int, rollout: Row) -> Iterator[Text]:
    """Yield the cells of a rollout's line."""
    verdict = rollout.get("verdict", {})
    outcome = verdict.get("outcome", "")
    yield Text(f"{index}.{n}")
    yield Text(outcome, style=VERDICTS.get(outcome, ""))
    yield Text(format_number(rollout.get("reward")) if rollout.get("terms") else "")
    yield Text(format_number(rollout.get("advantage")))
    yield Text(f"{rollout['tokens']:,}{' (cut)' if rollout['truncated'] else ''}")
    yield Text(one_line(verdict.get("answer") or "", 24))
    yield Text(ends(rollout["text"]))


def format_number(value: Any) -> str:
    """Format a number, the mean of one per token, or None as nothing."""
    if isinstance(value, list):
        return f"{sum(value) / max(len(value), 1):.3f} (mean)"
    return "" if value is None else f"{value:.3f}"


def closing_line(selected: Sequence[Selected], shown: int, only: str | None) -> Text:
    """Return a line that says how many groups are not shown, and which options show more."""
    kind = f" with {only} rollouts" if only in ("unscored", "truncated") else ""
    if not selected:
        return Text(f"No groups{kind}.")
    total, (group, indices) = len(selected), selected[0]
    more = f"{shown} of {total} groups{kind}; --groups N shows more. " if total > shown else ""
    return Text(f"{more}To see a rollout in full: --rollout {group['index']}.{indices[0]}")


def print_rollout(console: Console, path: Path, name: str) -> None:
    """Print a rollout in full."""
    match = re.fullmatch(r"(\d+)\.(\d+)", name)
    if match is None:
        raise PluginError(f"--rollout: expected GROUP.N, such as 0.3, got {name}")
    index, n = int(match[1]), int(match[2])
    group = next((g for g in read_groups(path) if g["index"] == index), None)
    if group is None or n >= len(group["rollouts"]):
        found = "no such group" if group is None else f"{len(group['rollouts'])} rollouts in group {index}, from 0"
        raise PluginError(f"--rollout {name}: step {step_of(path)} has {found}")
    rollout = group["rollouts"][n]
    print_section(console, "prompt", group["prompt"])
    opened = f", after {opened}" if (opened := "".join(rollout.get("opened", "").split())) else ""
    print_section(console, f"response{opened}", rollout["text"])
    console.print(Rule("verdict", align="left"))
    verdict = rollout.get("verdict", {})
    for key, value in {"gold": group["problem"]["answer"], **verdict}.items():
        console.print(Text(f"{key:8} {printable(str(value or '-'))}"))
    print_rewards(console, rollout)
    console.print(Rule("measures", align="left"))
    for key, value in rollout.get("measures", {}).items():
        console.print(Text(f"{key} {'-' if value is None else f'{value:g}'}"))


def print_section(console: Console, title: str, text: str) -> None:
    """Print a text under its title."""
    console.print(Rule(title, align="left"))
    console.print(Text(printable(text)))


def print_rewards(console: Console, rollout: Row) -> None:
    """Print each reward term raw and weighted, the total, and the advantage."""
    if not rollout.get("terms"):
        return
    table = plain_table("term", "raw", "weight", "weighted")
    for term, raw in rollout["terms"].items():
        weight = rollout["weights"].get(term, 0.0)
        table.add_row(
            term, format_number(raw) or "-", format_number(weight), "-" if raw is None else format_number(raw * weight)
        )
    table.add_row("total", "", "", format_number(rollout.get("reward")))
    table.add_row("advantage", "", "", format_number(rollout.get("advantage")) or "-")
    console.print(Rule("reward", align="left"))
    console.print(table)
