"""Builders of problems, rollouts and groups for tests. They fill in whatever a test does not care about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from justtinker_core.types import Group, Outcome, Problem, Prompt, Rollout, Verdict

_numbers = count(1)


def make_problem(question: str = "1+1=?", answer: str | None = "2", **changes: Any) -> Problem:
    """Make a problem, with a fresh id unless one is given. `changes` are its other fields.

    >>> make_problem("2+2=?", "4", kind="number").kind
    'number'
    """
    return replace(Problem(f"problem-{next(_numbers)}", question, answer), **changes)


def make_rollout(
    text: str, tokens: int | None = None, truncated: bool = False, told: int = 0, opened: str = ""
) -> Rollout:
    """Make a rollout with one token per character, or with `tokens`. `told`: how many tokens of a tool follow them.

    `opened` is what the prompt already held of the response, such as ``<think>``.

    >>> make_rollout("four", tokens=1, told=3).mask
    (True, False, False, False)
    """
    ids = tuple(map(ord, text)) if tokens is None else (0,) * tokens
    mask = (True,) * len(ids) + (False,) * told
    return Rollout(ids + (0,) * told, (-0.5,) * len(ids) + (0.0,) * told, mask, text, truncated, opened)


def make_group(
    texts: Sequence[str],
    outcomes: Sequence[Outcome | Verdict] | None = None,
    problem: Problem | None = None,
    *,
    tokens: Sequence[int] | None = None,
    told: int = 0,
    opened: str = "",
    **changes: Any,
) -> Group:
    """Make a group with a rollout and a verdict for each text; all are correct unless `outcomes` says otherwise.

    `tokens` are the rollouts' lengths. `changes` are other fields of the group: ``step``, ``measures``, ``rewards`` ...

    >>> group = make_group(["4", "5"], ["correct", "incorrect"], make_problem("2+2=?", "4"))
    >>> [verdict.outcome for verdict in group.verdicts]
    ['correct', 'incorrect']
    """
    outcomes = ["correct"] * len(texts) if outcomes is None else outcomes
    for name, values in (("outcomes", outcomes), ("tokens", tokens)):
        if values is not None and len(values) != len(texts):
            raise ValueError(f"make_group: expected {len(texts)} {name}, one per text, got {len(values)}")
    lengths: Sequence[int | None] = [None] * len(texts) if tokens is None else tokens
    rollouts = tuple(
        make_rollout(text, size, told=told, opened=opened) for text, size in zip(texts, lengths, strict=True)
    )
    verdicts = tuple(o if isinstance(o, Verdict) else Verdict(o) for o in outcomes)
    group = Group(1, 0, problem or make_problem(), Prompt(), rollouts, verdicts)
    return replace(group, **changes)
