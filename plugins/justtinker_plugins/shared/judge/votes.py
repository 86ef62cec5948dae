"""Count votes: more than half of all votes must say the same, those that could not be read included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from justtinker_plugins.shared.judge.asking import Verdict
from justtinker_plugins.shared.judge.budget import Cost


def cost_of_votes(votes: Sequence[Verdict]) -> Cost:
    """Add up what votes have cost."""
    return sum((vote.cost for vote in votes), Cost())


def majority(votes: Sequence[Verdict], read: Callable[[dict[str, Any]], Any]) -> tuple[Any, str]:
    """Return what more than half of the votes say and a reason for it; or None, and why there is no majority.

    `read` takes what counts from a reply.
    """
    said = Counter(read(vote.found) for vote in votes if vote.found is not None)
    best, n = said.most_common(1)[0] if said else (None, 0)
    if 2 * n > len(votes):
        why = next(str(v.found.get("reason", "")) for v in votes if v.found is not None and read(v.found) == best)
        return best, " ".join(why.split())[:200]
    failures = Counter(vote.reason for vote in votes if vote.found is None)
    if len(votes) == 1:
        return None, votes[0].reason
    if failures:
        reason, count = failures.most_common(1)[0]
        return None, f"{failures.total()} of {len(votes)} votes failed, the others do not decide: {reason} ({count})"
    return None, f"a tie: {' to '.join(str(count) for count in sorted(said.values(), reverse=True))} votes"
