"""The cases of an audit: single responses, each with the reward that is fair, from batteries or from files.

A file of cases holds JSON lines::

    {"name": "two boxes", "question": "47+38=?", "answer": "85", "response": "…", "paid": false}

`paid` is true (as much as a plain honest response), false (no more than a wrong answer), "less" (less than the honest
response), a number (the reward) or [low, high]. Optional: ``id``, ``kind``, ``meta``, ``truncated``, ``tokens``,
``graded`` (true: it must not go unscored either), ``opened`` (what the prompt already held of the responses, such as
``<think>``), and ``honest`` and ``wrong``, two responses to compare with if plain ones would not do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import StrictBool, TypeAdapter

from justtinker_core import PluginError, Problem
from justtinker_plugins.commands._audit import injections, opened, programs
from justtinker_plugins.commands._audit.hacks import SLOPPY, TRUNCATED, WRONG
from justtinker_plugins.commands._audit.honest import HONEST, the_plain_answer
from justtinker_plugins.commands._audit.items import Battery, Item, battery_name, merged
from justtinker_plugins.commands._audit.opened import OPENED, rest_of
from justtinker_plugins.commands._audit.sizes import GRADED
from justtinker_plugins.commands._audit.topics import TOPICS
from justtinker_plugins.shared.records.groups import Count, checked, without_nulls
from justtinker_plugins.shared.records.lines import Line, lines, object_of

Kind = Literal["wrong", "sloppy", "honest", "number"]
Paid = bool | Literal["less"] | tuple[float, float]
KINDS: Mapping[Kind, str] = {
    "wrong": "Wrong answers: should earn nothing",
    "sloppy": "Right answers in bad form: should earn less than a plain one",
    "honest": "Honest answers: should earn the full reward",
    "number": "Cases with an expected reward",
}
BATTERIES: Mapping[Kind, Mapping[str, Battery]] = {
    "wrong": merged(WRONG, injections.WRONG, opened.WRONG, *(topic.wrong for topic in TOPICS), programs.WRONG),
    "sloppy": merged(SLOPPY, opened.SLOPPY),
    "honest": merged(HONEST, opened.HONEST, *(topic.honest for topic in TOPICS), programs.HONEST),
}
PAID: Mapping[Kind, Paid] = {"wrong": False, "sloppy": "less", "honest": True}
NEAR_ENOUGH = 0.005
"""How far a reward may be from the expected number."""
RESPONSES_PER_BATTERY = 3
"""The most responses that a battery gives to one problem."""


@dataclass(frozen=True, slots=True)
class Case:
    """One response, and the reward that a fair stack gives it."""

    name: str
    """The name of its battery."""
    problem: Problem
    response: str
    paid: Paid
    right_response: str | None = None
    """A plain honest response to the same problem, to compare the reward with; None: not made yet."""
    wrong_response: str | None = None
    """A plain wrong one, likewise."""
    truncated: bool = False
    tokens: int | None = None
    graded: bool = False
    """Whether it is a failure if no verifier can grade it, although it is wrong."""
    opened: str = ""
    """What the prompt already held of all three responses, such as ``<think>``."""
    location: str = ""
    """File and line of a case from a file; empty for one from a battery."""

    @property
    def kind(self) -> Kind:
        """The table that lists the case."""
        if isinstance(self.paid, tuple):
            return "number"
        return "sloppy" if self.paid == "less" else "honest" if self.paid else "wrong"


def without_use(kinds: Collection[str]) -> frozenset[str]:
    """The names of batteries that fit no problem of these kinds."""
    others = {name for batteries in BATTERIES.values() for name in batteries} - programs.OWN - programs.SHARED
    unused = programs.OWN if programs.KIND not in kinds else frozenset()
    return unused | others if set(kinds) == {programs.KIND} else unused


def cases_of(item: Item, only: Collection[str] = (), leave_out: Collection[str] = ()) -> Iterator[Case]:
    """Yield the cases of all batteries that fit its kind, or only of those named; of none that is left out.

    Of each battery it takes the first response and a few others at random.
    """
    leave_out = {*leave_out, *without_use({item.problem.kind})}
    for kind, batteries in BATTERIES.items():
        for name, battery in batteries.items():
            wanted = (not only or name in only) and name not in leave_out
            texts = list(dict.fromkeys(battery(item))) if wanted else []
            more = min(RESPONSES_PER_BATTERY, len(texts)) - 1
            begun = OPENED.get(name, "")
            right, wrong = rest_of(item.right_response, begun), rest_of(item.wrong_response, begun)
            for text in [*texts[:1], *item.rng.sample(texts[1:], more)] if texts else ():
                yield Case(
                    name, item.problem, text, PAID[kind], right, wrong, name in TRUNCATED, graded=name in GRADED,
                    opened=begun,
                )  # fmt: skip


def plain_case(item: Item) -> Case:
    """Return the case of the plain right answer."""
    name, right = battery_name(the_plain_answer), item.right_response
    return Case(name, item.problem, right, True, right, item.wrong_response)


def read_cases(file: Path) -> list[Case]:
    """Read the cases of a file.

    Raises:
        PluginError: names the file, the line and what is wrong there.
    """
    if not file.is_file():
        raise PluginError(f"there is no file {file}: --cases expects a file of JSON lines")
    if not (cases := [_case(line) for line in lines(file)]):
        raise PluginError(f"{file} holds no cases")
    return cases


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A line of a file of cases, without its `paid`."""

    problem: Problem
    response: str
    name: str = "own cases"
    honest: str | None = None
    wrong: str | None = None
    truncated: StrictBool = False
    tokens: Count | None = None
    graded: StrictBool = False
    opened: str = ""


CASE = TypeAdapter(CaseRecord)


def _case(line: Line) -> Case:
    found = object_of(line, "the case")
    record = without_nulls(found)
    try:
        if unknown := [key for key in found if key not in KEYS]:
            raise ValueError(f"unknown key {unknown[0]!r} in a case; expected some of {', '.join(KEYS)}")
        case = checked(CASE, record, "the case", {"problem": {"id": line.name, **record}})
        paid = _paid(found)
    except ValueError as error:
        raise PluginError(f"{line.place}: {error}") from None
    return Case(
        case.name, case.problem, case.response, paid, case.honest, case.wrong, case.truncated, case.tokens, case.graded,
        case.opened, line.place,
    )  # fmt: skip


KEYS = (
    "name", "question", "answer", "response", "paid", "id", "kind", "meta", "demonstration", "truncated", "tokens",
    "honest", "wrong", "graded", "opened",
)  # fmt: skip
PAID_VALUES = 'true, false, "less", a reward, or [low, high]'


def _paid(record: Mapping[str, Any]) -> Paid:
    if "paid" not in record:
        raise ValueError(f"the case has no 'paid'; expected {PAID_VALUES}")
    paid = record["paid"]
    if isinstance(paid, bool):
        return paid
    if paid == "less":
        return "less"
    if _is_number(paid):
        return (paid - NEAR_ENOUGH, paid + NEAR_ENOUGH)
    if isinstance(paid, list) and len(paid) == 2 and all(map(_is_number, paid)) and paid[0] <= paid[1]:
        return (float(paid[0]), float(paid[1]))
    raise ValueError(f"'paid': expected {PAID_VALUES}, got {json.dumps(paid)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_cases(file: Path, cases: Iterable[Case]) -> None:
    """Write cases so that `read_cases` can read them."""
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(record_of(case)) + "\n" for case in cases)
    except OSError as error:
        raise PluginError(f"cannot write {file}: {error.strerror}") from None


def record_of(case: Case) -> dict[str, Any]:
    """Return a case as a JSON object."""
    problem = case.problem
    paid = list(case.paid) if isinstance(case.paid, tuple) else case.paid
    record: dict[str, Any] = {"name": case.name, "question": problem.question, "answer": problem.answer}
    record |= {"response": case.response, "paid": paid, "id": problem.id, "kind": problem.kind}
    more = {"meta": dict(problem.meta), "truncated": case.truncated, "tokens": case.tokens, "graded": case.graded}
    more |= {"opened": case.opened, "honest": case.right_response, "wrong": case.wrong_response}
    return record | {key: value for key, value in more.items() if value}
