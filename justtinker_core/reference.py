"""Log-probabilities of rollouts under the weights that the run began with, for plugins that read them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from justtinker_core.sampling import MeteredSampler, all_results, chain, then
from justtinker_core.types import Prompt, ReferenceModel, Rollout


@dataclass(frozen=True, slots=True)
class Reference:
    """The weights of a checkpoint, or those that the model had when it was opened, and who can compute with them."""

    backend: ReferenceModel
    path: str | None
    meter: MeteredSampler
    """Counts the tokens that it reads."""

    def add_to(self, asked: Future[tuple[Rollout, ...]], prompt: Prompt) -> Future[tuple[Rollout, ...]]:
        """Return a future of the same rollouts with their `reference` filled in."""

        def ask(rollouts: tuple[Rollout, ...]) -> Future[tuple[Rollout, ...]]:
            sequences = [prompt.tokens + rollout.tokens for rollout in rollouts if rollout.tokens]
            if not sequences:
                return asked
            self.meter.count_read(sum(map(len, sequences)))
            answers = all_results(self.backend.reference_logprobs(sequences, self.path))
            return then(answers, lambda known: filled(rollouts, known, len(prompt.tokens)))

        return chain(asked, ask)


def filled(rollouts: Sequence[Rollout], answers: Sequence[tuple[float, ...]], prompt: int) -> tuple[Rollout, ...]:
    """Give each rollout that has tokens the part of its answer that follows the prompt."""
    rest = iter(answers)
    return tuple(replace(r, reference=next(rest)[prompt - 1 :]) if r.tokens else r for r in rollouts)
