"""What counts as an answer to each hook: one function a hook that checks and converts it, or says what was expected."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from justtinker_core.errors import PluginError, nearest
from justtinker_core.types import LEVELS, OUTCOMES, Finding, Prompt, Rollout, Verdict

T = TypeVar("T")


def all_of(kind: type[T]) -> Callable[[Any], tuple[T, ...]]:
    """A conversion of an answer to a tuple of that type; TypeError names what was found instead."""

    def convert(answer: Any) -> tuple[T, ...]:
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise TypeError(f"a list of {kind.__name__} is wanted, not {answer!r:.100}")
        values = tuple(answer)
        for value in values:
            if not isinstance(value, kind):
                raise TypeError(f"a {kind.__name__} is wanted, not {value!r:.100}")
        return values

    return convert


def prompt_of(answer: Any) -> Prompt:
    """A text, messages or a Prompt as a Prompt. TypeError names what was found instead."""
    if isinstance(answer, Prompt):
        return answer
    return Prompt(text=answer) if isinstance(answer, str) else Prompt(messages=all_of(dict)(answer))


def checked_verdicts(answer: Any) -> tuple[Verdict, ...]:
    """Verdicts whose outcome is one of the three, and that can be recorded."""
    verdicts = all_of(Verdict)(answer)
    for verdict in verdicts:
        if verdict.outcome not in OUTCOMES:
            raise ValueError(f"outcome {verdict.outcome!r}: one of {', '.join(OUTCOMES)} is wanted")
        texts = (verdict.answer, verdict.vote, verdict.rung or None, verdict.reason or None)
        if not all(isinstance(text, str | None) for text in texts):
            raise TypeError(f"answer, vote, rung and reason of a verdict are texts, not {verdict!r:.100}")
    return verdicts


def columns_of(answer: Any) -> dict[str, tuple[Any, ...]]:
    """A plugin's columns; TypeError shows what was found instead."""
    if not isinstance(answer, Mapping) or not all(isinstance(values, Iterable) for values in answer.values()):
        raise TypeError(f"name -> list of one number or None a rollout is wanted, not {answer!r:.100}")
    return {name: tuple(values) for name, values in answer.items()}


def number(value: Any, what: str) -> float:
    """A finite float, or a PluginError that says what it was to be."""
    with suppress(OverflowError):
        if isinstance(value, numbers.Real) and math.isfinite(value):
            return float(value)
    raise PluginError(f"{what} is {value!r}; a finite number is wanted")


def checked_rollout(answer: Any) -> Rollout:
    """An answer that is a whole Rollout. TypeError says what was found instead."""
    if not isinstance(answer, Rollout) or not len(answer.tokens) == len(answer.logprobs) == len(answer.mask):
        raise TypeError(f"a Rollout with tokens, logprobs and mask of one length is wanted, not {answer!r:.200}")
    return answer


def recordable(findings: Any) -> list[Finding]:
    """Findings of a known level, with evidence that JSON can hold."""
    said = all_of(Finding)(findings)
    for finding in said:
        if finding.level not in LEVELS:
            raise ValueError(f"no level of a finding is called {finding.level!r}{nearest(str(finding.level), LEVELS)}")
    return [replace(finding, evidence=plain(finding.evidence)) for finding in said]


def plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as it can be recorded: numbers of numpy as numbers, what JSON has no word for as text."""
    text = json.dumps(dict(evidence), default=lambda v: v.item() if hasattr(v, "item") else str(v))
    return dict(json.loads(text, parse_constant=str))


def instance_of(kind: type[T]) -> Callable[[Any], T]:
    """A check that an answer is of a type; TypeError names what was found instead."""

    def convert(answer: Any) -> T:
        return all_of(kind)([answer])[0]

    return convert
