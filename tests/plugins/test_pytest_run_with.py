"""The fixture `run_with`, for an author who has installed nothing but the package."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

AUTHORS_TEST = '''
from justtinker_core import hookimpl, plugin
from justtinker_core.testing import check_reward


@plugin
class LastWord:
    """1 if the response ends in the word."""

    word: str = "four"

    @hookimpl
    def score(self, group):
        return {"last_word": [float(r.text.split()[-1] == self.word) for r in group.rollouts]}


def test_a_run(run_with):
    done = run_with(LastWord(), steps=1, respond=lambda prompt, index: "it is four")
    assert done.status == "finished"
    assert done.steps[0].terms["last_word"]["raw"] == 1.0


def test_it_conforms():
    check_reward(LastWord)
'''


def test_an_authors_tests_need_nothing_but_the_installed_package(tmp_path: Path) -> None:
    (tmp_path / "test_last_word.py").write_text(AUTHORS_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "check_reward: LastWord (test_last_word) fails 1 of 2 checks" in done.stdout
    assert "E           given     '' (rollout 2 of 3; problem 'problem-" in done.stdout
    assert "failed in score at test_last_word.py:14: IndexError: list index out of range" in done.stdout
    assert "_battery.py" not in done.stdout, "the traceback ends at the author's line"


def test_the_pytest_plugin_imports_nothing_until_a_test_uses_it() -> None:
    (entry,) = entry_points(group="pytest11", name="justtinker")
    code = f"import pytest, sys; old = set(sys.modules); import {entry.value}; print(sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"['justtinker_plugins', '{entry.value}']"
