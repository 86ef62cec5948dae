"""Looks for rewards that rise without the skill: signs that a policy has found a hole in its verifier or its terms.

A sign is a change between the first steps and the last ones that is large in itself; nothing is estimated, and nothing
is known of the texts beyond what metrics measured. A sound verifier is the cure; this only says where to look.
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
"""Longer correct answers may be what the policy has learned: alone they are only mentioned."""
ALONE = 2.0
"""Any other sign stops a run alone at so many times its limit."""
Row = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation of a set so far, and the rewards of the steps before it."""

    evaluation: EvalStats
    rewards: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is needed of the steps so far."""

    first: tuple[Row, ...] = ()
    last: tuple[Row, ...] = ()
    best: Mapping[str, Best] = field(default_factory=dict)
    evals: int = 0
    """How many evaluations have been looked at."""
    on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The signs that are seen, each with its numbers."""
    since: int = 0
    """About when the oldest of them began."""
    said: str = ""
    """The highest level said since then."""
    say: str = ""


@plugin
class RewardHacking(Monitor):
    """Warns at a first sign, stops at a second, or at one of twice its limit.

    Compared are the means of the first and of the last `window` steps:

    - ``boxes``: more answers have several boxes (metrics `answers`); with a second opinion, never a stop alone;
    - ``disputed``: another verifier disagrees more often (metrics `second_opinion`);
    - ``redundant``: correct answers repeat themselves more (the term `redundancy`, or its metric);
    - ``terms``: the reward has not fallen, but less of it comes from `outcome_term`;
    - ``evaluation``: the reward is up since the best evaluation, and the accuracy of the last one is down;
    - ``longer``: correct answers are longer (metrics `answers`). That alone is only mentioned: it may be learning.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or nothing."""
    window: Annotated[int, Field(ge=2)] = 5
    """Steps; while there are fewer than twice as many the two overlap, and only a great change shows."""
    box_rise: Annotated[float, Field(gt=0, le=1)] = 0.2
    """By how much the share of answers with several boxes may rise."""
    disputed_rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """By how much the share of answers on which the second opinion is another may rise."""
    redundancy_rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """By how much the redundancy penalty of correct answers (before its weight) may rise."""
    share_shift: Annotated[float, Field(gt=0, le=1)] = 0.2
    """By how much the share of `outcome_term` in all weighted terms may fall."""
    outcome_term: str = "correct"
    """The reward term that pays for being right."""
    eval_drop: Annotated[float, Field(gt=0, le=1)] = 0.05
    """By how much an evaluation's accuracy may be below the best; its 95 % interval counts if it is wider."""
    longer: Annotated[float, Field(gt=1)] = 1.5
    """How many times as long correct answers may become."""

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
                "the second opinion is another for {now:.0%} of the answers, at first {then:.0%}",
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
        """What has become worse at this step; a level once as long as any sign is seen."""
        state = self._memo(stats, history)
        if state.say:
            told = "; ".join(str(seen["text"]) for seen in state.on.values())
            signs = {name: {k: v for k, v in seen.items() if k != "text"} for name, seen in state.on.items()}
            saved = {"since": state.since, "last_healthy_checkpoint": checkpoint_before(state.since, history)}
            level: Any = state.say
            yield Finding(level, f"{told}; {go_back(state.since, history)}", {**saved, **signs})

    def lacks(self, history: History) -> str:
        """Whether there are enough steps."""
        if not any(self._row(stats) for stats in history.steps):
            return "not enough data: no step has a reward, reward terms, or what the metrics plugin answers measures"
        if len(history.steps) >= 2 * self.window:
            return ""
        return f"not enough data: {2 * self.window} steps are wanted, and there are {len(history.steps)}"

    def _advance(self, state: State, stats: StepStats, history: History) -> State:
        state = self._evaluated(state, stats, history)
        row = self._row(stats)
        first = state.first if len(state.first) == self.window else (*state.first, row)
        state = replace(state, first=first, last=(*state.last, row)[-self.window :], say="")
        seen: dict[str, Mapping[str, Any]] = {**self._seen(state)}
        if "evaluation" in state.on:
            seen["evaluation"] = state.on["evaluation"]
        if not seen:
            return replace(state, on={}, since=0, said="")
        serious = set(seen) - SUPPORTING
        worse = {name for name in serious if seen[name]["times"] > ALONE}
        if mean(state.last, "disputed") is not None:
            worse -= {"boxes"}  # a second opinion tells a hole from a habit: it would dispute them
        level = "info" if not serious else "stop" if len(seen) > 1 or worse else "warn"
        say = level if LEVELS.index(level) > LEVELS.index(state.said) else ""
        since = state.since or max(1, stats.step - self.window + 1)
        return replace(state, on=seen, since=since, said=say or state.said, say=say)

    def _row(self, stats: StepStats) -> Row:
        """The numbers of a step that are compared."""
        wanted = ("reward", "multiple_boxed_rate", "disputed", "redundancy_penalty", "correct_response_tokens")
        row = {name: stats.metrics[name] for name in wanted if name in stats.metrics}
        if "redundancy" in stats.terms:
            row.pop("redundancy_penalty", None)  # the metric is of all answers
            if stats.terms["redundancy"].get("applies", 1):  # of no correct answer there is no penalty, not one of 0
                row["redundancy_penalty"] = -stats.terms["redundancy"]["raw"]
        weighted = {name: abs(term["weighted"]) for name, term in stats.terms.items()}
        if self.outcome_term in weighted and sum(weighted.values()) > 0:
            row["outcome_share"] = weighted[self.outcome_term] / sum(weighted.values())
        return row

    def _seen(self, state: State) -> dict[str, dict[str, Any]]:
        """The signs that the steps themselves show. One that was seen goes only when half of it is gone."""
        seen = {}
        for sign, (name, limit, text) in self._changes.items():
            then, now = mean(state.first, name), mean(state.last, name)
            if then is None or now is None or len(state.first) < self.window:
                continue
            change = then - now if sign == "terms" else now - then
            times = change / (limit * then if sign == "longer" and then > 0 else limit)
            if times > (0.5 if sign in state.on else 1.0):
                seen[sign] = {"text": text.format(then=then, now=now), "then": then, "now": now, "times": times}
        then, now = mean(state.first, "reward"), mean(state.last, "reward")
        if then is None or now is None or now < then:
            seen.pop("terms", None)
        return seen

    def _evaluated(self, state: State, stats: StepStats, history: History) -> State:
        """The state after the evaluations that were made since the last step."""
        best, on = dict(state.best), dict(state.on)
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
                on["evaluation"] = seen
            elif on.get("evaluation", {}).get("set") == e.name:
                del on["evaluation"]
        return replace(state, best=best, evals=len(known), on=on)

    def _against(self, best: Best, e: EvalStats, rewards: tuple[float, ...]) -> dict[str, Any] | None:
        """The sign if this evaluation is surely worse than the best one while the reward is surely better."""
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
    """The mean of a number over the rows that have it."""
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values) if values else None


def half_width(e: EvalStats) -> float:
    """Half of the accuracy's 95 % interval; 0 if there is none."""
    low, high = e.intervals.get("accuracy", (0.0, 0.0))
    return (high - low) / 2
