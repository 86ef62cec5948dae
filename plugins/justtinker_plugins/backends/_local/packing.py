"""How training data lie in a batch: tokens packed, and what the rollouts of a group share computed once.

Nothing here computes: all are indices. Shapes: N tokens of a batch, M targets of its data one after another, U of these
that differ, G prefixes, R rows that go on from them, one for each of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Datum

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """Data that begin alike: the same tokens, and targets, up to the first target that is trained."""

    prefix: int
    """How many tokens they share; at least 1."""
    members: tuple[int, ...]
    """The indices of the data, shortest first."""
    longest: int
    """Tokens of the longest one."""
    tokens: int
    """Tokens of all, the prefix counted once."""


def families(data: Sequence[Datum], most_tokens: int) -> Iterator[Family]:
    """Group data by what they share. A group of more than `most_tokens` is split."""
    alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for i, datum in enumerate(data):
        shared = int(np.argmax([*trained_targets(datum)[:-1], True]))
        alike.setdefault((datum.inputs[: shared + 1], datum.targets[:shared]), []).append(i)
    for (prefix, _), members in alike.items():
        some, total = list[int](), len(prefix)
        for i in sorted(members, key=lambda i: len(data[i].inputs)):
            own = len(data[i].inputs) - len(prefix)
            if some and total + own > most_tokens:
                yield Family(len(prefix), tuple(some), len(data[some[-1]].inputs), total)
                some, total = [], len(prefix)
            some.append(i)
            total += own
        yield Family(len(prefix), tuple(some), len(data[some[-1]].inputs), total)


def batches(data: Sequence[Datum], most_tokens: int) -> Iterator[list[Family]]:
    """Families in batches of at most `most_tokens`, similar lengths together; a longer datum is a batch of its own."""
    batch, total = list[Family](), 0
    for each in sorted(families(data, most_tokens), key=lambda family: (family.longest, family.members)):
        if batch and total + each.tokens > most_tokens:
            yield batch
            batch, total = [], 0
        batch.append(each)
        total += each.tokens
    if batch:
        yield batch


def trained_targets(datum: Datum) -> NDArray[np.bool_]:
    """Which targets may get a gradient (T,)."""
    given = [values for values in (datum.weights, datum.advantages, datum.mask) if values is not None]
    trained: NDArray[np.bool_] = np.any(np.array(given or [(0.0,) * len(datum.targets)]) != 0, axis=0)
    return trained


@dataclass(frozen=True)
class Layout:
    """Where a batch's tokens lie: first what families share, family by family, then what each row adds."""

    order: list[int]
    """The data, as indices, in the order of the rows."""
    tokens: Ints
    """All tokens (N,)."""
    positions: Ints
    """Each token's position in its sequence (N,)."""
    prefixes: Ints
    """The length of each shared prefix (G,); all 0 if nothing is shared."""
    prefix_of: Ints
    """The prefix of each row (R,)."""
    rows: Ints
    """How many tokens of its own each row has (R,)."""
    hidden: Ints
    """The token whose hidden state predicts each target that differs (U,)."""
    targets: Ints
    """These targets (U,)."""
    trained: int
    """How many of them may get a gradient; they come first."""
    expand: Ints
    """Which of these each of the data's targets is (M,), row by row."""


def layout_of(data: Sequence[Datum], batch: Sequence[Family]) -> Layout:
    """Lay out a batch. If no family has two members, nothing is shared: attention then needs no mask."""
    order = [i for family in batch for i in family.members]
    shares = len(order) > len(batch)
    prefixes = np.array([family.prefix if shares else 0 for family in batch])
    prefix_of = np.repeat(np.arange(len(batch)), [len(family.members) for family in batch])
    cut = prefixes[prefix_of]
    rows = np.array([len(data[i].inputs) for i in order]) - cut
    firsts = [data[family.members[0]].inputs[:size] for family, size in zip(batch, prefixes.tolist(), strict=True)]
    own = [data[i].inputs[size:] for i, size in zip(order, cut.tolist(), strict=True)]
    begins = ranges(starts(prefixes)[prefix_of], cut)
    goes_on = ranges(prefixes.sum() + starts(rows), rows)
    where = joined(part for pair in zip(begins, goes_on, strict=True) for part in pair)
    targets = joined(data[i].targets for i in order)
    _, differ, expand = np.unique(where * (targets.max() + 1) + targets, return_index=True, return_inverse=True)
    trained = np.bincount(expand, joined(trained_targets(data[i]) for i in order)) > 0
    first = np.argsort(~trained, kind="stable")
    return Layout(
        order=order,
        tokens=joined([*firsts, *own]),
        positions=joined([*ranges(np.zeros_like(prefixes), prefixes), *ranges(cut, rows)]),
        prefixes=prefixes,
        prefix_of=prefix_of,
        rows=rows,
        hidden=where[differ[first]],
        targets=targets[differ[first]],
        trained=int(trained.sum()),
        expand=np.argsort(first)[expand],
    )


def joined(parts: Iterable[Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]]) -> Ints:
    """Sequences of integers, one after another."""
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def starts(lengths: Ints) -> Ints:
    """Where parts of these lengths begin when they follow one another."""
    return np.cumsum(lengths) - lengths


def ranges(begins: Ints, lengths: Ints) -> list[Ints]:
    """Consecutive numbers from each begin."""
    return [np.arange(begin, begin + length) for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True)]


def grid(begins: Ints, lengths: Ints, *, left: bool = False) -> tuple[Ints, NDArray[np.bool_]]:
    """Rows of consecutive numbers from each begin, padded on the right, or left, to the longest (B, T).

    Returns them, with 0 where there is padding, and where there is none.
    """
    width = int(lengths.max(initial=1))
    columns = np.arange(width) - (width - lengths[:, None] if left else 0)
    real = (columns >= 0) & (columns < lengths[:, None])
    return np.where(real, begins[:, None] + columns, 0), real
