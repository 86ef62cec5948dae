"""Folders of this user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder for what can be made again (``XDG_CACHE_HOME``, else ``~/.cache``); it need not exist yet."""
    folder = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(folder)) / "justtinker"
