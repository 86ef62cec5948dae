"""The `local` backend's sampling: a decode loop over the KV cache that drops rows as they end.

Nothing here trains. Shapes: B rows being decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from justtinker_core import PluginError, Sample, SampleRequest
from justtinker_plugins.backends._local.cache import PackedCache
from justtinker_plugins.backends._local.drawing import draw_tokens
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.padded import PaddedCache
from justtinker_plugins.backends._local.parts import are_independent, parts_of, shared_threads
from justtinker_plugins.shared.exports import Progress
from justtinker_plugins.shared.prompts import decode, encode

if TYPE_CHECKING:
    import threading

    import torch

WASTE = 1 / 8
"""The share of rows that have ended at which they are dropped. To drop them copies the cache."""


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
    progress: Progress,
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
    batches = list(row_batches(rows, most_rows, most_bytes / policy.cache_bytes))
    for number, batch in enumerate(batches, 1):
        stage = "token" if len(batches) == 1 else f"batch {number} of {len(batches)}, token"
        decode_parts(policy, batch, closed, partial(progress, stage))


def decode_parts(
    policy: Policy, rows: Sequence[Row], closed: threading.Event, progress: Callable[[int, int], None]
) -> None:
    """Decode rows, on a CPU in parts at once. The first part says how far it is."""
    import torch

    at_once = policy.device.type == "cpu" and are_independent(policy.config)
    parts = parts_of(rows, torch.get_num_threads() if at_once else 1)
    if len(parts) == 1:
        Decoding(policy, rows).run(closed, progress)
        return
    with shared_threads(len(parts)), ThreadPoolExecutor(len(parts), thread_name_prefix="local-decoding") as pool:
        says = [progress, *[lambda done, total: None] * (len(parts) - 1)]
        runs = [pool.submit(Decoding(policy, part).run, closed, say) for part, say in zip(parts, says, strict=True)]
        for run in runs:
            run.result()


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
        """The row of each place in the cache."""
        self.over = np.zeros(len(rows), bool)
        """Which rows have ended."""

    def run(self, closed: threading.Event, progress: Callable[[int, int], None]) -> None:
        """Draw and record a token for each row, drop the rows that ended, and advance, until all have ended."""
        import torch

        with torch.no_grad():
            cache = open_cache(self.policy, self.rows, self.tokens.shape[1])
            temperature, top_p = self.column("temperature"), self.column("top_p")
            for step in range(self.tokens.shape[1]):
                if closed.is_set():
                    raise PluginError("the backend was closed while it was sampling")
                progress(step, self.tokens.shape[1])
                uniform = torch.from_numpy(self.uniform[self.live, step]).to(self.policy.device)
                tokens, logprobs = draw_tokens(cache.logits, uniform, temperature, top_p)
                self.record(step, tokens.cpu().numpy(), logprobs.cpu().numpy())
                over = self.over[self.live]
                if over.all():
                    return
                if over.mean() >= WASTE:
                    keep = torch.from_numpy(np.flatnonzero(~over)).to(self.policy.device)
                    self.live = self.live[~over]
                    cache.keep(keep)
                    tokens, temperature, top_p = (x[keep] for x in (tokens, temperature, top_p))
                cache.advance(tokens)

    def column(self, name: str) -> torch.Tensor:
        """One setting of every row's request (B, 1)."""
        import torch

        values = [getattr(job.request, name) for job, _ in self.rows]
        return torch.tensor(values, dtype=torch.float64, device=self.policy.device)[:, None]

    def record(self, step: int, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """Keep the tokens drawn for the rows in the cache, and finish those that end with them."""
        if not np.isfinite(logprobs).all():
            raise PluginError("the model's probabilities are not finite: its weights are ruined; restore a checkpoint")
        self.tokens[self.live, step], self.logprobs[self.live, step] = tokens, logprobs
        stopped = (tokens[:, None] == self.stops[self.live]).any(axis=1)
        if self.has_texts:
            stopped |= np.array([self.has_stop_text(row, step + 1) for row in self.live.tolist()])
        ended = (stopped | (self.limits[self.live] == step + 1)) & ~self.over[self.live]
        for row, at_stop in zip(self.live[ended].tolist(), stopped[ended].tolist(), strict=True):
            job, i = self.rows[row]
            response = tuple(self.tokens[row, : step + 1].tolist())
            job.finish(i, Sample(response, tuple(self.logprobs[row, : step + 1].tolist()), at_stop))
        self.over[self.live[ended]] = True

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


def open_cache(policy: Policy, rows: Sequence[Row], most: int) -> PackedCache | PaddedCache:
    """A cache of the rows' prompts, for at most `most` new tokens."""
    prompts: dict[tuple[int, ...], int] = {}
    index = [prompts.setdefault(job.request.tokens, len(prompts)) for job, _ in rows]
    return PackedCache(policy, [*prompts], index, most) if policy.packs else PaddedCache(policy, [*prompts], index)
