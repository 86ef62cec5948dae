"""``justtinker score``: compute what saved rollouts would earn under any reward stack. It samples and trains nothing.

It verifies, measures, scores and gives advantages with the functions that training uses, so a run's rollouts under the
run's own config earn the recorded rewards again. Records hold no token ids: a plugin that reads them cannot be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from justtinker_core import PluginError
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._cli.processes import available_cores
from justtinker_plugins.commands._cli.progress import ScoringProgress
from justtinker_plugins.commands._score.printing import print_report
from justtinker_plugins.commands._score.rescoring import Configs, Out, Rescorer, rescore, unscored_lines
from justtinker_plugins.commands._score.tally import Change, Tally
from justtinker_plugins.shared.records.groups import group_of, rollout_files
from justtinker_plugins.shared.records.lines import Line, lines
from justtinker_plugins.shared.records.runs import existing, run_or_file
from justtinker_plugins.shared.terminal import count_of

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
@click.option("--jobs", type=click.IntRange(1), help="Processes, if judges compute here. Default: one per core.")
def score(
    rollouts: tuple[Path, ...], source: str | None, against: str | None, sets: tuple[str, ...],
    switches: tuple[str, ...], out: Path | None, summary: Path | None, show: int, jobs: int | None,
) -> None:  # fmt: skip
    """Score saved ROLLOUTS again under the reward stack of any config, and compare two stacks.

    ROLLOUTS are run directories, files of their rollouts/, or JSON lines like {"question": …, "answer": …,
    "responses": [text, …]}, with "tokens": [n, …] if a term needs lengths. --set and -p change --config, not
    --against. With --out, the results cover everything in that file. "justtinker grade" judges any table of answers,
    whatever its columns are called, and compares with labels.
    """
    own = stack_of(source, rollouts)
    configs = {"config": read_config(own, sets, switches, only_plugins=True)}
    stacks = {"config": " ".join((str(own), *(f"--set {item}" for item in sets), *(f"-p {name}" for name in switches)))}
    if against is not None:
        stacks["against"] = str(run_or_file(against))
        configs["against"] = read_config(stacks["against"], only_plugins=True)
    Rescorer(configs).close()  # so that a mistake shows here, not in another process
    files = rollout_files(rollouts)
    tally = Tally(show)
    try:
        score_all(files, configs, tally, out, jobs or available_cores())
    except KeyboardInterrupt:
        advice = "run the same command again to go on" if out else "with --out FILE, a later call could go on from here"
        click.echo(f"interrupted after {count_of(tally.samples, 'rollout')}; {advice}", err=True)
        raise SystemExit(130) from None
    if not tally.groups:
        raise PluginError("these files hold no rollouts")
    changes = [describe(change) for change in sorted(tally.changes, reverse=True)]
    found = tally.summary()
    print_report(Console(), found, stacks, changes)
    if summary is not None:
        write_json(summary, {**found, "changes": changes})


def stack_of(source: str | None, rollouts: Sequence[Path]) -> str | Path:
    """Return the config or run that holds the reward stack."""
    if source is not None:
        return run_or_file(source)
    if len(rollouts) == 1 and rollouts[0].is_dir():
        return existing(rollouts[0])[-1]
    if missing := [path for path in rollouts if not path.exists()]:
        raise PluginError(f"there is no {missing[0]}: expected files of JSON lines or run directories")
    raise click.UsageError("add --config CONFIG: only a single run directory has a reward stack of its own")


def score_all(files: Sequence[Path], configs: Configs, tally: Tally, out: Path | None, jobs: int) -> None:
    """Score the groups that are not in `out` yet, and tally all of them."""
    done: Counter[str] = Counter()
    writer = Out(out, {side: each.dump() for side, each in configs.items()}) if out is not None else None
    for record in writer.begin() if writer else ():
        tally.add(record)
        done[record["key"]] += 1
    if done:
        click.echo(f"{out} already holds scores of {count_of(tally.samples, 'rollout')}", err=True)
    before = tally.samples
    sizes = [file.stat().st_size for file in files]
    earlier = {file: sum(sizes[:i]) for i, file in enumerate(files)}
    rescored = rescore(unscored_lines(lines_of(files), done), configs, jobs)
    with closing(rescored), ScoringProgress("rollouts", sum(sizes)) as progress:
        for line, records in rescored:
            if writer:
                writer.add(records)
            for record in records:
                tally.add(record)
            progress.show(tally.samples - before, earlier[line.file] + line.read)


def lines_of(files: Sequence[Path]) -> Iterator[Line]:
    """Yield the lines of all files."""
    for file in files:
        yield from lines(file)


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
