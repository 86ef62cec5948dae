"""Run monitors over recorded steps, as the loop would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from justtinker_core import config, config_files
from justtinker_core.discovery import look_up
from justtinker_core.enabling import installed
from justtinker_core.hookspecs import implements
from justtinker_core.loop.step import inspect
from justtinker_core.plugins import Active, Plugins, activate
from justtinker_plugins.monitors import DEFAULT
from justtinker_plugins.shared.records.history import RecordedFinding, Records

ROLES = ("monitors", "environments", "local")
"""Where monitors come from; plugins of other roles are not even imported."""


def bare(sets: Sequence[str], switches: Sequence[str]) -> config.RunConfig:
    """A config with the default monitors, and nothing to run."""
    run: dict[str, Any] = {"name": "history", "model": "none", "steps": 0}
    tables: dict[str, Any] = {"run": run, "plugins": {"enable": list(DEFAULT)}}
    for item in sets:
        config_files.override(tables, item)
    config.check_shape(tables)
    for name in switches:
        config_files.switch(tables, name)
    return config.parse(tables, Path.cwd())


def monitors_of(wanted: config.RunConfig) -> list[Active]:
    """The monitors that a config enables, set up."""
    known = installed(wanted)
    found = [look_up(name, known) for name in wanted.enable]
    monitors = [f for f in found if f.role in ROLES and implements(f.load(), "inspect_step")]
    return [activate(f, wanted.plugin_options.get(f.name, {})) for f in monitors]


def replay(records: Records, plugins: Plugins) -> list[RecordedFinding]:
    """What the monitors say of each step, shown what they would have been shown; groups of rollouts are not."""
    said = []
    for place, stats in enumerate(records.steps):
        said += [RecordedFinding(stats.step, finding) for finding in inspect(plugins, stats, (), records.before(place))]
    return said
