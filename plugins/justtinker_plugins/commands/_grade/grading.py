"""Grade answers: in batches on several cores, or together if judges wait for servers. A record for each response."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from justtinker_core import Group, PluginError, Reward, Scorer, Verdict
from justtinker_core.grading import GroupError
from justtinker_plugins.commands._cli.processes import in_order
from justtinker_plugins.commands._grade.reading import Answers
from justtinker_plugins.shared.foreign import located

Record = dict[str, Any]
BATCH = 1 << 16
"""Characters of responses."""
EMPTY = Verdict("unscored", reason="the cell is empty: there is no response")


def grade(table: Iterable[Answers], scorer: Scorer, jobs: int) -> Generator[tuple[Answers, list[Record]]]:
    """Yield the answers with a record for each response, in order.

    Judges that wait for servers are asked from this process alone: their limits and budgets hold for one process.
    """
    if scorer.plugins.coroutines:
        yield from grade_together(table, scorer)
        return
    for batch, graded in in_order(partial(grade_batch, scorer), batches(table), jobs):
        yield from zip(batch, graded, strict=True)


def grade_together(table: Iterable[Answers], scorer: Scorer) -> Generator[tuple[Answers, list[Record]]]:
    """Yield likewise, with many groups under way at a time."""
    taken: deque[Answers] = deque()

    def groups() -> Iterator[Group]:
        for answers in table:
            taken.append(answers)
            if answers.group.rollouts:
                yield answers.group

    with closing(scorer.judge_all(groups())) as judged:  # type: ignore[type-var]  # it is a generator
        while True:
            try:
                group = next(judged, None)
            except GroupError as error:
                place = next(answers.place for answers in taken if answers.group.rollouts)
                raise located(place, error) from None
            while taken and (group is None or not taken[0].group.rollouts):
                empty = taken.popleft()
                yield empty, records_of(empty, empty.group)
            if group is None:
                return
            answers = taken.popleft()
            yield answers, records_of(answers, group)


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
    return records_of(answers, group)


def records_of(answers: Answers, group: Group) -> list[Record]:
    """Return a record for each response of a judged group, and for each cell that holds none."""
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
