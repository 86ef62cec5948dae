"""What a backend says it was billed for a run: a backend plugin's method ``bill``, which `justtinker bill` calls.

A backend plugin whose service keeps accounts may have this method beside its hooks::

    def bill(self, config: RunConfig, directory: str, since: datetime, until: datetime) -> Bill

`directory` is the name of the run's directory; both times have a time zone. It spends nothing, and raises a
PluginError for whatever a user can mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bill:
    """What the service has counted for a run."""

    tokens: Mapping[str, int]
    """prefill, cached_prefill, sampled and trained tokens; empty if it knows nothing of the run (yet)."""
    usd: Mapping[str, float]
    """USD of each of these kinds, as far as the service says."""
    notes: tuple[str, ...] = ()
    """What a reader must know, each a sentence."""
