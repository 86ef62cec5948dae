"""TOML to RunConfig: what is read, what is refused with which text, and that a dump reads back the same."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, config
from justtinker_core.config import OptimizerSection, RunConfig, parse
from justtinker_core.config_files import override, presets, read, switch
from justtinker_core.enabling import resolved
from justtinker_core.rundir import RunDir

RUN = '[run]\nname = "a"\nmodel = "m"\nsteps = 3\n'


def parsed(text: str) -> RunConfig:
    return parse(tomllib.loads(text), Path("/base"))


def complaint(text: str) -> str:
    with pytest.raises(PluginError) as error:
        parsed(text)
    return str(error.value)


COMPLAINTS = {
    "": "[run] needs a value for 'name'\n[run] needs a value for 'model'\n[run] needs a value for 'steps'",
    'run = 3': "run = 3 is outside any table",
    RUN + "[optimiser]": "there is no table [optimiser]; did you mean 'optimizer'?",
    RUN + "[optimizer]\nlearning_rat = 1.0": "[optimizer] has no option 'learning_rat'; did you mean 'learning_rate'?",
    RUN + "[optimizer]\nlearning_rate = 0": "[optimizer] learning_rate = 0: input should be greater than 0",
    RUN.replace('"a"', '"a b"'): "[run] name = 'a b': string should match pattern '^[\\w.-]+$'",
    RUN.replace("3", "-1"): "[run] steps = -1: input should be greater than or equal to 0",
    RUN + "seed = -1": "[run] seed = -1: input should be greater than or equal to 0",
    RUN + "[data.train]\nuse = 'y'\nseed = -1": "[data.train] seed = -1: input should be greater than or equal to 0",
    RUN + "unscored = 'drpo'": "[run] unscored = 'drpo': input should be 'drop', 'zero' or 'abort'",
    RUN + "[data.trian]":
        "there is no table [data.trian]; there is [data.train], and [data.eval.NAME] for each evaluation set",
    RUN + "[data.train]": "[data.train] needs a value for 'use'",
    RUN + "[data]\ntrain = 3": "data.train: expected a table, got 3",
    RUN + "[data.eval]\nuse = 'x'": "[data.eval] needs a name for the set: write [data.eval.NAME]",
    RUN + "[data.eval.x]\nuse = 'y'\nlimit = 0": "[data.eval.x] limit = 0: input should be greater than or equal to 1",
    RUN + "[data.eval.hedl]\nlimit = 3": "[data.eval.hedl] needs a value for 'use'",
    RUN + "[data.eval]\nheld.use = 'y'\nhedl.limit = 3":
        "[data.eval.hedl] needs a value for 'use'; did you mean 'held'?",
    RUN + "[data.eval]\nx = 3": "data.eval.x: expected a table, got 3",
    RUN + "[plugins]\nenable = 'x'": "[plugins] enable: expected a list of plugin names, got 'x'",
    RUN + "[plugins]\nenable = [3]": "[plugins] enable: expected a list of plugin names, got [3]",
    RUN + "[plugins]\nenable = ['b', 'a', 'b', 'a']": "[plugins] enable names a, b twice",
    RUN + "[plugins]\nenabel = ['a']": "[plugins] has no key 'enabel'; it has 'enable' and one table per plugin",
    RUN + "[plugins]\nenable = ['grpo']\n[plugins.gpro]":
        "[plugins.gpro] is set but [plugins] enable does not name 'gpro'; did you mean 'grpo'?",
    RUN + "[plugins.length]":
        "[plugins.length] is set but [plugins] enable does not name 'length'; -p length would enable it",
    RUN + "[plugins.lenght]":
        "[plugins.lenght] is set but [plugins] enable does not name 'lenght'; did you mean 'length'?",
    RUN + "[local_plugins]\nhalf = 'x.py:Half'\n[plugins.half]":
        "[plugins.half] is set but [plugins] enable does not name 'half'; -p half would enable it",
}  # fmt: skip


@pytest.mark.parametrize("text", COMPLAINTS, ids=range(len(COMPLAINTS)))
def test_complaints_in_full(text: str) -> None:
    assert complaint(text) == COMPLAINTS[text]


def test_a_key_outside_any_table() -> None:
    assert complaint("steps = 3\n" + RUN) == "steps = 3 is outside any table"


@pytest.mark.parametrize(
    "text",
    [
        'plugins = 3\n' + RUN, 'data = 3\n' + RUN, 'local_plugins = 3\n' + RUN, RUN + "[local_plugins]\nx = 3",
        RUN + "[data]\neval = 3", RUN + "[run.x]",
    ],
)  # fmt: skip
def test_what_is_no_table_is_a_clear_error(text: str) -> None:
    assert complaint(text)


def test_defaults_and_sections() -> None:
    result = parsed(RUN)
    assert (result.run.seed, result.run.unscored, result.run.start_from) == (42, "drop", None)
    assert (result.sampling.max_tokens, result.evaluation.temperature) == (8192, 0.7)
    assert result.enable == ()


def test_runs_with_other_seeds_are_evaluated_on_the_same_problems() -> None:
    tables = "seed = {seed}\n[data.train]\nuse = 'a'\n[data.eval.x]\nuse = 'a'\nlimit = 3"
    (train, x), (other_train, other_x) = (parsed(RUN + tables.format(seed=seed)).data for seed in (1, 2))
    assert (train.seed, other_train.seed) == (1, 2)
    assert x == other_x


def test_data_tables() -> None:
    result = parsed(
        RUN + "[data.train]\nuse = 'a'\nmine = 1\n[data.eval.x]\nuse = 'b'\nlimit = 3\nstratify_by = 'k'\nsamples = 4\n"
        "seed = 7\n[data.eval.y]\nuse = 'a'\n[plugins]\nenable = ['c', 'b']"
    )
    train, x, y = result.data
    assert (train.table, x.table, y.table) == ("data.train", "data.eval.x", "data.eval.y")
    assert (train.purpose, train.options, train.seed) == ("train", {"mine": 1}, 42)
    assert (x.purpose, x.limit, x.stratify_by, x.samples, x.seed, x.options) == ("eval", 3, "k", 4, 7, {})
    assert result.enable == ("c", "b", "a"), "the list in its order, then what the data tables name"


def test_local_plugins_are_relative_to_the_config() -> None:
    result = parsed(RUN + "[local_plugins]\na = 'x.py:X'\nb = '/abs/y.py:Y'")
    assert result.local_plugins == {"a": "/base/x.py:X", "b": "/abs/y.py:Y"}


# The learning rate


@given(st.integers(1, 50), st.integers(0, 60), st.sampled_from(["constant", "linear"]))
def test_the_learning_rate_is_never_zero_nor_above_its_peak(steps: int, warmup: int, decay: Any) -> None:
    section = OptimizerSection(learning_rate=2.0, warmup_steps=warmup, decay=decay)
    rates = [section.at(step, steps).learning_rate for step in range(1, steps + 1)]
    assert all(0 < rate <= 2.0 for rate in rates)
    rising, falling = rates[: warmup + 1], rates[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    if decay == "constant" and steps >= warmup:
        assert rates[-1] == 2.0


def test_linear_decay_by_hand() -> None:
    section = OptimizerSection(learning_rate=1.0, warmup_steps=2, decay="linear", weight_decay=0.1, grad_clip_norm=3.0)
    assert [section.at(s, 6).learning_rate for s in range(1, 7)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    adam = section.at(1, 6)
    assert (adam.beta1, adam.beta2, adam.eps, adam.weight_decay, adam.grad_clip_norm) == (0.9, 0.95, 1e-12, 0.1, 3.0)


# Reading and writing


NAMES = st.text("abcxyz_-", min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
COUNT = st.integers(1, 99)
DATA = st.fixed_dictionaries(
    {"use": NAMES},
    optional={"limit": COUNT, "stratify_by": st.text(), "samples": COUNT, "seed": COUNT, "other": VALUES},
)
EVALS = st.dictionaries(NAMES, DATA, max_size=2)
TABLES = st.fixed_dictionaries(
    {
        "run": st.fixed_dictionaries(
            {"name": NAMES, "model": st.text(), "steps": COUNT}, optional={"start_from": st.text(), "seed": COUNT}
        )
    },
    optional={
        "evaluation": st.fixed_dictionaries({}, optional={"every": COUNT, "max_tokens": COUNT}),
        "data": st.fixed_dictionaries({}, optional={"train": DATA, "eval": EVALS}),
        "plugins": st.just({"enable": ["grpo", "b"], "grpo": {"x": 1.5, "y": ["z"]}}),
    },
)


@given(TABLES)
def test_a_dump_reads_back_the_same(tables: dict[str, Any]) -> None:
    once = parse(tables, Path("/base"))
    again = parse(tomllib.loads(once.dump()), Path("/elsewhere"))
    assert again.dump() == once.dump()
    assert (again.data, again.enable, again.plugin_options) == (once.data, once.enable, once.plugin_options)


def test_every_preset_resolves_to_itself() -> None:
    names = list(presets())
    assert {"quickstart-sft", "quickstart-rl"} <= set(names)
    assert names == sorted(names)
    for name in names:
        result = resolved(read(name, ["run.start_from=tinker://run/weights/x"]))  # one of them cannot start without
        again = parse(tomllib.loads(result.dump()), Path("/elsewhere"))
        assert again.dump() == result.dump()
        assert resolved(again).dump() == result.dump(), name


def test_a_run_directory_is_read_as_its_config(tmp_path: Path) -> None:
    result = resolved(read("quickstart-sft"))
    run = RunDir.create(tmp_path / "run", result.dump())
    assert read(run.path).dump() == result.dump()


def written(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    return path


def test_a_file_that_is_not_there() -> None:
    text = "there is no config file quickstart-slt and no preset of that name; did you mean 'quickstart-sft'?"
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        read("quickstart-slt")


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    path = written(tmp_path, "[run\n")
    with pytest.raises(PluginError, match=f"^{re.escape(str(path))} is not valid TOML: .*line 1"):
        read(path)
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(PluginError, match=f"^{re.escape(str(path))} is not valid TOML: "):
        read(path)


def test_a_complaint_about_a_file_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, RUN + "[x]")
    with pytest.raises(PluginError, match=f"^{re.escape(str(path))}: there is no table \\[x\\]"):
        read(path)


def test_a_complaint_about_a_preset_has_its_name_for_a_place() -> None:
    with pytest.raises(PluginError, match=r"^quickstart-rl with --set run.steps=two: \[run\] steps = 'two': "):
        read("quickstart-rl", ["run.steps=two"])


def test_a_broken_package_of_presets_does_not_hide_the_others(site: Callable[..., Path]) -> None:
    site("broken", {"presets": {"broken": "no_such_package.presets"}})
    assert "quickstart-sft" in presets()


# --set and -p


@pytest.mark.parametrize(
    ("item", "value"),
    [("a.b=3", 3), ("a.b=3.5", 3.5), ("a.b=true", True), ("a.b=[1, 2]", [1, 2]), ("a.b={x = 1}", {"x": 1}),
     ("a.b=plain text", "plain text"), ("a.b='quoted'", "quoted"), ("a.b=", ""), ("a.b=x=y", "x=y"),
     ("a.b=Qwen/Qwen3-4B", "Qwen/Qwen3-4B"), ("a.b=2026-01-31", "2026-01-31"), (" a.b =3", 3), ("a.b=1e-3", 1e-3)],
)  # fmt: skip
def test_set(item: str, value: Any) -> None:
    tables: dict[str, Any] = {}
    override(tables, item)
    assert tables == {"a": {"b": value}}


def test_set_goes_deep_and_replaces() -> None:
    tables = {"plugins": {"redundancy": {"weight": 0.3, "method": "exact"}}}
    override(tables, "plugins.redundancy.weight=0.5")
    override(tables, "data.eval.x.limit=3")
    assert tables == {
        "plugins": {"redundancy": {"weight": 0.5, "method": "exact"}}, "data": {"eval": {"x": {"limit": 3}}},
    }  # fmt: skip


@pytest.mark.parametrize("item", ["steps=3", "run.steps", "run.=3", "=3", ""])
def test_set_that_is_none(item: str) -> None:
    with pytest.raises(PluginError, match=f"^--set: expected table.key=value, got {re.escape(repr(item))}$"):
        override({}, item)


def test_set_below_a_value() -> None:
    with pytest.raises(PluginError, match=r"^--set run.steps.x=3: 'steps' is not a table$"):
        override({"run": {"steps": 3}}, "run.steps.x=3")


def test_switches() -> None:
    tables: dict[str, Any] = {}
    switch(tables, "a")
    switch(tables, "b")
    tables["plugins"]["a"] = {"x": 1}
    switch(tables, "no:a")
    assert tables == {"plugins": {"enable": ["b"]}}


def test_switching_off_what_is_not_on() -> None:
    with pytest.raises(PluginError, match=r"^-p no:gpro: 'gpro' is not enabled; did you mean 'grpo'\?$"):
        switch({"plugins": {"enable": ["grpo"]}}, "no:gpro")


@pytest.mark.parametrize("plugins", ["plugins = 3\n", "plugins = {enable = 'x'}\n"])
@pytest.mark.parametrize("name", ["a", "no:a"])
def test_switching_in_a_config_that_is_wrong(tmp_path: Path, plugins: str, name: str) -> None:
    with pytest.raises(PluginError):
        read(written(tmp_path, plugins + RUN), plugins=[name])


def test_read_applies_sets_then_switches(tmp_path: Path) -> None:
    path = written(tmp_path, RUN + "[plugins]\nenable = ['a']")
    result = read(path, ["run.steps=7", "plugins.enable=['b', 'c']"], ["no:b", "d"])
    assert result.run.steps == 7
    assert result.enable == ("c", "d")


# Resolving


def test_resolving_names_the_table_of_the_mistake() -> None:
    result = read("quickstart-sft")
    train = replace(result.data[0], options={"cuont": 3})
    with pytest.raises(PluginError, match=r"^\[data.train\] has no option 'cuont'; did you mean 'count'\?$"):
        resolved(replace(result, data=(train, *result.data[1:])))
    held_out = replace(result.data[1], options={"cuont": 3})
    with pytest.raises(PluginError, match=r"^\[data.eval.held_out\] has no option 'cuont'; did you mean 'count'\?$"):
        resolved(replace(result, data=(result.data[0], held_out)))


def test_resolving_finds_what_a_run_would_lack() -> None:
    with pytest.raises(PluginError, match="no active plugin implements verify, which the evaluation needs"):
        resolved(read("quickstart-sft", plugins=["no:math_verify"]))


def test_a_local_plugin_may_not_take_an_installed_name(tmp_path: Path) -> None:
    path = written(tmp_path, RUN + "[local_plugins]\ngrpo = 'x.py:X'")
    with pytest.raises(PluginError, match=r"^\[local_plugins\] grpo: package justtinker has a plugin of that name; "
                       "choose another name$"):  # fmt: skip
        resolved(read(path))


def test_without_none() -> None:
    assert "start_from" not in config.without_none(parsed(RUN).run)


@pytest.mark.parametrize("name", ["a/b", "", "ü b"])
def test_a_set_is_named_by_what_a_file_can_be_named_by(name: str) -> None:
    text = f"[data.eval.{name}]: the name of an evaluation set may hold only letters, digits, '_', '.' and '-'"
    assert complaint(f'{RUN}[data.eval."{name}"]\nuse = "arithmetic"\n') == text


def test_a_folder_that_is_called_like_a_preset_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart-rl").mkdir()
    assert read("quickstart-rl").run.name == "quickstart-rl"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(PluginError, match=r"^there is no config file nothing and no preset of that name"):
        read("nothing")
