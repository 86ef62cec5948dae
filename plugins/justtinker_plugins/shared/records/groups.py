"""Read saved rollouts back: each line of a file becomes the group that was judged.

A line is one of a run's own ``rollouts/*.jsonl.zst``, or the least that can be scored::

    {"question": "47+38=?", "answer": "85", "responses": ["…", "…"]}

Such a line may add ``tokens`` (the length of each response), ``truncated`` (true or false for each), ``opened`` (what
the prompt already held of the responses, such as ``<think>``: one text), ``step``, ``id``, ``kind`` and ``meta``.
Records hold no token ids, so a group read back has the right number of tokens, whose ids are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, StrictBool, StrictInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout
from justtinker_core.options import keys_of
from justtinker_core.scorer import text_rollout
from justtinker_plugins.shared.records.lines import Line, object_of
from justtinker_plugins.shared.records.runs import existing

T = TypeVar("T")
Count = Annotated[StrictInt, Field(ge=0)]


def rollout_files(sources: Iterable[Path]) -> list[Path]:
    """List the files to read; a directory stands for the training rollouts of its run, or of the last of its runs."""
    files: list[Path] = []
    for source in sources:
        if not source.exists():
            raise PluginError(f"there is no {source}: expected files of JSON lines or run directories")
        found = [source]
        if source.is_dir():
            folder = existing(source)[-1] / "rollouts"
            found = sorted(folder.glob("step_*.jsonl.zst"))
            if not found:
                raise PluginError(f"{folder} holds no step_*.jsonl.zst: the run has recorded no training rollouts")
        files += found
    return files


def without_nulls(value: Any) -> Any:
    """Drop the keys of a JSON object whose value is null: they count as missing. Other values stay as they are."""
    return {key: v for key, v in value.items() if v is not None} if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """The part of a line that describes one rollout."""

    text: str
    tokens: Count | None = None
    truncated: StrictBool | None = None
    reward: Annotated[float, Field(strict=True)] | None = None
    opened: str = ""

    def rollout(self) -> Rollout:
        """Build the rollout, without token ids."""
        return text_rollout(self.text, self.tokens, bool(self.truncated), self.opened)


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A line, in either form, with types."""

    problem: Annotated[Problem, BeforeValidator(without_nulls)]
    rollouts: Annotated[list[RolloutRecord], Field(validation_alias=AliasChoices("responses", "rollouts"))]
    prompt: str = ""
    step: StrictInt | None = None
    index: StrictInt | None = None


GROUP = TypeAdapter(GroupRecord)


def group_of(line: Line, *, step_needed: str = "") -> tuple[Group, list[float | None]]:
    """Build the group of a line, not judged yet; also return the recorded reward of each rollout, or None.

    `step_needed` names what needs the step: then a line without one is an error.
    """
    record = without_nulls(object_of(line))
    try:
        _check_spelling(record)
        parts = {"problem": {"id": line.name, **record}, "responses": _rows_of(record)} if "responses" in record else {}
        found = checked(GROUP, record, "the line", parts)
        if not found.rollouts:
            raise ValueError("the line has no responses")
        if step_needed and found.step is None:
            raise ValueError(f"the line has no 'step', which {step_needed} needs")
    except ValueError as error:
        raise PluginError(f"{line.place}: {error}") from None
    prompt, rollouts = Prompt(found.prompt), tuple(row.rollout() for row in found.rollouts)
    index = line.number - 1 if found.index is None else found.index
    return Group(found.step or 0, index, found.problem, prompt, rollouts), [row.reward for row in found.rollouts]


KEYS = frozenset({f.name for f in (*fields(Problem), *fields(GroupRecord))} | set(RolloutRecord.__annotations__)) | {
    "responses"
}


def _check_spelling(record: Mapping[str, Any]) -> None:
    """Refuse a key that is nearly one of ours: ``opend`` would be ignored, and the line judged as something else."""
    for key in record.keys() - KEYS:
        if close := get_close_matches(key, KEYS, n=1, cutoff=0.8):
            raise ValueError(f"the line has {key!r}; did you mean {close[0]!r}?")


def _rows_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn the lists of a short line (responses, tokens, truncated) into one object for each response."""
    columns = {key: record[key] for key in ("responses", "tokens", "truncated") if key in record}
    for key, column in columns.items():
        if not isinstance(column, list):
            raise ValueError(f"{key!r} of the line: expected a list, got {column!r:.60}")
        if len(column) != len(columns["responses"]):
            raise ValueError(f"{key!r} has {len(column)} entries for {len(columns['responses'])} responses")
    names = ["text", *list(columns)[1:]]
    opened = {"opened": record["opened"]} if "opened" in record else {}
    return [{**dict(zip(names, row, strict=True)), **opened} for row in zip(*columns.values(), strict=True)]


def checked(adapter: TypeAdapter[T], record: Mapping[str, Any], name: str, derived: Mapping[str, Any]) -> T:
    """Validate a record together with parts `derived` from it, which errors do not mention.

    ValueError names the first wrong key, what was expected and what was found; it calls the record `name`.
    """
    values = {**record, **derived}
    try:
        return adapter.validate_python(values)
    except ValidationError as errors:
        error = errors.errors()[0]
    *owner, key = [part for part in keys_of(error, values) if part in record or part not in derived]
    if error["type"] == "missing":
        has = ", ".join(error["input"] if owner else record)
        raise ValueError(f"{'.'.join(owner) or name} has no {key!r}; it has {has or 'nothing'}")
    expected = error["msg"].removeprefix("Input should be ").partition(" or an instance")[0]
    raise ValueError(f"{'.'.join([*owner, key])!r} of {name}: expected {expected}, got {error['input']!r:.60}")
