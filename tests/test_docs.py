"""The docs say what the code does: pages made from code are current, examples run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from justtinker_core import config_files
from justtinker_core.enabling import check_roles, open_plugins
from tests.core.conftest import cli

ROOT = Path(__file__).parent.parent


def test_the_config_page_is_current() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "config.py"))["page"]()
    assert (ROOT / "docs" / "config.md").read_text() == page, "run: python docs/config.py"


def test_the_config_pages_example_is_a_config(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "config.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "example.toml").write_text(block[1])
    wanted = config_files.read(tmp_path / "example.toml")
    check_roles(wanted, open_plugins(wanted))


def test_the_readmes_plugins_run_as_they_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    readme = (ROOT / "README.md").read_text()
    for name, block in re.findall(r"```(?:python|toml)\n# (mine\.\w+)\n(.*?)```", readme, re.DOTALL):
        (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    result = cli("train", "mine.toml", "--dir", "run", "--set", "plugins.grpo.problems_per_step=2")
    assert result.exit_code == 0, result.output
    terms = (tmp_path / "run" / "steps.jsonl").read_text()
    assert '"short": {"raw"' in terms
    assert "most" in cli("plugins", "short", "--config", "mine.toml").output


def test_the_scorer_pages_example_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "scorer.md").read_text()
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert found is not None
    exec(found[1], {})
    assert capsys.readouterr().out == found[2]


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
