"""The run directory: atomic, append-only, and readable after any crash."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Verdict
from justtinker_core.rundir import RunDir, group_record
from justtinker_core.types import Reward


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", "[run]\n")


def test_a_new_directory_holds_its_config(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "a" / "b", "name = 'ü'")
    assert (run.path / "config.toml").read_text(encoding="utf-8") == "name = 'ü'"


def test_a_directory_that_exists_is_not_touched(run: RunDir) -> None:
    text = f"the run directory {run.path} exists; continue it with --resume {run.path}, or name another with --dir"
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        RunDir.create(run.path, "other")
    assert (run.path / "config.toml").read_text() == "[run]\n"


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = f"cannot make the run directory {tmp_path / 'file' / 'run'}: Not a directory; name another with --dir"
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        RunDir.create(tmp_path / "file" / "run", "")


# Records


TEXT = st.text(st.characters(exclude_categories=[])) | st.just("\ud800\u2028\x85\r\n")
RECORD = st.dictionaries(TEXT, TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none())


@given(st.lists(RECORD, max_size=4))
def test_what_is_appended_is_read(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> None:
    run = RunDir(tmp_path_factory.mktemp("run"))
    for record in records:
        run.append("x.jsonl", record)
    assert run.read("x.jsonl") == records


@pytest.mark.parametrize("cut", range(1, 31))
def test_a_last_line_that_was_cut_anywhere_is_left_out(run: RunDir, cut: int) -> None:
    for i in range(2):
        run.append("evals.jsonl", {"step": i, "text": "größe √2"})
    path = run.path / "evals.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    assert run.read("evals.jsonl") == [{"step": 0, "text": "größe √2"}]
    run.rewind(5)
    run.append("evals.jsonl", {"step": 2})
    assert [r["step"] for r in run.read("evals.jsonl")] == [0, 2]


def test_no_file_is_no_records(run: RunDir) -> None:
    assert run.read("steps.jsonl") == []


def test_a_damaged_line_in_the_middle_is_an_error(run: RunDir) -> None:
    (run.path / "steps.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(PluginError, match=f"^{re.escape(str(run.path / 'steps.jsonl'))} is damaged: "):
        run.read("steps.jsonl")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_record_is_strict_json(run: RunDir, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.append("steps.jsonl", {"x": value})
    assert run.read("steps.jsonl") == []


# A full disk


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_appending(run: RunDir) -> None:
    (run.path / "steps.jsonl").symlink_to("/dev/full")
    path = run.path / "steps.jsonl"
    text = (
        f"cannot write {path}: No space left on device; the records so far are whole: make room, then continue "
        f"with --resume {run.path}"
    )
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        run.append("steps.jsonl", {"step": 1})


def test_a_full_disk_leaves_the_old_file(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run.manifest(status="running")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PluginError, match=r"manifest.json: No space left on device; the records so far are whole"):
        run.manifest(status="finished")
    assert run.manifest()["status"] == "running"


def test_a_crash_between_writing_and_replacing_leaves_the_old_file(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: Any) -> None:
        raise Crash

    run.replace("x", b"old")
    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(Crash):
        run.replace("x", b"new")
    assert (run.path / "x").read_bytes() == b"old"


def test_the_manifest_keeps_what_no_change_names(run: RunDir) -> None:
    assert run.manifest() == {}
    run.manifest(status="running", python="3")
    assert run.manifest(status="finished") == {"status": "finished", "python": "3"}
    assert json.loads((run.path / "manifest.json").read_text()) == run.manifest()


# Rewinding


def filled(run: RunDir, steps: range) -> None:
    for step in steps:
        run.append("steps.jsonl", {"step": step, "x": "ü"})
        run.write_groups(f"step_{step:06d}", [])
        run.write_groups(f"eval_set_1_{step:06d}", [])
        if step % 2 == 0:
            run.append("checkpoints.jsonl", {"step": step})


def numbers(run: RunDir, name: str) -> list[int]:
    return [r["step"] for r in run.read(name)]


def test_a_rewind_sets_aside_what_is_later(run: RunDir) -> None:
    filled(run, range(1, 6))
    run.rewind(2)
    assert numbers(run, "steps.jsonl") == [1, 2]
    assert numbers(run, "checkpoints.jsonl") == [2]
    assert sorted(f.name for f in (run.path / "rollouts").iterdir()) == [
        "eval_set_1_000001.jsonl.zst", "eval_set_1_000002.jsonl.zst", "step_000001.jsonl.zst", "step_000002.jsonl.zst",
    ]  # fmt: skip
    [aside] = [p for p in run.path.iterdir() if p.name.startswith("set_aside")]
    assert numbers(run, f"{aside.name}/steps.jsonl") == [3, 4, 5]
    assert len(list(aside.glob("*.zst"))) == 6


def test_what_was_set_aside_twice_is_there_twice(run: RunDir) -> None:
    for _ in range(2):
        filled(run, range(1, 3))
        run.rewind(0)
    asides = [p for p in run.path.rglob("step_000001.jsonl.zst") if "set_aside" in str(p)]
    assert len(asides) == 2
    assert numbers(run, "steps.jsonl") == []


def test_what_was_set_aside_is_not_overwritten_when_an_earlier_one_is_deleted(run: RunDir) -> None:
    for _ in range(2):
        filled(run, range(1, 3))
        run.rewind(0)
    shutil.rmtree(run.path / "set_aside_1")
    kept = {p: p.read_bytes() for p in (run.path / "set_aside_2").rglob("*.*")}
    filled(run, range(1, 3))
    run.rewind(0)
    assert {p: p.read_bytes() for p in (run.path / "set_aside_2").rglob("*.*")} == kept
    assert numbers(run, "set_aside_1/steps.jsonl") == [1, 2]


def test_a_rewind_of_nothing_changes_nothing(run: RunDir) -> None:
    filled(run, range(1, 4))
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    run.rewind(3)
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("crash_at", range(12))
def test_a_rewind_that_is_killed_can_be_repeated(run: RunDir, monkeypatch: pytest.MonkeyPatch, crash_at: int) -> None:
    filled(run, range(1, 4))
    calls = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == crash_at:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for owner, name in ((RunDir, "append"), (RunDir, "replace"), (Path, "rename"), (Path, "replace")):
            patched.setattr(owner, name, counted(getattr(owner, name)))
        try:
            run.rewind(1)
        except KeyboardInterrupt:
            assert calls == crash_at
    run.rewind(1)
    assert numbers(run, "steps.jsonl") == [1]
    assert numbers(run, "checkpoints.jsonl") == []
    aside = [p.read_text() for p in run.path.rglob("steps.jsonl") if "set_aside" in str(p)]
    assert all(f'"step": {step}' in "".join(aside) for step in (2, 3)), "nothing is lost"
    assert len(list(run.path.rglob("*.zst"))) == 6


# Rollouts


def group(**changes: Any) -> Group:
    rollouts = tuple(Rollout((1, 2), (0.0, 0.0), (True, False), text) for text in ("a\ud800", "ü"))
    rewards = tuple(Reward({"correct": raw, "format": None}, {"correct": 1.0, "format": 0.1}) for raw in (1.0, 0.0))
    verdicts = (Verdict("correct", "1"), Verdict("incorrect", reason="no"))
    problem = Problem("p", "q", "1", meta=changes.pop("meta", {"level": 3}))
    return Group(7, 2, problem, Prompt("q="), rollouts, verdicts, {"m": (1.0, None)}, rewards, (0.5, None), **changes)


def test_a_group_as_a_record() -> None:
    record = group_record(group(kept=False))
    assert (record["step"], record["index"], record["prompt"], record["kept"]) == (7, 2, "q=", False)
    assert record["problem"]["meta"] == {"level": 3}
    first, second = record["rollouts"]
    assert first == {
        "text": "a\ud800", "tokens": 1, "truncated": False, "measures": {"m": 1.0}, "reward": 1.0, "advantage": 0.5,
        "verdict": {"outcome": "correct", "answer": "1", "rung": "", "reason": "", "vote": None},
        "terms": {"correct": 1.0, "format": None}, "weights": {"correct": 1.0, "format": 0.1},
    }  # fmt: skip
    assert (second["advantage"], second["reward"], second["verdict"]["reason"]) == (None, 0.0, "no")


def test_a_record_says_what_the_prompt_held_of_a_response() -> None:
    some = Group(1, 0, Problem("p", "q"), Prompt(), (Rollout((), (), (), "x", opened="<think>"),))
    assert group_record(some)["rollouts"] == [
        {"text": "x", "tokens": 0, "truncated": False, "opened": "<think>", "measures": {}}
    ]


def test_groups_are_written_one_a_line_and_read_back(run: RunDir) -> None:
    run.write_groups("step_000007", [group(), group()])
    text = zstandard.decompress((run.path / "rollouts" / "step_000007.jsonl.zst").read_bytes()).decode()
    assert [json.loads(line) for line in text.splitlines()] == [group_record(group())] * 2


def test_any_mapping_may_be_meta(run: RunDir) -> None:
    run.write_groups("step_000001", [group(meta=MappingProxyType({"level": 3}))])


def test_an_ungraded_group_is_a_record_too() -> None:
    record = group_record(Group(1, 0, Problem("p", "q"), Prompt(), (Rollout((), (), (), "x"),)))
    assert record["rollouts"] == [{"text": "x", "tokens": 0, "truncated": False, "measures": {}}]


# Money and locks


def test_what_a_killed_rewind_wrote_twice_was_paid_once(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        run.append("steps.jsonl", {"step": step, "usd": 1.5, "seconds": {"total": 0.1 * step}})
    with monkeypatch.context() as patched:
        patched.setattr(RunDir, "replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.rewind(1)
    assert run.spent() == 3.0
    run.rewind(1)
    assert run.spent() == 3.0
    run.append("steps.jsonl", {"step": 2, "usd": 1.5, "seconds": {"total": 0.3}})
    assert run.spent() == 4.5


HOLD = """
import sys
from pathlib import Path
from justtinker_core.rundir import RunDir
run = RunDir(Path(sys.argv[1]))
run.lock()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_two_processes_do_not_work_in_one_directory(run: RunDir) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "locked\n"
        text = f"another process is using {run.path}: wait for it, or end it"
        for _ in range(2):  # a refused attempt must not let the next one in
            with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
                run.lock()
        other.kill()
        other.wait()
    run.lock()
    run.unlock()
    assert {path.name for path in run.path.iterdir()} == {".lock", "config.toml"}
