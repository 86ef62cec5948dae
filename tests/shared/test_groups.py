from __future__ import annotations

import json
import logging
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Verdict
from justtinker_core.rundir import RunDir
from justtinker_core.types import Reward
from justtinker_plugins.shared.records.groups import group_of
from justtinker_plugins.shared.records.lines import Line, lines


def read(path: Path) -> list[tuple[int, bytes]]:
    return [(line.number, line.text) for line in lines(path)]


def frames(*parts: bytes) -> bytes:
    return b"".join(zstandard.compress(part) for part in parts)


@pytest.mark.parametrize(("suffix", "pack"), [("", lambda b: b), (".zst", frames)])
def test_lines_are_numbered_and_blank_ones_passed_over(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(b'{"a": 1}\r\n\n  \n{"b": 2}'))
    assert read(path) == [(1, b'{"a": 1}'), (4, b'{"b": 2}')]


def test_frames_follow_one_another(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(frames(b"1\n2", b"", b"3\n4\n"))
    assert read(path) == [(1, b"1"), (2, b"23"), (3, b"4")]


@pytest.mark.parametrize("missing", [1, 3, 12, 20])
def test_a_cut_off_frame_is_said_and_survived(tmp_path: Path, missing: int, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(frames(b'{"a": 1}\n', b'{"b": 1234567890123}\n')[:-missing])
    with caplog.at_level(logging.WARNING):
        found = read(path)
    assert found[:1] == [(1, b'{"a": 1}')]
    assert f"{path} is cut off in the middle of a frame: its last lines may be missing" in caplog.messages


def test_a_cut_off_line_is_said_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": ')
    with caplog.at_level(logging.WARNING):
        assert read(path) == [(1, b'{"a": 1}')]
    assert caplog.messages == [f"{path} is cut off in line 2; the lines before it are used"]


def test_damage_in_the_middle_is_said_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(frames(b"1\n2\n") + b"no zstd at all")
    with caplog.at_level(logging.WARNING):
        assert [number for number, _ in read(path)] == [1, 2]
    assert caplog.messages[0].startswith(f"{path} is damaged after line 2; the rest is ignored: ")


def test_what_is_no_zstd_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(b'{"a": 1}\n')
    with pytest.raises(PluginError, match=r"a\.zst cannot be read as JSON lines: .*descriptor"):
        read(path)


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(b'{"a": "' + b"x" * 1000 + b'"}\n') * 50_000)
    tracemalloc.start()
    assert sum(1 for _ in lines(path)) == 50_000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


# A line as a group

TEXT = st.text(st.characters(exclude_categories=()))


OPENED = st.sampled_from(["", "<think>", "<think>\n\n</think>"])
ROW = st.tuples(TEXT, st.integers(0, 50), st.booleans(), OPENED)


@given(st.lists(ROW, min_size=1, max_size=4), TEXT, st.integers(0, 9))
def test_what_core_writes_is_read_back(rows: list[tuple[str, int, bool, str]], question: str, step: int) -> None:
    import tempfile

    rollouts = tuple(Rollout((7,) * n, (-0.5,) * n, (True,) * n, text, cut, opened) for text, n, cut, opened in rows)
    problem = Problem("id", question, "gold", "kind", None, {"level": 3})
    group = Group(step, 4, problem, Prompt("the prompt"), rollouts)
    reward = Reward({"a": 0.1 + 0.2}, {"a": 1 / 3})
    judged = replace(group, verdicts=(Verdict("correct"),) * len(rows), rewards=(reward,) * len(rows))
    with tempfile.TemporaryDirectory() as folder:
        RunDir(Path(folder)).write_groups("step_000001", [judged])
        [line] = lines(Path(folder) / "rollouts" / "step_000001.jsonl.zst")
    found, recorded = group_of(line)
    assert (found.step, found.index, found.problem, found.prompt.text) == (step, 4, problem, "the prompt")
    assert [(r.text, r.response_tokens, r.truncated, r.opened) for r in found.rollouts] == rows
    assert recorded == [reward.total] * len(rows)


def test_a_short_line_says_once_what_the_prompt_held() -> None:
    record = {"question": "q", "responses": ["a", "b"], "opened": "<think>\n"}
    assert [r.response for r in group_of(line_of(record))[0].rollouts] == ["<think>\na", "<think>\nb"]
    assert [r.response for r in group_of(line_of({**record, "opened": None}))[0].rollouts] == ["a", "b"]


def test_a_misspelt_key_is_no_key_to_ignore() -> None:
    record = {"question": "q", "responses": ["a"]}
    with pytest.raises(PluginError, match=r"line 3: the line has 'opend'; did you mean 'opened'\?$"):
        group_of(line_of({**record, "opend": "<think>"}))
    with pytest.raises(PluginError, match=r"line 3: the line has 'truncate'; did you mean 'truncated'\?$"):
        group_of(line_of({**record, "truncate": [True]}))
    group_of(line_of({**record, "source": "mine", "difficulty": 3}))  # a key of one's own


def test_nobody_can_mistake_what_is_not_recorded() -> None:
    [rollout] = group_of(line_of({"question": "q", "responses": ["a"], "tokens": [2]}))[0].rollouts
    assert rollout.tokens == (-1, -1)
    assert all(math.isnan(logprob) for logprob in rollout.logprobs)
    [rollout] = group_of(line_of({"question": "q", "responses": ["a"]}))[0].rollouts
    with pytest.raises(ValueError, match="the length of a response is not known: give 'tokens'"):
        _ = rollout.response_tokens


def line_of(record: Any) -> Line:
    return Line(Path("r.jsonl"), 3, json.dumps(record).encode())


def own(**changes: Any) -> dict[str, Any]:
    return {"problem": {"id": "1", "question": "q", "answer": "2"}, "rollouts": [{"text": "a", "tokens": 1}], **changes}


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ([1], "expected the line to be an object, got [1]"),
        ({"a": 1}, "the line has no 'problem'; it has a"),
        ({}, "the line has no 'problem'; it has nothing"),
        (own(problem={"id": "1"}), "problem has no 'question'; it has id"),
        (own(problem={"question": "q"}), "problem has no 'id'; it has question"),
        (
            own(problem={"id": "1", "question": "q", "answer": 2}),
            "'problem.answer' of the line: expected a valid string, got 2",
        ),
        (
            own(problem={"id": "1", "question": "q", "demonstration": ["a", 2]}),
            "'problem.demonstration' of the line: expected a valid string, got ['a', 2]",
        ),
        (own(problem="p"), "'problem' of the line: expected a dictionary, got 'p'"),
        (own(rollouts=[]), "the line has no responses"),
        (own(rollouts=[{"tokens": 1}]), "rollouts.0 has no 'text'; it has tokens"),
        (own(rollouts=["a"]), "'rollouts.0' of the line: expected a dictionary, got 'a'"),
        (
            own(rollouts=[{"text": "a", "tokens": -1}]),
            "'rollouts.0.tokens' of the line: expected greater than or equal to 0, got -1",
        ),
        (
            own(rollouts=[{"text": "a"}, {"text": "a", "tokens": True}]),
            "'rollouts.1.tokens' of the line: expected a valid integer, got True",
        ),
        (
            own(rollouts=[{"text": "a", "reward": "1"}]),
            "'rollouts.0.reward' of the line: expected a valid number, got '1'",
        ),
        (own(step="3"), "'step' of the line: expected a valid integer, got '3'"),
        ({"responses": ["a"]}, "the line has no 'question'; it has responses"),
        ({"question": 2, "responses": ["a"]}, "'question' of the line: expected a valid string, got 2"),
        ({"question": "q", "responses": "a"}, "'responses' of the line: expected a list, got 'a'"),
        ({"question": "q", "responses": []}, "the line has no responses"),
        (
            {"question": "q", "responses": ["a", 1]},
            "'responses.1.text' of the line: expected a valid string, got 1",
        ),
        (
            {"question": "q", "responses": ["a"], "truncated": [1]},
            "'responses.0.truncated' of the line: expected a valid boolean, got 1",
        ),
        ({"question": "q", "responses": ["a"], "tokens": [1, 2]}, "'tokens' has 2 entries for 1 responses"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(record: Any, complaint: str) -> None:
    with pytest.raises(PluginError) as error:
        group_of(line_of(record))
    assert str(error.value) == f"r.jsonl, line 3: {complaint}"


def test_null_is_as_good_as_nothing() -> None:
    rows = [{"text": "a", "tokens": None, "truncated": None, "reward": None}]
    problem = {"id": "1", "question": "q", "answer": None, "kind": None, "demonstration": None, "meta": None}
    nulls = own(problem=problem, rollouts=rows, prompt=None, step=None, index=None)
    bare = own(problem={"id": "1", "question": "q"}, rollouts=[{"text": "a"}])
    assert group_of(line_of(nulls)) == group_of(line_of(bare))
    with pytest.raises(PluginError, match=r"^r\.jsonl, line 3: 'rollouts\.0\.text' of .* a valid string, got None$"):
        group_of(line_of(own(rollouts=[{"tokens": 1, "text": None}])))


def test_no_json() -> None:
    with pytest.raises(PluginError, match=r"^r\.jsonl, line 3 is no JSON: "):
        group_of(Line(Path("r.jsonl"), 3, b"{"))
