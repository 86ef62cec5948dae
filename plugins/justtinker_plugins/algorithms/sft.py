"""Supervised fine-tuning on demonstrations: the cold start that teaches the shape of an answer."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import PluginError, Problem, hookimpl, plugin
from justtinker_core.run import Run
from justtinker_core.types import Batch, Datum, Update
from justtinker_plugins.text import CLOSE, OPEN


@plugin
class Sft:
    """cross_entropy on the response tokens of demonstrations; the prompt has weight 0."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt",)

    batch_size: Annotated[int, Field(ge=1)] = 16
    """Demonstrations an optimizer step. Losses are sums, so 8 x 2 accumulated is the same as 16."""
    require_thinking: bool = True
    """Use only demonstrations that start with ``<think>`` as one token of its own and contain ``</think>``."""
    max_length: Annotated[int, Field(ge=2)] = 8192
    """Leave out demonstrations of which prompt + response have more tokens."""

    def __post_init__(self) -> None:
        self._data: list[Datum] = []

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """The demonstrations of a step as one update."""
        self._data = self._data or self.usable(run)
        data = tuple(run.draw(step, self.batch_size, self._data))
        return Batch(updates=(Update(data, "cross_entropy"),), trained=len(data))

    def usable(self, run: Run) -> list[Datum]:
        """All demonstrations that can be trained on. PluginError with the reasons if there is none."""
        data, reasons = [], Counter[str]()
        for problem in run.train_problems:
            datum = self.encode(problem, run)
            if isinstance(datum, Datum):
                data.append(datum)
            else:
                reasons[datum] += 1
        if not data:
            why = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
            raise PluginError(f"[data.train] has no demonstration that sft can use ({why})")
        return data

    def encode(self, problem: Problem, run: Run) -> Datum | str:
        """A demonstration as a Datum, or the reason why it can't be used."""
        response = problem.demonstration
        if response is None:
            return "no demonstration"
        if self.require_thinking and not (response.startswith(OPEN) and CLOSE in response):
            return "no thinking block (plugins.sft.require_thinking)"
        prompt = run.prompt(problem)
        target = run.backend.encode(response + prompt.stop[0])
        if self.require_thinking and run.backend.decode(target[:1]) != OPEN:
            return f"{OPEN} is not one token for this model"
        tokens = [*prompt.tokens, *target]
        if len(tokens) > min(self.max_length, run.backend.context_length):
            return f"longer than {min(self.max_length, run.backend.context_length)} tokens"
        weights = (0.0,) * (len(prompt.tokens) - 1) + (1.0,) * len(target)
        return Datum(tuple(tokens[:-1]), tuple(tokens[1:]), weights=weights)
