"""Log-probabilities under weights that no training changes, for the `local` backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from justtinker_core import Datum, PluginError, SamplingError
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._local.logprobs import target_logprobs
from justtinker_plugins.backends._local.model import Policy

if TYPE_CHECKING:
    import threading


class References:
    """Frozen copies of the model, one for each checkpoint that was asked for. For the worker thread.

    `reopen` opens the model as the backend itself was given it. A copy takes as much memory as the model.
    """

    def __init__(self, reopen: Callable[[], Policy]) -> None:
        self._reopen = reopen
        self._policies: dict[str | None, Policy] = {}

    def policy(self, path: str | None) -> Policy:
        """The model with a checkpoint's weights; None: with those that it had when it was opened.

        Raises FileNotFoundError if there is no such checkpoint, PluginError if it does not fit.
        """
        if path not in self._policies:
            policy = self._open()
            if path is not None:
                models.check_checkpoint(policy, path)
                models.load_weights(policy, Path(path))
            policy.model.requires_grad_(False)
            self._policies[path] = policy
        return self._policies[path]

    def _open(self) -> Policy:
        """Open the model; opening seeds torch, and the training's random state must not change."""
        import torch

        devices = range(torch.cuda.device_count())
        with torch.random.fork_rng(devices):
            return self._reopen()

    def close(self) -> None:
        """Drop all copies."""
        self._policies.clear()


def sequence_logprobs(
    policy: Policy,
    sequences: Sequence[tuple[int, ...]],
    futures: Sequence[Future[tuple[float, ...]]],
    *,
    context: int,
    most_tokens: int,
    chunk: int | None,
    closed: threading.Event,
) -> None:
    """Resolve a future for each sequence of T tokens: the log-probability of each but the first (T-1,).

    A sequence that does not fit the model fails alone.
    """
    import torch

    data: list[Datum] = []
    open_futures: list[Future[tuple[float, ...]]] = []
    for tokens, future in zip(sequences, futures, strict=True):
        if complaint := misfit(tokens, context, policy.vocabulary):
            future.set_exception(SamplingError(complaint))
        elif len(tokens) < 2:
            future.set_result(())
        else:
            data.append(Datum(tokens[:-1], tokens[1:]))
            open_futures.append(future)
    with torch.no_grad():
        for batch, flat in target_logprobs(policy, data, most_tokens, chunk):
            if closed.is_set():
                raise PluginError("the backend was closed while it was computing log-probabilities")
            if not flat.isfinite().all():
                raise PluginError("the log-probabilities to compare with are not finite: the weights are ruined")
            for i, part in zip(batch, torch.split(flat, [len(data[i].inputs) for i in batch]), strict=True):
                open_futures[i].set_result(tuple(part.tolist()))


def misfit(tokens: tuple[int, ...], context: int, vocabulary: int) -> str:
    """Why the model cannot read a sequence; "" if it can."""
    if len(tokens) > context:
        return f"a sequence has {len(tokens)} tokens; expected at most {context}, the model's limit"
    if tokens and (min(tokens) < 0 or max(tokens) >= vocabulary):
        return f"a sequence has a token outside the model's vocabulary of {vocabulary}"
    return ""
