"""Ask a second verifier beside the one that is rewarded.

A policy cannot hack a verifier that earns it nothing, so where the two differ, read the texts. Which of the two is
right, this metric does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from justtinker_core import Group, PluginError, RunContext, hookimpl, plugin
from justtinker_core.discovery import find, look_up
from justtinker_core.grading import verify
from justtinker_core.hookspecs import implements
from justtinker_core.plugins import Plugins, activate


@plugin
class SecondOpinion:
    """Measures what a second verifier, which earns no reward, says of each rollout, in training and in evaluations.

    - ``second_opinion``: 1.0 if it says correct, 0.0 if incorrect, None if it cannot tell.
    - ``disputed``: 1.0 if the first verifier disagrees, 0.0 if both agree, None if either cannot tell.
    """

    verifier: str = "math_verify"
    """The second verifier: any installed one. Do not enable it."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options of that verifier."""

    def __post_init__(self) -> None:
        found = look_up(self.verifier, find())
        other = activate(found, self.options, "plugins.second_opinion.options")
        if not implements(type(other.instance), "verify"):
            raise PluginError(f"[plugins.second_opinion] verifier = {self.verifier!r}: it is one of the {found.role}")
        self._other = Plugins([other])  # calls it as a run does, with the arguments that it names

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]] | None:
        """Return one number for each rollout (G,), by name; None for a kind of problem that the verifier passes on."""
        verdicts = verify(group.problem, group.rollouts, self._other)
        if verdicts is None:
            return None
        theirs = [outcome_number(verdict.outcome) for verdict in verdicts]
        ours = [outcome_number(verdict.outcome) for verdict in group.verdicts]
        pairs = zip(ours, theirs, strict=True)
        return {
            "second_opinion": theirs,
            "disputed": [None if a is None or b is None else float(a != b) for a, b in pairs],
        }

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Let the second verifier clean up."""
        self._other.tell("finish_run", run=run, status=status)
        self._other.close()


def outcome_number(outcome: str) -> float | None:
    """Turn an outcome into a number."""
    return {"correct": 1.0, "incorrect": 0.0}.get(outcome)
