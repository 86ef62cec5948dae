"""Reward functions of TRL's form, good and bad."""

from __future__ import annotations

import asyncio
from typing import Any


def short(completions: Any, **kwargs: Any) -> Any:
    return [1.0 if len(c[0]["content"]) < 10 else 0.0 for c in completions]


def plain(prompts: Any, completions: Any, **kwargs: Any) -> Any:
    return [float(p in c) for p, c in zip(prompts, completions, strict=True)]


async def equal(completions: Any, target: Any, **kwargs: Any) -> Any:
    await asyncio.sleep(0)
    return [None if t == "skip" else float(t in c[0]["content"]) for c, t in zip(completions, target, strict=True)]


def solved(completions: Any, solution: Any, answer: Any, question: Any, level: Any) -> Any:
    rows = zip(solution, answer, question, level, strict=True)
    return [n / 10 if s == a == "2" and q == "1+1=?" else 0.0 for s, a, q, n in rows]


def tokens(completion_ids: Any, **kwargs: Any) -> Any:
    return [len(ids) / 100 for ids in completion_ids]


def first_token(completion_ids: Any, **kwargs: Any) -> Any:
    return [ids[0] / 1000 for ids in completion_ids]


def everything(prompts: Any, trainer_state: Any, log_extra: Any, log_metric: Any, **kwargs: Any) -> Any:
    log_extra("seen", prompts)
    log_metric("step", trainer_state.global_step)
    return [trainer_state.global_step / 10 for _ in prompts]


def best(completions: Any, **kwargs: Any) -> Any:
    longest = max(len(c[0]["content"]) for c in completions)
    return [float(len(c[0]["content"]) == longest) for c in completions]


def fragile(completions: Any, **kwargs: Any) -> Any:
    for c in completions:
        if "boom" in c[0]["content"]:
            raise RuntimeError("boom!")
        while "loop" in c[0]["content"]:
            pass
    return [0.5] * len(completions)


def give(values: Any) -> Given:
    return Given(values)


def make_penalty(most: int, slope: float = 1.0) -> Any:
    return Given([-slope / most])


class Given:
    def __init__(self, values: Any) -> None:
        self.values = values

    def __call__(self, completions: Any, **kwargs: Any) -> Any:
        return self.values


number = 5
