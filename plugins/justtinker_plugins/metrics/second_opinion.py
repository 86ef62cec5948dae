"""What another verifier would have said: measured beside the one that is paid, and never paid itself.

A policy cannot hack what it is not rewarded for, so where the two part, look at the texts. Which of them is right it
does not know.
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
    """Two numbers a rollout, in training and in evaluations.

    - ``second_opinion``: 1.0 if the other verifier says correct, 0.0 if incorrect, None if it cannot tell.
    - ``disputed``: 1.0 if the verifier that is paid says something else, 0.0 if both agree, None if either cannot tell.
    """

    verifier: str = "math_verify"
    """The other verifier: any installed one. It need not be enabled, and should not be."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its options."""

    def __post_init__(self) -> None:
        found = look_up(self.verifier, find())
        other = activate(found, self.options, "plugins.second_opinion.options")
        if not implements(type(other.instance), "verify"):
            raise PluginError(f"[plugins.second_opinion] verifier = {self.verifier!r}: it is one of the {found.role}")
        self._other = Plugins([other])  # by which it is asked as a run asks it: by the names of its arguments

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]] | None:
        """Both names with one number a rollout (G,); nothing for problems of a kind that the verifier passes on."""
        verdicts = verify(group.problem, group.rollouts, self._other)
        if verdicts is None:
            return None
        theirs = [right(verdict.outcome) for verdict in verdicts]
        ours = [right(verdict.outcome) for verdict in group.verdicts]
        pairs = zip(ours, theirs, strict=True)
        return {
            "second_opinion": theirs,
            "disputed": [None if a is None or b is None else float(a != b) for a, b in pairs],
        }

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Let the other verifier end what it has started."""
        self._other.tell("finish_run", run=run, status=status)


def right(outcome: str) -> float | None:
    """An outcome as a number."""
    return {"correct": 1.0, "incorrect": 0.0}.get(outcome)
