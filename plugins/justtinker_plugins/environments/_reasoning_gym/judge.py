"""The judge that runs in a worker process: a data set's own `score_answer`, which must not run what a policy wrote.

Several judges give an answer to Python's `eval`, some through sympy's `parse_expr`. Here, `eval` reads literals only,
and `parse_expr` reads arithmetic with the usual functions only. Never call `score` in a process that does more.
"""

from __future__ import annotations

import ast
import importlib
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from justtinker_plugins.environments._reasoning_gym import sets
from justtinker_plugins.environments._reasoning_gym.entries import unpacked

EVALUATED = ("algorithmic.string_insertion", "algorithmic.spiral_matrix", "algorithmic.binary_matrix", "games.n_queens")
"""Modules that evaluate the answer."""
PARSED = ("games.countdown", "games.puzzle24")
"""Modules with a `parse_expr` of their own name; the others ask sympy for it."""
SYMPY = ("countdown", "puzzle24", "polynomial_multiplication", "simple_integration", "intermediate_integration")
"""Data sets whose answers are read by `parse_expr`."""

_CHARACTERS = re.compile(r"[\w\s+\-*/^().,]*")
_ATTRIBUTE = re.compile(r"\.\s*[^\W\d]")
_NAME = re.compile(r"[^\W\d]\w*")
_TRIGONOMETRY = frozenset(f"{a}{b}{h}" for a in ("", "a") for b in ("sin", "cos", "tan") for h in ("", "h"))
_FUNCTIONS = _TRIGONOMETRY | {"sec", "csc", "cot", "exp", "log", "ln", "sqrt", "pi", "Abs"}
_TOWER = re.compile(r"(?:\*\*|\^)\s*[-+(\s]*(?:\d{5}|\w*\s*\)*\s*(?:\*\*|\^))")
_NOT_FINITE = re.compile(r"(?<![a-z])(?:nan|inf(?:inity)?)j?(?![a-z])", re.IGNORECASE)


def score(name: str, config: str, entry: Mapping[str, Any] | None, answer: str | None) -> float:
    """Score an answer to an entry, whose metadata is `packed`. Without an entry it only imports the package."""
    _disarm()
    if entry is None:
        return 0.0
    whole = {**entry, "metadata": unpacked(entry["metadata"])}
    if answer is not None and _NOT_FINITE.search(answer) and answer != entry["answer"]:
        return 0.0  # NaN is as near to a number as can be, or so complex_arithmetic computes
    found = float(_data_set(name, config).score_answer(answer, whole))
    if not math.isfinite(found):
        raise ValueError(f"{name} scores {found}")
    return found


@cache
def _data_set(name: str, config: str) -> Any:
    return sets.make(name, config, seed=0, size=1)


@cache
def _disarm() -> None:
    import sympy

    sets.registry()
    read = sympy.parse_expr

    def parse_expr(text: str, *args: Any, **more: Any) -> Any:
        if reason := not_arithmetic(text):
            raise ValueError(reason)
        return read(text, *args, **more)

    for module in EVALUATED:
        importlib.import_module(f"reasoning_gym.{module}").__dict__["eval"] = ast.literal_eval
    for module in PARSED:
        importlib.import_module(f"reasoning_gym.{module}").__dict__["parse_expr"] = parse_expr
    sympy.parse_expr = parse_expr


def not_arithmetic(text: str) -> str:
    """Say why a text is not plain arithmetic with one-letter names and usual functions; '' if it is.

    ``Integral(x*cos(x), x)`` is not: where the integral is asked for, it restates the question.
    """
    if not _CHARACTERS.fullmatch(text):
        return "not an expression: it has other signs than + - * / ^ ( ) . and commas"
    if _ATTRIBUTE.search(text):
        return "not an expression: a letter after a full stop"
    if _TOWER.search(text):
        return "not an expression: a power of powers, or an exponent of five digits"
    unknown = next((name for name in _NAME.findall(text) if len(name) > 1 and name not in _FUNCTIONS), None)
    return f"not an expression: it knows no {unknown[:20]!r}" if unknown else ""
