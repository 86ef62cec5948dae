"""Functions of verl's form, well-behaved and not, for tests of the plugins that ask them."""

from __future__ import annotations

import asyncio
import os
from typing import Any


def compute_score(data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None) -> Any:
    """A box with the ground truth gets 1; some texts make trouble."""
    if solution_str == "hang":
        while True:
            pass
    if solution_str == "die":
        os._exit(1)
    if solution_str == "raise":
        raise RuntimeError("boom")
    odd = {"none": None, "nan": float("nan"), "text": "1.0", "no key": {"scores": 1.0}}
    if solution_str in odd:
        return odd[solution_str]
    return float(f"\\boxed{{{ground_truth}}}" in solution_str)


async def wait_and_score(**sample: Any) -> Any:
    """The same, as a coroutine."""
    await asyncio.sleep(0)
    return compute_score(**sample)


def tell(data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, bonus: float = 0.0) -> Any:
    """A dict: what was handed over, and a number for each part."""
    return {
        "score": len(solution_str) + bonus,
        "acc": True,
        "pred": f"{data_source}|{ground_truth}|{sorted(extra_info.items())}",
    }


def two_arguments(solution_str: str, ground_truth: str) -> float:
    """Not of verl's form."""
    return 1.0
