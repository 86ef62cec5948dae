"""The answers of a killed evaluation, on disk."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.evaluation.answered import read_answers
from justtinker_core.rundir import PIECE, unpack

CONTENTS = st.lists(st.integers(0, 3 * PIECE).map(os.urandom) | st.binary(max_size=9), max_size=4)


@given(CONTENTS, st.data())
def test_whole_frames_and_where_they_end_wherever_the_file_is_cut(contents: list[bytes], data: st.DataObject) -> None:
    packed = [zstandard.compress(content) for content in contents]
    ends = [sum(map(len, packed[: i + 1])) for i in range(len(packed))]
    cut = data.draw(st.integers(0, sum(map(len, packed))))
    whole: dict[int, bytes] = {}
    pieces = b""
    for piece, end in unpack(io.BytesIO(b"".join(packed)[:cut])):
        pieces += piece
        if end and end not in whole:
            whole[end], pieces = pieces, b""
    assert whole == {end: content for content, end in zip(contents, ends, strict=True) if end <= cut}
    rest = next((content for content, end in zip(contents, ends, strict=True) if end > cut), b"")
    assert rest.startswith(pieces)


def test_a_long_evaluation_is_read_in_the_time_that_its_size_takes(tmp_path: Path) -> None:
    """Copying all that follows each frame took 127 s for 304 MB in 800 frames, and grew with the square."""
    path = tmp_path / "partial.jsonl.zst"
    frame = zstandard.compress(json.dumps([os.urandom(20_000).hex(), []]).encode())
    path.write_bytes(frame * 3000)
    begun = time.process_time()
    assert read_answers(path)[1] == 3000 * len(frame)
    assert time.process_time() - begun < 20
