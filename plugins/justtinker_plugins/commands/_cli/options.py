"""The options ``--set`` and ``-p`` of several commands, and which configs they change if a command takes several.

A change that names a config (``quickstart-rl:run.steps=5``) is for that one. A change to a plugin or a data set is for
the configs that have it. Any other is for all. `justtinker_core.config` makes the changes.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
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
    help="Change one value; plugins.NAME.KEY changes it where NAME is enabled.",
)
plugin_option = click.option(
    "-p",
    "switches",
    multiple=True,
    metavar="[CONFIG:][no:]NAME",
    help="Enable a plugin, or disable it with no:NAME where it is enabled.",
)


def split_address(change: str) -> tuple[str, str]:
    """Split a change into the config that it names, empty if none, and the rest."""
    key, equals, value = change.partition("=")
    name, colon, rest = key.partition(":")
    if not colon or name == "no" or key.partition(".")[0] in config.TABLES:
        return "", change
    return name, rest + equals + value


@dataclass
class ConfigChanges:
    """One of a command's configs, and the changes that are for it."""

    source: str
    tables: dict[str, Any]
    """The config's tables with these changes, so far as they can be made."""
    sets: list[str] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """What a change may call it: the name of its file or preset, and of its run."""
        return Path(self.source).name.removesuffix(".toml"), str(subtable(self.tables, "run").get("name"))

    @property
    def listed(self) -> list[str]:
        """The plugins in its `enable` list."""
        enable = subtable(self.tables, "plugins").get("enable")
        return enable if isinstance(enable, list) else []

    @property
    def enabled(self) -> list[str]:
        """The plugins in its `enable` list and those that its data tables use."""
        data = subtable(self.tables, "data")
        specs = [data.get("train"), *subtable(data, "eval").values()]
        return [*self.listed, *(spec["use"] for spec in specs if isinstance(spec, dict) and "use" in spec)]


def subtable(tables: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table under nested keys; empty if it is missing or not a table."""
    for key in keys:
        inner = tables.get(key)
        tables = inner if isinstance(inner, dict) else {}
    return tables


def read_config(
    source: str | Path, sets: Sequence[str] = (), switches: Sequence[str] = (), *, only_plugins: bool = False
) -> config.RunConfig:
    """Read the config of a command that takes one, with its changes. With `only_plugins`, it may lack a [run]."""
    return read_configs([str(source)], sets, switches, config_files.BARE if only_plugins else {})[0][0]


def read_configs(
    sources: Sequence[str], sets: Sequence[str], switches: Sequence[str], defaults: Mapping[str, Any] | None = None
) -> tuple[list[config.RunConfig], str]:
    """Read every config of a command with its changes; if there are several, also say what each change applies to.

    `defaults` are tables that a config may lack.
    """
    loaded = [config_files.load(source) for source in sources]
    tables = [copy.deepcopy({**(defaults or {}), **own}) for own, _, _ in loaded]
    changes = [ConfigChanges(source, own) for source, own in zip(sources, tables, strict=True)]
    applied = [apply_set(item, changes, switches) for item in sets]
    applied += [apply_switch(switch, changes) for switch in switches]
    configs = [
        config_files.changed({**(defaults or {}), **own}, folder, each.sets, each.switches, name)
        for each, (own, folder, name) in zip(changes, loaded, strict=True)
    ]
    return configs, ", ".join(applied) if len(sources) > 1 else ""


def apply_set(item: str, configs: Sequence[ConfigChanges], switches: Sequence[str]) -> str:
    """Apply one ``--set`` to the configs that it is for, and name them."""
    name, change = split_address(item)
    keys = [key.strip() for key in change.partition("=")[0].split(".")]
    chosen = find_configs(name, configs, f"--set {item}")
    if not name and len(configs) > 1 and keys[0] == "plugins" and keys[1:] not in ([], ["enable"]):
        chosen = [each for each in configs if keys[1] in [*each.enabled, *switched_on(each, switches)]]
        if not chosen:
            hint = config.enabling_hint(keys[1], [name for each in configs for name in each.enabled])
            raise PluginError(f"--set {item}: none of {list_names(configs)} enables {keys[1]!r}{hint}")
    elif not name and keys[0] == "data":
        table = keys[: 3 if keys[1:2] == ["eval"] else 2]
        chosen = [each for each in configs if subtable(each.tables, *table)] or chosen  # in none: it is a new table
    for each in chosen:
        each.sets.append(change)
        config_files.override(each.tables, change)
    return f"--set {item} ({list_names(chosen, configs)})"


def apply_switch(switch: str, configs: Sequence[ConfigChanges]) -> str:
    """Apply one ``-p`` to the configs that it is for, and name them."""
    name, change = split_address(switch)
    plugin, on = change.removeprefix("no:"), not change.startswith("no:")
    chosen = find_configs(name, configs, f"-p {switch}")
    if not name and len(configs) > 1:
        local = [each for each in configs if plugin in subtable(each.tables, "local_plugins")]  # others do not know it
        chosen = [each for each in local or configs if (plugin in each.listed) != on]
        if not chosen and on:
            raise PluginError(f"-p {switch}: {plugin!r} is enabled already in {list_names(configs)}")
        if not chosen:
            hint = nearest(plugin, {name for each in configs for name in each.listed})
            raise PluginError(f"-p {switch}: none of {list_names(configs)} enables {plugin!r}{hint}")
    for each in chosen:
        each.switches.append(change)
        with suppress(PluginError):  # `config_files.read` will raise it, with the name of the config
            config.check_shape(each.tables)
            config_files.switch(each.tables, change)
    return f"-p {switch} ({list_names(chosen, configs)})"


def find_configs(name: str, configs: Sequence[ConfigChanges], change: str) -> list[ConfigChanges]:
    """The configs of that name; all if the name is empty."""
    chosen = [each for each in configs if not name or name in each.names]
    if not chosen:
        known = {each_name for each in configs for each_name in each.names}
        raise PluginError(f"{change}: no config here is called {name!r}{nearest(name, known)}")
    return chosen


def switched_on(each: ConfigChanges, switches: Sequence[str]) -> list[str]:
    """The plugins that ``-p`` enables in a config."""
    addressed = map(split_address, switches)
    return [plugin for name, plugin in addressed if (not name or name in each.names) and not plugin.startswith("no:")]


def list_names(chosen: Sequence[ConfigChanges], of: Collection[ConfigChanges] = ()) -> str:
    """List configs by name; ``all`` if they are all of them."""
    return "all" if len(chosen) == len(of) else ", ".join(each.names[0] for each in chosen)
