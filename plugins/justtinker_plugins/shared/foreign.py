"""What everything needs that talks to another toolkit: its packages, its functions, its columns."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from justtinker_core import PluginError
from justtinker_core.discovery import module_of
from justtinker_core.errors import nearest
from justtinker_core.paths import PathIfThere


@dataclass(frozen=True, slots=True)
class FileOfFunction(PathIfThere):
    """Marks an option that names a function as `load_object` takes it; a file begins at the config's folder."""

    def fits(self, path: Path) -> bool:
        """Return whether the text, as a path, is a Python file and a name in it."""
        return str(path).rpartition(":")[0].endswith(".py")


FunctionName = Annotated[str, FileOfFunction()]
"""The type of an option that names a function: ``package.module:name`` or ``folder/file.py:name``."""


def package(name: str, what: str, install: str = "") -> ModuleType:
    """Import a package that `what` needs; PluginError says how to install it (default: by its own name)."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the package is there, and lacks something itself
        raise PluginError(f"{what} needs a package: pip install {install or name.partition('.')[0]!r}") from error


def load_object(where: str, what: str) -> Any:
    """Import ``package.module:name`` or, from a file, ``folder/file.py:name``. PluginError if there is none."""
    source, _, name = where.rpartition(":")
    if not source or not name:
        raise PluginError(f"{what}: expected 'package.module:name' or 'file.py:name', got {where!r}")
    module = module_of_file(Path(source), what) if source.endswith(".py") else imported(source, what)
    if not hasattr(module, name):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise PluginError(f"{what}: {source} has no {name!r}{nearest(name, public)}")
    return getattr(module, name)


def imported(source: str, what: str) -> ModuleType:
    """Import a module, or say why not."""
    try:
        return importlib.import_module(source)
    except Exception as error:
        top = source.partition(".")[0]
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == top
        todo = f"; pip install {top!r}" if is_missing else ""
        todo += f", or name a file of yours: '{top}.py:...'" if is_missing and top == source else ""
        raise PluginError(f"{what}: {source} cannot be imported ({type(error).__name__}: {error}){todo}") from error


def module_of_file(path: Path, what: str) -> Any:
    """Import a Python file as a local plugin's is imported, or say why not."""
    if not path.is_file():
        raise PluginError(f"{what}: there is no file {path}")
    try:
        return module_of(path.resolve(), path.stat().st_mtime_ns)
    except Exception as error:
        raise PluginError(f"{what}: {path} cannot be run ({type(error).__name__}: {error})") from error


def located(place: str, error: PluginError) -> PluginError:
    """Return an error with its place before it; one that begins with a plugin's table stays, as no row is at fault."""
    return error if str(error).startswith("[plugins.") else PluginError(f"{place}: {error}")


def column(row: Mapping[str, Any], name: str, where: str) -> Any:
    """Return a row's cell; PluginError names the column that is not there, and the nearest one."""
    if name not in row:
        raise PluginError(f"{where}: there is no column {name!r}{nearest(name, list(row))}")
    return row[name]


def number_of(value: Any, what: str) -> float | None:
    """Return what a foreign function gave as a float: a number, or an array or tensor of one; None stays None.

    PluginError for anything else. NaN and infinities pass: whoever asked says what they mean.
    """
    if value is None or isinstance(value, Real):  # bool and numpy's numbers are Real
        return None if value is None else float(value)
    if getattr(value, "size", None) == 1 or getattr(value, "numel", lambda: 0)() == 1:
        return float(value.item())
    raise PluginError(f"{what}: expected a number or None, got {value!r:.80}")


async def awaited(answer: Any) -> Any:
    """Wait for what an async function promised, a coroutine or any other awaitable."""
    return await answer


def scaling(scale: float, clip: bool) -> str:
    """Say what `in_range` does to numbers; '' if nothing."""
    return " and ".join([f"multiplied by {scale:g}"] * (scale != 1) + ["cut off at -1 and 1"] * clip)


def in_range(value: float, scale: float, clip: bool, what: str) -> float:
    """Return a foreign number x `scale` as a raw reward in [-1, 1]; outside it is cut with `clip`, else PluginError."""
    scaled = value * scale
    if -1 <= scaled <= 1:
        return scaled
    if clip and not math.isnan(scaled):
        return math.copysign(1.0, scaled)
    times = f" x scale {scale:g}" if scale != 1 else ""
    raise PluginError(
        f"{what} gave {value:g}{times}, but rewards lie in [-1, 1]: set `scale` so that the largest fits, or "
        "`clip = true` to cut off what is outside"
    )
