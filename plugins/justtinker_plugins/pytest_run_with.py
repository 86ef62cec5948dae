"""The pytest plugin that gives authors the fixture `run_with`; what that does is in `justtinker_core.testing`.

It is active in every pytest run where justtinker is installed, so it imports nothing before a test wants the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from justtinker_core.testing import Runner

pytest.register_assert_rewrite("justtinker_core.testing.backends")


@pytest.fixture
def run_with(tmp_path: Path) -> Runner:
    """``run_with(*plugins, steps=2, problems=..., respond=..., config=...)``: a real run on a scripted backend."""
    from justtinker_core.testing import Runner

    return Runner(tmp_path)
