from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Problem, Verdict
from justtinker_core.testing import make_problem, make_rollout
from justtinker_plugins.shared.sandbox.commands import trouble
from justtinker_plugins.verifiers.code import Code
from tests.plugins.escapes import CALLS, FUNCTIONS, HUMAN_EVAL, NAMED, PROGRAMS, RUNS

NEEDED = os.environ.get("JUSTTINKER_SANDBOX") == "required"
sandbox = pytest.mark.skipif(not NEEDED and trouble() != "", reason=trouble() or "-")
"""Where CI demands a sandbox, nothing is skipped."""
TIGHT = {"cpu_seconds": 1, "wall_seconds": 2.0, "memory_mb": 256, "output_kb": 64, "programs": 4}


def block(program: str) -> str:
    return f"<think>hm</think>\n```python\n{program}\n```"


def judge(problem: Problem, *programs: str, **options: Any) -> list[Verdict]:
    verdicts = asyncio.run(Code(**options).verify(problem, [make_rollout(block(p)) for p in programs]))
    assert verdicts is not None
    return verdicts
