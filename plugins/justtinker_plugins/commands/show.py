"""``justtinker show``: the rollouts of a step in the terminal. Reads one file of the run; the page shows all steps.

What a model wrote is never taken for markup, and its control characters never reach the terminal.
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
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.records.step_files import is_training, read_groups, set_of, step_files, step_of, value_of
from justtinker_plugins.shared.terminal import VERDICTS, ends, one_line, plain_table, printable

Row = dict[str, Any]
Found = tuple[Row, list[int]]
"""A group and the places of those of its rollouts that are shown."""


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--step", type=int, help="Default: the last one that has rollouts.")
@click.option("--eval", "evaluation", metavar="NAME", help="Of this evaluation set, not of training.")
@click.option(
    "--only",
    type=click.Choice(["best", "worst", "unscored", "truncated"]),
    help="best, worst: groups in the order of their best (worst) rollout, and only that one of each.",
)
@click.option("--groups", default=5, show_default=True, type=click.IntRange(1), help="At most so many groups.")
@click.option("--rollout", metavar="GROUP.N", help="One rollout, whole: prompt, response, verdict, reward.")
def show(
    run_dir: Path, step: int | None, evaluation: str | None, only: str | None, groups: int, rollout: str | None
) -> None:
    """Show the groups and rollouts of a step: problem, verdicts, rewards, advantages, shortened text.

    The directory of several runs of one command stands for the last of them.
    """
    path = chosen_file(existing(run_dir)[-1], step, evaluation)
    console = Console(highlight=False)
    if rollout is not None:
        one(console, path, rollout)
        return
    found = list(pick(read_groups(path), only))
    if only in ("best", "worst"):
        found.sort(key=lambda entry: rank(entry, 1 if only == "worst" else -1))
    console.print(Text(f"step {step_of(path)}, {set_of(path)}", style="bold"))
    for entry in found[:groups]:
        group_table(console, entry)
    console.print()
    console.print(closing(found, groups, only))


def chosen_file(run_dir: Path, step: int | None, evaluation: str | None) -> Path:
    """The file of rollouts that is meant. PluginError says which there are."""
    wanted = evaluation or "training"
    trained = evaluation is None  # an evaluation set may be called "training", too
    files = [path for path in step_files(run_dir) if is_training(path) == trained and set_of(path) == wanted]
    if not files:
        sets = ", ".join(dict.fromkeys(map(set_of, step_files(run_dir)))) or "none"
        hint = "; evaluations are shown with --eval NAME" if evaluation is None else ""
        raise PluginError(f"{run_dir} has no rollouts of {wanted!r}, only of: {sets}{hint}")
    if step is None:
        return files[-1]
    for path in files:
        if step_of(path) == step:
            return path
    steps = [step_of(path) for path in files]
    near = min(steps, key=lambda other: abs(other - step))
    raise PluginError(
        f"{run_dir} has no rollouts of {wanted} at step {step}: "
        f"it has {len(steps)} from step {steps[0]} to {steps[-1]}; the nearest is {near}"
    )


def pick(groups: Iterator[Row], only: str | None) -> Iterator[Found]:
    """The groups that have something to show, with the places of it."""
    choose: Callable[[Sequence[Row]], list[int]] = {
        None: lambda rollouts: list(range(len(rollouts))),
        "unscored": lambda rollouts: [n for n, r in enumerate(rollouts) if value_of(r) is None],
        "truncated": lambda rollouts: [n for n, r in enumerate(rollouts) if r["truncated"]],
        "best": lambda rollouts: extreme(rollouts, max),
        "worst": lambda rollouts: extreme(rollouts, min),
    }[only]
    for group in groups:
        if places := choose(group["rollouts"]):
            yield group, places


def extreme(rollouts: Sequence[Row], most: Callable[..., int]) -> list[int]:
    """The place of the best or the worst of those that were graded."""
    values = {n: value for n, r in enumerate(rollouts) if (value := value_of(r)) is not None}
    return [most(values, key=values.__getitem__)] if values else []


def rank(entry: Found, sign: int) -> float:
    """Where a group stands by the value of the rollout that is shown of it."""
    group, (place,) = entry
    return sign * (value_of(group["rollouts"][place]) or 0.0)


def group_table(console: Console, entry: Found) -> None:
    """The problem, and a line a rollout."""
    group, places = entry
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
    for n in places:
        table.add_row(*cells(group["index"], n, rollouts[n]))
    console.print(table)


def cells(index: int, n: int, rollout: Row) -> Iterator[Text]:
    """A rollout in a line."""
    verdict = rollout.get("verdict", {})
    outcome = verdict.get("outcome", "")
    yield Text(f"{index}.{n}")
    yield Text(outcome, style=VERDICTS.get(outcome, ""))
    yield Text(number(rollout.get("reward")) if rollout.get("terms") else "")
    yield Text(number(rollout.get("advantage")))
    yield Text(f"{rollout['tokens']:,}{' (cut)' if rollout['truncated'] else ''}")
    yield Text(one_line(verdict.get("answer") or "", 24))
    yield Text(ends(rollout["text"]))


def number(value: Any) -> str:
    """A number, the mean of one a token, or nothing."""
    if isinstance(value, list):
        return f"{sum(value) / max(len(value), 1):.3f} (mean)"
    return "" if value is None else f"{value:.3f}"


def closing(found: Sequence[Found], shown: int, only: str | None) -> Text:
    """What is not shown, and how to see it."""
    sort = f" with {only} rollouts" if only in ("unscored", "truncated") else ""
    if not found:
        return Text(f"No groups{sort}.")
    left = (
        f"{min(shown, len(found))} of {len(found)} groups{sort}; more with --groups N. " if len(found) > shown else ""
    )
    group, places = found[0]
    return Text(f"{left}A whole rollout: --rollout {group['index']}.{places[0]}")


def one(console: Console, path: Path, name: str) -> None:
    """A whole rollout."""
    match = re.fullmatch(r"(\d+)\.(\d+)", name)
    if match is None:
        raise PluginError(f"--rollout {name}: a group and a place in it are wanted, such as 0.3")
    index, n = int(match[1]), int(match[2])
    group = next((g for g in read_groups(path) if g["index"] == index), None)
    if group is None or n >= len(group["rollouts"]):
        has = "no such group" if group is None else f"{len(group['rollouts'])} rollouts in group {index}, from 0"
        raise PluginError(f"--rollout {name}: step {step_of(path)} has {has}")
    rollout = group["rollouts"][n]
    part(console, "prompt", group["prompt"])
    part(console, "response", rollout["text"])
    console.print(Rule("verdict", align="left"))
    verdict = rollout.get("verdict", {})
    for key, value in {"gold": group["problem"]["answer"], **verdict}.items():
        console.print(Text(f"{key:8} {printable(str(value or '-'))}"))
    rewards(console, rollout)
    console.print(Rule("measures", align="left"))
    for key, value in rollout.get("measures", {}).items():
        console.print(Text(f"{key} {'-' if value is None else f'{value:g}'}"))


def part(console: Console, title: str, text: str) -> None:
    """A text under its title."""
    console.print(Rule(title, align="left"))
    console.print(Text(printable(text)))


def rewards(console: Console, rollout: Row) -> None:
    """Each term raw and weighted, the total, and the advantage."""
    if not rollout.get("terms"):
        return
    table = plain_table("term", "raw", "weight", "weighted")
    for term, raw in rollout["terms"].items():
        weight = rollout["weights"].get(term, 0.0)
        table.add_row(term, number(raw) or "-", number(weight), "-" if raw is None else number(raw * weight))
    table.add_row("total", "", "", number(rollout.get("reward")))
    table.add_row("advantage", "", "", number(rollout.get("advantage")) or "-")
    console.print(Rule("reward", align="left"))
    console.print(table)
