"""Rubrics: criteria with weights, from a config or from a problem's metadata, and what a response earns by them.

As in HealthBench (arXiv:2505.08775): the points of the criteria that are met, divided by all positive points, between 0
and 1. A criterion of negative points describes a fault.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from justtinker_plugins.shared.judge.replies import Schema, object_schema

TEXTS = ("criterion", "text", "description")
"""The keys under which a rubric's criterion may have its text."""
POINTS = ("points", "weight")


class RubricError(Exception):
    """A rubric cannot be used. The text says why."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing to look for in a response."""

    text: str
    """What must be true of the response."""
    weight: float = 1.0
    """Its points; negative for a fault."""


Rubric = Mapping[str, Criterion]
"""Name -> criterion."""


def rubric_of(value: Any) -> Rubric:
    """Read a rubric from a problem's metadata. RubricError if it is none.

    It is a list of texts, or of objects with ``criterion`` and ``points``, or an object of text -> points.
    """
    if isinstance(value, Mapping):
        items: list[Any] = [{"criterion": text, "points": points} for text, points in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = list(value)
    else:
        raise RubricError(f"expected a list of criteria, got {value!r:.60}")
    rubric = {f"c{number}": criterion_of(item, number) for number, item in enumerate(items, 1)}
    if why := flaw_of(rubric):
        raise RubricError(why)
    return rubric


def criterion_of(item: Any, number: int) -> Criterion:
    """Read one criterion."""
    if isinstance(item, str):
        item = {"criterion": item}
    if not isinstance(item, Mapping):
        raise RubricError(f"criterion {number}: expected a text, or an object with 'criterion' and 'points'")
    text = next((item[key] for key in TEXTS if key in item), None)
    points = next((item[key] for key in POINTS if key in item), 1.0)
    if not isinstance(text, str) or not text.strip():
        raise RubricError(f"criterion {number}: expected a text under 'criterion', got {text!r:.60}")
    if isinstance(points, bool) or not isinstance(points, int | float) or not math.isfinite(points):
        raise RubricError(f"criterion {number}: expected a number under 'points', got {points!r:.60}")
    return Criterion(text.strip(), float(points))


def flaw_of(rubric: Rubric) -> str:
    """Say why a rubric cannot pay; '' if it can."""
    if not rubric:
        return "it has no criteria"
    if not any(criterion.weight > 0 for criterion in rubric.values()):
        return "no criterion has positive points, so nothing could be earned"
    return ""


def schema_of(rubric: Rubric, scale: int) -> Schema:
    """Return the form of a reply: whether each criterion is met, or how far, in whole numbers up to the scale."""
    one: Schema = {"type": "boolean"} if scale == 1 else {"type": "integer", "enum": list(range(scale + 1))}
    return object_schema({"reason": {"type": "string"}, "criteria": object_schema(dict.fromkeys(rubric, one))})


def written(rubric: Rubric, scale: int) -> str:
    """Write a rubric for the judge. It is not told the points."""
    how = "true or false" if scale == 1 else f"a whole number from 0 (not at all) to {scale} (fully)"
    return "\n".join(f"{name} ({how}): {criterion.text}" for name, criterion in rubric.items())


def shares_of(reply: Mapping[str, Any], scale: int) -> dict[str, float]:
    """Return how far each criterion is met, from 0 to 1."""
    return {name: float(said) / (1 if scale == 1 else scale) for name, said in reply["criteria"].items()}


def score_of(rubric: Rubric, shares: Mapping[str, float]) -> float:
    """Return what a response earns, from 0 to 1.

    >>> score_of({"a": Criterion("", 3), "b": Criterion("", 1), "c": Criterion("", -2)}, {"a": 1, "b": 0, "c": 0.5})
    0.5
    """
    most = sum(criterion.weight for criterion in rubric.values() if criterion.weight > 0)
    return min(max(sum(rubric[name].weight * share for name, share in shares.items()) / most, 0.0), 1.0)
