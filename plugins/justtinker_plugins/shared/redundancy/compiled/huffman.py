"""The size of a deflate block, as zlib's trees.c computes it: its Huffman codes depend on how it breaks ties."""

from __future__ import annotations

import numpy as np
from numba import njit

LITERALS, DISTANCES, LENGTHS = 286, 30, 19
"""Codes for literals and lengths of matches; for distances; for lengths of codes (RFC 1951, 3.2.5 and 3.2.7)."""

_LENGTH_BITS = [0] * 8 + [k for k in range(1, 6) for _ in range(4)] + [0]
_DISTANCE_BITS = [0, 0] + [k for k in range(14) for _ in range(2)]
LITERAL_EXTRA = np.array([0] * 257 + _LENGTH_BITS)
DISTANCE_EXTRA = np.array(_DISTANCE_BITS)
LENGTHS_EXTRA = np.array([0] * 16 + [2, 3, 7])
LITERAL_FIXED = np.array([8] * 144 + [9] * 112 + [7] * 24 + [8] * 6)
DISTANCE_FIXED = np.full(DISTANCES, 5)
NOT_FIXED = np.zeros(LENGTHS, np.int64)
LENGTHS_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
LENGTH_CODE = np.array(
    [0] * 3 + [257 + i for i, bits in enumerate(_LENGTH_BITS) for _ in range(1 << bits)][:255] + [285]
)
DISTANCE_CODE = np.array([0] + [i for i, bits in enumerate(_DISTANCE_BITS) for _ in range(1 << bits)], np.uint8)


@njit(nogil=True, cache=True)
def add_blocks(blocks, literals, distances, stored, sizes):
    """Write the bytes of each output, without zlib's header and checksum.

    Args:
        blocks: how many blocks each output has (N,).
        literals: how often each literal or length occurs in each block (blocks, 286).
        distances: how often each distance occurs (blocks, 30).
        stored: bytes that each block stands for (blocks,).
        sizes: the result (N,).
    """
    most = np.array([15, 15, 7])  # not written below: numba would compile all twice
    block = 0
    for j in range(len(blocks)):
        bits = 0
        for _ in range(blocks[j]):
            bits = _add_block(bits, literals[block], distances[block], stored[block], most)
            block += 1
        sizes[j] = bits + 7 >> 3


@njit(nogil=True, cache=True)
def _add_block(bits, literals, distances, stored, most):
    """The bits of the output with one more block. zlib's _tr_flush_block."""
    literals[256] = 1  # end of block
    code_lengths = np.zeros(LENGTHS, np.int64)
    lengths, used, dynamic, fixed = _build(literals, LITERAL_EXTRA.copy(), LITERAL_FIXED.copy(), most[0])
    _count_lengths(lengths[:used], code_lengths)
    lengths, used, dynamic_2, fixed_2 = _build(distances, DISTANCE_EXTRA.copy(), DISTANCE_FIXED.copy(), most[1])
    _count_lengths(lengths[:used], code_lengths)
    lengths, used, dynamic_3, _ = _build(code_lengths, LENGTHS_EXTRA.copy(), NOT_FIXED.copy(), most[2])
    sent = LENGTHS
    while sent > 4 and lengths[LENGTHS_ORDER[sent - 1]] == 0:
        sent -= 1
    dynamic += dynamic_2 + dynamic_3 + 14 + 3 * sent
    fixed += fixed_2
    least = min(dynamic + 10 >> 3, fixed + 10 >> 3)
    if stored + 4 <= least:
        return (bits + 10 >> 3 << 3) + 32 + 8 * stored
    return bits + 3 + (fixed if fixed + 10 >> 3 == least else dynamic)


@njit(nogil=True, cache=True)
def _build(counts, extra, fixed_lengths, most):
    """Build a code of at most `most` bits; return its lengths, how many are in use, and the bits with it and the fixed.

    zlib's build_tree.
    """
    codes = len(extra)
    weight = np.zeros(2 * codes, np.int64)
    weight[:codes] = counts
    heap, size, used = np.zeros(codes + 1, np.int64), 0, 0
    for code in range(codes):
        if counts[code]:
            size += 1
            heap[size] = code
            used = code + 1
    while size < 2:  # there are at least two codes, if need be of no use
        size += 1
        heap[size] = used if used < 3 else 0
        used += used < 3
        weight[heap[size]] = 1
    lengths = _code_lengths(weight, heap, size, codes, most)
    dynamic = fixed = 0
    for code in range(used):
        dynamic += counts[code] * (lengths[code] + extra[code])
        fixed += counts[code] * (fixed_lengths[code] + extra[code])
    return lengths, used, dynamic, fixed


@njit(nogil=True, cache=True)
def _code_lengths(weight, heap, size, codes, most):
    """Join the two lightest nodes until one is left; return the depth of each code. zlib's gen_bitlen."""
    depth, parent = np.zeros(2 * codes, np.int64), np.zeros(2 * codes, np.int64)
    for k in range(size // 2, 0, -1):
        _sift(heap, size, weight, depth, k)
    order, joined, node = np.zeros(2 * codes, np.int64), 0, codes
    while size >= 2:
        first = heap[1]
        heap[1] = heap[size]
        size -= 1
        _sift(heap, size, weight, depth, np.int64(1))
        second = heap[1]
        order[joined], order[joined + 1] = first, second
        joined += 2
        weight[node] = weight[first] + weight[second]
        depth[node] = max(depth[first], depth[second]) + 1
        parent[first] = parent[second] = node
        heap[1] = node
        _sift(heap, size, weight, depth, np.int64(1))
        node += 1
    lengths, number = np.zeros(2 * codes, np.int64), np.zeros(16, np.int64)
    for k in range(joined - 1, -1, -1):
        length = lengths[parent[order[k]]] + 1
        number[0] += length > most
        lengths[order[k]] = min(length, most)
        number[lengths[order[k]]] += order[k] < codes
    if number[0]:
        _shorten(lengths, number, order, codes, most)
    return lengths


@njit(nogil=True, cache=True)
def _sift(heap, size, weight, depth, k):
    """Let the node at place k sink. zlib's pqdownheap."""
    node, child = heap[k], 2 * k
    while child <= size:
        if child < size and _lighter(heap[child + 1], heap[child], weight, depth):
            child += 1
        if _lighter(node, heap[child], weight, depth):
            break
        heap[k] = heap[child]
        k, child = child, 2 * child
    heap[k] = node


@njit(nogil=True, cache=True, inline="always")
def _lighter(a, b, weight, depth):
    return weight[a] < weight[b] or (weight[a] == weight[b] and depth[a] <= depth[b])


@njit(nogil=True, cache=True)
def _shorten(lengths, number, order, codes, most):
    """Make nodes of more than `most` bits fit, number[0] of them, at the cost of shorter ones."""
    while number[0] > 0:
        length = most - 1
        while number[length] == 0:
            length -= 1
        number[length] -= 1
        number[length + 1] += 2
        number[most] -= 1
        number[0] -= 2
    k = 0
    for length in range(most, 0, -1):
        while number[length]:
            if order[k] < codes:
                lengths[order[k]] = length
                number[length] -= 1
            k += 1


@njit(nogil=True, cache=True)
def _count_lengths(lengths, counts):
    """Count the codes that a row of code lengths is sent with: lengths, and 16 to 18 for runs. zlib's scan_tree."""
    previous, run = -1, 0
    for k in range(len(lengths)):
        length = lengths[k]
        following = lengths[k + 1] if k + 1 < len(lengths) else -1
        run += 1
        most = 138 if length == 0 else 6 if length == previous else 7
        if run < most and length == following:
            continue
        if run < (3 if length in (0, previous) else 4):
            counts[length] += run
        elif length:
            counts[length] += length != previous
            counts[16] += 1
        else:
            counts[17 if run <= 10 else 18] += 1
        previous, run = length, 0
