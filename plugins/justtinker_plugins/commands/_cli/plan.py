"""The runs of a command before they begin: which, where, and where each goes on."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from justtinker_core import PluginError, config_files
from justtinker_core.checkpoints import FILE, newest_first
from justtinker_core.config import RunConfig
from justtinker_core.enabling import resolved
from justtinker_core.rundir import RunDir


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that is to come."""

    config: RunConfig
    path: Path
    """Its directory."""
    step: int = 0
    """Where it goes on, of a run that is resumed."""


def planned(
    sources: Sequence[str], configs: Sequence[RunConfig], directory: Path | None, name: str
) -> tuple[Path, list[Planned]]:
    """The runs of a command and the directory of all: a mistake in the second must not show after the first has run."""
    configured = [resolved_one(source, each, len(configs) > 1) for source, each in zip(sources, configs, strict=True)]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parent = directory or Path("runs") / f"{name or configured[-1].run.name}-{stamp}"
    if len(configured) == 1:
        return parent, [Planned(configured[0], parent)]
    plan: list[Planned] = []
    for number, each in enumerate(configured, 1):
        if plan and each.run.start_from is None:
            each = replace(each, run=replace(each.run, start_from=f"../{plan[-1].path.name}"))
        plan.append(Planned(each, parent / f"{number}-{each.run.name}"))
    return parent, plan


def resolved_one(source: str, configured: RunConfig, several: bool) -> RunConfig:
    """The config, resolved; of several, an error says which one it is of."""
    try:
        return resolved(configured)
    except PluginError as error:
        raise (PluginError(f"{source}: {error}") if several else error) from None


def make(parent: Path, plan: list[Planned]) -> None:
    """The directories of a command's runs: all of them or, if the process is killed here, none."""
    part = parent.with_name(f".{parent.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for each in plan:
        RunDir.create(part / each.path.relative_to(parent), each.config.dump())
    part.rename(parent)


def unfinished(path: Path) -> Planned:
    """A run as it stands; one that is finished is at its last step."""
    files, configured = RunDir(path), config_files.read(path)
    if "checkpoint" in files.manifest():  # of no steps: training would begin with setting aside what was evaluated
        raise PluginError(f"{path} is an evaluation: go on with justtinker eval --resume {shlex.quote(str(path))}")
    saved = newest_first(files.read(FILE))  # the last line may be the best one's
    if saved:  # then the weights it began with may have expired
        configured = replace(configured, run=replace(configured.run, start_from=None))
    return Planned(configured, path, saved[0]["step"] if saved else 0)
