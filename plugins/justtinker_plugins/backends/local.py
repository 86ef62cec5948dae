"""Sample and train in this process, with torch and transformers, on the CPU or a GPU.

With it the whole pipeline runs without an account, and plugin authors can test. It does not shard a model over several
devices, and it keeps one set of weights: a sampler expires at the next optimizer step.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from justtinker_core import Backend, Datum, PluginError, Prompt, RunContext, Sample, SampleRequest, hookimpl, plugin
from justtinker_core.checkpoints import FILE, checkpoint_of
from justtinker_core.config import RunConfig
from justtinker_core.types import Adam, Loss, Message, TrainResult
from justtinker_plugins.backends._data import check_data, settings_complaint
from justtinker_plugins.backends._local import losses, sampling
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._local.exporting import export_policy
from justtinker_plugins.backends._local.memory import cache_limit
from justtinker_plugins.backends._local.optimizer import Optimizer
from justtinker_plugins.backends._local.probing import Probe, probe
from justtinker_plugins.backends._local.reference import References, sequence_logprobs
from justtinker_plugins.backends._local.sampler import LocalSampler, promised, settle
from justtinker_plugins.backends._local.vllm import KEY, VllmServer
from justtinker_plugins.shared.connections import check_address
from justtinker_plugins.shared.exports import Exported, Progress
from justtinker_plugins.shared.prompts import Prompts, decode, encode

T = TypeVar("T")


@plugin
class Local:
    """Sample and train in this process: a directory, GGUF file or hub id that transformers loads, or "tiny"."""

    device: str = "auto"
    """Where the model runs: "cpu", "cuda", "cuda:1" ...; "auto" takes the GPU if there is one."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads for torch. Default: all cores for a model of a million parameters or more, one for a smaller one."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the model's weights. bfloat16 halves their memory, but the sampler's and the trainer's log-probabilities then
    differ by about 0.02. An adapter is always float32; without one, the optimizer keeps a float32 copy of the weights.
    Many CPUs are slower with bfloat16."""
    lora_rank: Annotated[int, Field(ge=0)] = 0
    """Rank of the adapter; 0 trains all weights."""
    lora_alpha: Annotated[float, Field(gt=0)] = 32.0
    """The adapter is scaled by alpha / rank."""
    lora_targets: str | tuple[str, ...] = "all-linear"
    """Modules that get an adapter: "all-linear" (every linear layer but the unembedding) or a list of names."""
    train_unembed: bool = True
    """With LoRA, adapt the unembedding (lm_head) too, as Tinker's train_unembed does."""
    sampler: Literal["torch", "vllm"] = "torch"
    """Who samples: torch in this process, or a vLLM server, which gets the weights of each step (extra: vllm)."""
    vllm_url: str = "http://127.0.0.1:8000"
    """The vLLM server's address. It must see the run's directory under the same path. Its key, if it wants one, comes
    from VLLM_API_KEY."""
    sample_batch: Annotated[int, Field(ge=1)] = 1024
    """Most sequences that torch samples at once."""
    cache_gib: Annotated[float, Field(gt=0)] | None = None
    """Most memory for torch's KV cache. It caps the sequences sampled at once, as if each ran to its limit. Default: 4
    on a CPU that has so much, and most of what a GPU has left."""
    max_batch_tokens: Annotated[int, Field(ge=1)] = 4096
    """Most tokens in one forward and backward pass; a longer sequence gets a pass of its own."""
    checkpoint_activations: bool = False
    """Keep only the layers' inputs for the backward pass, and compute the rest again: less memory, a third slower."""
    logprob_chunk: Annotated[int, Field(ge=1)] | None = None
    """Positions whose logits are in memory at once; they take chunk x vocabulary x 4 bytes, a few times over. Default:
    as many as take 512 MiB."""

    def __post_init__(self) -> None:
        if isinstance(self.lora_targets, str) and self.lora_targets != "all-linear":
            raise ValueError(f"lora_targets = {self.lora_targets!r}: expected 'all-linear' or a list of module names")
        check_address("vllm_url", self.vllm_url, "", KEY)

    @property
    def starts_from(self) -> dict[str, object]:
        """The options that a run shares with the run whose weights it starts from."""
        adapter = {name: getattr(self, name) for name in ("lora_alpha", "lora_targets", "train_unembed")}
        return {"lora_rank": self.lora_rank} | (adapter if self.lora_rank else {})

    @hookimpl
    def open_backend(self, run: RunContext) -> Backend:
        """Open the model ``run.config.run.model``; its checkpoints go to ``run.dir``/checkpoints."""
        reopen = partial(self.open_policy, run.config.run.model, run.config.run.seed)
        return LocalBackend(reopen, self, Path(run.dir) / "checkpoints", run.report_progress)

    def open_policy(self, name: str, seed: int) -> models.Policy:
        """Load the model, with a new adapter if one is trained."""
        lora = models.Lora(self.lora_rank, self.lora_alpha, self.lora_targets, self.train_unembed)
        return models.open_policy(
            name,
            seed=seed,
            device=self.device,
            dtype=self.dtype,
            lora=lora if self.lora_rank else None,
            threads=self.threads,
        )

    def export(self, config: RunConfig, checkpoint: str, directory: Path, merge: bool, progress: Progress) -> Exported:
        """Write a checkpoint's weights for others (see `justtinker_plugins.shared.exports`)."""
        progress(f"loading {config.run.model}", 0, 0)
        policy = self.open_policy(config.run.model, config.run.seed)
        return export_policy(policy, Path(checkpoint), directory, merge, progress)

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Check that the weights to start from fit this run's model and adapter, and that a vLLM server is ready."""
        start, backend = run.config.run.start_from, run.backend
        if not isinstance(backend, LocalBackend):
            return []
        found = backend.vllm.complaints(backend.policy) if backend.vllm else []
        if start is None or run.files.read(FILE):
            return found
        try:
            models.check_checkpoint(backend.policy, checkpoint_of(start, run.dir))
        except (PluginError, FileNotFoundError) as error:
            found.append(f"[run] start_from = {start!r}: {error}")
        return found


class LocalBackend:
    """A `Backend` whose one worker thread carries out all calls in the order they are made."""

    def __init__(
        self, reopen: Callable[[], models.Policy], options: Local, directory: Path, progress: Progress
    ) -> None:
        uses_vllm = options.sampler == "vllm"
        self.vllm = VllmServer(options.vllm_url, directory.with_name("vllm")) if uses_vllm else None
        self.policy, self.options, self.directory = (policy := reopen()), options, directory
        self.context_length = int(getattr(policy.config, "max_position_embeddings", policy.tokenizer.model_max_length))
        self.end_token = str(policy.tokenizer.eos_token)
        self._prompts = Prompts(policy.tokenizer)
        self._progress = progress
        self.concurrent = False
        self.version = 0
        """Counts the optimizer steps and restores submitted so far; it tells a sampler that its weights are gone."""
        self._optimizer: Optimizer | None = None
        self._references = References(reopen)
        self._merged = ExitStack()
        self._is_merged = False
        self._closed = threading.Event()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-backend")

    def encode(self, text: str) -> list[int]:
        """Encode text: special tokens spelled out in it are recognised, none are added."""
        return encode(self.policy.tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Decode tokens, special tokens included."""
        return decode(self.policy.tokenizer, tokens)

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        """Make a prompt of text or messages. PluginError if there is no chat template or it rejects the messages."""
        return self._prompts(prompt, template)

    def sampler(self) -> LocalSampler:
        """A sampler of the weights after all work submitted so far; the next optimizer step or restore ends it."""
        return LocalSampler(self, self.version)

    def check_loss(self, loss: Loss, config: Mapping[str, float]) -> str:
        """Why there is no such loss, or none with these settings; "" if it can be computed."""
        return settings_complaint(loss, config)

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss. A non-finite loss drops all accumulated gradients."""
        return self.submit(self._forward_backward, tuple(data), loss, dict(config))

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Take an AdamW step with the accumulated gradient. A non-finite gradient is dropped, not applied."""
        self.version += 1
        return self.submit(self._optim_step, adam)

    def reference_logprobs(
        self, sequences: Sequence[tuple[int, ...]], path: str | None
    ) -> list[Future[tuple[float, ...]]]:
        """The log-probabilities of each sequence but its first token, under a checkpoint or the model as it was opened.

        A frozen copy of the model is opened at the first call and kept. An error there reaches every open future.
        """
        futures = promised(len(sequences))
        job = self.submit(self._reference_logprobs, tuple(sequences), path, futures)
        job.add_done_callback(lambda done: settle(done, futures))
        return futures

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Write ``checkpoints/name``, without gradients that await an optimizer step. It never expires."""
        if Path(name).name != name:
            raise PluginError(f"checkpoint name: expected a plain file name, got {name!r}")
        return self.submit(self._save, self.directory / name)

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Load a checkpoint and drop accumulated gradients. FileNotFoundError and PluginError leave all as it was."""
        self.version += 1
        self.submit(self._restore, Path(path), optimizer).result()

    def forget(self, path: str) -> None:
        """Delete a checkpoint of this run."""
        if Path(path).is_relative_to(self.directory.resolve()):
            shutil.rmtree(path, ignore_errors=True)

    def usd(self, tokens: Mapping[str, int]) -> None:
        """Return None: nobody bills for this machine."""

    def probe(self, rows: int, prompt: int, response: int, batch: int) -> Future[Probe]:
        """Measure how fast this machine samples and trains, and what memory a step takes; it changes nothing.

        A step samples `rows` rows with `prompt` and `response` tokens, and trains on `batch` tokens.
        """
        return self.submit(self._probe, rows, prompt, response, batch)

    def close(self) -> None:
        """Stop running work at its next token or batch and drop the rest; their futures raise."""
        self._closed.set()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._references.close()
        if self.vllm:
            self.vllm.close()

    def submit(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Queue work for the worker thread."""
        if self._closed.is_set():
            raise PluginError("the local backend is closed")
        return self._worker.submit(work, *arguments)

    # -- in the worker thread ----------------------------------------------------------------------------------------

    def sample_now(
        self, version: int, requests: Sequence[SampleRequest], futures: Sequence[Future[list[Sample]]]
    ) -> None:
        """Sample with the weights as they are now, which this version tells from others.

        An adapter that is merged for it stays merged until training needs it apart.
        """
        common: dict[str, Any] = {"context": self.context_length, "closed": self._closed, "progress": self._progress}
        if self.vllm:
            self.vllm.sample(self.policy, version, requests, futures, **common)
            return
        if not self._is_merged:
            self._merged.enter_context(self.policy.merged())
            self._is_merged = True
        rows, size = self.options.sample_batch, cache_limit(self.policy.device, self.options.cache_gib)
        sampling.sample(self.policy, requests, futures, most_rows=rows, most_bytes=size, **common)

    def _probe(self, rows: int, prompt: int, response: int, batch: int) -> Probe:
        with self._training():
            return probe(self.policy, self.options, rows, prompt, response, batch)

    def _training(self) -> AbstractContextManager[None]:
        """Take the adapter out of the weights; within the context, activations are computed again if that is asked."""
        self._unmerge()
        return self.policy.checkpointing() if self.options.checkpoint_activations else nullcontext()

    def _unmerge(self) -> None:
        self._merged.close()
        self._is_merged = False

    def _forward_backward(self, data: tuple[Datum, ...], loss: Loss, config: dict[str, float]) -> TrainResult:
        check_data(data, loss, config, self.context_length, self.policy.vocabulary)
        options = self.options
        try:
            with self._training():
                return losses.forward_backward(
                    self.policy,
                    data,
                    loss,
                    config,
                    most_tokens=options.max_batch_tokens,
                    chunk=options.logprob_chunk,
                    closed=self._closed,
                    progress=self._progress,
                )
        except BaseException:
            self._drop_gradients()  # half a batch's gradient is no use to anyone
            raise

    def _reference_logprobs(
        self, sequences: tuple[tuple[int, ...], ...], path: str | None, futures: Sequence[Future[tuple[float, ...]]]
    ) -> None:
        sequence_logprobs(
            self._references.policy(path),
            sequences,
            futures,
            context=self.context_length,
            most_tokens=self.options.max_batch_tokens,
            chunk=self.options.logprob_chunk,
            closed=self._closed,
        )

    def _drop_gradients(self) -> None:
        for parameter in self.policy.trained:
            parameter.grad = None

    def _optim_step(self, adam: Adam) -> dict[str, float]:
        self._unmerge()
        if self._optimizer is None:
            self._optimizer = Optimizer(self.policy.trained)
        try:
            return {"grad_norm": self._optimizer.step(adam)}
        finally:
            self._drop_gradients()

    def _save(self, target: Path) -> str:
        self._unmerge()
        models.save_checkpoint(self.policy, self._optimizer, target)
        return str(target)

    def _restore(self, path: Path, optimizer: bool) -> None:
        self._unmerge()
        state = models.load_checkpoint(self.policy, path)
        self._drop_gradients()
        self._optimizer = None
        if not optimizer:
            return
        if state["optimizer"] is not None:
            self._optimizer = Optimizer(self.policy.trained)
            self._optimizer.load_state_dict(state["optimizer"])
        models.restore_random_state(state)
