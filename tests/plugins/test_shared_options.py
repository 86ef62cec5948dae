"""The shared options ``--set`` and ``-p``: which configs they change."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.config import TABLES, RunConfig
from justtinker_plugins.commands._cli.options import read_config, read_configs, split_address
from tests.core.conftest import Written, cli

BOTH = ("quickstart-sft", "quickstart-rl")


def changed(sets: Sequence[str] = (), switches: Sequence[str] = ()) -> tuple[RunConfig, RunConfig, str]:
    """Both configs of the quickstart with the changes, and the text that lists these."""
    (sft, rl), applied = read_configs(BOTH, sets, switches)
    return sft, rl, applied


def complaint(sets: Sequence[str] = (), switches: Sequence[str] = ()) -> str:
    with pytest.raises(PluginError) as error:
        changed(sets, switches)
    return str(error.value)


# Which configs


def test_a_change_to_a_plugin_is_for_the_configs_that_enable_it() -> None:
    sft, rl, applied = changed(["plugins.format.weight=0.5"], ["no:redundancy"])
    assert rl.plugin_options["format"]["weight"] == 0.5
    assert "format" not in sft.plugin_options
    assert "redundancy" not in rl.enable
    assert applied == "--set plugins.format.weight=0.5 (quickstart-rl), -p no:redundancy (quickstart-rl)"


def test_a_plugin_enabled_on_the_command_line_counts() -> None:
    sft, rl, applied = changed(["plugins.length.weight=0.5"], ["length"])
    assert sft.plugin_options["length"] == rl.plugin_options["length"] == {"weight": 0.5}
    assert applied == "--set plugins.length.weight=0.5 (all), -p length (all)"
    sft, rl, applied = changed(["plugins.length.weight=0.5"], ["quickstart-rl:length"])
    assert "length" not in sft.enable
    assert rl.plugin_options["length"] == {"weight": 0.5}
    assert applied == "--set plugins.length.weight=0.5 (quickstart-rl), -p quickstart-rl:length (quickstart-rl)"


def test_a_plugin_that_only_data_tables_name_counts(written: Written) -> None:
    (own, rl), applied = read_configs([str(written("a")), "quickstart-rl"], ["plugins.arithmetic.count=9"], [])
    assert rl.plugin_options["arithmetic"] == {"count": 9}
    assert "arithmetic" not in own.plugin_options
    assert applied == "--set plugins.arithmetic.count=9 (quickstart-rl)"


def test_enabling_is_for_the_configs_that_do_not_yet() -> None:
    sft, rl, applied = changed(switches=["redundancy", "boxed"])
    assert sft.enable.count("redundancy") == rl.enable.count("redundancy") == 1
    assert applied == "-p redundancy (quickstart-sft), -p boxed (all)"


def test_switches_apply_one_after_the_other() -> None:
    sft, rl, applied = changed(switches=["boxed", "no:boxed", "quickstart-rl:no:console"])
    assert "boxed" not in (*sft.enable, *rl.enable)
    assert ("console" in sft.enable, "console" in rl.enable) == (True, False)
    assert applied.endswith("-p quickstart-rl:no:console (quickstart-rl)")


def test_a_local_plugin_is_for_the_configs_that_know_it(written: Written) -> None:
    mine = written("mine", more="locally = 'players.py:Half'\n")
    (sft, own), _ = read_configs(["quickstart-sft", str(mine)], [], ["locally"])
    assert ("locally" in sft.enable, "locally" in own.enable) == (False, True)


def test_a_data_set_is_for_the_configs_that_have_it_or_new_in_all() -> None:
    sft, rl, applied = changed(
        ["quickstart-rl:data.eval.new.use=gsm8k", "data.eval.new.limit=7", "data.eval.more.use=gsm8k"]
    )
    assert [spec.name for spec in sft.data if spec.purpose == "eval"] == ["held_out", "more"]
    assert [spec.limit for spec in rl.data if spec.name == "new"] == [7]
    assert applied.endswith("--set data.eval.new.limit=7 (quickstart-rl), --set data.eval.more.use=gsm8k (all)")


def test_any_other_change_is_for_all(written: Written) -> None:
    files = [str(written(name)) for name in ("a", "b")]
    configs, applied = read_configs(files, ["run.steps=5", "plugins.enable=['boxed']"], [])
    assert [(each.run.steps, each.enable) for each in configs] == [(5, ("boxed", "listed"))] * 2
    assert applied == "--set run.steps=5 (all), --set plugins.enable=['boxed'] (all)"


def test_a_config_can_be_named_by_file_and_by_run(written: Written) -> None:
    sft, rl, applied = changed(["quickstart-rl:run.steps=5"])
    assert (sft.run.steps, rl.run.steps) == (600, 5)
    assert applied == "--set quickstart-rl:run.steps=5 (quickstart-rl)"
    file = written("a")
    renamed = file.rename(file.with_name("file.toml"))
    for name in ("a", "file"):
        (one, _), applied = read_configs([str(renamed), "quickstart-rl"], [f"{name}:run.steps=9"], [])
        assert (one.run.steps, applied) == (9, f"--set {name}:run.steps=9 (file)")


def test_a_command_that_takes_one_config_can_name_it() -> None:
    assert read_config("quickstart-rl", ["quickstart-rl:run.steps=5"], ["quickstart-rl:boxed"]).run.steps == 5
    with pytest.raises(PluginError, match=r"^--set quickstart-sft:run\.steps=5: no config here is called "):
        read_config("quickstart-rl", ["quickstart-sft:run.steps=5"], [])


@given(st.from_regex(r"[\w.-]+", fullmatch=True).filter(lambda name: name != "no"), st.text())
def test_an_address_is_split_from_its_change(name: str, value: str) -> None:
    table = "." in name and name.partition(".")[0] in TABLES
    change = f"{name}:run.steps={value}"
    assert split_address(change) == (("", change) if table else (name, f"run.steps={value}"))
    assert split_address(f"run.steps={value}") == ("", f"run.steps={value}")


@pytest.mark.parametrize(
    "change", ["no:boxed", "boxed", "local_plugins.x=x.py:X", "data.train.sources.a:b.use=gsm8k", "run.steps"]
)
def test_these_have_no_address(change: str) -> None:
    assert split_address(change) == ("", change)


# Mistakes

NONE = "none of quickstart-sft, quickstart-rl enables"
MISTAKES = [
    (["plugins.lenght.weight=1"], [], f"--set plugins.lenght.weight=1: {NONE} 'lenght'; did you mean 'length'?"),
    (["plugins.length.weight=1"], [], f"--set plugins.length.weight=1: {NONE} 'length'; -p length would enable it"),
    ([], ["no:redundncy"], f"-p no:redundncy: {NONE} 'redundncy'; did you mean 'redundancy'?"),
    ([], ["thinking"], "-p thinking: 'thinking' is enabled already in quickstart-sft, quickstart-rl"),
    (
        ["quickstrat-rl:run.steps=5"], [],
        "--set quickstrat-rl:run.steps=5: no config here is called 'quickstrat-rl'; did you mean 'quickstart-rl'?",
    ),
    (
        [], ["quickstart_rl:boxed"],
        "-p quickstart_rl:boxed: no config here is called 'quickstart_rl'; did you mean 'quickstart-rl'?",
    ),
    (["run.=3"], [], "--set: expected table.key=value, got 'run.=3'"),
]  # fmt: skip


@pytest.mark.parametrize(("sets", "switches", "text"), MISTAKES)
def test_mistakes_are_named(sets: list[str], switches: list[str], text: str) -> None:
    assert complaint(sets, switches) == text


def test_a_plugin_cannot_be_disabled_twice() -> None:
    assert complaint(switches=["no:format", "no:format"]).startswith(f"-p no:format: {NONE} 'format'; known: answers, ")


@pytest.mark.parametrize(
    "plugins", ["plugins = 3\n", "plugins = {enable = 3}\n", "data = {train = 3, eval = {x = 4}}\n"]
)
def test_a_config_of_a_wrong_shape_is_a_clear_error(written: Written, plugins: str) -> None:
    file = written("a")
    file.write_text(plugins + '[run]\nname = "a"\nmodel = "m"\nsteps = 3\n')
    with pytest.raises(PluginError, match=rf"{re.escape(str(file))}( with -p boxed)?: \[?(plugins|data)"):
        read_configs(["quickstart-rl", str(file)], ["plugins.format.weight=0.5"], ["no:redundancy", "boxed"])


# Output


def test_train_lists_the_changes(written: Written) -> None:
    result = cli("train", written("a"), written("b"), "--dir", "out", "--set", "run.steps=1", "--set", "a:run.seed=7")
    assert result.exit_code == 0
    assert result.output.startswith(
        "Changed: --set run.steps=1 (all), --set a:run.seed=7 (a)\na: 1 step of scripted on "
    )
    result = cli("train", written("a"), written("b"), "--dry-run", "--set", "run.steps=1")
    assert result.output.startswith("Changed: --set run.steps=1 (all)\na: 1 step of scripted\n")
    assert "Changed" not in cli("train", written("a"), "--dry-run", "--set", "run.steps=1").output, "there is one only"


def test_an_error_shows_the_changes_that_led_to_it() -> None:
    result = cli("check", "quickstart-rl", "--set", "run.steps=two", "-p", "boxed")
    assert (result.exit_code, result.output) == (
        1,
        "Error: quickstart-rl with --set run.steps=two -p boxed: [run] steps = 'two': "
        "input should be a valid integer\n",
    )
    result = cli("check", "quickstart-rl", "--set", "rnu.steps=1")
    assert "quickstart-rl: there is no table [rnu]; did you mean 'run'?" in result.output
    result = cli("check", "quickstart-rl", "--set", "plugins.chatml_think.system=42")
    assert (
        '[plugins.chatml_think] system = 42: input should be a valid string; write it in quotes: "42"' in result.output
    )


def test_a_quoted_value_is_a_text() -> None:
    wanted = read_config("quickstart-rl", ['plugins.chatml_think.system="42"'], [])
    assert wanted.plugin_options["chatml_think"]["system"] == "42"
