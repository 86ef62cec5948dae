"""The files of a run directory, written so that a crash loses nothing.

JSON lines are the source of truth. A line that a crash cut short is ignored, files are replaced atomically, and
records from after the restored checkpoint are set aside, never deleted.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields
from itertools import count
from pathlib import Path
from typing import IO, Any

import zstandard

from justtinker_core.errors import PluginError
from justtinker_core.types import EvalStats, Group, History, Problem, StepStats

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RECORDS = ("steps.jsonl", "evals.jsonl", "checkpoints.jsonl")
UNUSED = "unused.jsonl"
"""What was sampled for steps that were never trained, as the run ended before."""
PIECE = 2**16
"""Bytes to unpack at a time."""


_HELD: set[Path] = set()
"""The lock files that this process holds."""


class RunDir:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Keep other processes out until this one ends or unlocks. Raises a PluginError if another has the lock."""
        if fcntl is None or not self.path.is_dir():
            return
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            if error.errno not in (errno.EACCES, errno.EAGAIN):  # a file system without locks
                return
            raise PluginError(f"another process is using {self.path}: wait for it, or end it") from None
        _HELD.add((self.path / ".lock").resolve())

    def unlock(self) -> None:
        """Let other processes in. The lock file stays: it may be another process's by now."""
        if self._lock is not None:
            _HELD.discard((self.path / ".lock").resolve())
            self._lock.close()
            self._lock = None

    def in_use(self) -> bool:
        """Return whether a process works in the directory; True where locks cannot tell."""
        path = self.path / ".lock"
        if fcntl is None or not path.is_file() or path.resolve() in _HELD:  # closing our own lock's file would free it
            return True
        try:
            with path.open("r+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    @staticmethod
    def create(path: Path, config: str) -> RunDir:
        """Make a run directory with its resolved config. Raises a PluginError if it exists."""
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise exists_error(path) from None
        except OSError as error:
            raise PluginError(
                f"cannot make the run directory {path}: {error.strerror}; name another with --dir"
            ) from error
        run = RunDir(path)
        run.replace("config.toml", config.encode())
        return run

    def replace(self, name: str, content: bytes) -> None:
        """Write a file so that a crash leaves the whole old content or the whole new one."""
        path = self.path / name
        new = path.with_name(f".{path.name}.{os.getpid()}.part")  # a command may write the same file during the run
        try:
            path.parent.mkdir(exist_ok=True)
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            raise self.write_error(path, error) from error

    def append(self, name: str, record: Mapping[str, Any]) -> None:
        """Append one JSON line to a record file."""
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with (self.path / name).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self.write_error(self.path / name, error) from error

    def write_error(self, path: Path, error: OSError) -> PluginError:
        """Return the error for a file that cannot be written."""
        return PluginError(
            f"cannot write {path}: {error.strerror}; the records so far are whole: "
            f"make room, then continue with --resume {self.path}"
        )

    def read(self, name: str) -> list[dict[str, Any]]:
        """Read the whole lines of a record file, without a last line that a crash cut short."""
        path = self.path / name
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        except ValueError as error:
            raise PluginError(f"{path} is damaged: {error}") from None

    def history(self) -> History:
        """Read the recorded steps, evaluations and kept checkpoints. PluginError if another version wrote them."""
        try:
            return History(
                tuple(step_of(record) for record in self.read("steps.jsonl")),
                tuple(EvalStats(**{"seen": record["step"], **record}) for record in self.read("evals.jsonl")),
                tuple(r["step"] for r in self.read("checkpoints.jsonl") if r["kind"] in ("periodic", "final")),
            )
        except (TypeError, KeyError) as error:
            raise PluginError(f"{self.path} has records of another version: {error}") from None

    def manifest(self, **changes: Any) -> dict[str, Any]:
        """Return the manifest (status, versions); with `changes`, apply and write them first."""
        path = self.path / "manifest.json"
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if changes:
            self.replace("manifest.json", (json.dumps({**old, **changes}, indent=2) + "\n").encode())
        return {**old, **changes}

    def write_groups(self, name: str, groups: Iterable[Group]) -> None:
        """Write the rollouts of a step or an evaluation to ``rollouts/NAME.jsonl.zst``, one group per line."""
        text = "".join(json.dumps(group_record(group), ensure_ascii=False) + "\n" for group in groups)
        self.replace(f"rollouts/{name}.jsonl.zst", zstandard.compress(text.encode("utf-8", "backslashreplace"), 3))

    def all_records(self) -> list[dict[str, Any]]:
        """Return the records of all steps and evaluations, set aside or not; equal ones once."""
        folders = (self.path, *self.path.glob("set_aside_*"))
        records = [r for folder in folders for name in RECORDS[:2] for r in RunDir(folder).read(name)]
        # a rewind that was killed may have written a record twice
        return list({json.dumps(record, sort_keys=True): record for record in records}.values())

    def spent(self) -> float:
        """Return the USD of all recorded steps and evaluations, set aside or not, and of what was sampled in vain."""
        return float(sum(record.get("usd") or 0.0 for record in [*self.all_records(), *self.read(UNUSED)]))

    def rewind(self, step: int) -> Path | None:
        """Set aside every record after `step`. Returns the directory that holds them now; None if there were none."""
        folders = (self.path / f"set_aside_{n}" for n in count(1))
        aside = next(folder for folder in folders if not folder.exists())
        for name in RECORDS:
            records = self.read(name)
            later = [record for record in records if record["step"] > step]
            for record in later:
                aside.mkdir(exist_ok=True)
                self.append(f"{aside.name}/{name}", record)
            if (self.path / name).exists():  # this also drops a last line that is not whole
                kept = (json.dumps(r, ensure_ascii=False) + "\n" for r in records if r["step"] <= step)
                self.replace(name, "".join(kept).encode("utf-8", "backslashreplace"))
        for file in (self.path / "rollouts").glob("*_[0-9]*.jsonl.zst"):
            if int(file.name.removesuffix(".jsonl.zst").rpartition("_")[2]) > step:
                aside.mkdir(exist_ok=True)
                file.rename(aside / file.name)
        return aside if aside.exists() else None


class RecordWriter:
    """Writes records and notifies reporters in order, in a thread of its own, while the next step is sampled."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._last: Future[None] = Future()
        self._last.set_result(None)

    def later(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do this work after all earlier work; skip it if any of that failed."""
        before = self._last

        def do() -> None:
            before.result()
            work(*arguments)

        self._last = self._pool.submit(do)

    def catch_up(self) -> None:
        """Wait until all work is done. Raises what any of it raised."""
        self._last.result()

    def close(self) -> None:
        """Finish the work that is left, and take no more."""
        self._pool.shutdown()


def is_run(path: Path) -> bool:
    """Return whether a directory is that of a run that has begun."""
    return all((path / name).is_file() for name in ("config.toml", "manifest.json"))


def exists_error(path: Path) -> PluginError:
    """Return the error for a run directory that already exists."""
    return PluginError(f"the run directory {path} exists; continue it with --resume {path}, or name another with --dir")


def step_of(record: Mapping[str, Any]) -> StepStats:
    """Convert a line of ``steps.jsonl`` to its StepStats, without the findings."""
    return StepStats(**{key: value for key, value in record.items() if key != "findings"})


def unpack(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the content of a file of zstd frames in pieces, each with the position where the last whole frame ends.

    It reads in pieces because zstandard copies everything that follows a frame. A frame that is cut off is no error.
    """
    frame, whole, position = zstandard.ZstdDecompressor().decompressobj(), 0, 0
    while packed := file.read(PIECE):
        position += len(packed)
        while packed:
            content = frame.decompress(packed)
            packed = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame, whole = zstandard.ZstdDecompressor().decompressobj(), position - len(packed)
            yield content, whole


def group_record(group: Group) -> dict[str, Any]:
    """Convert a group to one JSON record: all that reading and re-scoring need, without token ids."""
    record: dict[str, Any] = {
        "step": group.step,
        "index": group.index,
        "problem": {f.name: getattr(group.problem, f.name) for f in fields(Problem)}
        | {"meta": dict(group.problem.meta)},
        "prompt": group.prompt.text,
        "kept": group.kept,
        "rollouts": [],
    }
    for i, rollout in enumerate(group.rollouts):
        row: dict[str, Any] = {
            "text": rollout.text,
            "tokens": rollout.response_tokens,
            "truncated": rollout.truncated,
        }
        if rollout.opened:
            row["opened"] = rollout.opened
        if group.verdicts:
            row["verdict"] = asdict(group.verdicts[i])
        row["measures"] = {name: values[i] for name, values in group.measures.items()}
        if group.rewards:
            reward = group.rewards[i]
            row |= {"terms": dict(reward.terms), "weights": dict(reward.weights), "reward": reward.total}
        if group.advantages:
            row["advantage"] = group.advantages[i]
        record["rollouts"].append(row)
    return record
