"""A local plugin for tests of whole runs: a reward that weights which know nothing can earn, so that steps train."""

from __future__ import annotations

from justtinker_core import Group, hookimpl, plugin


@plugin
class Digits:
    """Pays the share of digits in a response."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `digits`: a number in [0, 1) for each rollout."""
        return {"digits": [sum(map(str.isdigit, r.text)) / (len(r.text) + 1) for r in group.rollouts]}
