"""The compiled loops against what they replace: zlib, and the same counts in numpy. Equal, not close."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_plugins.commands.bench import made_up_texts
from justtinker_plugins.shared.redundancy import chunks as in_numpy
from justtinker_plugins.shared.redundancy import compiled, exact, fast, flat
from justtinker_plugins.shared.redundancy.ngrams import CUT, _in_numpy
from justtinker_plugins.shared.redundancy.reading import as_written, encode, loose, read_texts

pytest.importorskip("numba", reason="needs numba")
from justtinker_plugins.shared.redundancy.compiled import chunks, deflate, ngrams

BATCH = made_up_texts(12, 2300)
ODD = [
    "",
    "\u4f60\u597d\u3002 " * 9000,
    "a" * 70_000,
    "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9000), k=9000))),
    "\ud800\x00 \x1c\u2003\u0085x" * 700,
    "\U0001f600\u00e9e " * 600,
]

pieces = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)
steps = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 300)), min_size=1, max_size=60)


def repeating(pieces: list[bytes], steps: list[tuple[int, int]]) -> bytes:
    """Pieces over and over, in some order, so that there are matches of all lengths and distances."""
    return b"".join(pieces[i % len(pieces)] * (times // len(pieces[i % len(pieces)]) + 1) for i, times in steps)


@settings(max_examples=300)
@given(pieces, steps)
def test_a_size_is_zlibs(pieces: list[bytes], steps: list[tuple[int, int]]) -> None:
    data = repeating(pieces, steps)
    assert deflate.computed_sizes([data, data[::-1]]) == [len(zlib.compress(d, 9)) for d in (data, data[::-1])]


SHAPES: dict[str, Callable[[random.Random, int], bytes]] = {
    "noise, which is stored": lambda draw, size: draw.randbytes(size),
    "two letters": lambda draw, size: bytes(draw.choices(b"ab", k=size)),
    "one letter": lambda draw, size: b"a" * size,
    "a period": lambda draw, size: draw.randbytes(draw.randint(1, 300)) * size,
    "a period beyond the window": lambda draw, size: draw.randbytes(draw.randint(32_400, 32_600)) * 2,
    "text": lambda draw, size: draw.choice(BATCH).encode() * 4,
    "some bytes far more often": lambda draw, size: bytes(draw.choices(range(40), [0.5**k for k in range(40)], k=size)),
    "a loop with slips": lambda draw, size: bytes(
        draw.randrange(256) if draw.random() < 0.01 else byte for byte in draw.randbytes(200) * (size // 200 + 1)
    ),
    "more places of three bytes than zlib looks at": lambda draw, size: b"".join(
        b"abc%d" % draw.randrange(10) for _ in range(size // 4)
    ),
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_size_is_zlibs_for_each_shape_and_length(shape: str) -> None:
    draw = random.Random(shape)
    sizes = [1, 2, 3, 4, 5, 6, 9, 258, 259, 260, 16_383, 16_384, 32_505, 32_506, 32_507, 64_999]
    sizes += [int(10 ** draw.uniform(0, 4.8)) for _ in range(40)]
    texts = [SHAPES[shape](draw, size)[: min(size, 64_999)] for size in sizes]
    assert deflate.computed_sizes(texts) == [len(zlib.compress(text, 9)) for text in texts]


def test_what_is_not_computed_goes_to_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [b"", b"a", BATCH[0].encode() * 5, b"a" * deflate.LIMIT]
    sizes = [len(zlib.compress(text, 9)) for text in texts]
    assert deflate.zlib_is_as_expected()
    assert deflate.zlib_sizes(texts) == sizes
    monkeypatch.setattr(deflate, "computed_sizes", lambda texts: [0 for _ in texts])
    assert deflate.zlib_sizes(texts) == [sizes[0], 0, sizes[2], sizes[3]]
    assert not deflate.zlib_is_as_expected.__wrapped__()
    monkeypatch.setattr(deflate, "zlib_is_as_expected", lambda: False)
    assert deflate.zlib_sizes(texts) == sizes


letters = st.text(st.sampled_from("ab \n\t\x00,*A9\u00e9\u4f60\u2003\u0085\ud800"), max_size=300)
texts = st.one_of(letters, st.builds(lambda t, k: (t + " ") * k, letters, st.integers(2, 8)), st.sampled_from(ODD))


@pytest.mark.parametrize(("reading", "mask_digits"), [(as_written, False), (loose, False), (loose, True)])
@pytest.mark.parametrize(("n", "least", "cut"), [(1, 1, False), (5, 10, False), (3, 3, True), (16, 32, True)])
@settings(max_examples=40)
@given(batch=st.lists(texts, min_size=1, max_size=4))
def test_counts_are_those_of_numpy(
    reading: Any, mask_digits: bool, n: int, least: int, cut: bool, batch: list[str]
) -> None:
    read = read_texts([encode(text) for text in batch], reading)
    totals, distinct, *others = ngrams.count(read, n, least, CUT if cut else 1 << 62, mask_digits, vocabulary=True)
    expected = _in_numpy(read, n, least, mask_digits, True, cut, None)
    for i, text in enumerate(read):
        if totals[i] < 0:
            assert max(map(len, text.split())) > ngrams.LONGEST
            assert not cut
        else:
            share = 1.0 - int(distinct[i]) / int(totals[i]) if totals[i] else 0.0
            assert [share, *(column[i] for column in others)] == [column[i] for column in expected]


@given(st.lists(texts.filter(bool), min_size=1, max_size=4))
def test_gaps_are_those_of_numpy(batch: list[str]) -> None:
    batch = [text * (1000 // len(text) + 1) for text in batch]
    counts, done = chunks.count_by_gap([encode(t) for t in batch], [len(t) for t in batch])
    start = 0
    for text, known in zip(batch, done.tolist(), strict=True):
        stop = start + len(text) // in_numpy.STEP
        assert known == (len({c for c in text if not c.isascii()}) < chunks.ALPHABET - 129)
        if known:
            ours, theirs = counts[start:stop], in_numpy._count_by_gap([text])
            assert in_numpy._neighbours(ours).tolist() == in_numpy._neighbours(theirs).tolist()
        start = stop


@pytest.mark.parametrize("score", [exact.score_batch, fast.score_batch, flat.score_batch])
def test_scores_are_the_same_without_numba(score: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [*BATCH, *ODD, *(text[:300] * 20 for text in BATCH)]
    with_numba = score(batch)
    monkeypatch.setattr(compiled, "works", lambda: False)
    without = score(batch)
    assert {name: values.tolist() for name, values in with_numba.items()} == {
        name: values.tolist() for name, values in without.items()
    }


def test_when_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.usable(compiled.WORTH_IT)
    assert not compiled.usable(compiled.WORTH_IT - 1)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not compiled.works.__wrapped__()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    assert compiled.works.__wrapped__()
    monkeypatch.setitem(sys.modules, "numba", None)  # as if it were not installed
    assert not compiled.works.__wrapped__()
