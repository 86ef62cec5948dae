"""Select the rollouts of a run that its page shows: so many of each kind, in one pass, in bounded memory."""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.page.words import why_of
from justtinker_plugins.shared.records.step_files import is_training, read_groups, set_of, step_files, step_of, value_of
from justtinker_plugins.text import CLOSE, thinking_part

Row = dict[str, Any]
FILTERS = ("best", "worst", "redundant", "unscored", "truncated")
PER_STEP, STEPS = 4, 40
MOST_CHARACTERS = 12_000
"""The most characters of a prompt, a thinking part or an answer; longer ones lose their middle."""


@dataclass
class Selection:
    """The rollouts that stand out, and a few from steps in between, of all files that `update` has read."""

    most: int = 30
    """The most rollouts of a filter from training; from all evaluations together half as many."""
    seen: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    """Errors of files that could not be read."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many rollouts there are, and how many each filter could show."""
    _heaps: dict[tuple[bool, str], list[tuple[tuple[float, ...], Row]]] = field(default_factory=dict)
    _steps: dict[str, dict[int, list[Row]]] = field(default_factory=dict)

    def update(self, run_dir: Path) -> None:
        """Read the files of a run that are new."""
        for path in step_files(run_dir):
            if path.name not in self.seen:
                self.seen.add(path.name)
                try:
                    self._read(path)
                except (PluginError, KeyError, TypeError) as error:
                    self.unread.append(f"{path.name}: {error}")

    def _read(self, path: Path) -> None:
        training, name, step = is_training(path), set_of(path), step_of(path)
        sampled: list[Row] = []
        for record in read_groups(path):
            rows: dict[int, Row] = {}
            for kind, n, key in candidates(record["rollouts"], self.counts):
                self._offer((training, kind), (*key, step, -record["index"], -n, len(self.seen)), rows, record, n, name)
            if record["index"] < PER_STEP // 2:
                for n in extremes(record["rollouts"]):
                    sampled.append(rows.setdefault(n, row_of(record, n, name)))
        self._sample(name, step, sampled)

    def _offer(
        self, place: tuple[bool, str], key: tuple[float, ...], rows: dict[int, Row], record: Row, n: int, name: str
    ) -> None:
        """Keep a rollout if it ranks among the first of its filter."""
        heap = self._heaps.setdefault(place, [])
        most = self.most if place[0] else -(-self.most // 2)
        if len(heap) >= most and key <= heap[0][0]:
            return
        row = rows.setdefault(n, row_of(record, n, name))
        heapq.heappush(heap, (key, row)) if len(heap) < most else heapq.heappushpop(heap, (key, row))

    def _sample(self, name: str, step: int, rows: list[Row]) -> None:
        """Keep the rows of a step; drop those of every second step when there are too many steps."""
        steps = self._steps.setdefault(name, {})
        steps[step] = rows
        if len(steps) > 2 * STEPS:
            for i, old in enumerate(sorted(steps)):
                if i % 2:
                    del steps[old]

    def chosen(self, most_bytes: int) -> tuple[list[Row], int]:
        """Choose rows up to `most_bytes`, each with its filters; also return how many did not fit."""
        lists = [
            [{**row, "in": kind} for _, row in sorted(heap, key=lambda entry: entry[0], reverse=True)]
            for (_, kind), heap in sorted(self._heaps.items(), key=lambda item: (not item[0][0], item[0][1]))
        ]
        lists += [[{**row, "in": "sample"} for _, rows in sorted(steps.items()) for row in rows]
                  for steps in self._steps.values()]  # fmt: skip
        return rows_within(lists, most_bytes)


def rows_within(lists: Iterable[list[Row]], most_bytes: int) -> tuple[list[Row], int]:
    """Take rows from the lists in turns, each row once, while they fit; also return how many did not fit."""
    kept: dict[tuple[Any, ...], Row] = {}
    size, left_out = 0, set()
    for turn in zip_longest(*lists):
        for row in (r for r in turn if r is not None):
            ident = (row["set"], row["step"], row["group"], row["n"])
            if ident in kept:
                kept[ident]["in"].append(row["in"])
                continue
            text = json.dumps(row, ensure_ascii=False)
            weight = len(text.encode("utf-8", "backslashreplace")) + 5 * text.count("<")  # the page has it as \u003c
            if size + weight > most_bytes:
                left_out.add(ident)
                continue
            size += weight
            kept[ident] = {**row, "in": [row["in"]]}
    return list(kept.values()), len(left_out)


def candidates(rollouts: list[Row], counts: Counter[str]) -> Iterator[tuple[str, int, tuple[float, ...]]]:
    """Yield filter, number and rank of a group's candidates: one each for best, worst and most redundant."""
    values = {n: v for n, r in enumerate(rollouts) if (v := value_of(r)) is not None}
    scores = {n: s for n, r in enumerate(rollouts) if (s := r.get("measures", {}).get("redundancy_score"))}
    counts["all"] += len(rollouts)
    if values:
        best, worst = max(values, key=lambda n: values[n]), min(values, key=lambda n: values[n])
        yield "best", best, (values[best],)
        yield "worst", worst, (-values[worst],)
    if scores:
        top = max(scores, key=lambda n: scores[n])
        yield "redundant", top, (scores[top],)
    for n, rollout in enumerate(rollouts):
        for kind, applies in (("unscored", n not in values), ("truncated", rollout["truncated"])):
            if applies:
                counts[kind] += 1
                yield kind, n, ()


def extremes(rollouts: list[Row]) -> list[int]:
    """The numbers of the first rollout and of the first with another value."""
    if not rollouts:
        return []
    first = value_of(rollouts[0])
    return [0, *[n for n, r in enumerate(rollouts) if value_of(r) != first][:1]]


def row_of(record: Mapping[str, Any], n: int, name: str) -> Row:
    """Describe a rollout for the page."""
    rollout, problem = record["rollouts"][n], record["problem"]
    verdict, weights = rollout.get("verdict", {}), rollout.get("weights", {})
    thinking, answer = parts_of(rollout.get("opened", "") + rollout["text"])
    return {
        "set": name, "step": record["step"], "group": record["index"], "n": n,
        "of": len(record["rollouts"]), "id": str(problem["id"]),
        "question": shortened(problem["question"], 2000), "prompt": shortened(record["prompt"]),
        "gold": shortened(problem["answer"] or "", 2000), "thinking": thinking, "response": answer,
        "outcome": verdict.get("outcome", ""), "answer": shortened(verdict.get("answer") or "", 2000),
        "why": why_of(verdict)[:500],
        "tokens": rollout["tokens"], "cut": rollout["truncated"],
        "reward": finite(rollout.get("reward")) if rollout.get("terms") else None,
        "advantage": finite(rollout.get("advantage")),
        "terms": [[term, finite(raw), finite(weights.get(term))] for term, raw in rollout.get("terms", {}).items()],
        "measures": [[name, value] for name, v in rollout.get("measures", {}).items()
                     if (value := finite(v)) is not None],
    }  # fmt: skip


def parts_of(text: str) -> tuple[str | None, str]:
    """Split a response into its thinking (None without) and the rest."""
    thinking = thinking_part(text)
    if thinking is None:
        return None, shortened(text)
    return shortened(thinking), shortened(text.partition(CLOSE)[2])


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Cut the middle out of a long text, and say how much is missing."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]}\n\n[… {len(text) - head - tail:,} characters are left out here …]\n\n{text[-tail:]}"


def finite(value: Any) -> float | None:
    """Round a number, or the mean of numbers by token; None if it is not finite."""
    if isinstance(value, list):
        value = sum(value) / len(value) if value else None
    return round(float(value), 6) if value is not None and math.isfinite(value) else None
