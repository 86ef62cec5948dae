"""Which plugins are installed, read from their packages' metadata. Nothing is imported before `Found.load`."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from itertools import count
from pathlib import Path
from typing import Any

from justtinker_core.errors import PluginError, nearest

ROLES = (
    "algorithms",
    "backends",
    "datasets",
    "environments",
    "prompts",
    "verifiers",
    "rewards",
    "metrics",
    "advantages",
    "executors",
    "monitors",
    "reporters",
)

COMMANDS = ("commands",)
"""Commands have names of their own, so that a command can be called like the plugin that it serves."""


@dataclass(frozen=True, slots=True)
class Found:
    """An installed plugin, as its package's metadata tells it, not imported."""

    name: str
    role: str
    value: str
    """``module:Class``, or ``file.py:Class`` of a local plugin."""
    package: str
    version: str
    clash: str = ""
    """Another package that has taken the same name."""

    def load(self) -> Any:
        """Import it. PluginError names plugin, package and cause."""
        if self.clash:
            raise PluginError(
                f"two packages call a plugin {self.name!r}: {self.package} and {self.clash}; uninstall one of them"
            )
        try:
            if self.role == "local":
                return load_file(self.value)
            return EntryPoint(self.name, self.value, f"justtinker.{self.role}").load()
        except PluginError:
            raise
        except Exception as error:
            where = "" if self.role == "local" else f" of package {self.package} {self.version}"
            raise PluginError(
                f"plugin {self.name!r}{where} cannot be imported from {self.value}: {type(error).__name__}: {error}"
            ) from error


def find(roles: Sequence[str] = ROLES) -> dict[str, Found]:
    """Every installed plugin of these roles by name, in their order, then by name."""
    found: dict[str, Found] = {}
    everything = entry_points()  # reads the metadata of every installed package, so once

    @cache
    def package_of(dist: Distribution | None) -> tuple[str, str]:
        return (dist.name, dist.version) if dist else ("?", "?")  # each parses a file

    for role in roles:
        for entry in sorted(everything.select(group=f"justtinker.{role}"), key=lambda e: e.name):
            other = found.get(entry.name)
            clash = f"{other.package} ({other.value})" if other else ""
            found[entry.name] = Found(entry.name, role, entry.value, *package_of(entry.dist), clash)
    return found


def look_up(name: str, known: Mapping[str, Found], place: str = "") -> Found:
    """The plugin of that name, or an error that says which name is near, and the place where it stands."""
    if name in known:
        return known[name]
    raise PluginError(
        f"{place}no plugin called {name!r}{nearest(name, known)} (a new plugin of a package is seen after reinstalling "
        "the package; a one-file plugin needs a line under [local_plugins])"
    )


def snake_case(name: str) -> str:
    """What a class is called as a plugin: ``LastWord`` -> ``last_word``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def load_file(reference: str) -> Any:
    """Import ``path/to/file.py:Class``."""
    path, _, attribute = reference.rpartition(":")
    if not path:
        raise PluginError(f"a local plugin is written 'file.py:Class', found {reference!r}")
    if not Path(path).is_file():
        near = nearest(Path(path).name, [file.name for file in Path(path).parent.glob("*.py")])
        raise PluginError(f"there is no file {path} for the local plugin {attribute}{near}")
    module = module_of(Path(path).resolve(), Path(path).stat().st_mtime_ns)
    if not hasattr(module, attribute):
        classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise PluginError(f"{path} has no {attribute!r}{nearest(attribute, classes)}")
    return getattr(module, attribute)


@cache
def module_of(path: Path, changed: int) -> Any:
    """A file as a module: once, so that all its plugins see the same globals; again if it has changed since."""
    names = (f"justtinker_local_{path.stem}" + (f"_{n}" if n > 1 else "") for n in count(1))
    name = next(n for n in names if getattr(sys.modules.get(n), "__file__", str(path)) == str(path))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up what annotations mean
    spec.loader.exec_module(module)
    return module
