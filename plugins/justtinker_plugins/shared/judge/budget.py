"""What a judge may cost and has cost: in USD, if the prices are known, and in requests.

Money is set aside before a request is sent, for the longest reply it may get, so that requests under way cannot go
beyond the budget together. A request waits if it fits only once others have cost less than was set aside for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from justtinker_core import History
from justtinker_plugins.shared.judge.replies import Usage

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What was sent and what it cost. Adds up."""

    calls: int = 0
    usd: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.calls + other.calls, self.usd + other.usd)


NOTHING = Cost()


class RequestError(Exception):
    """A request was in vain. The text says why."""

    cost = NOTHING
    """What was spent."""
    is_free = False
    """Whether the endpoint has done nothing that it could send a bill for."""


class NoAnswerError(RequestError):
    """There is no answer, and nothing more is tried."""


class BudgetSpentError(NoAnswerError):
    """Nothing more may be asked. The text says which budget is used up."""


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a million tokens."""

    input: float = 0.0
    output: float = 0.0

    def usd(self, usage: Usage) -> float:
        """Return what tokens cost."""
        return (usage.input * self.input + usage.output * self.output) / MILLION


@dataclass
class Meter:
    """Adds up what is spent, and lets nothing pass that would exceed a budget. For one event loop at a time."""

    most_usd: float | None = None
    most_calls: int | None = None
    spent: Cost = NOTHING
    reserved: float = 0.0
    """USD set aside for requests under way."""
    refusal: str = ""
    """Why a request was refused; '' if none was."""
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def reserve(self, usd: float) -> None:
        """Set money aside and count a request; BudgetSpentError if there is no room for it."""
        while self._must_wait(usd):
            freed = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed
        self.spent += Cost(calls=1)
        self.reserved += usd

    def settle(self, reserved: float, usd: float) -> None:
        """Replace money that was set aside by what the request has cost."""
        self.reserved -= reserved
        self.spent += Cost(usd=usd)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _must_wait(self, usd: float) -> bool:
        if self.most_calls is not None and self.spent.calls >= self.most_calls:
            self._refuse(f"the judge's budget is used up: budget_calls = {self.most_calls}")
        if self.most_usd is None or self.spent.usd + self.reserved + usd <= self.most_usd:
            return False
        if self.spent.usd + usd > self.most_usd or self.reserved < 1e-12:
            self._refuse(
                f"the judge's budget is used up: {self.spent.usd:.4f} USD of budget_usd = {self.most_usd:g} are spent, "
                "and one more reply could cost more than is left"
            )
        return True

    def _refuse(self, why: str) -> NoReturn:
        self.refusal = why
        raise BudgetSpentError(why)


def cost_of_records(records: Iterable[Mapping[str, Any]], prefix: str) -> Cost:
    """Add up what the records of steps and evaluations say, set aside or not: means over all their rollouts."""
    total = Cost()
    for record in records:
        total += cost_of(record["metrics"], record.get("settings", {}), prefix)
    return total


def cost_of_history(history: History, prefix: str) -> Cost:
    """Likewise, of a run's history."""
    total = Cost()
    for step in history.steps:
        total += cost_of(step.metrics, {}, prefix)
    for evaluation in history.evals:
        total += cost_of(evaluation.metrics, evaluation.settings, prefix)
    return total


def cost_of(metrics: Mapping[str, float], settings: Mapping[str, Any], prefix: str) -> Cost:
    """Return what one step or evaluation has cost."""
    rollouts = metrics.get("rollouts") or settings.get("problems", 0) * settings.get("samples", 0)
    calls, usd = (metrics.get(f"{prefix}_{what}", 0.0) * rollouts for what in ("calls", "usd"))
    return Cost(round(calls), usd)
