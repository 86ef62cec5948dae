"""Read config files, presets and run directories, apply ``--set`` and ``-p``, and parse them."""

from __future__ import annotations

import copy
import logging
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from justtinker_core.config import RunConfig, check_shape, parse
from justtinker_core.errors import PluginError, nearest
from justtinker_core.paths import with_base

log = logging.getLogger("justtinker")


def presets() -> dict[str, Path]:
    """Return name -> file of all presets (entry-point group ``justtinker.presets``: packages of TOML files)."""
    found = {}
    for entry in entry_points(group="justtinker.presets"):
        try:
            folder = files(entry.value)
        except Exception as error:
            log.warning("the presets of %s cannot be found: %s: %s", entry.name, type(error).__name__, error)
            continue
        for file in folder.iterdir():
            if file.name.endswith(".toml"):
                found[file.name.removesuffix(".toml")] = Path(str(file))
    return dict(sorted(found.items()))


def load(source: str | Path) -> tuple[dict[str, Any], Path, str]:
    """Read a config file, a preset or a run directory. Returns its tables, its folder, and its name for errors."""
    path = Path(source)
    if path.is_dir():
        path = path / "config.toml"
    name = str(path)
    if not path.exists() and str(source) in (known := presets()):
        path, name = known[str(source)], str(source)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path.parent, name
    except FileNotFoundError:
        raise PluginError(
            f"there is no config file {source} and no preset of that name{nearest(str(source), presets())}"
        ) from None
    except OSError as error:
        raise PluginError(f"{name} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{name} is not valid TOML: {error}") from None


def read(source: str | Path, sets: Sequence[str] = (), plugins: Sequence[str] = ()) -> RunConfig:
    """Read a config file, a preset or a run directory, and apply ``table.key=value`` and ``[no:]plugin``."""
    tables, folder, name = load(source)
    return changed(tables, folder, sets, plugins, name)


def changed(
    tables: Mapping[str, Any], folder: Path, sets: Sequence[str], plugins: Sequence[str], name: str = ""
) -> RunConfig:
    """Parse tables after ``--set`` and ``-p``. Errors begin with the config's name and the changes."""
    own = copy.deepcopy(dict(tables))
    try:
        for item in sets:
            override(own, item)
        check_shape(own)
        for plugin in plugins:
            switch(own, plugin)
        if changes := " ".join((*(f"--set {item}" for item in sets), *(f"-p {plugin}" for plugin in plugins))):
            name = f"{name} with {changes}".strip()
        return parse(own, folder)
    except PluginError as error:
        raise (PluginError(f"{name}: {error}") if name else error) from None


def override(tables: dict[str, Any], item: str) -> None:
    """Apply one ``table.key=value``. A value that is not valid TOML is a text; its path begins where we are."""
    key, equals, text = item.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not parents or not last:
        raise PluginError(f"--set: expected table.key=value, got {item!r}")
    table = tables
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise PluginError(f"--set {item}: {parent!r} is not a table")
    table[last] = with_base(toml_value(text), Path.cwd())  # not the config's folder: it stands on the command line


def toml_value(text: str) -> Any:
    """Parse the value of a ``--set``."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
    return text.strip() if isinstance(value, date | time) else value  # no option is a date


def switch(tables: dict[str, Any], name: str) -> None:
    """Enable a plugin, or disable it (``no:name``) together with its table."""
    section = tables.setdefault("plugins", {})
    enabled = section.setdefault("enable", [])
    plugin = name.removeprefix("no:")
    if name == plugin and name in enabled:
        raise PluginError(f"-p {name}: {name!r} is enabled already")
    if name == plugin:
        enabled.append(name)
    elif plugin in enabled:
        enabled.remove(plugin)
        section.pop(plugin, None)
    else:
        raise PluginError(f"-p {name}: {plugin!r} is not enabled{nearest(plugin, enabled)}")
