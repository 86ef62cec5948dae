"""Find the installed plugins in the metadata of their packages. `Found.load` imports one; nothing else does."""

from __future__ import annotations

import ast
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
    "curricula",
    "executors",
    "monitors",
    "reporters",
)

COMMANDS = ("commands",)
"""Names of commands are separate, so that a command may have the name of the plugin it serves."""


@dataclass(frozen=True, slots=True)
class Found:
    """An installed plugin, described by its package's metadata and not imported."""

    name: str
    role: str
    value: str
    """``module:Class``, or ``file.py:Class`` of a local plugin."""
    package: str
    version: str
    clash: str = ""
    """Another package with a plugin of the same name."""

    def load(self) -> Any:
        """Import the plugin. Raises a PluginError that names plugin, package and cause."""
        if self.clash:
            raise PluginError(
                f"two packages have a plugin called {self.name!r}: {self.package} and {self.clash}; "
                "uninstall one of them"
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

    def docstring(self) -> str | None:
        """Return the docstring that a command's file gives it; None if only an import tells what its help is."""
        module, _, function = self.value.partition(":")
        try:
            file = None if self.clash else module_file(module)
            body = ast.parse(file.read_bytes()).body if file else []
        except (OSError, SyntaxError, ValueError):  # in an archive, or not a source file
            return None
        found = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == function]
        return ast.get_docstring(found[-1]) if found and is_plain_command(found[-1]) else None


SAID_ELSEWHERE = {"help", "short_help", "hidden", "deprecated", "cls", None}
"""Arguments of a command's decorator that change how it is listed; None: ``**settings``, which may hold any of them."""


def is_plain_command(function: ast.FunctionDef) -> bool:
    """Return whether a function is decorated as a click command or group that is listed by its docstring."""
    outermost = function.decorator_list[0] if function.decorator_list else None
    call = outermost.func if isinstance(outermost, ast.Call) else outermost
    name = getattr(call, "attr", getattr(call, "id", ""))  # click.command, command
    return name in ("command", "group") and not SAID_ELSEWHERE & {k.arg for k in getattr(outermost, "keywords", ())}


def find(roles: Sequence[str] = ROLES) -> dict[str, Found]:
    """Return every installed plugin of these roles by name; in the order of the roles, then of the names."""
    found: dict[str, Found] = {}
    everything = entry_points()  # called once, as it reads the metadata of every installed package

    @cache
    def package_of(dist: Distribution | None) -> tuple[str, str]:
        return (dist.name, dist.version) if dist else ("?", "?")  # cached, as each attribute parses a file

    for role in roles:
        for entry in sorted(everything.select(group=f"justtinker.{role}"), key=lambda e: e.name):
            other = found.get(entry.name)
            clash = f"{other.package} ({other.value})" if other else ""
            found[entry.name] = Found(entry.name, role, entry.value, *package_of(entry.dist), clash)
    return found


def module_file(module: str) -> Path | None:
    """Find a module's file. Unlike `importlib.util.find_spec`, this does not import the packages around it."""
    path, parts = None, module.split(".")
    spec = None
    for i in range(len(parts)):
        name = ".".join(parts[: i + 1])
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        spec = next((s for s in found if s is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return Path(spec.origin or "") if spec else None


def look_up(name: str, known: Mapping[str, Found], place: str = "") -> Found:
    """Return the plugin of that name. Raises a PluginError that begins with `place` and suggests the nearest name."""
    if name in known:
        return known[name]
    raise PluginError(
        f"{place}no plugin called {name!r}{nearest(name, known)} "
        "(if it is new, reinstall its package, or name its file under [local_plugins])"
    )


def snake_case(name: str) -> str:
    """Return a class's name as a plugin: ``LastWord`` -> ``last_word``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def load_file(reference: str) -> Any:
    """Import ``path/to/file.py:Class``."""
    path, _, attribute = reference.rpartition(":")
    if not path:
        raise PluginError(f"expected a local plugin as 'file.py:Class', got {reference!r}")
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
    """Import a file as a module: once, so that all its plugins share its globals; again if it has `changed`."""
    names = (f"justtinker_local_{path.stem}" + (f"_{n}" if n > 1 else "") for n in count(1))
    name = next(n for n in names if getattr(sys.modules.get(n), "__file__", str(path)) == str(path))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look here for what annotations mean
    spec.loader.exec_module(module)
    return module
