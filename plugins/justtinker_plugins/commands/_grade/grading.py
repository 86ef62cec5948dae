"""Grade answers, a record for each response: in batches on several cores, or many together.

Together if a judge waits for a server, or on an executor such as a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import tee
from typing import Any

from justtinker_core import Group, PluginError, Reward, Scorer, Verdict
from justtinker_plugins.commands._cli.executors import executor_of
from justtinker_plugins.commands._cli.processes import Readable, in_order
from justtinker_plugins.commands._grade.reading import Answers
from justtinker_plugins.shared.foreign import located

Record = dict[str, Any]
BATCH = 1 << 16
"""Characters of responses."""
EMPTY = Verdict("unscored", reason="the cell is empty: there is no response")


def grade(table: Iterable[Answers], scorer: Scorer, jobs: int) -> Generator[tuple[Answers, list[Record]]]:
    """Yield the answers with a record for each response, in order."""
    with executor_of(scorer) as executor:
        if executor is None and not scorer.plugins.coroutines:
            for batch, graded in in_order(partial(grade_batch, scorer), batches(table), jobs):
                yield from zip(batch, graded, strict=True)
            return
        readable = Readable(table)
        rows, copy = tee(readable)
        judged = scorer.judge_all((answers.group for answers in copy if answers.group.rollouts), executor)
        for answers in rows:
            yield answers, grade_group(answers, lambda group: next(judged))
        readable.check()


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
    return [grade_group(answers, scorer.judge) for answers in batch]


def grade_group(answers: Answers, judge: Callable[[Group], Group]) -> list[Record]:
    """Return a record for each response. PluginError names the place of the group, or what is wrong in the config."""
    group = answers.group
    try:
        group = judge(group) if group.rollouts else group
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
