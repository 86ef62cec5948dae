"""The page matches the files, and each recipe runs with the config on the page."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from justtinker_core import testing
from justtinker_core.discovery import load_file
from justtinker_core.hookspecs import implements
from tests.cookbook.conftest import FOLDER, recipe
from tests.core.conftest import cli

COOKBOOK = runpy.run_path(str(FOLDER.parents[1] / "cookbook.py"))
RECIPES = {recipe.name: recipe for recipe in COOKBOOK["recipes"]()}
ROLES = {
    "open_backend": "scripted", "build_prompt": "chatml_think", "collect_batch": "grpo", "verify": "numeric",
    "score": "correct", "advantages": "group_mean",
}  # fmt: skip
KINDS = {"code_output": "code", "proof_server": "proof"}


def test_the_page_is_current() -> None:
    page = FOLDER.with_suffix(".md").read_text()
    assert page == COOKBOOK["page"](), "run: python docs/cookbook.py"


def test_every_file_is_on_it() -> None:
    assert sorted(RECIPES) == sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(RECIPES) == 8


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_each_is_small_and_says_what_can_go_wrong(name: str) -> None:
    code = ast.unparse(without_docs(ast.parse(RECIPES[name].code)))
    assert len(code.splitlines()) <= 90
    assert "What can go wrong." in RECIPES[name].text


def without_docs(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [n for n in body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def config_for(name: str, folder: Path) -> dict[str, Any]:
    """A config with the recipe's TOML, and plugins for the roles that it leaves open."""
    tables = tomllib.loads(RECIPES[name].toml)
    tables |= {"run": {"name": name, "model": "scripted", "steps": 1}, "sampling": {"max_tokens": 50}}
    rows = [{"problem": f"{n}", "answer": f"{n}"} for n in range(600, 604)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = {"use": "files", "path": str(folder / "rows.jsonl"), "kind": KINDS.get(name, "math")}
    tables.setdefault("data", {"train": file})
    backend = Path(testing.ScriptedBackend.__init__.__code__.co_filename)
    tables["local_plugins"] |= {"scripted": f"{backend}:ScriptedBackend"}
    own = load_file(f"{folder / tables['local_plugins'][name]}")
    plugins: dict[str, Any] = tables.setdefault("plugins", {})
    plugins["chatml_think"] = {"single_tokens": False}
    enabled = plugins.setdefault("enable", [])
    filled = {hook for hook, usual in ROLES.items() if implements(own, hook) or usual in enabled}
    plugins["enable"] = [*enabled, *(usual for hook, usual in ROLES.items() if hook not in filled)]
    return tables


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_its_toml_runs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(FOLDER / f"{name}.py", tmp_path)
    tables, server = config_for(name, tmp_path), serve(lambda body: (200, {"passes": True}))
    monkeypatch.setenv("ALERTS_WEBHOOK", server.url)
    if name == "proof_server":
        tables["plugins"][name]["url"] = server.url
    (tmp_path / "config.toml").write_text(tomli_w.dumps(tables))
    result = cli("train", tmp_path / "config.toml", "--dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert name in tomllib.loads((tmp_path / "run" / "config.toml").read_text())["local_plugins"]
    (step,) = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    assert step["metrics"]["rollouts"] > 0
    explained = cli("plugins", name, "--config", tmp_path / "config.toml")
    assert "local file" in explained.output


@pytest.mark.slow
def test_the_whole_config_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    shutil.copy(FOLDER / "diversity.py", tmp_path)
    (tmp_path / "config.toml").write_text(COOKBOOK["CONFIG"])
    monkeypatch.chdir(tmp_path)
    result = cli("train", "config.toml", "--dir", "run")
    assert result.exit_code == 0, result.output
    assert '"diversity": {"raw"' in (tmp_path / "run" / "steps.jsonl").read_text()


def test_the_recipes_need_no_neighbours() -> None:
    """Each file stands alone: it imports the toolkit, never another recipe."""
    for name, found in RECIPES.items():
        imported = {n.module for n in ast.walk(ast.parse(found.code)) if isinstance(n, ast.ImportFrom)}
        assert not {module for module in imported if module and module.startswith((".", "cookbook"))}, name
        assert recipe(tomllib.loads(found.toml)["local_plugins"][name].replace(".py", ""))
