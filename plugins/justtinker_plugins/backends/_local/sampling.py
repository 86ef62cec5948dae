"""The `local` backend's sampling: a decode loop over the KV cache that drops rows as they end.

Nothing here trains or starts a thread. Shapes: B rows being decoded, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from justtinker_core import PluginError, Sample, SampleRequest
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.shared.prompts import decode, encode

if TYPE_CHECKING:
    import threading

    import torch


@dataclass
class Job:
    """A request in progress: what ends its rows, and the samples finished so far."""

    request: SampleRequest
    future: Future[list[Sample]]
    limit: int
    """Most tokens of a row."""
    stop_tokens: tuple[int, ...]
    stop_texts: tuple[str, ...]
    """Stops of more than one token."""
    samples: dict[int, Sample] = field(default_factory=dict)

    def finish(self, row: int, sample: Sample) -> None:
        """Keep a row's sample; the last one resolves the future."""
        self.samples[row] = sample
        if len(self.samples) == self.request.n:
            self.future.set_result([self.samples[i] for i in range(self.request.n)])


Row = tuple[Job, int]
"""A request's job, and the index of one of its samples."""


def sample(
    policy: Policy,
    requests: Sequence[SampleRequest],
    futures: Sequence[Future[list[Sample]]],
    *,
    context: int,
    most_rows: int,
    most_bytes: float,
    closed: threading.Event,
) -> None:
    """Sample all requests, batching prompts of similar length, and resolve their futures. A bad one fails alone."""
    jobs = []
    stops = {stop: split_stops(policy, stop) for stop in {request.stop for request in requests}}
    for request, future in zip(requests, futures, strict=True):
        try:
            limit = check_request(policy, request, context)
        except PluginError as error:
            future.set_exception(error)
        else:
            jobs.append(Job(request, future, limit, *stops[request.stop]))
            if request.n == 0:
                future.set_result([])
    jobs.sort(key=lambda job: len(job.request.tokens))
    rows = [(job, i) for job in jobs for i in range(job.request.n)]
    for batch in row_batches(rows, most_rows, most_bytes / policy.cache_bytes):
        Decoding(policy, batch).run(closed)


def row_batches(rows: Sequence[Row], most_rows: int, most_tokens: float) -> Iterator[list[Row]]:
    """Split rows, sorted by prompt length, into batches of at most `most_rows` rows and `most_tokens` in the cache.

    The cache is counted padded and run to the limit: longest prompt plus highest limit, be they of two rows.
    """
    batch: list[Row] = []
    limit = 0
    for job, i in rows:
        limit = max(limit, job.limit)
        if batch and (len(batch) == most_rows or (len(batch) + 1) * (len(job.request.tokens) + limit) > most_tokens):
            yield batch
            batch, limit = [], job.limit
        batch.append((job, i))
    if batch:
        yield batch


def split_stops(policy: Policy, stop: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The stops that are one token, as tokens, and the others, as texts."""
    stops = {text: encode(policy.tokenizer, text) for text in stop or (policy.tokenizer.eos_token,) if text}
    single = tuple(tokens[0] for tokens in stops.values() if len(tokens) == 1)
    return single, tuple(text for text, tokens in stops.items() if len(tokens) > 1)


def check_request(policy: Policy, request: SampleRequest, context: int) -> int:
    """Check a request; return the most tokens that one of its samples may have."""
    size = len(request.tokens)
    if not 0 < size < context:
        raise PluginError(f"a prompt has {size} tokens; expected 1 to {context - 1}, to leave room for a response")
    if min(request.tokens) < 0 or max(request.tokens) >= policy.vocabulary:
        raise PluginError(f"a prompt has a token outside the model's vocabulary of {policy.vocabulary}")
    if request.max_tokens < 1:
        raise PluginError(f"max_tokens = {request.max_tokens}: expected at least 1")
    return min(request.max_tokens, context - size)


class Decoding:
    """Rows decoded together until the last one ends. Arrays cover all rows; `live` indexes those still running."""

    def __init__(self, policy: Policy, rows: Sequence[Row]) -> None:
        self.policy, self.rows = policy, rows
        self.limits = np.array([job.limit for job, _ in rows])
        width = int(self.limits.max())
        self.tokens = np.zeros((len(rows), width), dtype=np.int64)
        self.logprobs = np.zeros((len(rows), width), dtype=np.float32)
        self.uniform = np.stack([uniforms(job.request.seed, row, width) for job, row in rows])
        most = max(len(job.stop_tokens) for job, _ in rows)
        self.stops = np.array([(*job.stop_tokens, *[-1] * (most - len(job.stop_tokens))) for job, _ in rows])
        self.has_texts = any(job.stop_texts for job, _ in rows)
        self.live = np.arange(len(rows))

    def run(self, closed: threading.Event) -> None:
        """Draw and record a token for each live row, drop the rows that ended, and advance, until none is left."""
        import torch

        with torch.no_grad():
            logits, cache, mask, position = prefill(self.policy, self.rows)
            temperature, top_p = self.column("temperature"), self.column("top_p")
            for step in range(self.tokens.shape[1]):
                if closed.is_set():
                    raise PluginError("the backend was closed while it was sampling")
                uniform = torch.from_numpy(self.uniform[self.live, step]).to(logits.device)
                tokens, logprobs = draw_tokens(logits, uniform, temperature, top_p)
                ended = self.record(step, tokens.cpu().numpy(), logprobs.cpu().numpy())
                if ended.all():
                    return
                if ended.any():
                    keep = torch.from_numpy(np.flatnonzero(~ended)).to(logits.device)
                    self.live = self.live[~ended]
                    cache.batch_select_indices(keep)
                    tokens, temperature, top_p, position = (x[keep] for x in (tokens, temperature, top_p, position))
                    mask = None if mask is None else mask[keep]
                logits, mask = advance(self.policy, tokens, cache, mask, position + step)

    def column(self, name: str) -> torch.Tensor:
        """One setting of every row's request (B, 1)."""
        import torch

        values = [getattr(job.request, name) for job, _ in self.rows]
        return torch.tensor(values, dtype=torch.float64, device=self.policy.device)[:, None]

    def record(self, step: int, tokens: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
        """Keep the tokens drawn for the live rows; return which of these rows have ended (B,)."""
        if not np.isfinite(logprobs).all():
            raise PluginError("the model's probabilities are not finite: its weights are ruined; restore a checkpoint")
        self.tokens[self.live, step], self.logprobs[self.live, step] = tokens, logprobs
        stopped = (tokens[:, None] == self.stops[self.live]).any(axis=1)
        if self.has_texts:
            stopped |= np.array([self.has_stop_text(row, step + 1) for row in self.live.tolist()])
        ended: np.ndarray = stopped | (self.limits[self.live] == step + 1)
        for row, at_stop in zip(self.live[ended].tolist(), stopped[ended].tolist(), strict=True):
            job, i = self.rows[row]
            response = tuple(self.tokens[row, : step + 1].tolist())
            job.finish(i, Sample(response, tuple(self.logprobs[row, : step + 1].tolist()), at_stop))
        return ended

    def has_stop_text(self, row: int, length: int) -> bool:
        """Whether the row's text now holds a stop of several tokens (a token may reach beyond the stop's end)."""
        texts = self.rows[row][0].stop_texts
        most = max((len(text.encode()) for text in texts), default=0)  # a token has at least one byte
        tail = decode(self.policy.tokenizer, self.tokens[row, max(0, length - most) : length].tolist()) if most else ""
        return any(text in tail for text in texts)


def uniforms(seed: int, row: int, count: int) -> np.ndarray:
    """`count` random numbers in [0, 1) that depend only on seed and row."""
    key = np.array([seed % 2**64, row], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def prefill(policy: Policy, rows: Sequence[Row]) -> tuple[torch.Tensor, Any, torch.Tensor | None, torch.Tensor]:
    """Run each distinct prompt once, then copy the result to its rows.

    Returns logits (B, V), the cache, the mask (B, T) if prompts differ in length (padding on the left), and the
    position of each row's first new token (B, 1).
    """
    import torch

    prompts: dict[tuple[int, ...], int] = {}
    index = [prompts.setdefault(job.request.tokens, len(prompts)) for job, _ in rows]
    lengths = np.array([len(prompt) for prompt in prompts])
    real = np.arange(lengths.max()) >= lengths.max() - lengths[:, None]
    inputs = np.zeros(real.shape, dtype=np.int64)
    inputs[real] = np.concatenate(list(prompts))
    more: dict[str, torch.Tensor] = {}
    if not real.all():
        more["attention_mask"] = torch.from_numpy(real.astype(np.int64)).to(policy.device)
        more["position_ids"] = (more["attention_mask"].cumsum(1) - 1).clamp_min(0)
    output = policy.model(torch.from_numpy(inputs).to(policy.device), use_cache=True, logits_to_keep=1, **more)
    copies = torch.tensor(index, device=policy.device)
    cache = output[policy.cache_name]
    cache.batch_select_indices(copies)
    mask = more["attention_mask"][copies] if more else None
    first = torch.from_numpy(lengths).to(policy.device)[copies][:, None]
    return output.logits[copies, -1], cache, mask, first


def advance(
    policy: Policy, tokens: torch.Tensor, cache: Any, mask: torch.Tensor | None, position: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Feed each row one token (B,); return the next logits (B, V) and the longer mask."""
    import torch

    more = {policy.cache_name: cache}
    if mask is not None:
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        more |= {"attention_mask": mask, "position_ids": position}
    output = policy.model(tokens[:, None], use_cache=True, **more)
    return output.logits[:, -1], mask


def draw_tokens(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one token a row by inverse CDF (B,), with its log-probability at temperature 1 (B,).

    Takes logits (B, V), uniform (B,), temperature and top_p (B, 1). top_p keeps the fewest, most likely tokens that
    together have at least that probability at the given temperature (Holtzman et al., arXiv:1904.09751).
    """
    import torch

    logprobs = torch.log_softmax(logits.float(), dim=-1)
    if (temperature == 1).all():
        weights = logprobs.double().exp()
    else:
        heat = torch.where(temperature == 0, 1.0, temperature)
        weights = torch.softmax(logprobs.double() / heat, dim=-1)
    if (top_p < 1).any():
        ordered, order = weights.sort(dim=-1, descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
        tokens = order.gather(1, inverse_cdf(ordered, uniform))
    else:
        tokens = inverse_cdf(weights, uniform)
    tokens = torch.where(temperature == 0, logprobs.argmax(-1, keepdim=True), tokens)
    return tokens[:, 0], logprobs.gather(1, tokens)[:, 0]


def inverse_cdf(weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The first index (B, 1) at which the cumulative weights (B, V) pass the uniform number's share of their sum."""
    import torch

    sums = weights.cumsum(-1)
    found = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)
    return found.clamp_max(weights.shape[1] - 1)
