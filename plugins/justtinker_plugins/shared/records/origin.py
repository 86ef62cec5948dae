"""Which weights an evaluation is of, and what is known of the weights that a run started from. Reads records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from justtinker_core import EvalStats, PluginError, config_files
from justtinker_core.checkpoints import FILE, checkpoint_of, located
from justtinker_core.discovery import find
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.history import Records, of_run

JUDGES = ("environments", "prompts", "verifiers")
"""Roles on which the number of an evaluation depends, beside its data, settings and weights."""
ASK_OR_JUDGE = ("rollout", "build_prompt", "verify")
"""The hooks of these roles."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run whose records name a checkpoint."""

    directory: Path
    run: str
    step: int


def origin(reference: str, path: str) -> Origin | None:
    """Where a checkpoint comes from: the run directory by which it was named, or in which it lies; None: unknown."""
    for directory in (Path(reference), *Path(path).parents):
        if (directory / "config.toml").is_file():
            for record in RunDir(directory).read(FILE):
                if located(record["path"], directory) == path:
                    return Origin(directory, config_files.read(directory).run.name, record["step"])
    return None


def evaluated_weights(directory: Path) -> str:
    """The weights that `justtinker eval` evaluated in its directory, in a few words; nothing for other directories."""
    about = RunDir(directory).manifest()
    if "checkpoint" not in about:
        return ""
    path, run = about["checkpoint"], about.get("run")
    if path is None:
        return "the model"
    return f"{run} {about['step']}" if run else str(path).rstrip("/").rpartition("/")[2]


def shown(files: RunDir) -> Records:
    """The records of a run as a reporter shows them: with the weights of an evaluation, and, as step 0, what the run
    that it started from had measured of them last, where this run has not evaluated them itself."""
    records = of_run(files)
    found = replace(records, weights=evaluated_weights(files.path))
    source, borrowed = start_of(files, records.evals)
    if source is None or not borrowed:
        return found
    start = [replace(stats, step=0, seen=0, tokens={}, usd=None, seconds={}) for stats in borrowed]
    names = {stats.name: f"{source.run} {source.step}" for stats in start}
    return replace(found, evals=(*start, *records.evals), start=names)


def start_of(files: RunDir, evals: Sequence[EvalStats]) -> tuple[Origin | None, list[EvalStats]]:
    """The run whose weights a run started from, and what it had measured of them on the sets whose starting weights
    this run has not evaluated itself, in the same way."""
    own = {stats.name: stats for stats in reversed(evals)}  # the first of each
    wanted = [name for name, stats in own.items() if stats.step > 0]
    source = _source(files) if wanted and not evaluated_weights(files.path) else None
    if source is None:
        return None, []
    ours, theirs = (_measured_by(directory) for directory in (files.path, source.directory))
    found = {s.name: s for s in of_run(RunDir(source.directory)).evals if s.step == source.step}
    same = [
        found[name]
        for name in wanted
        if name in found
        and found[name].settings == own[name].settings
        and ours["judges"] == theirs["judges"]
        and ours["data"][name] == theirs["data"].get(name)
    ]
    return source, same


def _source(files: RunDir) -> Origin | None:
    """The finished run whose last weights a run started from."""
    try:
        reference = config_files.read(files.path).run.start_from
        if reference is None:
            return None
        source = origin(str(files.path / reference), checkpoint_of(reference, files.path))
        if source is None or RunDir(source.directory).manifest().get("status") != "finished":
            return None  # one that goes on has another newest checkpoint by now
        return source
    except PluginError:
        return None  # it is gone


def _measured_by(directory: Path) -> dict[str, Mapping[str, Any]]:
    """What the numbers of evaluations depend on: data tables, and the plugins that ask and judge, with options."""
    of, hooks = config_files.read(directory), RunDir(directory).manifest().get("hooks", {})
    known, local = find(JUDGES), of.local_plugins

    def judges(name: str) -> bool:
        """Of a run that did not record the hooks of its local plugins, any of them may judge."""
        return name in known or (name in local and bool(set(ASK_OR_JUDGE) & set(hooks.get(name, ASK_OR_JUDGE))))

    options = {name: (local.get(name), of.plugin_options.get(name)) for name in of.enable if judges(name)}
    return {"data": {spec.name: spec for spec in of.data if spec.purpose == "eval"}, "judges": options}
