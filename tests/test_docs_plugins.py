"""docs/plugins: pages made from code are current, and every example on them is a plugin that runs."""

from __future__ import annotations

import runpy
import shutil
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding, Problem, Verdict, hookimpl
from justtinker_core.hookspecs import hooks_of
from justtinker_core.testing import Runner, ScriptedBackend, make_problem
from justtinker_core.types import Batch, Update
from tests.core.test_hookspecs import HOOKS

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES: dict[str, str] = runpy.run_path(str(DOCS / "hooks.py"))["EXAMPLES"]
SCOPE = {
    "hookimpl": hookimpl, "Problem": Problem, "Verdict": Verdict, "Finding": Finding, "Batch": Batch, "Update": Update,
    "shutil": shutil, "ThreadPoolExecutor": ThreadPoolExecutor,
    "data_of": lambda groups: (), "MyBackend": lambda model: ScriptedBackend(),
}  # fmt: skip


@pytest.mark.parametrize("name", ["hooks", "bundled"])
def test_a_page_made_from_code_is_current(name: str) -> None:
    page = runpy.run_path(str(DOCS / f"{name}.py"))["page"]()
    assert (DOCS / "plugins" / f"{name}.md").read_text() == page, f"run: python docs/{name}.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_example_of_a_hook_runs(
    hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    scope: dict[str, Any] = dict(SCOPE)
    exec(f"class Example:\n    @hookimpl\n{textwrap.indent(textwrap.dedent(EXAMPLES[hook]), '    ')}", scope)
    assert hooks_of(scope["Example"]) == [hook]
    problems = [make_problem("1+1=?"), make_problem("1+2=?", "3")]
    sets = None if hook == "load_problems" else {"train": problems, "held": problems[:1]}
    done = Runner(tmp_path)(scope["Example"](), problems=sets, steps=1)
    assert done.status == "finished"
    if hook.startswith(("report", "finish")):
        assert capsys.readouterr().out
