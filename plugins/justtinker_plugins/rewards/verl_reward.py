"""A reward term from a reward function of verl: a `compute_score` in a package or in a file of yours.

Our terms lie in [-1, 1]; verl's may be any numbers. `scale` and `clip` bring them there, and nothing does so unasked.
"""

from __future__ import annotations

import logging
from typing import ClassVar

from justtinker_core import Group, RunContext, hookimpl, plugin
from justtinker_plugins.shared.foreign import in_range, scaling
from justtinker_plugins.shared.verl import Score, VerlFunction

log = logging.getLogger("justtinker")


@plugin
class VerlReward(VerlFunction):
    """Pays what a `compute_score` of verl's form gives, times `scale`; see docs/bridges.md."""

    table: ClassVar[str] = "[plugins.verl_reward]"
    scale: float = 1.0
    """What the function's number is multiplied with."""
    clip: bool = False
    """Cut off what then lies outside [-1, 1]; false: that is an error."""
    term: str = "verl_reward"
    """The name of the reward term."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._has_warned = False

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain as `VerlFunction` does; say in the log that numbers are scaled or cut off."""
        if changed := scaling(self.scale, self.clip):
            log.warning("plugin %r: what %s gives is %s", self.term, self.function, changed)
        return super().preflight(run)

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return the term: None for unscored rollouts, and where the function gives no number, which the log says once.

        PluginError if a number x `scale` is outside [-1, 1] and `clip` is off.
        """
        places = [i for i, verdict in enumerate(group.verdicts) if verdict.outcome != "unscored"]
        raw: list[float | None] = [None] * len(group.rollouts)
        scores = self.ask(group.problem, [group.rollouts[i].response for i in places]) if places else []
        for place, score in zip(places, scores, strict=True):
            raw[place] = self._raw(score)
        return {self.term: raw}

    def _raw(self, score: Score) -> float | None:
        if score.value is None:
            if not self._has_warned:
                self._has_warned = True
                log.warning("%s: a response gets no number: %s. Said once.", self.term, score.reason)
            return None
        return in_range(score.value, self.scale, self.clip, f"{self.table} {self.function}")
