"""The state of one run, and what hooks may ask of it."""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from justtinker_core import data, grading
from justtinker_core.answers import all_of
from justtinker_core.checkpoints import checkpoint_of, located, relative
from justtinker_core.config import RunConfig
from justtinker_core.errors import PluginError
from justtinker_core.graders import Grade
from justtinker_core.hookspecs import hooks_of
from justtinker_core.plugins import Plugins
from justtinker_core.reference import Reference
from justtinker_core.rollouts import fill_prompt, in_order, stream
from justtinker_core.rundir import UNUSED, RecordWriter, RunDir
from justtinker_core.sampling import MeteredSampler, Settings
from justtinker_core.types import (
    Backend,
    EvalStats,
    Group,
    History,
    Problem,
    Prompt,
    ReferenceModel,
    Sampler,
    StepStats,
)

T = TypeVar("T")
log = logging.getLogger("justtinker")

TELL_EVERY = 0.25
"""Seconds: what a backend tells of its progress more often is dropped."""


@dataclass
class Run:
    """The state of one run, and the methods that algorithms call. `loop.opened` opens and closes it."""

    config: RunConfig
    plugins: Plugins
    files: RunDir
    previous: Sequence[Path] = ()
    """Directories of the runs that the same command made before."""
    last: bool = True
    """No other run follows in the same command."""
    step: int = 0
    history: History = field(default_factory=History)
    tokens: Counter[str] = field(default_factory=Counter)
    """prefill, cached_prefill, sampled, trained: of this process's steps."""
    used: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Later step -> tokens of rollouts that were started for it; they are added to `tokens` in that step."""
    failed: Counter[int] = field(default_factory=Counter)
    """Step -> its groups that could not be sampled."""
    spent: float = 0.0
    """USD spent so far, including steps that were set aside later."""
    backend: Backend = field(init=False)
    ready: bool = False
    """The backend is open and its own plugin has no complaint: it can be asked to encode."""
    train_problems: tuple[Problem, ...] = ()
    eval_problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    skipped: dict[str, Counter[str]] = field(default_factory=dict)
    """Data table -> reason why a row gave no problem -> number of rows."""
    status: str = "failed"
    reason: str = ""
    """Why the run ended."""
    writer: RecordWriter = field(default_factory=RecordWriter)
    grade: Grade | None = None
    """Submits groups to be judged; if None, threads or the event loop of this process judge."""
    drew: bool = False
    """An algorithm has asked for `draw_problems`."""
    _sampler: Sampler | None = None
    _stale: bool = False
    """The weights have been trained since the sampler was made."""
    _requested: Counter[int] = field(default_factory=Counter)
    """Step -> how many of its groups have been requested."""
    _samplers: set[MeteredSampler] = field(default_factory=set)
    """Those of rollouts that were started for later steps and are not there yet."""
    _background: ThreadPoolExecutor | None = None
    _told: float = 0.0
    """When `report_progress` last told reporters something."""

    @property
    def dir(self) -> Path:
        """The run directory."""
        return self.files.path

    # Weights

    @property
    def sampler(self) -> Sampler:
        """The sampler of training rollouts, made when it is first needed."""
        if self._sampler is None:
            self.renew_sampler()
        assert self._sampler is not None
        return self._sampler

    def renew_sampler(self) -> None:
        """Sample from the weights as they are now, from the next request on."""
        self._sampler, self._stale = self.backend.sampler(), False

    def keep_sampler(self) -> None:
        """Go on with the present sampler although the weights have been trained."""
        self._stale = self._sampler is not None

    def current_sampler(self) -> Sampler:
        """A sampler of the weights as they are now; `sampler` itself stays."""
        return self.backend.sampler() if self._stale else self.sampler

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Load the weights of a checkpoint."""
        self.backend.restore(path, optimizer=optimizer)
        self._sampler, self._stale = None, False

    # What algorithms ask for

    def draw(self, step: int, n: int, items: Sequence[T]) -> list[T]:
        """The n items of a step: a new order every epoch, a pure function of (seed, step)."""
        return data.draw(items, step, n, self.config.run.seed)

    def prompt(self, problem: Problem) -> Prompt:
        """The prompt of a problem, encoded."""
        return fill_prompt(problem, self.plugins, self.backend)

    def draw_problems(self, step: int, n: int, drawn: Sequence[Problem] = ()) -> list[Problem]:
        """The n training problems that a step samples next, after those `drawn`: a plugin's, else those of `draw`."""
        self.drew = True
        answer: tuple[Problem, ...] | None = self.plugins.first(
            "draw_problems", all_of(Problem), step=step, n=n, drawn=drawn, run=self
        )
        if answer is None:
            return data.draw_more(self.train_problems, step, n, self.config.run.seed, drawn)
        if len(answer) != n:
            who = " or ".join(map(repr, self.plugins.who("draw_problems")))
            raise PluginError(f"plugin {who} draws {len(answer)} problems for step {step}; expected {n}")
        return list(answer)

    def rollouts(self, step: int, problems: Sequence[Problem], n: int) -> tuple[Group, ...]:
        """Sample, verify, measure and score n rollouts per problem with the current sampler; one group per problem."""
        return in_order(self.stream_rollouts(step, problems, n))

    def start_rollouts(self, step: int, problems: Sequence[Problem], n: int) -> Future[tuple[Group, ...]]:
        """Like `rollouts`, for a later step: request them from the current sampler, and go on.

        On a backend that cannot sample while it trains, they are sampled and judged before this returns.
        """
        sampler = MeteredSampler(self.sampler, self.used[step])
        ask = partial(self._stream, step, problems, n, sampler, self._first(step, len(problems)))
        if not self.backend.concurrent:
            done: Future[tuple[Group, ...]] = Future()
            done.set_result(in_order(ask()))
            return done
        self._background = self._background or ThreadPoolExecutor(thread_name_prefix="ahead")
        if self.plugins.who("rollout"):  # episodes are played by whoever asks
            started = self._background.submit(lambda: in_order(ask()))
        else:
            started = self._background.submit(in_order, ask())
        self._samplers.add(sampler)
        started.add_done_callback(lambda _: self._samplers.discard(sampler))
        return started

    def stop_background(self, *, wait: bool) -> None:
        """Give up rollouts that were started and are not there yet; `wait` until nothing works on them."""
        for sampler in list(self._samplers):
            sampler.give_up(PluginError("the run has ended"))
        if self._background is not None:
            self._background.shutdown(wait, cancel_futures=True)

    def stream_rollouts(self, step: int, problems: Sequence[Problem], n: int) -> Iterator[Group]:
        """Like `rollouts`, but yield each group as soon as it is judged. Episodes are all played first."""
        sampler = MeteredSampler(self.sampler, self.tokens)
        return self._stream(step, problems, n, sampler, self._first(step, len(problems)))

    def _first(self, step: int, more: int) -> int:
        """The index of the next group of a step; an algorithm may ask for more in the same step."""
        self._requested[step] += more
        return self._requested[step] - more

    def _stream(
        self, step: int, problems: Sequence[Problem], n: int, sampler: MeteredSampler, first: int
    ) -> Iterator[Group]:
        sampling = self.config.sampling
        settings = Settings(
            "sample", n, sampling.max_tokens, sampling.temperature, sampling.top_p, self.config.run.seed,
            sampling.max_failed,
        )  # fmt: skip
        groups = stream(
            problems,
            step,
            self.plugins,
            self.backend,
            sampler,
            settings,
            first,
            self.grade,
            self._reference(step, sampler),
            sampler.over,
        )
        return self._count_failed(step, groups, len(problems))

    def _reference(self, step: int, meter: MeteredSampler) -> Reference | None:
        """How to ask for log-probabilities of the weights that the run began with; None if no plugin reads them."""
        if not (self.plugins.reads("reference", step) and isinstance(self.backend, ReferenceModel)):
            return None
        path = self.files.manifest()["first_weights"]
        return Reference(self.backend, path and located(path, self.dir), meter)

    def _count_failed(self, step: int, groups: Iterator[Group], requested: int) -> Iterator[Group]:
        """Pass the groups on, and note how many of those requested never came."""
        for group in groups:
            requested -= 1
            yield group
        self.failed[step] += requested

    def report_progress(self, stage: str, done: int, total: int) -> None:
        """Tell reporters how far a stage within the step is, but not more often than every `TELL_EVERY` seconds."""
        if (now := time.monotonic()) - self._told >= TELL_EVERY:
            self._told = now
            self.plugins.tell("report_progress", stage=stage, done=done, total=total)

    def credit(self, group: Group) -> Group:
        """Give a judged group its advantages, and ask whether it is kept."""
        return grading.credit(group, self.plugins, self.config.run.unscored)

    # Records

    def note_first_weights(self) -> None:
        """Record which checkpoint the run begins with, so that a resumed run has the same reference."""
        if "first_weights" not in self.files.manifest():
            start = self.config.run.start_from
            self.files.manifest(first_weights=relative(checkpoint_of(start, self.dir), self.dir) if start else None)

    def note_unused(self) -> None:
        """Record tokens that were used for steps which will not be trained: they cost as well."""
        if tokens := self.ahead():
            usd = self.backend.usd(tokens)
            self.files.append(UNUSED, {"steps": sorted(self.used), "tokens": tokens, "usd": usd})

    def ahead(self) -> dict[str, int]:
        """The tokens used for later steps so far."""
        total = Counter[str]()
        for tokens in list(self.used.values()):
            total.update(dict(tokens))
        return dict(total)

    def versions(self) -> dict[str, object]:
        """Describe this process for the manifest; warn if an earlier process had other versions."""
        plugins = {n: f"{a.found.package} {a.found.version}".strip() for n, a in self.plugins.active.items()}
        before = self.files.manifest().get("plugins", {})
        if changed := [f"{n} ({before[n]}, now {v})" for n, v in plugins.items() if before.get(n, v) != v]:
            log.warning("this run had other versions before: %s", ", ".join(changed))
        hooks = {n: hooks_of(type(a.instance)) for n, a in self.plugins.active.items() if a.found.role == "local"}
        return {"python": platform.python_version(), "platform": sys.platform, "plugins": plugins, "hooks": hooks}

    def remember(self, stats: StepStats | EvalStats) -> None:
        """Add a step or an evaluation to the history, and what it cost."""
        steps, evals = self.history.steps, self.history.evals
        if isinstance(stats, StepStats):
            self.history = replace(self.history, steps=(*steps, stats))
        else:
            self.history = replace(self.history, evals=(*evals, stats))
        self.spent += stats.usd or 0.0
