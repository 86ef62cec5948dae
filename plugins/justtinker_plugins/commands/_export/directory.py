"""A new directory, there as a whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from justtinker_core import PluginError


@contextmanager
def new_directory(directory: Path) -> Iterator[Path]:
    """Make a directory to write to, which becomes `directory` at the end; if anything fails, nothing stays.

    Raises PluginError if `directory` holds files, or if the disk refuses.
    """
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
        raise PluginError(f"{directory} already holds files; choose a new directory")
    target = directory.resolve()
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield unfinished
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    except OSError as error:
        raise PluginError(f"cannot write {directory}: {error.strerror or error}; nothing was kept") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
