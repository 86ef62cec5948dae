"""Where the weights of an evaluation, or of the start of a run, come from. Reads records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from justtinker_core import EvalStats, PluginError, config_files
from justtinker_core.checkpoints import FILE, checkpoint_of, located
from justtinker_core.discovery import find
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.history import Records, read_run

JUDGES = ("environments", "prompts", "verifiers")
"""Roles that decide an evaluation's numbers, besides its data, settings and weights."""
ASK_OR_JUDGE = ("rollout", "build_prompt", "verify")
"""The hooks of these roles."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run whose records name a checkpoint."""

    directory: Path
    run: str
    step: int


def find_origin(reference: str, path: str) -> Origin | None:
    """Find the run that saved a checkpoint: by the directory that named it, or in which it lies. None if unknown."""
    for directory in (Path(reference), *Path(path).parents):
        if (directory / "config.toml").is_file():
            for record in RunDir(directory).read(FILE):
                if located(record["path"], directory) == path:
                    return Origin(directory, config_files.read(directory).run.name, record["step"])
    return None


def evaluated_weights(directory: Path) -> str:
    """Name the weights that `justtinker eval` evaluated in a directory; '' for other directories."""
    about = RunDir(directory).manifest()
    if "checkpoint" not in about:
        return ""
    path, run = about["checkpoint"], about.get("run")
    if path is None:
        return "the model"
    return f"{run} {about['step']}" if run else str(path).rstrip("/").rpartition("/")[2]


def records_to_show(files: RunDir) -> Records:
    """Read the records of a run as reporters show them.

    An evaluation names its weights. A run that did not evaluate its starting weights borrows, as step 0, the last
    evaluations of the run that they come from.
    """
    records = read_run(files)
    found = replace(records, weights=evaluated_weights(files.path))
    source, borrowed = starting_evaluations(files, records.evals)
    if source is None or not borrowed:
        return found
    start = [replace(stats, step=0, seen=0, tokens={}, usd=None, seconds={}) for stats in borrowed]
    names = {stats.name: f"{source.run} {source.step}" for stats in start}
    return replace(found, evals=(*start, *records.evals), start=names)


def starting_evaluations(files: RunDir, evals: Sequence[EvalStats]) -> tuple[Origin | None, list[EvalStats]]:
    """Find the run that a run started from, and its evaluations of the starting weights.

    Only of sets whose starting weights this run has not evaluated itself, and only if both runs evaluate them alike.
    """
    own = {stats.name: stats for stats in reversed(evals)}  # the first of each
    wanted = [name for name, stats in own.items() if stats.step > 0]
    source = _source_run(files) if wanted and not evaluated_weights(files.path) else None
    if source is None:
        return None, []
    ours, theirs = (_evaluation_basis(directory) for directory in (files.path, source.directory))
    found = {s.name: s for s in read_run(RunDir(source.directory)).evals if s.step == source.step}
    same = [
        found[name]
        for name in wanted
        if name in found
        and found[name].settings == own[name].settings
        and ours["judges"] == theirs["judges"]
        and ours["data"][name] == theirs["data"].get(name)
    ]
    return source, same


def _source_run(files: RunDir) -> Origin | None:
    """Find the finished run whose last weights a run started from."""
    try:
        reference = config_files.read(files.path).run.start_from
        if reference is None:
            return None
        source = find_origin(str(files.path / reference), checkpoint_of(reference, files.path))
        if source is None or RunDir(source.directory).manifest().get("status") != "finished":
            return None  # a run that goes on has a newer checkpoint by now
        return source
    except PluginError:
        return None  # the run is gone


def _evaluation_basis(directory: Path) -> dict[str, Mapping[str, Any]]:
    """Return what evaluations depend on: data tables, and the plugins that ask and judge, with their options."""
    of, hooks = config_files.read(directory), RunDir(directory).manifest().get("hooks", {})
    known, local = find(JUDGES), of.local_plugins

    def judges(name: str) -> bool:
        """Whether a plugin asks or judges. An older run did not record the hooks of local plugins: any of them may."""
        return name in known or (name in local and bool(set(ASK_OR_JUDGE) & set(hooks.get(name, ASK_OR_JUDGE))))

    options = {name: (local.get(name), of.plugin_options.get(name)) for name in of.enable if judges(name)}
    return {"data": {spec.name: spec for spec in of.data if spec.purpose == "eval"}, "judges": options}
