"""What the plugins that ask a judge share: their options, their checks, their costs, and their end when money is short.

A subclass names its `prefix`, its bundled prompt and the placeholders, and asks `replies`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from justtinker_core import Finding, History, PluginError, RunContext, StepStats, hookimpl, plugin
from justtinker_plugins.shared.judge.asking import Asker, Question, Verdict
from justtinker_plugins.shared.judge.budget import Cost, Meter, cost_of_history, cost_of_records
from justtinker_plugins.shared.judge.data import Template, read_template
from justtinker_plugins.shared.judge.options import JudgeOptions
from justtinker_plugins.shared.judge.preflight import complaints_of
from justtinker_plugins.shared.judge.replies import Schema
from justtinker_plugins.shared.terminal import count_of

log = logging.getLogger("justtinker")
CLOSING = 5.0
"""Seconds that the connections have to close."""
REASONS = 3
"""How many reasons a finding names."""


@plugin
class Judging(JudgeOptions):
    """A plugin that asks a judge."""

    asks_a_model: ClassVar[bool] = True
    """What is judged may talk to its judge: `audit` tries that."""
    prefix: ClassVar[str] = "judge"
    """Of the measures ``PREFIX_calls`` and ``PREFIX_usd``."""
    bundled_prompt: ClassVar[str] = ""
    """A file in this folder."""
    needed: ClassVar[Sequence[str]] = ()
    """The placeholders that a prompt must have."""
    allowed: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._meter = Meter(self.budget_usd, self.budget_calls)
        self._asker: Asker | None = None
        self._template: Template | None = None
        self._steps = 0
        self._failures: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The plugin's name, for texts."""
        return f"llm_{self.prefix}"

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain of all that would keep the judge from judging. Reads what earlier parts of the run have spent."""
        self._steps = run.config.run.steps
        records = run.files.all_records()
        self._meter.spent = cost_of_records(records, self.prefix)
        complaints = complaints_of(self)
        if why := self._overspent(self._meter.spent, cost_of_records(records[-1:], self.prefix)):
            complaints.append(f"{why}; raise it in {run.dir / 'config.toml'}, then resume")
        try:
            self.template()
        except PluginError as error:
            complaints.append(str(error))
        return [f"{self.name}: {complaint}" for complaint in (*complaints, *self.other_complaints(run))]

    def other_complaints(self, run: RunContext) -> list[str]:
        """Say what else is wrong."""
        return []

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> list[Finding]:
        """Stop the run, with a checkpoint, before a step that would exceed the budget; say what was not judged."""
        step = cost_of_history(History(steps=(stats,)), self.prefix)
        total = step + cost_of_history(history, self.prefix)
        spent = Cost(max(total.calls, self._meter.spent.calls), max(total.usd, self._meter.spent.usd))
        failures, self._failures = self._failures, Counter()
        found = [Finding("info", self._describe(failures), {"failures": dict(failures)})] if failures else []
        if stats.step != self._steps and (why := self._overspent(spent, step)):
            found.append(Finding("stop", why, {"calls": spent.calls, "usd": spent.usd}))
        return found

    def _describe(self, failures: Counter[str]) -> str:
        reasons = "; ".join(f"{reason} ({n})" for reason, n in failures.most_common(REASONS))
        more = f"; {len(failures) - REASONS} other reasons" if len(failures) > REASONS else ""
        return f"{count_of(failures.total(), 'answer')} not judged: {reasons}{more}"

    def _overspent(self, spent: Cost, step: Cost) -> str:
        if self._meter.refusal:
            return self._meter.refusal
        if self.budget_calls is not None and spent.calls + step.calls > self.budget_calls:
            return (
                f"the judge was asked {spent.calls:,} times, {step.calls:,} times in this step: the next would exceed "
                f"budget_calls = {self.budget_calls}"
            )
        if self.budget_usd is not None and spent.usd + step.usd > self.budget_usd:
            return (
                f"the judge has cost {spent.usd:.4f} USD, {step.usd:.4f} in this step: the next would exceed "
                f"budget_usd = {self.budget_usd:g}"
            )
        return ""

    @hookimpl
    def finish_run(self) -> None:
        """Close the connections, and log what was spent, and what was not judged since the last step."""
        failures, self._failures = self._failures, Counter()
        if failures:
            log.warning("%s: %s", self.name, self._describe(failures))
        asker, self._asker = self._asker, None
        if asker is None:
            return
        with suppress(Exception):  # the loop may have ended already, and with it all connections
            asyncio.run_coroutine_threadsafe(asker.close(), asker.loop).result(CLOSING)
        usd = f", {self._meter.spent.usd:.4f} USD" if self.usd_per_million_input is not None else ""
        log.info("%s: %d requests so far%s", self.name, self._meter.spent.calls, usd)

    def template(self) -> Template:
        """Return the prompt. PluginError if it cannot be used."""
        if self._template is None:
            path = self.prompt or Path(__file__).parent / self.bundled_prompt
            self._template = read_template(path, self.needed, self.allowed)
        return self._template

    async def replies(self, data: Mapping[str, str], schema: Schema) -> list[Verdict]:
        """Ask the judge, as often as there are votes."""
        if self._asker is None or self._asker.loop is not asyncio.get_running_loop():
            self._asker = Asker(self, self._meter)
        return await self._asker.votes(Question(self.template(), data, schema))

    def note_failure(self, reason: str) -> None:
        """Count a reason for which something was not judged."""
        self._failures[reason] += 1

    def costs(self, costs: Sequence[Cost]) -> Iterator[tuple[str, list[float]]]:
        """Yield the measures of what each rollout has cost."""
        yield f"{self.prefix}_calls", [float(cost.calls) for cost in costs]
        if self.usd_per_million_input is not None:
            yield f"{self.prefix}_usd", [cost.usd for cost in costs]
