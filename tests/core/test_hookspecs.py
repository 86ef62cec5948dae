"""Reflection on the hooks: a real run asks each one, and the core imports nothing that it must not know."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import justtinker_core
from justtinker_core import hookimpl, hookspecs
from justtinker_core.discovery import ROLES, find
from justtinker_core.plugins import AT_LEAST_ONE, EXACTLY_ONE
from tests.core.conftest import Ask, Correct, Judge, Mean, Rl, RunOf, ScriptedBackend, go, problems

HOOKS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "justtinker_spec")}
FORBIDDEN = ("torch", "tinker", "datasets", "transformers", "peft", "math_verify", "sympy", "justtinker_plugins")


def arguments(hook: str) -> list[str]:
    return list(inspect.signature(HOOKS[hook]).parameters)


def recorder(seen: dict[str, dict[str, Any]]) -> Any:
    """Make a throw-away plugin that implements every hook that several plugins may, and passes on each."""

    def make(hook: str) -> Any:
        names = arguments(hook)
        pairs = ", ".join(f"{n!r}: {n}" for n in names)
        scope: dict[str, Any] = {"seen": seen}
        exec(f"def {hook}(self, {', '.join(names)}):\n    seen[{hook!r}] = {{{pairs}}}", scope)
        return hookimpl(scope[hook])

    several = [hook for hook in HOOKS if hook not in EXACTLY_ONE]
    return type("Recorder", (), {hook: make(hook) for hook in several})()


def noted(player: type[Any], hook: str, seen: dict[str, dict[str, Any]]) -> Any:
    """Wrap a plugin's hook so that its calls are noted."""
    original = getattr(player, hook)
    names = arguments(hook)
    scope: dict[str, Any] = {"seen": seen, "original": original}
    exec(
        f"def {hook}(self, {', '.join(names)}):\n    seen[{hook!r}] = dict(zip({names!r}, ({', '.join(names)},)))\n"
        f"    return original(self, {', '.join(names)})",
        scope,
    )
    return type(player.__name__, (player,), {hook: hookimpl(scope[hook])})()


RECORDING_LISTED = """
from pathlib import Path
from justtinker_core import Problem, hookimpl

class Listed:
    @hookimpl
    def load_problems(self, spec, seed):
        Path(__file__).with_suffix(".seen").write_text(f"{spec.name} {seed}")
        return [Problem(str(i), f"{i}+0", "1") for i in range(3)]
"""


def test_every_hook_is_asked_with_all_its_arguments_in_a_real_run(run_of: RunOf, tmp_path: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}
    run = run_of(
        noted(ScriptedBackend, "open_backend", seen), recorder(seen), Ask(), Judge(), Correct(),
        noted(Mean, "advantages", seen), noted(Rl, "collect_batch", seen),
        problems={"train": problems(), "held": problems(2)},
    )  # fmt: skip
    (tmp_path / "listed.py").write_text(RECORDING_LISTED)
    run.config = replace(run.config, data=tuple(replace(spec, options={}) for spec in run.config.data))
    assert go(run) == "finished"
    assert (tmp_path / "listed.seen").read_text() in ("held 42", "train 42")
    run.plugins.first("expect_tokens", run=run, response=8.0)  # `justtinker check` asks it
    assert set(seen) | {"load_problems"} == set(HOOKS)
    for hook, given in seen.items():
        assert list(given) == arguments(hook)
        assert all(value is not None for value in given.values()), hook


def test_every_hook_says_when_it_is_called_and_who_wins() -> None:
    words = ("First answer", "Collect", "Exactly one", "Observers", "Asked of the plugin")
    for hook, spec in HOOKS.items():
        assert spec.__doc__, hook
        assert spec.__doc__.startswith(words), hook


@pytest.mark.parametrize("hook", HOOKS)
def test_first_answer_in_words_and_in_pluggy(hook: str) -> None:
    doc = HOOKS[hook].__doc__ or ""
    first = doc.startswith(("First answer", "Exactly one"))
    assert HOOKS[hook].justtinker_spec["firstresult"] is first


def test_the_tables_of_roles_know_hooks_and_groups() -> None:
    assert set(EXACTLY_ONE) | set(AT_LEAST_ONE) <= set(HOOKS)
    assert set(EXACTLY_ONE.values()) | set(AT_LEAST_ONE.values()) <= set(ROLES)
    assert {f.role for f in find().values()} <= set(ROLES)


def test_no_hook_is_a_coroutine() -> None:
    assert not any(inspect.iscoroutinefunction(spec) for spec in HOOKS.values())


# What is imported


def imported_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has imported after running the code."""
    code += "\nimport json, sys\nprint('@' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.rpartition("@")[2]))


CORE = [f"justtinker_core.{p.stem}" for p in Path(justtinker_core.__file__).parent.glob("[!_]*.py")]


def test_the_core_imports_no_plugin_and_nothing_heavy() -> None:
    modules = imported_by("import " + ", ".join(CORE))
    assert set(CORE) <= modules
    assert not {m for m in modules if m.split(".")[0] in FORBIDDEN}
    assert not {m for m in modules if m.startswith("justtinker_core.testing")}, "that is for authors"


@pytest.mark.parametrize("option", ["['--help']", "['--version']"])
def test_the_help_imports_no_command(option: str) -> None:
    modules = imported_by(f"from justtinker_core.cli import main\nmain({option}, standalone_mode=False)")
    assert not {m for m in modules if m.split(".")[0] in {*FORBIDDEN, "pydantic", "numpy", "rich"}}


def test_listing_plugins_imports_none_of_them() -> None:
    modules = imported_by("from justtinker_core.cli import main\nmain(['plugins'], standalone_mode=False)")
    roles = tuple(f"justtinker_plugins.{role}" for role in ROLES)
    assert not {m for m in modules if m.startswith(roles)}
    assert not {m for m in modules if m.split(".")[0] in {*FORBIDDEN, "pydantic", "numpy"} - {"justtinker_plugins"}}
