"""The data sets of the package `reasoning_gym`: which there are, their options, and their entries, made once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.shared.foreign import package

Entry = Mapping[str, Any]
"""What the package makes: ``question``, ``answer`` (None where only the judge decides) and ``metadata``."""

LEAKY = {
    "coin_flip": "pays 0 for nearly every problem",
    "game_of_life_halting": "pays any answer to half of the problems, right or wrong",
    "puzzle24": "never compares the numbers used with those given",
}
"""Data sets whose judges a policy can satisfy without solving anything; seen in 0.1.25."""
NONSENSE = "no answer"
"""Whoever pays this pays anything."""

_making = threading.Lock()


def registry() -> Mapping[str, tuple[type, type]]:
    """Return each data set's name, its class and the class of its options. PluginError without the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a package that it needs compares texts with `is`
        package("reasoning_gym", "reasoning_gym", install="justtinker[reasoning-gym]")
        factory = package("reasoning_gym.factory", "reasoning_gym")
    found: Mapping[str, tuple[type, type]] = factory.DATASETS
    return found


def check_options(name: str, config: Mapping[str, Any]) -> None:
    """Raise PluginError unless there is such a data set with such options."""
    known = registry()
    if not name:
        raise PluginError(f"reasoning_gym needs the name of a data set: dataset = 'chain_sum', or another of {names()}")
    if name not in known:
        raise PluginError(f"reasoning_gym has no data set {name!r}{nearest(name, list(known))}")
    options = [field.name for field in dataclasses.fields(known[name][1])]
    for key in config:
        if key in ("seed", "size"):
            raise PluginError(f"reasoning_gym: {key} does not belong into config; write it beside it, in the table")
        if key not in options:
            raise PluginError(f"reasoning_gym: {name} has no option {key!r}{nearest(key, options)}")


def names() -> str:
    """Return the names of all data sets."""
    return ", ".join(sorted(registry()))


def seed_of(purpose: str, seed: int) -> int:
    """Return a seed far from others: entry i of the package's seed s is entry i - 1 of seed s + 1."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:4]) >> 1


def make(name: str, config: str, seed: int, size: int) -> Any:
    """Return a data set; `config` is JSON. PluginError if an option's value is refused."""
    check_options(name, options := json.loads(config))
    set_class, config_class = registry()[name]
    try:
        return set_class(config=config_class(**options, seed=seed, size=size))
    except Exception as error:
        raise PluginError(
            f"reasoning_gym refuses the options of {name}, config = {options}: {error or type(error).__name__}"
        ) from error


@cache
def entries(name: str, config: str, seed: int, size: int) -> Sequence[Entry]:
    """Return all entries of a data set, made once in a process."""
    with _making, contextlib.redirect_stdout(io.StringIO()):  # one of them prints dots
        made = make(name, config, seed, size)
        return tuple(made[index] for index in range(size))
