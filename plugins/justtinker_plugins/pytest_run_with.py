"""A pytest plugin that gives authors the fixture `run_with`; `justtinker_core.testing` has the code behind it.

It is active in every pytest run where justtinker is installed, so it imports nothing until a test uses the fixture.
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
    """Train on a scripted backend: ``run_with(*plugins, steps=2, problems=..., respond=..., config=...)``."""
    from justtinker_core.testing import Runner

    return Runner(tmp_path)
