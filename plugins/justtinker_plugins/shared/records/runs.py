"""Which runs a directory stands for."""

from __future__ import annotations

from pathlib import Path

from justtinker_core import PluginError


def existing(parent: Path) -> list[Path]:
    """The run directories of an earlier command, in their order."""
    if (parent / "config.toml").is_file():
        return [parent]
    run_dirs = {p.parent.name.partition("-")[0]: p.parent for p in parent.glob("[0-9]*-*/config.toml")}
    if not run_dirs or not all(number.isdecimal() for number in run_dirs):
        raise PluginError(f"{parent} is no run directory: it holds neither config.toml nor 1-NAME, 2-NAME ...")
    return [run_dirs[number] for number in sorted(run_dirs, key=int)]
