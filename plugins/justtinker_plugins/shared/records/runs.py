"""Find the run directories behind a path."""

from __future__ import annotations

from pathlib import Path

from justtinker_core import PluginError
from justtinker_core.rundir import RunDir


def existing(parent: Path) -> list[Path]:
    """List the run directories that an earlier command made, in order: `parent` itself, or 1-NAME, 2-NAME ... in it."""
    if (parent / "config.toml").is_file():
        return [parent]
    run_dirs = {p.parent.name.partition("-")[0]: p.parent for p in parent.glob("[0-9]*-*/config.toml")}
    if not run_dirs or not all(number.isdecimal() for number in run_dirs):
        raise PluginError(f"{parent} is no run directory: expected config.toml or 1-NAME, 2-NAME ... in it")
    return [run_dirs[number] for number in sorted(run_dirs, key=int)]


def how_it_ended(run_dir: Path) -> str:
    """The status of a run and, if its manifest says it, why the run ended; '' for a directory without a manifest."""
    files = RunDir(run_dir)
    manifest = files.manifest()
    status, reason = manifest.get("status"), manifest.get("reason")
    if status == "running" and not files.in_use():
        command = "eval" if "checkpoint" in manifest else "train"
        return f"killed: no process works in it any more; resume with justtinker {command} --resume {run_dir}"
    return ": ".join(filter(None, (status, reason)))


def run_or_file(source: str) -> str | Path:
    """Return the last run of a directory; any other source as it is."""
    return existing(Path(source))[-1] if Path(source).is_dir() else source
