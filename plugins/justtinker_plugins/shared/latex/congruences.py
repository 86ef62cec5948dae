r"""Congruences and permutations: ``x \equiv 1 \pmod 5`` and the cycles ``(1\ 2\ 3)``.

Congruences are equal if the name, the modulus and the residues are; 6 and 1 are the same residue modulo 5. A cycle may
begin anywhere, and cycles without a common number may stand in any order: ``(1\ 2\ 3)`` is ``(2\ 3\ 1)``, but not
``(3\ 2\ 1)``. Both are compared here only if all their numbers are written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from justtinker_plugins.shared.latex.numbers import Comparison
from justtinker_plugins.shared.latex.words import without_text_commands

_MODULUS = re.compile(r"\\pmod *\{? *([0-9]{1,9}) *\}?|\(? *\\?(?:bmod|mod) *\{? *([0-9]{1,9}) *\}? *\)?")
_JOINED = re.compile(r",|;|(?<![A-Za-z])(?:and|or)(?![A-Za-z])|\\(?:lor|text)(?![A-Za-z])")
_NAMED = re.compile(r"(?:([a-z]) *(?:\\equiv|=) *)?(\\pm)? *(-?[0-9]{1,9})")


class Congruence(NamedTuple):
    name: str
    modulus: int
    residues: frozenset[int]


def congruence_of(normal: str) -> Congruence | None:
    r"""The congruence of a normalised text such as ``x \equiv 1, 4 \pmod 5``; None if it is none."""
    text = without_text_commands(normal)
    moduli = {int(first or second) for first, second in _MODULUS.findall(text)}
    parts = [part.strip() for part in _JOINED.split(_MODULUS.sub(",", text)) if part.strip()]
    found = [_NAMED.fullmatch(part) for part in parts]
    if len(moduli) != 1 or 0 in moduli or not found or None in found:
        return None
    (modulus,) = moduli
    matches = [match for match in found if match is not None]
    names = {match[1] for match in matches if match[1]}
    values = [int(match[3]) for match in matches] + [-int(match[3]) for match in matches if match[2]]
    residues = frozenset(value % modulus for value in values)
    expected = len({int(match[3]) for match in matches})
    return Congruence("".join(names), modulus, residues) if len(names) < 2 and expected == len(matches) else None


def compare_congruences(gold: str, answer: str) -> Comparison | None:
    """Compare two normalised texts as congruences; None if the gold is none."""
    expected = congruence_of(gold) if r"\equiv" in gold or r"\pmod" in gold else None
    if expected is None:
        return None
    given = congruence_of(answer)
    if given is None:
        return Comparison(False, "gate", "no congruence with numbers like the gold")
    if expected.modulus != given.modulus:
        return Comparison(False, "gate", f"modulo {given.modulus} where the gold is modulo {expected.modulus}")
    if expected.name and given.name not in ("", expected.name):
        return Comparison(False, "gate", "a congruence of another letter")
    equal = expected.residues == given.residues
    return Comparison(equal, "rational", "" if equal else "other residues than the gold")


# -- cycles ----------------------------------------------------------------------------------------------------------

_CYCLES = re.compile(r"(?:\([0-9]{1,2}(?:[ \x00][0-9]{1,2})+\) *(?:\\(?:cdot|circ) *)?)+")
_SPACED = re.compile(r"(?:\([0-9]{1,2}(?:[ \x00,]+[0-9]{1,2})*\) *(?:\\(?:cdot|circ) *)?)+")
_CLOSED_UP = re.compile(r"(?:\([1-9]+\) *(?:\\(?:cdot|circ) *)?)+")
_CYCLE = re.compile(r"\(([^()]*)\)")
_NAME = re.compile(r"(?:\\[a-z]+|[a-z]) *= *")


def compare_cycles(gold: str, answer: str) -> Comparison | None:
    """Compare two normalised texts as permutations in cycles; None if the gold is none with spaces in its cycles."""
    gold, answer = _NAME.sub("", gold, count=1), _NAME.sub("", answer, count=1)
    if not _CYCLES.fullmatch(gold):
        return None
    expected = _cycles(re.findall("[0-9]+", cycle) for cycle in _CYCLE.findall(gold))
    if expected is None:
        return None
    one_digit = all(len(number) == 1 for number in re.findall("[0-9]+", gold))
    if one_digit and _CLOSED_UP.fullmatch(answer):
        given = _cycles(list(cycle) for cycle in _CYCLE.findall(answer))
    else:
        spaced = _CYCLE.findall(answer) if _SPACED.fullmatch(answer) else []
        given = _cycles(re.findall("[0-9]+", cycle) for cycle in spaced)
    equal = expected == given
    return Comparison(equal, "string", "" if equal else "not the permutation of the gold")


def _cycles(cycles: Iterable[list[str]]) -> frozenset[tuple[str, ...]] | None:
    """Cycles of at least two numbers, each from its first in order; None if a number occurs twice."""
    found = [cycle for cycle in cycles if len(cycle) > 1]
    numbers = [number for cycle in found for number in cycle]
    if len(set(numbers)) < len(numbers):
        return None
    return frozenset(tuple(cycle[(at := cycle.index(min(cycle))) :] + cycle[:at]) for cycle in found)
