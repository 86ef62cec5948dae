"""Enable, disable and weigh plugins for one run, as a user does on the command line; and every mistake in it.

A mistake is reported before anything runs: no run directory is made and no backend is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.config_files import read
from justtinker_core.enabling import installed
from justtinker_core.rundir import RunDir
from tests.core.conftest import Written, cli

BARE = "[run]\nname = 'x'\nmodel = 'none'\nsteps = 0\n"
CAST = ("Opened", "Ask", "Judge", "Correct", "Mean", "Rl")
MORE = """
from justtinker_core import plugin

class Opened(ScriptedBackend):
    @hookimpl
    def open_backend(self, run):
        Path("opened").touch()
        return super().open_backend(run)

@plugin
class Half:
    most: int = 3
    @hookimpl
    def score(self, group):
        return {"half": [0.5 for _ in group.rollouts]}

class Second(Mean): pass
"""


@pytest.fixture
def mine(written: Written) -> Callable[..., Path]:
    """``mine(toml)``: a config of the whole cast, and `half`, a reward that is not enabled, with lines added."""

    def write(more: str = "", *enable: str) -> Path:
        path = written("mine", *(enable or CAST), steps=3)
        players = path.with_name("players.py")
        if "class Opened" not in players.read_text():
            players.write_text(players.read_text() + MORE)
        local = 'half = "players.py:Half"\nsecond = "players.py:Second"\n'
        path.write_text(path.read_text() + local + more)
        return path

    return write


def trained(config: Path, *arguments: str) -> list[dict[str, Any]]:
    """Train; return the records of the steps."""
    result = cli("train", config, "--dir", "run", *arguments)
    assert result.exit_code == 0, result.output
    return RunDir(config.with_name("run")).read("steps.jsonl")


def refused(config: Path, *arguments: str) -> str:
    """Return the error of a run that does not begin."""
    result = cli("train", config, "--dir", "run", *arguments)
    assert result.exit_code == 1, result.output
    assert not config.with_name("run").exists()
    assert not config.with_name("opened").exists()
    return result.output.removeprefix("Error: ").removesuffix("\n")


# One run


def test_what_is_not_enabled_does_nothing(mine: Callable[..., Path]) -> None:
    assert set(trained(mine())[0]["terms"]) == {"correct"}


def test_p_enables_for_one_run(mine: Callable[..., Path]) -> None:
    assert set(trained(mine(), "-p", "half")[0]["terms"]) == {"correct", "half"}


def test_p_no_disables_with_the_table(mine: Callable[..., Path]) -> None:
    config = mine("[plugins.half]\nweight = 0.25\n")
    config.write_text(config.read_text().replace('"my_correct"', '"my_correct", "half"'))
    assert set(trained(config, "-p", "no:half")[0]["terms"]) == {"correct"}


def test_a_weight(mine: Callable[..., Path]) -> None:
    [first, *_] = trained(mine(), "-p", "half", "--set", "plugins.half.weight=0.25")
    assert first["terms"]["half"] == {"raw": 0.5, "weighted": 0.125, "applies": 1.0, "weight": 0.25}


def test_a_schedule(mine: Callable[..., Path]) -> None:
    steps = trained(mine(), "-p", "half", "--set", "plugins.half.weight={from = 0.0, to = 0.3, steps = 2}")
    assert [step["terms"]["half"]["weight"] for step in steps] == pytest.approx([0.15, 0.3, 0.3])
    assert [step["terms"]["half"]["weighted"] for step in steps] == pytest.approx([0.075, 0.15, 0.15])


def test_observed_it_is_logged_and_adds_nothing(mine: Callable[..., Path]) -> None:
    steps = trained(mine(), "-p", "half", "--set", "plugins.half.mode=observe")
    assert steps[0]["terms"]["half"] == {"raw": 0.5, "weighted": 0.0, "applies": 1.0, "weight": 0.0}
    for step in steps:
        assert step["metrics"]["reward"] == step["terms"]["correct"]["weighted"]


# Mistakes

NEW = " (if it is new, reinstall its package, or name its file under [local_plugins])"
MISTAKES = {
    "a misspelt name": (["-p", "hafl"], f"[plugins] enable: no plugin called 'hafl'; did you mean 'half'?{NEW}"),
    "a misspelt name of a data set": (
        ["--set", "data.train.use=arithmetc"],
        f"[data.train] use: no plugin called 'arithmetc'; did you mean 'arithmetic'?{NEW}",
    ),
    "a misspelt name to disable": (
        ["-p", "no:my_corect"],
        "mine.toml: -p no:my_corect: 'my_corect' is not enabled; did you mean 'my_correct'?",
    ),
    "an option that does not exist": (
        ["-p", "half", "--set", "plugins.half.mots=1"],
        "[plugins.half] has no option 'mots'; did you mean 'most'?",
    ),
    "a misspelt option of every reward": (
        ["-p", "half", "--set", "plugins.half.wieght=1"],
        "[plugins.half] has no option 'wieght'; did you mean 'weight'?",
    ),
    "a wrong type": (
        ["-p", "half", "--set", "plugins.half.most=a few"],
        "[plugins.half] most = 'a few': input should be a valid integer",
    ),
    "a wrong mode": (
        ["-p", "half", "--set", "plugins.half.mode=observed"],
        "[plugins.half] mode = 'observed': input should be 'on' or 'observe'",
    ),
    "a misspelt schedule": (
        ["-p", "half", "--set", "plugins.half.weight={form = 0.0, to = 0.3, steps = 2}"],
        "[plugins.half.weight] has no option 'form'; did you mean 'from'?",
    ),
    "half a schedule": (
        ["-p", "half", "--set", "plugins.half.weight={from = 0.0, to = 0.3}"],
        "[plugins.half.weight] needs a value for 'steps'",
    ),
    "a weight for what is no reward": (
        ["--set", "plugins.my_mean.weight=0.3"],
        "[plugins.my_mean] has no option 'weight'; there are none",
    ),
    "a plugin enabled twice": (["-p", "my_correct"], "mine.toml: -p my_correct: 'my_correct' is enabled already"),
    "a plugin listed twice": (
        ["--set", 'plugins.enable=["half", "my_rl", "half"]'],
        'mine.toml with --set plugins.enable=["half", "my_rl", "half"]: [plugins] enable names half twice',
    ),
    "a table for a plugin that is not enabled": (
        ["--set", "plugins.half.weight=0.3"],
        "mine.toml with --set plugins.half.weight=0.3: [plugins.half] is set but [plugins] enable does not name "
        "'half'; -p half would enable it",
    ),
    "a misspelt table": (
        ["-p", "half", "--set", "plugins.hafl.weight=0.3"],
        "mine.toml with --set plugins.hafl.weight=0.3 -p half: [plugins.hafl] is set but [plugins] enable does not "
        "name 'hafl'; did you mean 'half'?",
    ),
    "two plugins for a role that takes one": (
        ["-p", "second"],
        "expected one plugin to implement advantages, got my_mean and second; disable the others, "
        "e.g. with -p no:my_mean",
    ),
    "two algorithms": (
        ["-p", "sft"],
        "expected one plugin to implement collect_batch, got my_rl and sft; disable the others, e.g. with -p no:my_rl",
    ),
    "nobody for a role": (
        ["-p", "no:my_mean"],
        "no active plugin implements advantages, which the algorithm 'my_rl' needs; enable one of the advantages: "
        "gdpo, group_mean, leave_one_out, max_rl",
    ),
    "no backend": (
        ["-p", "no:my_opened"],
        "no active plugin implements open_backend, which every run needs; enable one of the backends: local, tinker",
    ),
    "a local plugin called like an installed one": (
        ["--set", "local_plugins.correct=players.py:Half"],
        "[local_plugins] correct: package justtinker has a plugin of that name; choose another name",
    ),
    "a local plugin that is not there": (
        ["-p", "half", "--set", "local_plugins.half=playrs.py:Half"],
        "there is no file {here}/playrs.py for the local plugin Half; did you mean 'players.py'?",
    ),
    "two mistakes are reported at once": (
        ["-p", "hafl", "-p", "secnd"],
        f"[plugins] enable: no plugin called 'hafl'; did you mean 'half'?{NEW}\n"
        f"[plugins] enable: no plugin called 'secnd'; did you mean 'second'?{NEW}",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_before_anything_runs(mistake: str, mine: Callable[..., Path]) -> None:
    arguments, text = MISTAKES[mistake]
    config = mine()
    error = refused(config, *arguments).replace(f"{config.parent}/mine.toml", "mine.toml")
    assert error == text.replace("{folder}", str(config.parent)).replace("{here}", str(Path.cwd()))


def test_no_plugin_for_a_role_that_only_the_evaluation_needs(mine: Callable[..., Path]) -> None:
    config = mine('[data.eval.held]\nuse = "listed"\npath = "p.json"\n', "Opened", "Sft")
    texts = refused(config).splitlines()
    assert [text.partition(";")[0] for text in texts] == [
        "no active plugin implements build_prompt, which the evaluation needs",
        "no active plugin implements verify, which the evaluation needs",
    ]


def test_two_packages_with_one_name(mine: Callable[..., Path], site: Callable[..., Path]) -> None:
    site("first", {"metrics": {"polite": "first:Polite"}})
    site("second", {"rewards": {"polite": "second:Polite"}})
    assert refused(mine(), "-p", "polite") == (
        "two packages have a plugin called 'polite': first and second (second:Polite); uninstall one of them"
    )


def test_an_old_run_keeps_its_local_plugin_when_a_package_takes_its_name(
    mine: Callable[..., Path], site: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    config = mine()
    recorded = trained(config, "-p", "half")
    assert {record["terms"]["half"]["raw"] for record in recorded} == {0.5}
    site("halves", {"rewards": {"half": "halves:Half"}}, {"halves.py": "class Half: pass\n"})
    clash = "[local_plugins] half: package halves has a plugin of that name; choose another name"
    assert cli("train", config, "-p", "half", "--dir", "again").output == f"Error: {clash}\n"
    for command in (["score", "run"], ["score", "run", "--against", "run"], ["train", "--resume", "run"]):
        result = cli(*command)
        assert result.exit_code == 0, result.output
    assert "halves" not in caplog.text, "the run has its own"


def test_an_old_run_whose_local_plugin_is_gone_uses_the_installed_one_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    RunDir.create(run, f"{BARE}[local_plugins]\ngrpo = '{tmp_path}/x.py:X'\n").manifest(status="finished")
    assert installed(read(run))["grpo"].package == "justtinker"
    assert caplog.messages == [
        f"this run had the plugin grpo from {tmp_path}/x.py:X, which is gone; using the one of package justtinker "
        f"{version('justtinker')} instead"
    ]
    (tmp_path / "x.py").write_text("class X: pass\n")
    assert installed(read(run))["grpo"].value == f"{tmp_path}/x.py:X"
    assert len(caplog.messages) == 1, "its own is there"


def test_a_broken_package_harms_no_run_that_does_not_enable_it(
    mine: Callable[..., Path], site: Callable[..., Path]
) -> None:
    site("broken", {"rewards": {"broken": "broken_module:X"}}, {"broken_module.py": "import no_such_thing"})
    config = mine()
    assert refused(config, "-p", "broken") == (
        "plugin 'broken' of package broken 1.0 cannot be imported from broken_module:X: "
        "ModuleNotFoundError: No module named 'no_such_thing'"
    )
    assert len(trained(config)) == 3


def test_of_several_configs_the_wrong_one_is_named(mine: Callable[..., Path], written: Written) -> None:
    good = mine()
    bad = written("bad", *CAST, steps=3, more="[plugins.my_rl]\nrolouts = 3\n")
    result = cli("train", good, bad, "--dir", "run")
    assert result.output == f"Error: {bad}: [plugins.my_rl] has no option 'rolouts'; there are none\n"
    assert not good.with_name("run").exists()
