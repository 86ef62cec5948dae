"""The options ``--set`` and ``-p`` that several commands take, and which of several configs they change.

Of several configs, a change that names one (``quickstart-rl:run.steps=5``) is for that one; one of a plugin or of a
data set is for those that have it; any other is for all. How a config is changed is core's: `justtinker_core.config`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from justtinker_core import PluginError, config, config_files
from justtinker_core.errors import nearest

set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="[CONFIG:]TABLE.KEY=VALUE",
    help="Change one value; plugins.NAME.KEY where NAME is enabled.",
)
plugin_option = click.option(
    "-p",
    "switches",
    multiple=True,
    metavar="[CONFIG:][no:]NAME",
    help="Enable a plugin, or disable one with no:NAME, where it is enabled.",
)


def address(change: str) -> tuple[str, str]:
    """The config that a change names, empty if it names none, and the change."""
    key, equals, value = change.partition("=")
    who, colon, rest = key.partition(":")
    if not colon or who == "no" or key.partition(".")[0] in config.TABLES:
        return "", change
    return who, rest + equals + value


@dataclass
class Shared:
    """One config of a command, and what of the command's changes is for it."""

    source: str
    tables: dict[str, Any]
    sets: list[str] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be called: its file's or preset's name, and its run's."""
        return Path(self.source).name.removesuffix(".toml"), str(part(self.tables, "run").get("name"))

    @property
    def listed(self) -> list[str]:
        """The plugins that it enables by name."""
        enable = part(self.tables, "plugins").get("enable")
        return enable if isinstance(enable, list) else []

    @property
    def enabled(self) -> list[str]:
        """These, and those that its data tables use."""
        data = part(self.tables, "data")
        specs = [data.get("train"), *part(data, "eval").values()]
        return [*self.listed, *(spec["use"] for spec in specs if isinstance(spec, dict) and "use" in spec)]


def part(tables: dict[str, Any], *names: str) -> dict[str, Any]:
    """A table in a table; empty if there is none."""
    for name in names:
        inner = tables.get(name)
        tables = inner if isinstance(inner, dict) else {}
    return tables


def read_one(source: str | Path, sets: Sequence[str], switches: Sequence[str]) -> config.RunConfig:
    """The config of a command that takes one, changed."""
    return read_all([str(source)], sets, switches)[0][0]


def read_all(
    sources: Sequence[str], sets: Sequence[str], switches: Sequence[str]
) -> tuple[list[config.RunConfig], str]:
    """Every config of a command, changed; and, of several, which of them each change has changed."""
    shared = [Shared(source, config_files.load(source)[0]) for source in sources]
    said = [share_set(item, shared, switches) for item in sets] + [share_switch(name, shared) for name in switches]
    configs = [config_files.read(each.source, each.sets, each.switches) for each in shared]
    return configs, ", ".join(said) if len(sources) > 1 else ""


def share_set(item: str, shared: Sequence[Shared], switches: Sequence[str]) -> str:
    """Give one ``--set`` to those that it is for, and say to whom."""
    who, change = address(item)
    keys = [key.strip() for key in change.partition("=")[0].split(".")]
    chosen = called(who, shared, f"--set {item}")
    if not who and len(shared) > 1 and keys[0] == "plugins" and keys[1:] not in ([], ["enable"]):
        chosen = [each for each in shared if keys[1] in [*each.enabled, *switched_on(each, switches)]]
        if not chosen:
            hint = config.not_enabled(keys[1], [name for each in shared for name in each.enabled])
            raise PluginError(f"--set {item}: none of {names(shared)} enables {keys[1]!r}{hint}")
    elif not who and keys[0] == "data":
        table = keys[: 3 if keys[1:2] == ["eval"] else 2]
        chosen = [each for each in shared if part(each.tables, *table)] or chosen  # none has it: it is a new one
    for each in chosen:
        each.sets.append(change)
        config_files.override(each.tables, change)
    return f"--set {item} ({names(chosen, shared)})"


def share_switch(switch: str, shared: Sequence[Shared]) -> str:
    """Give one ``-p`` to those that it is for, and say to whom."""
    who, change = address(switch)
    name, on = change.removeprefix("no:"), not change.startswith("no:")
    chosen = called(who, shared, f"-p {switch}")
    if not who and len(shared) > 1:
        local = [each for each in shared if name in part(each.tables, "local_plugins")]  # the others do not know it
        chosen = [each for each in local or shared if (name in each.listed) != on]
        if not chosen and on:
            raise PluginError(f"-p {switch}: {name!r} is enabled already in {names(shared)}")
        if not chosen:
            hint = nearest(name, {name for each in shared for name in each.listed})
            raise PluginError(f"-p {switch}: none of {names(shared)} enables {name!r}{hint}")
    for each in chosen:
        each.switches.append(change)
        if on:
            each.listed.append(name)
        elif name in each.listed:
            each.listed.remove(name)
    return f"-p {switch} ({names(chosen, shared)})"


def called(who: str, shared: Sequence[Shared], place: str) -> list[Shared]:
    """The configs of that name; all if there is no name."""
    chosen = [each for each in shared if not who or who in each.names]
    if not chosen:
        known = {name for each in shared for name in each.names}
        raise PluginError(f"{place}: no config here is called {who!r}{nearest(who, known)}")
    return chosen


def switched_on(each: Shared, switches: Sequence[str]) -> list[str]:
    """What ``-p`` enables in a config."""
    addressed = map(address, switches)
    return [name for who, name in addressed if (not who or who in each.names) and not name.startswith("no:")]


def names(chosen: Sequence[Shared], of: Collection[Shared] = ()) -> str:
    """The configs by name."""
    return "all" if len(chosen) == len(of) else ", ".join(each.names[0] for each in chosen)
