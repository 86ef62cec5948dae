"""The results of an audit: of each battery, and of all together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from justtinker_core import Problem
from justtinker_plugins.commands._audit.cases import BATTERIES, Kind, record_of
from justtinker_plugins.commands._audit.judging import JudgedCase
from justtinker_plugins.commands._audit.topics import is_built_in


@dataclass(frozen=True)
class BatteryResult:
    """A battery and its judged cases."""

    name: str
    kind: Kind
    description: str
    judged: Sequence[JudgedCase]
    inapplicable: int
    """The number of problems of the data that the battery does not fit."""

    @property
    def failed(self) -> int:
        """The number of responses with an unfair reward."""
        return sum(each.failed for each in self.judged)

    @property
    def unscored(self) -> int:
        """The number of responses that no verifier could grade."""
        return sum(each.unscored for each in self.judged)

    @property
    def worth(self) -> float | None:
        """The mean worth; None if no response has one."""
        known = [each.worth for each in self.judged if each.worth is not None]
        return sum(known) / len(known) if known else None

    def exceeds(self, limits: Mapping[Kind, float]) -> bool:
        """Return whether a larger share failed than its kind's limit allows."""
        return self.failed > limits[self.kind] * len(self.judged)

    def summary(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        counts = {"tried": len(self.judged), "failed": self.failed, "unscored": self.unscored, "n/a": self.inapplicable}
        return {"battery": self.name, "kind": self.kind, "what": self.description, **counts, "worth": self.worth}


def collect_results(judged: Sequence[JudgedCase], problems: int, left_out: Collection[str] = ()) -> list[BatteryResult]:
    """Collect the results of all batteries but those left out, in their order, then those from files, by name."""
    generated = [each for each in judged if not each.case.location]
    results = []
    for kind, batteries in BATTERIES.items() if generated else ():
        for name, battery in batteries.items():
            if name in left_out:
                continue
            own = [each for each in generated if each.case.name == name]
            fits = len({each.case.problem.id for each in own if not is_built_in(each.case.problem)})
            results.append(BatteryResult(name, kind, battery.__doc__ or "", own, max(problems - fits, 0)))
    from_files = [each for each in judged if each.case.location]
    for name, kind in dict.fromkeys((each.case.name, each.case.kind) for each in from_files):
        own = [each for each in from_files if (each.case.name, each.case.kind) == (name, kind)]
        results.append(BatteryResult(name, kind, "", own, 0))
    return results


def worst_failures(results: Sequence[BatteryResult]) -> Iterator[JudgedCase]:
    """Yield every battery's worst failure, wrong answers first; then every second worst, and so on."""
    queues = []
    for result in results:
        failed = [each for each in result.judged if each.failed]
        queues.append(sorted(failed, key=lambda each: each.worth or 0.0, reverse=result.kind != "honest"))
    while any(queues):
        yield from [queue.pop(0) for queue in queues if queue]


@dataclass(frozen=True)
class Audit:
    """The results of an audit."""

    batteries: Sequence[BatteryResult]
    problems: int
    built_in: int
    """How many problems the audit added to those of the data."""
    left_out: Sequence[Problem]
    """Built-in problems whose plain right answer the stack does not pay."""
    seconds: float

    @property
    def responses(self) -> int:
        """The number of judged responses."""
        return sum(len(battery.judged) for battery in self.batteries)

    def exceeding(self, limits: Mapping[Kind, float]) -> list[BatteryResult]:
        """Return the batteries of which too many responses failed."""
        return [battery for battery in self.batteries if battery.exceeds(limits)]

    def summary(self, limits: Mapping[Kind, float]) -> dict[str, Any]:
        """Return the results as a JSON object."""
        return {
            "problems": self.problems,
            "built_in": self.built_in,
            "left_out": [{"question": each.question, "answer": each.answer} for each in self.left_out],
            "responses": self.responses,
            "limits": dict(limits),
            "passed": not self.exceeding(limits),
            "batteries": [battery.summary() for battery in self.batteries],
            "failures": [failure_record(each) for each in worst_failures(self.batteries)],
        }


def failure_record(judged: JudgedCase) -> dict[str, Any]:
    """Return a case that failed as a JSON object."""
    verdict = judged.verdict
    record = {"outcome": verdict.outcome, "answer": verdict.answer, "rung": verdict.rung, "reason": verdict.reason}
    numbers = {"reward": judged.reward, "worth": judged.worth, "terms": dict(judged.terms)}
    return {**record_of(judged.case), "verdict": record, **numbers}
