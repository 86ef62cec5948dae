"""The responses of a group, collected as they come in one by one, and the reward manager that sends them there.

verl 0.9 scores each response as soon as it is sampled, in a worker that it draws by lot; no reward manager of its own
sees a group. So ours hands every response to one Ray actor a job, which waits until a group is complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.bridges._stack import gold_of
from justtinker_plugins.bridges._verl.scoring import Options, Sample, numbers_of, options_of, score
from justtinker_plugins.shared.foreign import column, package

log = logging.getLogger("justtinker_plugins.bridges.verl")
Numbers = dict[str, float | None]
REMEMBERED = 256
"""Complete groups whose responses are kept for latecomers."""
PER_WORKER = 750
"""Responses that may wait in one of verl's workers: Ray runs 1,000 calls at a time, and the lot is not even."""


@dataclass(slots=True)
class Waiting:
    """A group that is not complete."""

    size: int
    samples: list[Sample] = field(default_factory=list)
    futures: list[asyncio.Future[Numbers]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Groups:
    """Collects responses by group, and scores a group when it is complete. It belongs to one event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._waiting: dict[str, Waiting] = {}
        self._complete: OrderedDict[str, list[Sample]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def score(self, uid: str, size: int, sample: Sample) -> Numbers:
        """Return verl's dict for a response, when the group of `size` is complete.

        One that comes after its group was complete (verl pads a batch with copies) is scored with it. If none of a
        group has come for `Options.wait` seconds, those that are there are the group. PluginError if scoring fails.
        """
        if uid in self._complete:
            return await self._late(uid, sample)
        loop = asyncio.get_running_loop()
        group = self._waiting.setdefault(uid, Waiting(size))
        future: asyncio.Future[Numbers] = loop.create_future()
        group.samples.append(sample)
        group.futures.append(future)
        if group.timer:
            group.timer.cancel()
        if len(group.samples) == size:
            self._start(uid)
        else:
            group.timer = loop.call_later(self.options.wait, self._start_incomplete, uid)
        return await future

    async def _late(self, uid: str, sample: Sample) -> Numbers:
        found = (await asyncio.to_thread(self._scored, [*self._complete[uid], sample]))[-1]
        if isinstance(found, PluginError):
            raise found
        return found

    def _start_incomplete(self, uid: str) -> None:
        group = self._waiting[uid]
        log.warning(
            "%d of %d responses of a group came, and none for %g s: they are scored as a group of their own",
            len(group.samples), group.size, self.options.wait,
        )  # fmt: skip
        self._start(uid)

    def _start(self, uid: str) -> None:
        group = self._waiting.pop(uid)
        self._complete[uid] = group.samples
        if len(self._complete) > REMEMBERED:
            self._complete.popitem(last=False)
        task = asyncio.create_task(self._resolve(group))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolve(self, group: Waiting) -> None:
        found = await asyncio.to_thread(self._scored, group.samples)
        for future, numbers in zip(group.futures, found, strict=True):
            if future.done():  # its caller is gone
                continue
            if isinstance(numbers, PluginError):
                future.set_exception(numbers)
            else:
                future.set_result(numbers)

    def _scored(self, samples: list[Sample]) -> list[Numbers | PluginError]:
        try:
            return numbers_of(score(samples, self.options, alone=False), self.options, alone=False)
        except Exception as error:  # for every response, and small: a GroupError holds the whole group
            return [PluginError(str(error) if isinstance(error, PluginError) else repr(error))] * len(samples)


def group_size(config: Any) -> int:
    """Return how many responses a group has. PluginError if verl's config does not let groups be found."""
    rollout, trainer = config.actor_rollout_ref.rollout, config.trainer
    validates = trainer.get("val_before_train", True) or trainer.test_freq > 0
    if validates and rollout.val_kwargs.n != rollout.n:
        raise PluginError(
            f"actor_rollout_ref.rollout.val_kwargs.n: expected {rollout.n}, as rollout.n, got {rollout.val_kwargs.n}: "
            "verl does not tell a reward manager whether it validates, and so how large the group is"
        )
    most, workers = config.data.train_batch_size * rollout.n, config.reward.num_workers
    if most > PER_WORKER * workers:
        raise PluginError(
            f"reward.num_workers: expected at least {-(-most // PER_WORKER)}, got {workers}: up to {most} responses "
            "of a batch wait for the rest of their groups"
        )
    return int(rollout.n)


def sample_of(item: Any, tokenizer: Any, limit: int) -> tuple[str, Sample]:
    """Return the group's id and the sample of an item of verl's `DataProto`; PluginError names a missing column."""
    cells = item.non_tensor_batch
    response = item.batch["responses"]
    size = int(item.batch["attention_mask"][-response.shape[-1] :].sum())
    ids = response[:size].tolist()
    extra_info = dict(cells.get("extra_info") or {})
    step = cells.get("global_steps")
    return str(column(cells, "uid", "verl's batch")), Sample(
        response=tokenizer.decode(ids, skip_special_tokens=True),
        answer=gold_of(
            column(column(cells, "reward_model", "verl's batch"), "ground_truth", "reward_model"), "ground_truth"
        ),
        extra_info=extra_info,
        data_source=str(cells.get("data_source", "")),
        tokens=size,
        truncated=size >= limit and ids[-1:] != [tokenizer.eos_token_id],
        step=None if step is None else int(step),
    )


@cache
def manager_class() -> type[Any]:
    """Return the reward manager. PluginError if verl is not installed."""
    base = package("verl.experimental.reward_loop.reward_manager.base", "GroupRewardManager", "verl").RewardManagerBase
    ray = package("ray", "GroupRewardManager", "verl")

    class GroupRewardManager(base):  # type: ignore[misc, valid-type]
        """Scores the responses of a group together; for verl's ``reward.reward_manager``."""

        def __init__(self, config: Any, tokenizer: Any, compute_score: Any = None, **_: Any) -> None:
            super().__init__(config, tokenizer, compute_score)
            self.size = group_size(config)
            self.limit = config.actor_rollout_ref.rollout.response_length
            options = options_of(config.reward.custom_reward_function.get("reward_kwargs") or {})
            name = f"justtinker_groups_{ray.get_runtime_context().get_job_id()}"
            actor = ray.remote(Groups).options(name=name, get_if_exists=True, max_concurrency=100_000)
            self.groups = actor.remote(options)

        async def run_single(self, data: Any) -> dict[str, Any]:
            """Return verl's answer for one response, once its group is complete."""
            uid, sample = await asyncio.to_thread(sample_of, data[-1:][0], self.tokenizer, self.limit)
            numbers = await self.groups.score.remote(uid, self.size, sample)
            return {"reward_score": numbers["score"], "reward_extra_info": numbers}

    return GroupRewardManager
