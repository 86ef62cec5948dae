"""Turn a config into active plugins."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.config import RunConfig
from justtinker_core.discovery import Found, find, look_up
from justtinker_core.errors import PluginError, all_or_none, nearest
from justtinker_core.hookspecs import SPECS, attribute_of
from justtinker_core.plugins import Active, Plugins, activate

log = logging.getLogger("justtinker")


def installed(config: RunConfig) -> dict[str, Found]:
    """Return all plugins that the config can name: the installed ones and its local ones.

    A run that is older than an installed plugin of the same name keeps its own, as long as the file is there.
    """
    found = find()
    for name, reference in config.local_plugins.items():
        version = file_version(Path(reference.rpartition(":")[0]))
        if name in found:
            if not config.recorded:
                raise PluginError(
                    f"[local_plugins] {name}: package {found[name].package} has a plugin of that name; choose another "
                    "name"
                )
            if not version:
                log.warning(
                    "this run had the plugin %s from %s, which is gone; using the one of package %s instead",
                    name, reference, f"{found[name].package} {found[name].version}",
                )  # fmt: skip
                continue
        found[name] = Found(name, "local", reference, "local file", version)
    return found


def file_version(path: Path) -> str:
    """Return the version of a local plugin: the first digits of its file's SHA-256; '' if there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def open_plugins(config: RunConfig) -> Plugins:
    """Import and set up the plugins that the config enables, and no others.

    A plugin without a table of its own takes its options from the first data table that names it.
    """
    found = installed(config)
    tables = {spec.use: (spec.options, spec.table) for spec in reversed(config.data)}
    tables |= {name: (options, f"plugins.{name}") for name, options in config.plugin_options.items()}
    places = {spec.use: f"[{spec.table}] use: " for spec in reversed(config.data)}

    def set_up(name: str) -> Active:
        return activate(look_up(name, found, places.get(name, "[plugins] enable: ")), *tables.get(name, ({}, "")))

    return Plugins(all_or_none(partial(set_up, name) for name in config.enable), config.grading)


def check_roles(config: RunConfig, plugins: Plugins) -> None:
    """Raise a PluginError if a role that the run needs has no plugin, or a role for one plugin has several."""
    needs = {"open_backend": "every run"}
    purposes = {spec.purpose for spec in config.data}
    if "eval" in purposes:
        needs |= dict.fromkeys(("build_prompt", "verify"), "the evaluation")
    if config.run.steps > 0:
        if "train" not in purposes:
            raise PluginError("there is no table [data.train] to train on")
        for algorithm in plugins.who("collect_batch"):
            hooks = attribute_of(plugins.active[algorithm].instance, "needs")
            if isinstance(hooks, str):
                raise PluginError(f"algorithm {algorithm!r}: needs: expected a tuple of hook names, got {hooks!r}")
            for hook in [hook for hook in hooks if hook not in SPECS]:
                raise PluginError(f"algorithm {algorithm!r}: needs: no hook is called {hook!r}{nearest(hook, SPECS)}")
            needs |= dict.fromkeys(hooks, f"the algorithm {algorithm!r}")
        needs["collect_batch"] = "training"
    all_or_none(partial(plugins.require, hook, why) for hook, why in needs.items())


def resolved(config: RunConfig) -> RunConfig:
    """Return the config with every option written out, defaults included. PluginError if any of it is wrong."""
    plugins, found = open_plugins(config), installed(config)
    check_roles(config, plugins)
    data_only = {spec.use for spec in config.data} - set(config.plugin_options)
    options = {name: a.dump() for name, a in plugins.active.items() if name not in data_only}
    specs = []
    for spec in config.data:
        own = {**config.plugin_options.get(spec.use, {}), **spec.options}
        specs.append(replace(spec, options=activate(look_up(spec.use, found), own, spec.table).dump()))
    check_start(config.run.start_from)
    return replace(config, plugin_options={n: o for n, o in options.items() if o}, data=tuple(specs))


def check_start(start: str | None) -> None:
    """Raise a PluginError unless there is something to start from. A path is absolute by now, if it leads anywhere."""
    if start is not None and "://" not in start and not Path(start).is_absolute() and Path(start).exists():
        raise PluginError(
            f"[run] start_from = {start!r}: a path in a config begins at the config's folder, where there is no such "
            f"thing; it is in the working directory, where a path of --set run.start_from=… begins"
        )
    if start is not None:
        checkpoint_of(start, Path.cwd())
