"""DAPO's soft overlong punishment, and how a reward learns the run's own limit.

A response cut at the limit is wrong for a reason that the policy cannot see, so DAPO announces the limit: no punishment
up to L_max - L_cache tokens, then a slope down to -1 at L_max,

    r = 0                                        |y| <= L_max - L_cache
    r = ((L_max - L_cache) - |y|) / L_cache      L_max - L_cache < |y| <= L_max
    r = -1                                       L_max < |y|

which is equation 13 of DAPO (arXiv:2503.14476), used there with L_max = 20,480 and L_cache = 4,096.

The bundled `overlong` is the same formula with its limit as an option. This variant takes L_max from the config's
`sampling.max_tokens`, in `preflight`, which is called before anything is sampled, so the two numbers cannot differ.

What can go wrong. It punishes length, not loops: long, good thinking is punished too; `redundancy` looks only at loops.
Outside a run (`justtinker score`) there is no preflight, so it raises an error; use `overlong` there.

    [plugins]
    enable = ["soft_overlong", "correct"]

    [plugins.soft_overlong]
    cache = 0.2                     # L_cache as a share of sampling.max_tokens

    [local_plugins]
    soft_overlong = "soft_overlong.py:SoftOverlong"
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from justtinker_core import Group, PluginError, RunContext, hookimpl, plugin


@plugin
class SoftOverlong:
    """0 for most lengths, then linearly down to -1 at the run's `sampling.max_tokens`."""

    cache: Annotated[float, Field(gt=0, le=1)] = 0.2
    """The last share of the limit, over which the punishment grows."""

    def __post_init__(self) -> None:
        self._limit = 0

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Read the limit; never complain."""
        self._limit = run.config.sampling.max_tokens
        return []

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`soft_overlong`: a number in [-1, 0] a rollout, by the number of tokens that the policy wrote."""
        if not self._limit:
            raise PluginError("soft_overlong has no run to take its limit from; enable 'overlong' with max_tokens")
        return {"soft_overlong": [punishment(r.response_tokens, self._limit, self.cache) for r in group.rollouts]}


def punishment(tokens: int, limit: int, share: float) -> float:
    """Equation 13 with L_cache = share x limit."""
    cache = share * limit
    return max(-1.0, min(0.0, (limit - cache - tokens) / cache))
