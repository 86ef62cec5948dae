"""The published histories that ship with the toolkit: ``justtinker_plugins/histories``, which names their source."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from justtinker_core import PluginError


def bundled() -> dict[str, Path]:
    """Return name -> file of all bundled histories."""
    found = (Path(str(file)) for file in files("justtinker_plugins.histories").iterdir())
    return {path.stem: path for path in sorted(found) if path.suffix == ".csv"}


def located(source: Path) -> Path:
    """Return `source` if it is there, else the bundled history of that name. PluginError if there is neither."""
    known = bundled()
    if source.exists():
        return source
    if str(source) in known:
        return known[str(source)]
    raise PluginError(
        f"there is no run directory and no file {source}: expected a run directory, a .csv or .jsonl file, "
        f"or a history that ships with the toolkit ({', '.join(known)})"
    )
