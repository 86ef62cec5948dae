"""Supervised fine-tuning on demonstrations: the cold start that teaches the shape of an answer."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Backend, Batch, Datum, PluginError, Problem, RunContext, Update, hookimpl, plugin
from justtinker_plugins.text import CLOSE, OPEN, in_channels

log = logging.getLogger("justtinker")
HARMONY_END = "<|return|>"
"""Ends a response of gpt-oss, which writes channels instead of tags."""
KEPT = 2**20
"""Most tokens of demonstrations that stay encoded, which takes some 40 MB; the others are encoded at each use."""
TRIED = 64
"""How many demonstrations are tried before a run."""


@plugin
class Sft:
    """Train cross_entropy on the response tokens of demonstrations; prompts and environments' turns weigh 0."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt",)

    batch_size: Annotated[int, Field(ge=1)] = 16
    """Demonstrations in an optimizer step. Losses are sums, so 8 x 2 accumulated is the same as 16."""
    require_thinking: bool = True
    """Use only demonstrations that start with ``<think>`` and contain ``</think>``."""
    max_length: Annotated[int, Field(ge=2)] = 8192
    """Leave out demonstrations whose prompt and response have more tokens than this."""

    def __post_init__(self) -> None:
        self._usable: list[Problem] = []
        self._encoded: dict[int, Datum] = {}
        """What problems are encoded as, by their `id()`: `_usable` holds them."""

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint if none of a few demonstrations, from all over the set, can be used."""
        if not (run.ready and run.train_problems):
            return []
        opened = run.prompt(run.train_problems[0]).opened
        if self.require_thinking and not opened and (pieces := len(run.backend.encode(OPEN))) > 1:
            log.warning("%s is %d tokens for %s: it learns the tag piece by piece", OPEN, pieces, run.config.run.model)
        some = run.train_problems[:: -(-len(run.train_problems) // TRIED)]
        usable, reasons = self.sort_out(some, run)
        return [] if usable else [none_usable(len(some), reasons)]

    @hookimpl
    def expect_tokens(self, run: RunContext) -> dict[str, float]:
        """Tokens of a step, estimated from a few demonstrations from all over the set."""
        some = run.train_problems[:: -(-len(run.train_problems) // TRIED)]
        data = [datum for problem in some if isinstance(datum := self.encode(problem, run), Datum)]
        mean = sum(len(datum.inputs) for datum in data) / len(data)  # preflight has made sure that there is one
        return {"trained": self.batch_size * mean}

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        """The demonstrations of a step as one update."""
        if not self._usable:
            self._usable, reasons = self.sort_out(run.train_problems, run, self._encoded)
            if not self._usable:
                raise PluginError(none_usable(len(run.train_problems), reasons))
            if reasons:
                counts = f"{len(self._usable):,} of {len(run.train_problems):,}"
                log.warning("sft uses %s demonstrations; left out: %s", counts, reasons)
        drawn = run.draw(step, self.batch_size, self._usable)
        encoded = (self._encoded.get(id(problem)) or self.encode(problem, run) for problem in drawn)
        data = tuple(datum for datum in encoded if isinstance(datum, Datum))
        return Batch(updates=(Update(data, "cross_entropy"),), trained=len(data))

    def sort_out(
        self, problems: Iterable[Problem], run: RunContext, keep: dict[int, Datum] | None = None
    ) -> tuple[list[Problem], str]:
        """The problems whose demonstrations can be used, and why the others cannot, with counts.

        `keep` gets the first `KEPT` tokens of what they are encoded as.
        """
        usable, reasons, tokens = [], Counter[str](), 0
        for problem in problems:
            datum = self.encode(problem, run)
            if isinstance(datum, Datum):
                usable.append(problem)
                tokens += len(datum.inputs)
                if keep is not None and tokens <= KEPT:
                    keep[id(problem)] = datum
            else:
                reasons[datum] += 1
        return usable, "; ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common())

    def encode(self, problem: Problem, run: RunContext) -> Datum | str:
        """A demonstration as a Datum, or the reason why it cannot be used."""
        if problem.demonstration is None:
            return "no demonstration"
        turns = (problem.demonstration,) if isinstance(problem.demonstration, str) else problem.demonstration
        if len(turns) % 2 == 0:
            return "its last turn is not the policy's"
        thinks = turns[0].startswith(OPEN) and any(CLOSE in turn for turn in turns[::2])
        if self.require_thinking and not thinks:
            return "no thinking block (plugins.sft.require_thinking)"
        prompt = run.prompt(problem)
        if prompt.opened:
            if thinks == (CLOSE in prompt.opened):
                has = "a thinking block, but the prompt turns thinking off"
                return has if thinks else "no thinking block, but the prompt opens one"
            turns = (without_opened(turns[0], prompt.opened), *turns[1:])
        if prompt.messages and prompt.stop[0] == HARMONY_END:
            turns = tuple(turn if i % 2 else in_channels(turn) for i, turn in enumerate(turns))
        target, wrote = encode_turns((*turns[:-1], turns[-1] + prompt.stop[0]), run.backend)
        tokens = (*prompt.tokens, *target)
        if len(tokens) > min(self.max_length, run.backend.context_length):
            return f"longer than {min(self.max_length, run.backend.context_length)} tokens"
        weights = (0.0,) * (len(prompt.tokens) - 1) + tuple(map(float, wrote))
        return Datum(tokens[:-1], tokens[1:], weights=weights)


def without_opened(demonstration: str, opened: str) -> str:
    """A demonstration without the tag, and the white space after it, that the prompt already holds."""
    if not demonstration.startswith(OPEN):
        return demonstration
    return demonstration.removeprefix(OPEN).removeprefix(opened.removeprefix(OPEN))


def encode_turns(turns: Sequence[str], backend: Backend) -> tuple[list[int], list[bool]]:
    """Encode alternating turns of policy and environment one by one, as in a rollout; flag the policy's tokens."""
    encoded = [backend.encode(turn) for turn in turns]
    return [t for turn in encoded for t in turn], [i % 2 == 0 for i, turn in enumerate(encoded) for _ in turn]


def none_usable(count: int, reasons: str) -> str:
    """The complaint that no demonstration can be used."""
    return f"[data.train] sft can use none of the {count:,} demonstrations that it tried ({reasons})"
