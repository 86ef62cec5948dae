"""Run monitors over recorded steps, as the loop would have run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from justtinker_core import config_files
from justtinker_core.config import RunConfig, check_shape, parse
from justtinker_core.discovery import look_up
from justtinker_core.enabling import installed
from justtinker_core.hookspecs import implements
from justtinker_core.loop.step import ask_monitors
from justtinker_core.plugins import Active, Plugins, activate
from justtinker_plugins.monitors import DEFAULT
from justtinker_plugins.shared.records.history import RecordedFinding, Records

ROLES = ("monitors", "environments", "local")
"""Roles that may hold monitors. Plugins of other roles are not imported."""


def default_config(sets: Sequence[str], switches: Sequence[str]) -> RunConfig:
    """Make a config that holds only the default monitors, changed by ``--set`` and ``-p``."""
    run: dict[str, Any] = {"name": "history", "model": "none", "steps": 0}
    tables: dict[str, Any] = {"run": run, "plugins": {"enable": list(DEFAULT)}}
    for item in sets:
        config_files.override(tables, item)
    check_shape(tables)
    for name in switches:
        config_files.switch(tables, name)
    return parse(tables, Path.cwd())


def active_monitors(config: RunConfig) -> list[Active]:
    """Set up the monitors that a config enables."""
    known = installed(config)
    found = [look_up(name, known) for name in config.enable]
    monitors = [f for f in found if f.role in ROLES and implements(f.load(), "inspect_step")]
    return [activate(f, config.plugin_options.get(f.name, {})) for f in monitors]


def replay(records: Records, plugins: Plugins) -> list[RecordedFinding]:
    """Show the monitors each step and what came before it. They see no groups of rollouts."""
    return [
        RecordedFinding(stats.step, finding)
        for place, stats in enumerate(records.steps)
        for finding in ask_monitors(plugins, stats, (), records.before(place))
    ]
