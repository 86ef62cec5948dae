"""Re-score many groups in order and keep the results in a file on request.

On all cores, each process judges batches with scorers of its own; this one reads, and takes what comes back. If a judge
waits for a server, or on an executor such as a cluster, this process also makes the groups, and many are judged
together. Only some are under way at a time, so memory does not grow with the number of rollouts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.config import RunConfig
from justtinker_core.enabling import installed
from justtinker_core.hookspecs import implements
from justtinker_core.scorer import judging
from justtinker_plugins.commands._cli.executors import executor_of
from justtinker_plugins.commands._cli.processes import Readable, in_order
from justtinker_plugins.shared.foreign import located
from justtinker_plugins.shared.records.groups import group_of
from justtinker_plugins.shared.records.lines import Line

BATCH_BYTES = 1 << 18
ADVICE = ". With --out, the same command continues where this one ended"
ADVANTAGES = "group_mean"
"""Of a config that has none."""
LACKS = {"tokens": "'tokens'", "logprobs": "log-probabilities", "reference": "log-probabilities of a reference"}
"""How a message calls what a record lacks."""
Record = dict[str, Any]
Configs = Mapping[str, RunConfig]
"""Side (config, against) -> its config."""


class Rescorer:
    """The scorers of all sides, and what they make of a line."""

    def __init__(self, configs: Configs) -> None:
        self.scorers = {side: Scorer(with_advantages(config)) for side, config in configs.items()}
        self.step_needed = " and ".join(filter(None, (scorer.step_needed for scorer in self.scorers.values())))

    def batch(self, batch: Sequence[Line]) -> list[Record]:
        """One record a line."""
        return [self.record(line) for line in batch]

    def record(self, line: Line) -> Record:
        """What each side makes of the group of a line. PluginError names the line."""
        group, recorded = group_of(line, step_needed=self.step_needed)
        return self._record(line, group, recorded, {side: scorer.judge for side, scorer in self.scorers.items()})

    def together(self, lines: Iterable[Line], executor: Executor | None) -> Iterator[tuple[Line, Record]]:
        """Yield every line with its record, in order; many groups are judged at a time."""
        readable = Readable((line, *group_of(line, step_needed=self.step_needed)) for line in lines)
        rows, *copies = tee(readable, 1 + len(self.scorers))
        judged = {
            side: scorer.judge_all((group for _, group, _ in copy), executor)
            for copy, (side, scorer) in zip(copies, self.scorers.items(), strict=True)
        }
        judge = {side: partial(next_of, groups) for side, groups in judged.items()}
        for line, group, recorded in rows:
            yield line, self._record(line, group, recorded, judge)
        readable.check()

    def _record(self, line: Line, group: Group, recorded: Any, judge: Mapping[str, Callable[[Group], Group]]) -> Record:
        sides = {side: record_of(s, group, line.place, judge[side]) for side, s in self.scorers.items()}
        place = {"key": key_of(line), "file": str(line.file.resolve()), "line": line.number}
        return {**place, "step": group.step, "problem": group.problem.id, "recorded": recorded, **sides}

    def close(self) -> None:
        """Let plugins end their processes."""
        for scorer in self.scorers.values():
            scorer.close()


def with_advantages(config: RunConfig) -> RunConfig:
    """The config; one whose plugins give no advantages (SFT) takes ADVANTAGES."""
    found = installed(config)
    given = any(implements(found[name].load(), "advantages") for name in judging(config).enable)
    return config if given else replace(config, enable=(*config.enable, ADVANTAGES))


def next_of(judged: Iterator[Group], group: Group) -> Group:
    """Return the next judged group, which is this one."""
    return next(judged)


def record_of(scorer: Scorer, group: Group, place: str, judge: Callable[[Group], Group]) -> Record:
    """What came of a scored group, texts left out, and which metrics lack what. PluginError names the place."""
    left_out = {name: LACKS[what] for name, what in scorer.left_out(group).items()}
    try:
        group = scorer.credit(judge(group))
    except PluginError as error:
        because = "".join(f" (the metric {name} is left out: no {what})" for name, what in left_out.items())
        raise located(place, PluginError(f"{error}{because}")) from None
    rows = zip(group.verdicts, group.rewards, group.advantages, strict=True)
    record: Record = {
        "kept": group.kept,
        "weights": dict(group.rewards[0].weights),
        "measures": {name: list(values) for name, values in group.measures.items()},
        "rollouts": [
            {"verdict": asdict(v), "terms": dict(r.terms), "reward": r.total, "advantage": a} for v, r, a in rows
        ],
    }
    return record | ({"left_out": left_out} if left_out else {})


def key_of(line: Line) -> str:
    """Return a key that identifies a line, wherever its file is moved."""
    name = f"{line.file.name} {line.number} ".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(name + line.text, digest_size=12).hexdigest()


def rescore(lines: Iterable[Line], configs: Configs, jobs: int) -> Generator[tuple[Line, Sequence[Record]]]:
    """Yield the records of all lines in order, some at a time, each time with the last line.

    On the executor of the first config that enables one; else together if a judge waits for a server; else on `jobs`
    processes, 1: in this one.
    """
    rescorer = Rescorer(configs)
    with ExitStack() as stack:
        stack.callback(rescorer.close)
        executors = (stack.enter_context(executor_of(scorer)) for scorer in rescorer.scorers.values())
        executor = next((found for found in executors if found is not None), None)
        if executor is not None or any(scorer.plugins.coroutines for scorer in rescorer.scorers.values()):
            yield from ((line, [record]) for line, record in rescorer.together(lines, executor))
            return
        for batch, records in in_order(rescorer.batch, batches(lines), jobs, ADVICE):
            yield batch[-1], records


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Gather lines into batches of BATCH_BYTES."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.text)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(frozen=True)
class Out:
    """A file of records, with which an interrupted scoring continues. Its first line says how they were scored."""

    path: Path
    head: Mapping[str, str]
    """Side -> its config's text."""

    def begin(self) -> Iterator[Record]:
        """Yield the records of an earlier call with the same configs; afterwards the file is ready for more."""
        if not self.path.exists():
            self._append([{"scored_with": self.head}], "w")
            return
        with self.path.open("r+b") as file:
            end = 0
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    break  # a crash cut it off
                end += len(text)
                record = self._read(text, number)
                if number > 1:
                    yield record
                elif record.get("scored_with") != self.head:
                    raise PluginError(f"{self.path} was scored under other configs: name another file, or delete it")
            file.truncate(end)
        if end == 0:
            self._append([{"scored_with": self.head}], "w")

    def _read(self, text: bytes, number: int) -> Record:
        try:
            record = json.loads(text)
        except ValueError as error:
            raise PluginError(f"{self.path}, line {number} is no JSON: {error}") from None
        if not isinstance(record, dict) or (number > 1 and "key" not in record):
            raise PluginError(f"{self.path}, line {number}: expected a record of justtinker score; name another file")
        return record

    def add(self, records: Iterable[Record]) -> None:
        """Append records."""
        self._append(records, "a")

    def _append(self, records: Iterable[Mapping[str, Any]], mode: str) -> None:
        try:
            with self.path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        except OSError as error:
            raise PluginError(f"cannot write {self.path}: {error.strerror}") from None


def unscored_lines(lines: Iterable[Line], done: Counter[str]) -> Iterator[Line]:
    """Yield the lines that are not done yet. A key that is done n times stands for n lines."""
    for line in lines:
        if not done or not done[key := key_of(line)]:
            yield line
        else:
            done[key] -= 1
