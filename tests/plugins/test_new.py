"""`justtinker new`: every template runs, both with its printed config lines and as an installed package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import zstandard
from click.testing import CliRunner

from justtinker_core.discovery import COMMANDS, ROLES, find, load_file
from justtinker_core.rundir import RunDir
from justtinker_core.testing import _backend, _stand_ins
from justtinker_plugins.commands.new import KINDS, role_of
from tests.core.conftest import cli

ROOT = Path(__file__).parents[2]
LINT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"]
STAND_INS = {
    "backend": f"{_backend.__file__}:ScriptedBackend",
    "prompt": f"{_stand_ins.__file__}:Question",
    "verifier": f"{_stand_ins.__file__}:Match",
    "reward": f"{_stand_ins.__file__}:Correct",
    "advantage": f"{_stand_ins.__file__}:Mean",
    "algorithm": f"{_stand_ins.__file__}:Grpo",
    "dataset": f"{_stand_ins.__file__}:Listed",
}
REPLACED = ("prompt", "verifier", "advantage", "algorithm")
"""Kinds of which a run has one, so that the new plugin replaces the stand-in; others are added to it."""


def printed_tables(output: str) -> dict[str, Any]:
    """The config lines that `new` prints."""
    return tomllib.loads(re.search(r"^\[.*?(?=\n\n[^\[])", output, re.DOTALL | re.MULTILINE)[0])  # type: ignore[index]


def config_with(kind: str, name: str, printed: dict[str, Any], folder: Path) -> Path:
    """Write a config of stand-ins with the printed lines in it."""
    local = {f"stand_in_{k}": v for k, v in STAND_INS.items() if k != kind or kind not in REPLACED}
    (folder / "problems.json").write_text(json.dumps([{"id": "1", "question": "1+1=?", "answer": "2"}]))
    data = {"use": "stand_in_dataset", "path": str(folder / "problems.json")}
    enable = [each for each in local if each != "stand_in_dataset"]
    tables: dict[str, Any] = {
        "run": {"name": "try", "model": "scripted", "steps": 2},
        "optimizer": {"learning_rate": 0.1},
        "sampling": {"max_tokens": 60},
        "data": printed.get("data", {"train": data}),
        "plugins": {"enable": enable, **printed.get("plugins", {})},
        "local_plugins": {**local, **printed["local_plugins"]},
    }
    if "data" not in printed:
        enable.insert(0, name)
    (folder / "try.toml").write_text(tomli_w.dumps(tables))
    return folder / "try.toml"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "command"])
def test_one_file_runs_with_the_printed_config_lines(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("new", kind, "my_own")
    assert made.exit_code == 0, made.output
    printed = printed_tables(made.output)
    assert printed["local_plugins"] == {"my_own": "my_own.py:MyOwn"}
    if kind == "monitor":
        printed["plugins"]["my_own"] |= {"patience": 1, "least": 2.0}
    result = cli("train", config_with(kind, "my_own", printed, tmp_path), "--dir", "run")
    assert result.exit_code == 0, result.output
    steps = RunDir(tmp_path / "run").read("steps.jsonl")
    [first, _] = sorted((tmp_path / "run" / "rollouts").iterdir())
    groups = zstandard.ZstdDecompressor().stream_reader(first.read_bytes()).read().decode()
    evidence = {
        "verifier": "boxes after the thinking" in groups,
        "reward": "my_own" in steps[0]["terms"],
        "dataset": re.search(r"\d+\*\d+=\?", groups),
        "monitor": [finding["source"] for finding in steps[0]["findings"]] == ["my_own"],
        "metric": "my_own" in steps[0]["metrics"],
        "reporter": (tmp_path / "run" / "my_own.csv").exists(),
        "environment": "Guess my number" in groups,
        # the only plugin of its role, so no other can have been asked
        **dict.fromkeys(("advantage", "prompt", "algorithm", "curriculum", "executor"), True),
    }
    assert evidence[kind], groups
    assert cli("plugins", "my_own.py:MyOwn").exit_code == 0


def test_a_command_runs_as_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("new", "command", "draw").output
    assert "python draw.py --help" in made
    assert "In a package (--package) it is `justtinker draw`." in made
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "steps.jsonl").write_text('{"step": 1, "metrics": {"reward": 0.5}}\n')
    assert CliRunner().invoke(load_file("draw.py:draw"), ["run"]).output == "reward ▁ 0.5 to 0.5\n"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reward", "environment", "algorithm"])
def test_the_printed_trial_command_works(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    made = subprocess.run(
        [sys.executable, "-m", "justtinker_core.cli", "new", kind, "my_own"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    command = re.search(r"^  justtinker train.*?(?=\n\n)", made.stdout, re.DOTALL | re.MULTILINE)
    assert command
    line = command[0].replace("justtinker", f"{sys.executable} -m justtinker_core.cli", 1) + " --dir run"
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    assert RunDir(tmp_path / "run").manifest()["status"] == "finished"


# Packages


def packages(folder: Path, kinds: tuple[str, ...], name: str = "my_own") -> list[Path]:
    made = []
    for kind in kinds:
        result = cli("new", kind, f"{name}_{kind}", "--package", "--dir", folder)
        assert result.exit_code == 0, result.output
        made.append(folder / f"justtinker-{name.replace('_', '-')}-{kind}")
    return made


def ruff(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "120", "."]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["a", "last_word"])
def test_packages_are_clean(name: str, tmp_path: Path) -> None:
    """They are clean for ruff; mypy checks the templates themselves."""
    pytest.importorskip("ruff", reason="ruff is in the extra 'dev'")
    for folder in packages(tmp_path, KINDS, name):
        ruff(folder, "check", "--select", ",".join(LINT))
        if name == "a":  # a long name may break a line
            ruff(folder, "format", "--check")


@pytest.mark.slow
def test_the_tests_of_all_packages_pass(tmp_path: Path, site: Callable[..., Path]) -> None:
    made = packages(tmp_path, KINDS)
    for folder in made:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        [(group, entries)] = project["entry-points"].items()
        module = next(folder.glob("*.py"))
        site(
            project["name"].replace("-", "_"),
            {group.removeprefix("justtinker."): entries},
            {module.name: module.read_text()},
        )
    found = find() | find(COMMANDS)
    for kind in KINDS:
        assert found[f"my_own_{kind}"].role == role_of(kind)
        assert cli("plugins", f"my_own_{kind}").exit_code == 0
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT), str(ROOT / "plugins")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir",
         tmp_path, "-c", os.devnull, *(folder / "tests" for folder in made)],
        env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 2 * len(KINDS) - 1  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reward", "environment", "command"])
def test_a_package_is_installed_by_pip(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="a package is built with hatchling")
    [folder] = packages(tmp_path, (kind,))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    [site_packages] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    borrowed = [path for path in sys.path if "lib/python3" not in path or "site-packages" in path]
    (site_packages / "borrowed.pth").write_text("\n".join(borrowed))
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", folder]
    subprocess.run(install, check=True)
    subprocess.run([python, "-m", "pytest", "-q", folder], check=True, cwd=tmp_path)
    name = f"my_own_{kind}"
    arguments = [name, "--help"] if kind == "command" else ["plugins", name]
    output = subprocess.run(
        [python, "-m", "justtinker_core.cli", *arguments], check=True, cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert "Draw a metric" in output if kind == "command" else f"from justtinker-my-own-{kind} 0.1.0" in output


# Errors


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["rewrd", "x"], 2, "there is no kind of plugin called 'rewrd'; did you mean 'reward'?"),
        (["reward", "My-Own"], 1, "'My-Own' cannot name a plugin: expected lower-case letters, digits and '_', a "
         "letter first, and no Python keyword; try 'my_own'"),
        (["reward", "MyOwn"], 1, "try 'my_own'"),
        (["reward", "class"], 1, "'class' cannot name a plugin: expected lower-case letters, digits and '_', a letter "
         "first, and no Python keyword\n"),
        (["reward", "7up"], 1, "'7up' cannot name a plugin"),
        (["reward", "grpo"], 1, "already has a plugin 'grpo', one of the algorithms; choose another name"),
        (["command", "train"], 1, "already has a plugin 'train', one of the commands; choose another name"),
        (["reward", "numpy"], 1, "a file numpy.py would hide the Python module 'numpy'; choose another name, or "
         "--package"),
        (["backend", "mine"], 1, "there is no template for a backend: it would be too long."),
    ],
)  # fmt: skip
def test_bad_kinds_and_names_are_refused(
    arguments: list[str], code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("new", *arguments)
    assert result.exit_code == code
    assert text in result.output
    assert not list(tmp_path.iterdir())


def test_the_package_that_has_the_name_is_named(site: Callable[..., Path], tmp_path: Path) -> None:
    site("manners", {"metrics": {"polite": "manners:Polite"}})
    result = cli("new", "reward", "polite", "--dir", tmp_path)
    assert "Error: package manners 1.0 already has a plugin 'polite'" in result.output


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    result = cli("new", "reward", "mine", "--dir", tmp_path)
    assert (result.exit_code, result.output) == (
        1,
        f"Error: {tmp_path / 'mine.py'} already exists; nothing was changed\n",
    )
    assert (tmp_path / "mine.py").read_text() == "precious"
    folder = tmp_path / "justtinker-mine"
    (folder / "tests").mkdir(parents=True)
    result = cli("new", "reward", "mine", "--package", "--dir", tmp_path)
    assert result.output == f"Error: {folder} already exists; nothing was changed\n"
    assert not list(folder.rglob("*.*"))


def test_every_role_has_a_template_or_a_reason() -> None:
    assert {role_of(kind) for kind in KINDS} | {"backends"} == {*ROLES, *COMMANDS}
    help_text = " ".join(cli("new", "--help").output.split())
    assert all(re.search(rf"\b{kind}\b", help_text) for kind in KINDS)
