"""How much memory is free where a model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEFAULT_CACHE = 4 * 2**30
"""Most bytes of the KV cache on a CPU, and where free memory is unknown."""
SHARE = 0.8
"""Of a GPU's free memory, for the KV cache; the rest is for activations and logits."""


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free, with those that torch keeps for later use; None if that is unknown."""
    if device.type == "cuda":
        import torch

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def cache_limit(device: torch.device, cache_gib: float | None, taken: int = 0) -> float:
    """Most bytes of the KV cache: what the user says; or 4 GiB at most on a CPU, and what a GPU has left.

    `taken`: bytes that count as free and will not be.
    """
    if cache_gib is not None:
        return cache_gib * 2**30
    free = free_memory(device)
    if free is None:
        return DEFAULT_CACHE
    left = max(free - taken, 0) * SHARE
    return left if device.type == "cuda" else min(DEFAULT_CACHE, left)
