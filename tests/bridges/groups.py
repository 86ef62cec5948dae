"""One file of real groups, what a scorer says of it, and a check that a bridge says the same.

The groups are made from real problems, real model outputs and real wrong judgements (JUSTTINKER_DATA), with what goes
wrong in practice: no gold, a lost worker, a response that was cut off, and answers that hang a careless grader.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from justtinker_plugins.bridges import _stack
from justtinker_plugins.commands._audit import bombs
from justtinker_plugins.shared.rows import read_rows
from tests.bridges.lossy import LOST

DATA = os.environ.get("JUSTTINKER_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds answers.jsonl")
VERIFIER = {"local_plugins": {"lossy": f"{Path(__file__).parent / 'lossy.py'}:Lossy"}}
ALONE: Mapping[str, Any] = {"plugins": {"enable": ["lossy", "correct", "format", "redundancy"]}, **VERIFIER}
"""Terms that judge a rollout alone."""
GROUPED: Mapping[str, Any] = {"plugins": {"enable": [*ALONE["plugins"]["enable"], "length"]}, **VERIFIER}
"""With a term that compares the rollouts of a group."""
LONGEST = 6_000
"""Characters of a model output."""
REFUSAL = "'length' compares the responses of a group; disable it, or use a bridge that sees groups"


@dataclass(frozen=True)
class Case:
    """One group: a problem and its responses."""

    question: str
    answer: str | None
    responses: tuple[str, ...]
    truncated: tuple[bool, ...]
    tokens: tuple[int, ...] = ()

    @property
    def line(self) -> dict[str, Any]:
        """The group as a line that ``justtinker score`` reads, and the arguments of a `Scorer`."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


class Found(NamedTuple):
    """What a bridge says of one response; None: unscored, or the reward does not apply."""

    total: float | None
    rewards: Mapping[str, float | None] | None
    """None: the bridge does not say them."""


@cache
def real_groups(n: int) -> tuple[Case, ...]:
    """Make n groups of 2 to 8 responses, always the same."""
    chance = random.Random(20261130)
    problems, thoughts = list(real_problems()), list(real_thoughts())
    chance.shuffle(problems)
    chance.shuffle(thoughts)
    made = []
    for i in range(n):
        if i % 10 == 9:
            made.append(real_misjudgement(i // 10))
        else:
            question, gold = problems[i % len(problems)]
            made.append(group_of(chance, question, gold, problems[(i + 1) % len(problems)][1], thoughts, i))
    return tuple(with_tokens(case, [len(text) // 3 + 1 for text in case.responses]) for case in made)


def group_of(chance: random.Random, question: str, gold: str, other: str, thoughts: Sequence[str], i: int) -> Case:
    """Make a group: always a right and a wrong response, and some of what goes wrong."""
    thought = thoughts[i % len(thoughts)]
    answers = bombs.ANSWERS
    texts = [
        rf"<think>{thought}</think>The answer is \boxed{{{gold}}}.",
        rf"<think>{chance.choice(thoughts)[:800]}</think>\boxed{{{other}}}",
        rf"\boxed{{{gold}}}",
        f"<think>{thought}",
        rf"<think>Hm.</think>\boxed{{{answers[i % len(answers)]}}}",
        rf"{LOST} \boxed{{{gold}}}",
        "",
        thoughts[(i + 1) % len(thoughts)],
    ]
    extra = chance.sample(range(2, len(texts)), i % 7)
    places = [0, 1, *extra]
    chance.shuffle(places)
    responses = tuple(texts[place] for place in places)
    return Case(question, None if i % 13 == 5 else gold, responses, tuple(place == 3 for place in places))


def real_problems() -> Iterator[tuple[str, str]]:
    """Yield questions and golds of the benchmark sets."""
    for file in sorted(Path(f"{DATA}/eval").glob("*.parquet")):
        for _, row in read_rows(file):
            asked = row["prompt"][0]["content"] if "prompt" in row else row["problem"]
            yield asked, str(row["reward_model"]["ground_truth"] if "reward_model" in row else row["answer"])


def real_thoughts() -> Iterator[str]:
    """Yield model outputs, healthy and looping."""
    for name in ("reasoning_texts", "rollout_batch_256"):
        for _, row in read_rows(Path(f"{DATA}/{name}.jsonl.zst")):
            yield row["text"][:LONGEST]


@cache
def misjudgements() -> list[dict[str, Any]]:
    """Return the answers that a verifier once judged wrongly."""
    return [row for _, row in read_rows(Path(f"{DATA}/answers.jsonl"))]


def real_misjudgement(i: int) -> Case:
    """Make a group of one of them and its gold."""
    row = misjudgements()[i % len(misjudgements())]
    texts = row["response"], rf"<think>copied</think>\boxed{{{row['gold']}}}"
    return Case(row["question"], row["gold"], texts, (False, False))


def with_tokens(case: Case, tokens: Iterable[int]) -> Case:
    """Return the case with other lengths, such as those of a tokenizer."""
    return replace(case, tokens=tuple(tokens))


def with_responses(case: Case, keep: Callable[[str], bool]) -> Case:
    """Return the case with the responses that a tokenizer can spell, say, and one more if none is left."""
    rows = [row for row in zip(case.responses, case.truncated, case.tokens, strict=True) if keep(row[0])]
    responses, truncated, tokens = zip(*(rows or [("none", False, 2)]), strict=True)
    return replace(case, responses=responses, truncated=truncated, tokens=tokens)


def write_file(path: Path, cases: Sequence[Case]) -> Path:
    """Write the groups as JSON lines, for the commands."""
    path.write_text("".join(json.dumps(case.line) + "\n" for case in cases))
    return path


@cache
def expected(case: Case, grouped: bool) -> list[Found]:
    """Return what the scorer says of a group, with the terms of `GROUPED` or those of `ALONE`."""
    scorer, given = _stack.scorer_of(GROUPED if grouped else ALONE), case.line
    if not grouped:
        del given["tokens"], given["truncated"]  # one response at a time often comes as text alone
    group = scorer.score(**given)
    return [Found(_stack.total(group, i), _stack.raw_values(scorer, group, i)) for i in range(len(group.rollouts))]


def assert_conforms(cases: Sequence[Case], found: Sequence[Sequence[Found]], *, grouped: bool) -> None:
    """Check that a bridge gives each response of each group the scorer's numbers, and leaves unscored ones unscored."""
    assert len(found) == len(cases)
    unscored = 0
    for number, (case, got) in enumerate(zip(cases, found, strict=True)):
        wanted = expected(case, grouped)
        assert [row.total for row in got] == [row.total for row in wanted], f"totals of group {number}: {case}"
        if any(row.rewards is not None for row in got):
            assert [row.rewards for row in got] == [row.rewards for row in wanted], f"rewards of group {number}: {case}"
        unscored += sum(row.total is None for row in wanted)
    assert unscored, "the file holds unscored responses"


def said_by_verl(numbers: Any) -> Found:
    """verl wants a number for an unscored response too, and has it flagged."""
    rewards = {name: value for name, value in numbers.items() if name not in ("score", "acc", "unscored")}
    return Found(None if numbers["unscored"] else numbers["score"], rewards)
