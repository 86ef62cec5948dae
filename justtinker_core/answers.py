"""Checks of what plugins answer: one function per hook, which converts the answer or says what was expected.

The functions raise TypeError or ValueError; `Plugins.ask` adds the plugin and the hook.
"""

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
    """Return a function that converts an answer to a tuple of this type."""

    def convert(answer: Any) -> tuple[T, ...]:
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise TypeError(f"expected a list of {kind.__name__}, got {answer!r:.100}")
        values = tuple(answer)
        for value in values:
            if not isinstance(value, kind):
                article = "an" if kind.__name__[0] in "AEIOU" else "a"
                raise TypeError(f"expected {article} {kind.__name__}, got {value!r:.100}")
        return values

    return convert


def prompt_of(answer: Any) -> Prompt:
    """Convert a text, messages or a Prompt to a Prompt."""
    if isinstance(answer, Prompt):
        return answer
    return Prompt(text=answer) if isinstance(answer, str) else Prompt(messages=all_of(dict)(answer))


def checked_verdicts(answer: Any) -> tuple[Verdict, ...]:
    """Check that verdicts have a known outcome and can be recorded."""
    verdicts = all_of(Verdict)(answer)
    for verdict in verdicts:
        if verdict.outcome not in OUTCOMES:
            raise ValueError(f"outcome: expected one of {', '.join(OUTCOMES)}, got {verdict.outcome!r}")
        texts = (verdict.answer, verdict.vote, verdict.rung or None, verdict.reason or None)
        if not all(isinstance(text, str | None) for text in texts):
            raise TypeError(f"expected texts as answer, vote, rung and reason of a verdict, got {verdict!r:.100}")
    return verdicts


def columns_of(answer: Any) -> dict[str, tuple[Any, ...]]:
    """Convert a plugin's columns: name -> one number or None for each rollout."""
    if not isinstance(answer, Mapping) or not all(isinstance(values, Iterable) for values in answer.values()):
        raise TypeError(f"expected name -> list with a number or None for each rollout, got {answer!r:.100}")
    return {name: tuple(values) for name, values in answer.items()}


def number(value: Any, what: str) -> float:
    """Convert a number to a finite float. Raises a PluginError that begins with `what`."""
    with suppress(OverflowError):
        if isinstance(value, numbers.Real) and math.isfinite(value):
            return float(value)
    raise PluginError(f"{what}: expected a finite number, got {value!r}")


def checked_rollout(answer: Any) -> Rollout:
    """Check that an answer is a Rollout whose tokens, logprobs and mask have one length."""
    if not isinstance(answer, Rollout) or not len(answer.tokens) == len(answer.logprobs) == len(answer.mask):
        raise TypeError(f"expected a Rollout with tokens, logprobs and mask of one length, got {answer!r:.200}")
    return answer


def recordable(findings: Any) -> list[Finding]:
    """Check the levels of findings, and convert their evidence to what JSON can hold."""
    checked = all_of(Finding)(findings)
    for finding in checked:
        if finding.level not in LEVELS:
            raise ValueError(f"no level of a finding is called {finding.level!r}{nearest(str(finding.level), LEVELS)}")
    return [replace(finding, evidence=json_evidence(finding.evidence)) for finding in checked]


def json_evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Convert evidence to JSON types: numpy's numbers to numbers, anything that JSON lacks to text."""
    text = json.dumps(dict(evidence), default=lambda v: v.item() if hasattr(v, "item") else str(v))
    return dict(json.loads(text, parse_constant=str))


def instance_of(kind: type[T]) -> Callable[[Any], T]:
    """Return a function that checks that an answer is of this type."""

    def convert(answer: Any) -> T:
        return all_of(kind)([answer])[0]

    return convert
