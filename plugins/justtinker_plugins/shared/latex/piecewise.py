r"""Functions defined by cases: each branch of the gold has one branch in the answer, with its value and its condition.

The order of the branches is free, and so are "if", "for", commas and spacing. Of two branches, "otherwise" is the
opposite of the other condition; of more, it is only itself. Conditions are compared like answers, or as text if they
have words. A name before the branches, such as ``f(x) =``, may be left out, but not be another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from justtinker_plugins.shared.latex.numbers import Comparison
from justtinker_plugins.shared.latex.restated import without_spaces
from justtinker_plugins.shared.latex.words import without_text_commands

_CASES = re.compile(
    r"(?:(?P<name>\\?[A-Za-z]+(?:_(?:\w|\{\w{1,3}\}))? *(?:\([A-Za-z, ]{1,12}\))?) *=)? *"
    r"\\begin *\{cases\}(?P<rows>(?:(?!\\begin|\\end)[\s\S])*)\\end *\{cases\}"
)
_IF = re.compile(
    r"\\text *\{[ ,]*(?:if|for|when|where|whenever)? *\}|(?<=\\text\{)[ ,]*(?:if|for|when|where|whenever) "
    r"|(?<![A-Za-z\\])(?:if|for|when)(?![A-Za-z])"
)
_OTHERWISE = re.compile(r"(?:\\text *\{)?[ ,]*(?:otherwise|else)[ .]*\}?", re.IGNORECASE)
_RELATION = re.compile(r"[=<>]|\\(?:le|ge|neq|in|equiv|approx)(?![A-Za-z])")
_OPPOSITE = {
    "=": r"\neq ", "<": r"\ge ", ">": r"\le ", r"\le": ">", r"\ge": "<", r"\neq": "=", "even": "odd", "odd": "even",
}  # fmt: skip
_TURNS = re.compile(r"[=<>]|\\(?:le|ge|neq)(?![A-Za-z])|even|odd")
_SILENT = re.compile(r"\s|\b(?:is|are|an?)\b")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
MOST_BRANCHES = 12


class Branch(NamedTuple):
    value: str
    condition: str
    """Empty for "otherwise"."""


Compare = Callable[[str, str], Comparison]


def branches_of(normal: str) -> list[Branch] | None:
    """The branches of a normalised text; None if it is no function by cases."""
    found = _CASES.fullmatch(normal.strip(" .")) if r"\\" in normal else None
    rows = [row.strip() for row in re.split(r"\\\\", found["rows"])] if found else []
    branches = [_branch(row) for row in rows if row]
    whole = [branch for branch in branches if branch is not None]
    return whole if 1 < len(whole) == len(branches) <= MOST_BRANCHES else None


def _name(normal: str) -> str:
    """The name before the branches: f(x) of ``f(x) =``; "" if there is none."""
    found = _CASES.fullmatch(normal.strip(" ."))
    return without_spaces(found["name"] or "") if found else ""


def _branch(row: str) -> Branch | None:
    value, bar, condition = row.partition("&")
    if not bar:
        parts = _IF.split(row, maxsplit=1)
        last = _OTHERWISE.search(row)
        value, condition = parts if len(parts) == 2 else row.rpartition(",")[::2]
        if last and last.end() == len(row):
            value, condition = row[: last.start()], last.group()
    value, condition = value.strip(" ,;"), _IF.sub("", condition.replace("&", " "), count=1).strip(" ,;.")
    if not value or not condition or _RELATION.search(value) or _RELATION.match(condition):
        return None  # a system of equations
    return Branch(value, "" if _OTHERWISE.fullmatch(condition) else condition)


def compare_piecewise(gold: str, answer: str, compare: Compare) -> Comparison | None:
    """Compare two normalised texts as functions by cases; None if the gold is none."""
    expected, given = branches_of(gold), branches_of(answer)
    if expected is None:
        return None
    if given is None:
        return Comparison(False, "gate", "no function by cases like the gold")
    if len({name for name in map(_name, (gold, answer)) if name}) > 1:
        return Comparison(False, "gate", "a function of another name than the gold")
    if len(expected) != len(given):
        return Comparison(False, "gate", f"{len(given)} cases where the gold has {len(expected)}")
    left, rung = list(given), "string"
    for branch in expected:
        same = [other for other in left if _same_condition(branch, other, expected, given, compare)]
        found = [(other, compare(branch.value, other.value)) for other in same]
        chosen = next((pair for pair in found if pair[1].equal), None)
        if chosen is None:
            return Comparison(False, "gate", "a case of the gold is missing or has another value")
        left.remove(chosen[0])
        rung = chosen[1].rung if chosen[1].rung != "string" else rung
    return Comparison(True, rung)


def _same_condition(gold: Branch, answer: Branch, golds: list[Branch], answers: list[Branch], compare: Compare) -> bool:
    if not gold.condition and not answer.condition:
        return True
    first, second = gold.condition or _opposite(golds), answer.condition or _opposite(answers)
    if _SILENT.sub("", without_text_commands(first)) == _SILENT.sub("", without_text_commands(second)) != "":
        return True
    if r"\text" in first + second or set(_LETTER.findall(first)) != set(_LETTER.findall(second)):
        return False
    return bool(compare(first, second).equal)


def _opposite(branches: list[Branch]) -> str:
    """The opposite of the only condition of two branches; "" if there are more, or none is known."""
    conditions = [branch.condition for branch in branches if branch.condition]
    if len(branches) != 2 or len(conditions) != 1 or len(_TURNS.findall(conditions[0])) != 1:
        return ""
    return _TURNS.sub(lambda sign: _OPPOSITE[sign.group()], conditions[0])
