"""Grade answers in batches, on several cores: a record for each response."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from justtinker_core import PluginError, Reward, Scorer, Verdict
from justtinker_plugins.commands._cli.processes import in_order
from justtinker_plugins.commands._grade.reading import Answers
from justtinker_plugins.shared.foreign import located

Record = dict[str, Any]
BATCH = 1 << 16
"""Characters of responses."""
EMPTY = Verdict("unscored", reason="the cell is empty: there is no response")


def grade(table: Iterable[Answers], scorer: Scorer, jobs: int) -> Generator[tuple[Answers, list[Record]]]:
    """Yield the answers with a record for each response, in order."""
    for batch, graded in in_order(partial(grade_batch, scorer), batches(table), jobs):
        yield from zip(batch, graded, strict=True)


def batches(table: Iterable[Answers]) -> Iterator[list[Answers]]:
    """Gather answers until they have `BATCH` characters."""
    batch: list[Answers] = []
    size = 0
    for answers in table:
        batch.append(answers)
        size += 200 + sum(len(rollout.text) for rollout in answers.group.rollouts)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def grade_batch(scorer: Scorer, batch: Sequence[Answers]) -> list[list[Record]]:
    """Return a record for each response of each group."""
    return [grade_group(scorer, answers) for answers in batch]


def grade_group(scorer: Scorer, answers: Answers) -> list[Record]:
    """Return a record for each response. PluginError names the place of the group, or what is wrong in the config."""
    group = answers.group
    try:
        group = scorer.judge(group) if group.rollouts else group
    except PluginError as error:
        raise located(answers.place, error) from None
    judged = zip(group.verdicts, group.rewards, strict=True)
    rows = []
    for id_, present in zip(answers.ids, answers.present, strict=True):
        if not present:
            rows.append(record(id_, EMPTY))
            continue
        verdict, reward = next(judged)
        total = None if verdict.outcome == "unscored" else reward.total
        rows.append(record(id_, verdict, total, reward))
    return rows


def record(
    id_: Mapping[str, Any], verdict: Verdict, total: float | None = None, reward: Reward | None = None
) -> Record:
    """Write one response's record."""
    said = {name: getattr(verdict, name) for name in ("outcome", "answer", "rung", "reason")}
    terms, weights = (dict(reward.terms), dict(reward.weights)) if reward else ({}, {})
    return {**id_, **said, "total": total, "terms": terms, "weights": weights}
