"""What a node is asked before anything is sent to it. The function travels by value: a node may lack JustTinker."""

from __future__ import annotations


def probe() -> tuple[str, str]:
    """The version of JustTinker on this node ('' if it is not installed), and why it cannot be imported."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("justtinker")
    except PackageNotFoundError:
        return "", ""
    try:
        import_module("justtinker_plugins.executors._ray.judge")
    except Exception as error:
        return found, f"{type(error).__name__}: {error}"
    return found, ""
