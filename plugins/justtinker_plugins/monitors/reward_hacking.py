"""Look for rewards that rise without skill: signs that a policy exploits a hole in its verifier or its terms.

A sign is a large change between the first steps and the last ones. The monitor knows only what metrics measured, not
the texts. The cure is a sound verifier; the findings say where to look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from justtinker_core import EvalStats, Finding, History, StepStats, plugin
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor, checkpoint_before, go_back

LEVELS = ("", "info", "warn", "stop")
SUPPORTING = frozenset({"longer"})
"""Longer correct answers may be what the policy has learned: alone, this sign is only an info."""
ALONE = 2.0
"""Any other sign stops a run alone if it exceeds so many times its limit."""
Row = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation of a set so far, and the rewards of the steps before it."""

    evaluation: EvalStats
    rewards: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What the monitor remembers of the steps so far."""

    first: tuple[Row, ...] = ()
    last: tuple[Row, ...] = ()
    best: Mapping[str, Best] = field(default_factory=dict)
    evals: int = 0
    """The number of evaluations judged so far."""
    signs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The present signs, each with its numbers."""
    since: int = 0
    """About the step at which the oldest of them began."""
    reported: str = ""
    """The highest level reported since then."""
    report: str = ""
    """The level to report at this step; empty: nothing new."""


@plugin
class RewardHacking(Monitor):
    """Warns at the first sign of a hacked reward, stops at a second one, or if one exceeds twice its limit.

    It compares the means of the first and of the last `window` steps:

    - ``boxes``: more answers have several boxes (metrics `answers`); with a second opinion, never a stop alone;
    - ``disputed``: a second verifier disagrees more often (metrics `second_opinion`);
    - ``redundant``: correct answers repeat themselves more (the term `redundancy`, or its metric);
    - ``terms``: the reward has not fallen, but less of it comes from `outcome_term`;
    - ``evaluation``: the reward has risen since the best evaluation, but the accuracy of the last one is lower;
    - ``longer``: correct answers are longer (metrics `answers`); alone only an info, as it may be what was learned.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or stay silent (off)."""
    window: Annotated[int, Field(ge=2)] = 5
    """The number of steps; until there are twice as many, the two windows overlap, and only large changes show."""
    box_rise: Annotated[float, Field(gt=0, le=1)] = 0.2
    """How much the share of answers with several boxes may rise."""
    disputed_rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How much the share of answers on which the second verifier disagrees may rise."""
    redundancy_rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How much the redundancy penalty of correct answers (before its weight) may rise."""
    share_shift: Annotated[float, Field(gt=0, le=1)] = 0.2
    """How much the share of `outcome_term` in all weighted terms may fall."""
    outcome_term: str = "correct"
    """The reward term that pays for correct answers."""
    eval_drop: Annotated[float, Field(gt=0, le=1)] = 0.05
    """How far an evaluation's accuracy may be below the best; farther if their 95 % intervals are wider."""
    longer: Annotated[float, Field(gt=1)] = 1.5
    """By what factor correct answers may grow."""

    def __post_init__(self) -> None:
        self._memo = HistoryMemo(State(), self._advance)
        self._changes = {
            "boxes": (
                "multiple_boxed_rate",
                self.box_rise,
                "{now:.0%} of the answers have several boxes, at first {then:.0%}",
            ),
            "disputed": (
                "disputed",
                self.disputed_rise,
                "the second verifier disagrees on {now:.0%} of the answers, at first {then:.0%}",
            ),
            "redundant": (
                "redundancy_penalty",
                self.redundancy_rise,
                "the redundancy penalty of correct answers is {now:.2f}, at first {then:.2f}",
            ),
            "terms": (
                "outcome_share",
                self.share_shift,
                f"{self.outcome_term!r} makes {{now:.0%}} of the weighted terms, at first {{then:.0%}}, and the reward "
                "has not fallen",
            ),
            "longer": (
                "correct_response_tokens",
                self.longer - 1,
                "correct answers have {now:.0f} tokens, at first {then:.0f}",
            ),
        }

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """Report the present signs whenever their level rises."""
        state = self._memo(stats, history)
        if state.report:
            text = "; ".join(str(seen["text"]) for seen in state.signs.values())
            signs = {name: {k: v for k, v in seen.items() if k != "text"} for name, seen in state.signs.items()}
            saved = {"since": state.since, "last_healthy_checkpoint": checkpoint_before(state.since, history)}
            level: Any = state.report
            yield Finding(level, f"{text}; {go_back(state.since, history)}", {**saved, **signs})

    def lacks(self, history: History) -> str:
        """Say whether there are too few steps, or none with a number that it compares."""
        if not any(self._row(stats) for stats in history.steps):
            return "not enough data: no step has a reward, reward terms, or what the metrics plugin answers measures"
        if len(history.steps) >= 2 * self.window:
            return ""
        return f"not enough data: it takes {2 * self.window} steps, and there are {len(history.steps)}"

    def _advance(self, state: State, stats: StepStats, history: History) -> State:
        state = self._evaluated(state, stats, history)
        row = self._row(stats)
        first = state.first if len(state.first) == self.window else (*state.first, row)
        state = replace(state, first=first, last=(*state.last, row)[-self.window :], report="")
        seen: dict[str, Mapping[str, Any]] = {**self._seen(state)}
        if "evaluation" in state.signs:
            seen["evaluation"] = state.signs["evaluation"]
        if not seen:
            return replace(state, signs={}, since=0, reported="")
        serious = set(seen) - SUPPORTING
        worse = {name for name in serious if seen[name]["times"] > ALONE}
        if mean(state.last, "disputed") is not None:
            worse -= {"boxes"}  # if they were a hole and not a habit, the second verifier would dispute them
        level = "info" if not serious else "stop" if len(seen) > 1 or worse else "warn"
        report = level if LEVELS.index(level) > LEVELS.index(state.reported) else ""
        since = state.since or max(1, stats.step - self.window + 1)
        return replace(state, signs=seen, since=since, reported=report or state.reported, report=report)

    def _row(self, stats: StepStats) -> Row:
        """The numbers of a step to compare."""
        names = ("reward", "multiple_boxed_rate", "disputed", "redundancy_penalty", "correct_response_tokens")
        row = {name: stats.metrics[name] for name in names if name in stats.metrics}
        if "redundancy" in stats.terms:
            row.pop("redundancy_penalty", None)  # that metric covers all answers
            if stats.terms["redundancy"].get("applies", 1):  # without correct answers there is no penalty, not one of 0
                row["redundancy_penalty"] = -stats.terms["redundancy"]["raw"]
        weighted = {name: abs(term["weighted"]) for name, term in stats.terms.items()}
        if self.outcome_term in weighted and sum(weighted.values()) > 0:
            row["outcome_share"] = weighted[self.outcome_term] / sum(weighted.values())
        return row

    def _seen(self, state: State) -> dict[str, dict[str, Any]]:
        """Find the signs in the steps. A present sign goes only when it falls to half of its limit."""
        seen = {}
        for sign, (name, limit, text) in self._changes.items():
            then, now = mean(state.first, name), mean(state.last, name)
            if then is None or now is None or len(state.first) < self.window:
                continue
            change = then - now if sign == "terms" else now - then
            times = change / (limit * then if sign == "longer" and then > 0 else limit)
            if times > (0.5 if sign in state.signs else 1.0):
                seen[sign] = {"text": text.format(then=then, now=now), "then": then, "now": now, "times": times}
        then, now = mean(state.first, "reward"), mean(state.last, "reward")
        if then is None or now is None or now < then:
            seen.pop("terms", None)
        return seen

    def _evaluated(self, state: State, stats: StepStats, history: History) -> State:
        """Return the state after the evaluations since the last step."""
        best, signs = dict(state.best), dict(state.signs)
        known = [e for e in history.evals if e.seen < stats.step and "accuracy" in e.metrics]
        rewards = tuple(row["reward"] for row in state.last if "reward" in row)
        for e in known[state.evals :]:
            before = best.get(e.name)
            if before is None or e.metrics["accuracy"] >= before.evaluation.metrics["accuracy"]:
                best[e.name] = Best(e, rewards)
                seen = None
            else:
                seen = self._against(before, e, rewards)
            if seen:
                signs["evaluation"] = seen
            elif signs.get("evaluation", {}).get("set") == e.name:
                del signs["evaluation"]
        return replace(state, best=best, evals=len(known), signs=signs)

    def _against(self, best: Best, e: EvalStats, rewards: tuple[float, ...]) -> dict[str, Any] | None:
        """Return the sign if an evaluation is clearly worse than the best one and the reward clearly better."""
        high, value = best.evaluation.metrics["accuracy"], e.metrics["accuracy"]
        if high - value <= max(self.eval_drop, math.hypot(half_width(best.evaluation), half_width(e))):
            return None
        if min(len(rewards), len(best.rewards)) < 2:
            return None
        then, now = float(np.mean(best.rewards)), float(np.mean(rewards))
        noise = math.hypot(*(float(np.std(r, ddof=1)) / math.sqrt(len(r)) for r in (best.rewards, rewards)))
        if now - then <= 2 * noise:
            return None
        return {
            "text": f"accuracy on {e.name} is {value:.3g} at step {e.step}, its best was {high:.3g} at step "
            f"{best.evaluation.step}, and the reward has risen from {then:.3g} to {now:.3g}",
            "set": e.name,
            "step": e.step,
            "accuracy": value,
            "best": high,
            "best_step": best.evaluation.step,
            "reward": now,
            "reward_then": then,
            "times": 1.0,
        }


def mean(rows: Sequence[Row], name: str) -> float | None:
    """The mean of a number over the rows that have it, None if none has."""
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values) if values else None


def half_width(e: EvalStats) -> float:
    """Half the width of the accuracy's 95 % interval; 0 if there is none."""
    low, high = e.intervals.get("accuracy", (0.0, 0.0))
    return (high - low) / 2
