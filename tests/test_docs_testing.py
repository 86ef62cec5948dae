"""docs/plugins/testing.md: its tests run, its failing report is what pytest prints, its table names every check."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from justtinker_core.testing import _battery, _rewards, _verifiers

PAGE = (Path(__file__).parent.parent / "docs" / "plugins" / "testing.md").read_text()


def printed(folder: Path) -> str:
    """What pytest prints of a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    return stripped(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout)


def stripped(text: str) -> str:
    """Without what no reader sees, and without numbers that depend on what else was made."""
    return re.sub(r"problem-\d+|[ \t]+$", "", text, flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, block in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(f"# {name}\n{block}")
    return tmp_path


def test_the_failing_report_is_as_it_looks(folder: Path) -> None:
    output = printed(folder)
    assert "1 failed, 3 passed" in output
    (report,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert stripped(report) in output


def test_with_the_mend_all_pass(folder: Path) -> None:
    (mend,) = re.findall(r"`(r\.text\.split.*?)`", PAGE)
    plugin = folder / "last_word.py"
    faulty = "r.text.split()[-1] == self.word"
    assert faulty in plugin.read_text()
    plugin.write_text(plugin.read_text().replace(faulty, mend))
    assert "4 passed" in printed(folder)


def test_every_check_stands_in_the_table() -> None:
    sources = "".join(Path(module.__file__).read_text() for module in (_battery, _rewards, _verifiers))
    made = set(re.findall(r'\.(?:check|check_survival)\(\s*"([a-z ]+)"', sources)) - {"patience"}
    assert made == set(re.findall(r"^\| `([a-z ]+)` \| ", PAGE, re.MULTILINE))
