"""Read the flat lists that TRL hands to a reward function as groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.bridges._stack import gold_of
from justtinker_plugins.shared.messages import last_message, reasoning_of, text_of

WHERE = "TRL's batch"


@dataclass(frozen=True)
class Reading:
    """Where the parts of a problem stand in a batch; the options are described in `trl.Options`."""

    answer: str = "answer"
    question: str | None = None
    kind: str | None = None
    opened: str = ""
    end_tokens: Sequence[int] = ()
    num_generations: int | None = None


@dataclass(frozen=True)
class Request:
    """One group of a batch. Equal requests have equal scores."""

    question: str
    answer: str | None
    kind: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...] | None
    truncated: tuple[bool, ...] | None
    opened: str
    step: int | None
    meta: Mapping[str, Any] = field(compare=False)
    """The other columns of the group's first row."""
    meta_ids: tuple[int, ...]
    """Stands for `meta`, whose values may have no hash. `meta` keeps them alive, so an id is theirs alone."""


def read_batch(
    reading: Reading,
    prompts: Sequence[Any],
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]] | None,
    columns: Mapping[str, Any],
    step: int | None,
) -> list[Request]:
    """Return the groups of a batch, in order. PluginError if lengths differ or a column is not there."""
    columns = {name: cells for name, cells in columns.items() if isinstance(cells, list | tuple)}
    check_columns(reading, len(prompts), {"completions": completions, "completion_ids": completion_ids}, columns)
    questions = columns[reading.question] if reading.question else [question_of(prompt) for prompt in prompts]
    cells = enumerate(columns[reading.answer])
    answers = [gold_of(cell, f"{WHERE}, {reading.answer!r}, row {row}") for row, cell in cells]
    kinds = columns[reading.kind] if reading.kind else ["math"] * len(prompts)
    keys = list(zip(prompts, questions, answers, kinds, strict=True))
    requests = []
    for rows in groups_of(keys, reading.num_generations):
        _, question, answer, kind = keys[rows[0]]
        texts = tuple(response_of(completions[row], reading.opened, row) for row in rows)
        tokens, truncated = lengths_of([completion_ids[row] for row in rows] if completion_ids else [], reading)
        meta = {name: cells[rows[0]] for name, cells in columns.items()}
        ids = tuple(map(id, meta.values()))
        requests.append(Request(question, answer, kind, texts, tokens, truncated, reading.opened, step, meta, ids))
    return requests


def check_columns(reading: Reading, rows: int, given: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    """Raise PluginError if a column that is to be read is not there, or a list has another length."""
    for name in filter(None, (reading.answer, reading.question, reading.kind)):
        if name not in columns:
            raise PluginError(f"the data set has no column {name!r}{nearest(name, list(columns))}")
    for name, cells in {**given, **columns}.items():
        if cells is not None and len(cells) != rows:
            raise PluginError(f"{WHERE}: expected {rows} entries of {name!r}, one a prompt, got {len(cells)}")


def lengths_of(
    ids: Sequence[Sequence[int]], reading: Reading
) -> tuple[tuple[int, ...] | None, tuple[bool, ...] | None]:
    """Return how many tokens each response has, and which were cut off; None for what cannot be known."""
    ends = set(reading.end_tokens)
    cut = tuple(not {*each[-1:]} & ends for each in ids)
    return tuple(map(len, ids)) or None, (cut or None) if ends else None


def groups_of(keys: Sequence[Any], size: int | None) -> Iterator[list[int]]:
    """Yield the places of equal keys that stand together; groups of `size`, if it is given."""
    for _, run in groupby(range(len(keys)), key=keys.__getitem__):
        places = list(run)
        if size and len(places) % size:
            raise PluginError(
                f"{WHERE}: expected groups of {size} responses (num_generations), got {len(places)} to one prompt; "
                "choose a per_device_train_batch_size that no group is split between processes"
            )
        yield from (places[i : i + (size or len(places))] for i in range(0, len(places), size or len(places)))


def question_of(prompt: Any) -> str:
    """Return the last user message of a prompt, or its text."""
    if isinstance(prompt, str):
        return prompt
    users = [message for message in prompt if message.get("role") == "user"]
    content = users[-1].get("content") if users else None
    if isinstance(content, list):  # blocks, as vision models have them
        content = "\n".join(block["text"] for block in content if block.get("type") == "text")
    if not isinstance(content, str):
        raise PluginError(f"{WHERE}: expected a prompt with a user message of text, got {prompt!r:.80}")
    return content


def response_of(completion: Any, opened: str, row: int) -> str:
    """Return the text of a completion, without what the prompt already holds of it."""
    text = text_of(completion, f"{WHERE}, completion {row}")
    if opened and not isinstance(completion, str) and reasoning_of(last_message(completion)):
        return text.removeprefix("<think>")  # TRL took the thinking apart, and text_of wrote its tags again
    return text
