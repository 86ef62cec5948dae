"""The runs of a command before they begin: their configs, their directories, and the step each resumes from."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from justtinker_core import PluginError, config_files
from justtinker_core.checkpoints import FILE, newest_first
from justtinker_core.config import RunConfig
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.hookspecs import attribute_of
from justtinker_core.rundir import RunDir


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that has not begun, or is to be resumed."""

    config: RunConfig
    path: Path
    """Its directory."""
    step: int = 0
    """The step of the checkpoint that it resumes from; 0 for a new run."""


def plan_runs(
    sources: Sequence[str], configs: Sequence[RunConfig], directory: Path | None, name: str
) -> tuple[Path, list[PlannedRun]]:
    """Plan the runs of a command, and the directory that holds them all.

    All configs are resolved first, so that a mistake in the second shows before the first has run.
    """
    configs = [resolve_config(source, each, len(configs) > 1) for source, each in zip(sources, configs, strict=True)]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parent = directory or Path("runs") / f"{name or configs[-1].run.name}-{stamp}"
    if len(configs) == 1:
        return parent, [PlannedRun(configs[0], parent)]
    plan: list[PlannedRun] = []
    for number, each in enumerate(configs, 1):
        if plan and each.run.start_from is None:
            each = replace(each, run=replace(each.run, start_from=f"../{plan[-1].path.name}"))
        plan.append(PlannedRun(each, parent / f"{number}-{each.run.name}"))
    return parent, plan


def check_stages(plan: Sequence[PlannedRun]) -> None:
    """Raise one PluginError if a run cannot load the weights that the run before it will save."""
    complaints = [
        f"{later.path.name} starts from the weights of {earlier.path.name}, {what}"
        for earlier, later in pairwise(plan)
        if later.config.run.start_from == f"../{earlier.path.name}"
        for what in differences(earlier.config, later.config)
    ]
    if complaints:
        raise PluginError("\n".join(complaints))


def differences(earlier: RunConfig, later: RunConfig) -> Iterator[str]:
    """Say where two configs must agree, as one run starts from the weights of the other, and do not."""
    (old_backend, old), (new_backend, new) = needed_weights(earlier), needed_weights(later)
    if old_backend != new_backend:
        yield f"but its backend is {new_backend}, not {old_backend}, whose weights it cannot load"
        return
    for option, value in old.items():
        if (other := new.get(option, value)) != value:
            table, _, key = option.rpartition(".")
            yield f"but has [{table}] {key} = {other!r}, not {value!r}: use one value for both, with --set {option}=..."


def needed_weights(config: RunConfig) -> tuple[str, dict[str, object]]:
    """A run's backend, and what its weights depend on: the model, and the options that the backend names."""
    plugins, path = open_plugins(config), Path(config.run.model)
    backend = plugins.who("open_backend")[0]
    options = attribute_of(plugins.active[backend].instance, "starts_from")
    model = str(path.resolve()) if path.exists() else config.run.model
    return backend, {"run.model": model, **{f"plugins.{backend}.{name}": value for name, value in options.items()}}


def resolve_config(source: str, unresolved: RunConfig, several: bool) -> RunConfig:
    """Resolve a config. If there are several, an error names its source."""
    try:
        return resolved(unresolved)
    except PluginError as error:
        raise (PluginError(f"{source}: {error}") if several else error) from None


def make_directories(parent: Path, plan: list[PlannedRun]) -> None:
    """Make the directories of a command's runs: all of them or, if the process is killed here, none."""
    part = parent.with_name(f".{parent.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for each in plan:
        RunDir.create(part / each.path.relative_to(parent), each.config.dump())
    part.rename(parent)


def plan_resumed(path: Path) -> PlannedRun:
    """Plan to resume a run from its newest checkpoint; of a finished run, that is its last step."""
    files, resumed = RunDir(path), config_files.read(path)
    if "checkpoint" in files.manifest():  # training it for 0 steps would begin by setting aside its records
        raise PluginError(f"{path} is an evaluation: resume it with justtinker eval --resume {shlex.quote(str(path))}")
    saved = newest_first(files.read(FILE))  # the last line may be the best checkpoint's
    if saved:  # so it does not need its starting weights, which may have expired
        resumed = replace(resumed, run=replace(resumed.run, start_from=None))
    return PlannedRun(resumed, path, saved[0]["step"] if saved else 0)
