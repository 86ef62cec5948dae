"""The verifier for instructions that a rule can check, as in IFEval: so many words, no comma, all of it JSON.

A problem says what holds for its answer, with IFEval's names and arguments. Right is an answer that follows all of
them. A blank answer follows none. What follows ``</think>`` is the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import Group, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.shared.parts import rung_of, share_of
from justtinker_plugins.shared.unusable import unusable_golds
from justtinker_plugins.text import answer_part
from justtinker_plugins.verifiers._instructions.checks import CHECKS, LEFT_OUT

Instruction = tuple[str, Mapping[str, Any]]
"""A name and its arguments."""
NAMES = ("instruction_id_list", "instruction_id")


@plugin
class Instructions:
    """Checks 21 of IFEval's 25 instructions. `Problem.meta` holds ``instruction_id_list`` and ``kwargs``, a table for
    each; or the gold answer is a JSON object with both.

    Measures ``instructions_followed``, the share of a problem's instructions that an answer follows.
    """

    kinds: tuple[str, ...] = ("instructions",)
    """Kinds of problems that it judges, as in `Problem.kind`."""

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain about instructions that are unknown, left out here, or have wrong arguments."""
        return [f"instructions: {text}" for text in unusable_golds(run, self.kinds, trouble)]

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if an instruction of the problem cannot be checked."""
        if problem.kind not in self.kinds:
            return None
        try:
            instructions = instructions_of(problem)
        except ValueError as error:
            return [Verdict("unscored", rung="gold", reason=str(error)) for _ in rollouts]
        return [judged(rollout.response, instructions) for rollout in rollouts]

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]] | None:
        """The share of the instructions that each answer follows; None if it was not judged."""
        if group.problem.kind not in self.kinds:
            return None
        return {"instructions_followed": [share_of(verdict, "instructions") for verdict in group.verdicts]}


def judged(response: str, instructions: Sequence[Instruction]) -> Verdict:
    """Check an answer; the reason names the first instruction that it does not follow."""
    answer = answer_part(response)
    text = (answer or "").strip()
    if not text:
        return Verdict("incorrect", None, "extract", "a <think> is never closed" if answer is None else "no answer")
    broken = [name for name, arguments in instructions if not CHECKS[name](text, **arguments)]
    rung = rung_of(len(instructions) - len(broken), len(instructions), "instructions")
    if not broken:
        return Verdict("correct", text, rung, vote="follows all")
    return Verdict("incorrect", text, rung, f"it does not follow {broken[0]}")


def trouble(problem: Problem) -> str:
    """Say why a problem's instructions cannot be checked; '' if they can."""
    try:
        instructions_of(problem)
    except ValueError as error:
        return str(error)
    return ""


def instructions_of(problem: Problem) -> list[Instruction]:
    """A problem's instructions, each of them tried. ValueError says what is wrong with them."""
    source = problem.meta if any(name in problem.meta for name in NAMES) else _table_of(problem.answer)
    names = next((source[name] for name in NAMES if name in source), None)
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f"instruction_id_list: expected a list of IFEval's names, got {names!r:.60}")
    tables = source.get("kwargs") or [{}] * len(names)
    if not isinstance(tables, list | tuple) or len(tables) != len(names):
        raise ValueError(f"kwargs: expected a list of {len(names)}, one for each instruction, got {tables!r:.60}")
    return [_tried(name, table or {}) for name, table in zip(names, tables, strict=True)]


def _table_of(answer: str | None) -> Mapping[str, Any]:
    """The JSON object of a gold answer, alone or in a list of one."""
    try:
        found = json.loads(answer or "null")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the gold answer is no JSON: {error}") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise ValueError("the problem has no instructions: expected instruction_id_list and kwargs in its metadata")
    return found


def _tried(name: Any, table: Any) -> Instruction:
    """An instruction whose check takes its arguments; those that are None are left out, as IFEval's file has them."""
    if not isinstance(name, str) or name not in CHECKS:
        why = f" ({LEFT_OUT[name]})" if name in LEFT_OUT else nearest(str(name), CHECKS)
        raise ValueError(f"the instruction {name!r:.60} is none of the {len(CHECKS)} that are checked here{why}")
    if not isinstance(table, Mapping):
        raise ValueError(f"{name}: expected a table of arguments, got {table!r:.60}")
    arguments = {key: value for key, value in table.items() if value is not None}
    try:
        CHECKS[name]("x", **arguments)
    except ValueError as error:  # pydantic's, too
        raise ValueError(f"{name}: {_first(error)}") from None
    return name, arguments


def _first(error: ValueError) -> str:
    """The first complaint of a validation."""
    complaint = error.errors()[0]  # type: ignore[attr-defined]
    return f"{'.'.join(map(str, complaint['loc']))}: {complaint['msg'].lower()}"
