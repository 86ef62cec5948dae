"""Plugins that break: disabled, they do no harm; enabled, the error says which plugin, where and what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding, Group, PluginError, Problem, Prompt, Verdict, hookimpl, testing
from justtinker_core.rundir import RunDir
from justtinker_core.sampling import then
from justtinker_core.testing._stand_ins import Grpo
from tests.core.conftest import LISTED, cli

Site = Callable[..., Path]


def reward(score: Callable[[Group], Any]) -> Any:
    class Culprit:
        @hookimpl
        def score(self, group: Group) -> Any:
            return score(group)

    return Culprit()


def raises(group: Group) -> Any:
    raise ValueError("no idea")


ONE_NUMBER = "expected a finite number, got"
COLUMNS = "expected name -> list with a number or None for each rollout, got"
FAILED = r"plugin 'culprit' \(under test\) failed in score"
BAD_REWARDS: Mapping[str, tuple[Callable[[Group], Any], str]] = {
    "nan": (lambda g: {"r": [0.0, float("nan")]}, f"plugin 'culprit': 'r' of rollout 1 of 'p': {ONE_NUMBER} nan"),
    "infinite": (
        lambda g: {"r": [float("inf"), 0.0]},
        f"plugin 'culprit': 'r' of rollout 0 of 'p': {ONE_NUMBER} inf",
    ),
    "text": (lambda g: {"r": ["high", 0.0]}, f"plugin 'culprit': 'r' of rollout 0 of 'p': {ONE_NUMBER} 'high'"),
    "too large": (
        lambda g: {"r": [0.0, 7]},
        r"reward term 'r' of plugin 'culprit', rollout 1 of problem 'p': expected a raw number in \[-1, 1\], got 7.0",
    ),
    "too few": (lambda g: {"r": [0.0]}, "plugin 'culprit' gives 1 values of 'r' for the 2 rollouts of problem 'p'"),
    "one number": (lambda g: {"r": 0.5}, rf"{FAILED}: TypeError: {COLUMNS} {{'r': 0.5}}"),
    "a list": (lambda g: [0.0, 1.0], rf"{FAILED}: TypeError: {COLUMNS} \[0.0, 1.0\]"),
    "raises": (raises, rf"{FAILED} at test_broken_plugins\.py:\d+: ValueError: no idea"),
}


@pytest.mark.parametrize("deed", BAD_REWARDS)
def test_a_bad_reward_stops_the_run_and_says_whose_and_where(
    run_with: testing.Runner, tmp_path: Path, deed: str
) -> None:
    score, text = BAD_REWARDS[deed]
    kept = tmp_path / "run" / "offending_groups.jsonl"
    with pytest.raises(PluginError) as error:
        run_with(
            reward(score), problems=[testing.make_problem(id="p")], respond=lambda prompt, index: f"it is {index}",
            rollouts=2, directory="run",
        )  # fmt: skip
    assert re.fullmatch(
        rf"{text} \(step 1, problem 'p'; the group is kept in {re.escape(str(kept))}\)", str(error.value)
    )
    [record] = RunDir(kept.parent).read(kept.name)
    assert (record["step"], record["problem"]["id"]) == (1, "p")
    assert [rollout["text"] for rollout in record["rollouts"]] == ["it is 0", "it is 1"]
    assert json.loads((kept.parent / "manifest.json").read_text())["status"] == "failed"


BAD_VERDICTS: Mapping[str, tuple[Any, str]] = {
    "one": (Verdict("correct"), "TypeError: expected a list of Verdict, got Verdict(outcome='correct'"),
    "booleans": ([True, False], "TypeError: expected a Verdict, got True"),
    "too many": ([Verdict("correct")] * 3, "3 verdicts for the 2 rollouts of problem 'p'"),
    "no outcome": (
        [Verdict("right")] * 2,
        "ValueError: outcome: expected one of correct, incorrect, unscored, got 'right'",
    ),  # type: ignore[arg-type]
    "an object": (
        [Verdict("correct", 4)] * 2,
        "TypeError: expected texts as answer, vote, rung and reason of a verdict, got Verdict(",
    ),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("deed", BAD_VERDICTS)
def test_a_bad_verdict_stops_the_run_and_says_where(run_with: testing.Runner, deed: str) -> None:
    answer, text = BAD_VERDICTS[deed]

    class Culprit:
        @hookimpl
        def verify(self) -> Any:
            return answer

    with pytest.raises(PluginError) as error:
        run_with(Culprit(), problems=[testing.make_problem(id="p")], rollouts=2)
    assert text in str(error.value)
    assert "(step 1, problem 'p'; the group is kept in " in str(error.value)
    assert deed == "too many" or "plugin 'culprit' (under test) failed in verify" in str(error.value)


def test_a_monitor_and_a_reporter_that_raise_are_reported_once_and_survived(
    run_with: testing.Runner, caplog: pytest.LogCaptureFixture
) -> None:
    class Watcher:
        @hookimpl
        def inspect_step(self) -> None:
            raise KeyError("reward")

    class Teller:
        @hookimpl
        def report_step(self) -> None:
            raise OSError("no printer")

    assert run_with(Watcher(), Teller(), steps=3).status == "finished"
    logged = [re.sub(r" at \w+\.py:\d+", "", record.message) for record in caplog.records]
    assert sorted(logged) == [
        "plugin 'teller' (under test) failed in report_step: OSError: no printer (logged once; the run goes on)",
        "plugin 'watcher' (under test) failed in inspect_step: KeyError: 'reward' (logged once; the run goes on)",
    ]


CONFIG = """
[run]
name = "sft"
model = "scripted"
steps = 1
[data.train]
use = "listed"
path = "p.json"
[plugins]
enable = ["my_backend", "my_sft"{more}]
[local_plugins]
listed = "listed.py:Listed"
my_backend = "players.py:ScriptedBackend"
my_sft = "players.py:Sft"
"""
ROTTEN = {
    "rotten": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "rotten_class": ("", "AttributeError: module 'rotten_class' has no attribute 'Reward'"),
    "rotten_module": (None, "ModuleNotFoundError: No module named 'rotten_module'"),
    "rotten_syntax": ("def", "SyntaxError: invalid syntax (rotten_syntax.py, line 1)"),
}


@pytest.mark.parametrize("module", ROTTEN)
def test_an_installed_but_broken_package_disturbs_only_who_enables_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text, cause = ROTTEN[module]
    files = {} if text is None else {f"{module}.py": text}
    site("rotten-package", {"rewards": {"rotten": f"{module}:Reward"}}, files)
    (tmp_path / "players.py").write_text("from tests.core.conftest import *")
    (tmp_path / "listed.py").write_text(LISTED)
    (tmp_path / "p.json").write_text(json.dumps([{"id": "1", "question": "1", "answer": "1"}]))
    (tmp_path / "good.toml").write_text(CONFIG.format(more=""))
    (tmp_path / "bad.toml").write_text(CONFIG.format(more=', "rotten"'))
    done = cli("train", "good.toml", "--dir", "run")
    assert done.exit_code == 0, done.output
    assert "rotten" not in done.output
    text = f"plugin 'rotten' of package rotten-package 1.0 cannot be imported from {module}:Reward: {cause}"
    failed = cli("train", "bad.toml", "--dir", "bad")
    assert failed.exit_code == 1
    assert text in " ".join(failed.output.split())
    assert not (tmp_path / "bad").exists()
    assert cli("plugins").exit_code == 0
    checked = cli("plugins", "--check")
    assert checked.exit_code == 1
    assert cause in " ".join(checked.output.split())


def test_a_finding_of_an_unknown_level_is_none(run_with: testing.Runner, caplog: pytest.LogCaptureFixture) -> None:
    class Alarm:
        @hookimpl
        def inspect_step(self) -> Any:
            return [Finding("warm", "hot")]  # type: ignore[arg-type]

    assert run_with(Alarm()).findings == ()
    text = "failed in inspect_step: ValueError: no level of a finding is called 'warm'; did you mean 'warn'?"
    assert text in caplog.text


@pytest.mark.parametrize("answer", [3, {"role": "user", "content": "1+1"}, ["1+1"]])
def test_a_prompt_that_is_none_is_the_prompt_plugin_s_fault(run_with: testing.Runner, answer: Any) -> None:
    class Culprit:
        @hookimpl
        def build_prompt(self) -> Any:
            return answer

    text = r"plugin 'culprit' \(under test\) failed in build_prompt: TypeError: expected a (list of )?dict, got "
    with pytest.raises(PluginError, match=text):
        run_with(Culprit())


def test_a_preflight_that_answers_with_a_text(run_with: testing.Runner) -> None:
    class Culprit:
        @hookimpl
        def preflight(self) -> Any:
            return "lean is missing"

    text = r"failed in preflight: TypeError: expected a list of str, got 'lean is missing'"
    with pytest.raises(PluginError, match=text):
        run_with(Culprit())


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        (("verfy",), r"no hook is called 'verfy'; did you mean 'verify'\?"),
        ("verify", "expected a tuple of hook names, got 'verify'"),
    ],
)
def test_an_algorithm_that_needs_what_is_no_hook(run_with: testing.Runner, needs: Any, text: str) -> None:
    class Culprit(Grpo):
        pass

    Culprit.needs = needs
    with pytest.raises(PluginError, match=rf"^algorithm 'culprit': needs: {text}$"):
        run_with(Culprit())


def test_a_measure_that_the_loop_makes_itself(run_with: testing.Runner) -> None:
    class Culprit:
        @hookimpl
        def measure(self, group: Group) -> Any:
            return {"grad_norm": [0.0] * len(group.rollouts)}

    class Backend(testing.ScriptedBackend):
        def optim_step(self, adam: Any) -> Any:
            return then(super().optim_step(adam), lambda metrics: {**metrics, "grad_norm": 1.0})

    text = "^'grad_norm' is measured by a plugin, and by the loop or the backend: rename the plugin's$"
    with pytest.raises(PluginError, match=text):
        run_with(Culprit(), Backend())


def test_one_stop_of_a_prompt_may_be_a_text(run_with: testing.Runner) -> None:
    class Asks:
        @hookimpl
        def build_prompt(self, problem: Problem) -> Any:
            return Prompt(problem.question, stop="</end>")  # type: ignore[arg-type]

    done = run_with(Asks(), respond=lambda prompt, index: "so <think> it is</end> and so on")
    assert {rollout.text for group in done.groups for rollout in group.rollouts} == {"so <think> it is"}
