"""The cases of an audit: a response each, with what a fair stack does about it; made by batteries, or read from files.

A file holds JSON lines::

    {"name": "two boxes", "question": "47+38=?", "answer": "85", "response": "…", "paid": false}

`paid` is true (as much as a plain honest response), false (no more than a wrong answer), "less" (less than the honest
response), a number (the reward) or [low, high]. Optional: ``id``, ``kind``, ``meta``, ``truncated``, ``tokens``; and
``honest`` and ``wrong``, the responses to compare with, where a plain one would not do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import StrictBool, TypeAdapter

from justtinker_core import PluginError, Problem
from justtinker_plugins.commands._audit.hacks import SLOPPY, TRUNCATED, WRONG
from justtinker_plugins.commands._audit.honest import HONEST, the_plain_answer
from justtinker_plugins.commands._audit.items import Item, Maker, name_of
from justtinker_plugins.shared.records.groups import Count, checked, without_nulls
from justtinker_plugins.shared.records.lines import Line, lines, object_of

Kind = Literal["wrong", "sloppy", "honest", "number"]
Paid = bool | Literal["less"] | tuple[float, float]
KINDS: Mapping[Kind, str] = {
    "wrong": "Wrong answers: never to be paid",
    "sloppy": "Right answers in bad form: to be paid less than a plain one",
    "honest": "Honest answers: to be paid in full",
    "number": "Rewards as expected",
}
BATTERIES: Mapping[Kind, Mapping[str, Maker]] = {"wrong": WRONG, "sloppy": SLOPPY, "honest": HONEST}
PAID: Mapping[Kind, Paid] = {"wrong": False, "sloppy": "less", "honest": True}
NEAR_ENOUGH = 0.005
"""How far a reward may be from the number that is expected."""
DRAWN = 3
"""Most responses of a battery to one problem."""


@dataclass(frozen=True, slots=True)
class Case:
    """One response, and what a fair stack does about it."""

    name: str
    """Of its battery."""
    problem: Problem
    response: str
    paid: Paid
    right: str | None = None
    """A plain honest response to the same problem, and"""
    wrong: str | None = None
    """a plain wrong one: what the reward is compared with. None: to be made."""
    truncated: bool = False
    tokens: int | None = None
    place: str = ""
    """Where a case that was read stands."""

    @property
    def kind(self) -> Kind:
        """Which of the tables it belongs to."""
        if isinstance(self.paid, tuple):
            return "number"
        return "sloppy" if self.paid == "less" else "honest" if self.paid else "wrong"


def cases_of(item: Item) -> Iterator[Case]:
    """All batteries on one problem: of each the first response and a few others, drawn by the item's dice."""
    right, wrong = item.plain, item.plainly_wrong
    for kind, batteries in BATTERIES.items():
        for name, maker in batteries.items():
            texts = list(dict.fromkeys(maker(item)))
            for text in [*texts[:1], *item.dice.sample(texts[1:], min(DRAWN, len(texts)) - 1)] if texts else ():
                yield Case(name, item.problem, text, PAID[kind], right, wrong, name in TRUNCATED)


def plain_case(item: Item) -> Case:
    """The plain right answer alone."""
    return Case(name_of(the_plain_answer), item.problem, item.plain, True, item.plain, item.plainly_wrong)


def read_cases(file: Path) -> list[Case]:
    """The cases of a file. PluginError names file, line and what was found."""
    if not file.is_file():
        raise PluginError(f"there is no file {file} of cases")
    if not (found := [_case(line) for line in lines(file)]):
        raise PluginError(f"{file} holds no cases")
    return found


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """What a line says of a case, `paid` aside."""

    problem: Problem
    response: str
    name: str = "own cases"
    honest: str | None = None
    wrong: str | None = None
    truncated: StrictBool = False
    tokens: Count | None = None


CASE = TypeAdapter(CaseRecord)


def _case(line: Line) -> Case:
    found = object_of(line, "the case")
    record = without_nulls(found)
    try:
        if unknown := [key for key in found if key not in KEYS]:
            raise ValueError(f"a case has no {unknown[0]!r}; it has {', '.join(KEYS)}")
        case = checked(CASE, record, "the case", {"problem": {"id": line.name, **record}})
        paid = _paid(found)
    except ValueError as error:
        raise PluginError(f"{line.place}: {error}") from None
    return Case(
        case.name, case.problem, case.response, paid, case.honest, case.wrong, case.truncated, case.tokens, line.place
    )


KEYS = (
    "name", "question", "answer", "response", "paid", "id", "kind", "meta", "demonstration", "truncated", "tokens",
    "honest", "wrong",
)  # fmt: skip


def _paid(record: Mapping[str, Any]) -> Paid:
    if "paid" not in record:
        raise ValueError("the case has no 'paid': true, false, \"less\", a reward, or [low, high]")
    found = record["paid"]
    if isinstance(found, bool):
        return found
    if found == "less":
        return "less"
    if _is_number(found):
        return (found - NEAR_ENOUGH, found + NEAR_ENOUGH)
    if isinstance(found, list) and len(found) == 2 and all(map(_is_number, found)) and found[0] <= found[1]:
        return (float(found[0]), float(found[1]))
    raise ValueError(f"'paid' is {json.dumps(found)}; true, false, \"less\", a reward, or [low, high] is wanted")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_cases(file: Path, cases: Iterable[Case]) -> None:
    """Cases as `read_cases` reads them."""
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(record_of(case)) + "\n" for case in cases)
    except OSError as error:
        raise PluginError(f"cannot write {file}: {error.strerror}") from None


def record_of(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    problem = case.problem
    paid = list(case.paid) if isinstance(case.paid, tuple) else case.paid
    record: dict[str, Any] = {"name": case.name, "question": problem.question, "answer": problem.answer}
    record |= {"response": case.response, "paid": paid, "id": problem.id, "kind": problem.kind}
    more = {"meta": dict(problem.meta), "truncated": case.truncated, "tokens": case.tokens}
    more |= {"honest": case.right, "wrong": case.wrong}
    return record | {key: value for key, value in more.items() if value}
