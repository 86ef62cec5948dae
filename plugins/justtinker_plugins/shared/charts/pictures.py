"""Make the pictures of a run's curves from its records, and write them into its directory."""

from __future__ import annotations

import tomllib
from pathlib import Path

from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.charts.figure import render_files
from justtinker_plugins.shared.charts.panels import sheet_of
from justtinker_plugins.shared.records.history import Records
from justtinker_plugins.shared.records.origin import records_to_show


def write_pictures(files: RunDir, simple: bool = True) -> list[Path]:
    """Write the pictures into a run directory and return their paths."""
    config = tomllib.loads((files.path / "config.toml").read_text(encoding="utf-8"))
    pictures = pictures_of(records_to_show(files), config["run"]["name"], simple)
    for name, content in pictures.items():
        files.replace(name, content)
    return [files.path / name for name in pictures]


def pictures_of(records: Records, title: str, simple: bool = True) -> dict[str, bytes]:
    """Render every picture, by file name; ``curves_simple`` is the one of a single panel."""
    sheets = {"curves": sheet_of(records)} | ({"curves_simple": sheet_of(records, "simple")} if simple else {})
    return {
        f"{name}.{suffix}": content
        for name, sheet in sheets.items()
        if sheet.panels
        for suffix, content in render_files(sheet, title).items()
    }
