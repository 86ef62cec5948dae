"""Optional methods of a backend's plugin, beside its hooks: `bill`, `export`, `models`."""

from __future__ import annotations

from typing import Any

from justtinker_core import PluginError
from justtinker_core.plugins import Plugins


def backend_method(plugins: Plugins, method: str, lacks: str) -> Any:
    """The method of the backend's plugin; PluginError if it has none. `lacks` says so, with ``{name}`` its name."""
    [name] = plugins.who("open_backend")
    found = getattr(plugins.active[name].instance, method, None)
    if not callable(found):
        raise PluginError(lacks.format(name=repr(name)))
    return found
