"""Config files, presets and run directories, read as tables, changed by ``--set`` and ``-p``, and parsed."""

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

log = logging.getLogger("justtinker")


def presets() -> dict[str, Path]:
    """Name -> file of every installed preset (entry-point group ``justtinker.presets``: packages of TOML files)."""
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
    """The tables of a config file, a preset or a run directory; the folder it is in, and what errors call it."""
    path = Path(source)
    if path.is_dir():
        path = path / "config.toml"
    called = str(path)
    if not path.exists() and str(source) in (known := presets()):
        path, called = known[str(source)], str(source)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path.parent, called
    except FileNotFoundError:
        raise PluginError(
            f"there is no config file {source} and no preset of that name{nearest(str(source), presets())}"
        ) from None
    except OSError as error:
        raise PluginError(f"{called} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{called} is not valid TOML: {error}") from None


def read(source: str | Path, sets: Sequence[str] = (), plugins: Sequence[str] = ()) -> RunConfig:
    """A config file, a preset or a run directory, changed by ``table.key=value`` and ``[no:]plugin``."""
    tables, folder, name = load(source)
    return changed(tables, folder, sets, plugins, name)


def changed(
    tables: Mapping[str, Any], folder: Path, sets: Sequence[str], plugins: Sequence[str], name: str = ""
) -> RunConfig:
    """The config of tables after ``--set`` and ``-p``. Errors begin with the config's name and the changes."""
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
    """Apply one ``table.key=value``; the value is TOML, or plain text where it is not."""
    key, equals, text = item.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not parents or not last:
        raise PluginError(f"--set takes table.key=value, found {item!r}")
    place = tables
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise PluginError(f"--set {item}: {parent!r} is no table")
    place[last] = value_of(text)


def value_of(text: str) -> Any:
    """What ``--set`` takes a text for."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
    return text.strip() if isinstance(value, date | time) else value  # no option takes a date


def switch(tables: dict[str, Any], name: str) -> None:
    """Enable a plugin, or disable it (``no:name``) together with its table."""
    section = tables.setdefault("plugins", {})
    enabled = section.setdefault("enable", [])
    wanted = name.removeprefix("no:")
    if name == wanted and name in enabled:
        raise PluginError(f"-p {name}: {name!r} is enabled already")
    if name == wanted:
        enabled.append(name)
    elif wanted in enabled:
        enabled.remove(wanted)
        section.pop(wanted, None)
    else:
        raise PluginError(f"-p {name}: {wanted!r} is not enabled{nearest(wanted, enabled)}")
