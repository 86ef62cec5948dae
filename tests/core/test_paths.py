"""Where relative paths begin: those of a config at its folder, those of ``--set`` at the working directory."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from justtinker_core import PluginError, plugin
from justtinker_core.config import RunConfig, parse
from justtinker_core.config_files import read
from justtinker_core.enabling import resolved
from justtinker_core.paths import Written, written
from justtinker_core.rundir import RunDir
from tests.core.conftest import cli

CONFIG = """
[run]
name = "x"
model = "tiny"
steps = 1
{run}
[data.train]
{data}
[plugins]
enable = ["local", "chatml_think", "grpo", "math_verify", "correct", "group_mean"{more}]
"""
ROWS = json.dumps({"problem": "1+1=?", "answer": "2"}) + "\n"
Write = Callable[..., RunConfig]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """``write(data, *sets, run=...)``: resolve a config in conf/, while the working directory is work/."""
    for name in ("conf", "work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jsonl").write_text(ROWS)
    monkeypatch.chdir(tmp_path / "work")

    def resolve(data: str, *sets: str, run: str = "", more: str = "", end: str = "") -> RunConfig:
        file = tmp_path / "conf" / "c.toml"
        file.write_text(CONFIG.format(run=run, data=data, more=more) + end)
        return resolved(read("../conf/c.toml", sets))

    return resolve


def option(config: RunConfig, name: str = "path") -> Any:
    return config.data[0].options[name]


def test_a_file_of_a_config_lies_in_its_folder(write: Write, tmp_path: Path) -> None:
    config = write("use = 'files'\npath = 'conf.jsonl'")
    assert option(config) == str(tmp_path / "conf" / "conf.jsonl")
    several = write("use = 'files'\npath = ['conf.jsonl', '../work/work.jsonl', '/abs.jsonl', '~/x.jsonl']")
    assert option(several) == [
        str(tmp_path / "conf" / "conf.jsonl"),
        str(tmp_path / "work" / "work.jsonl"),
        "/abs.jsonl",
        str(Path.home() / "x.jsonl"),
    ]


def test_a_home_of_nobody_is_a_name_like_any_other(write: Write, tmp_path: Path) -> None:
    config = write("use = 'files'\npath = '~nobody-of-this-name/x.jsonl'")
    assert option(config) == str(tmp_path / "conf" / "~nobody-of-this-name" / "x.jsonl")


def test_a_file_of_set_lies_in_the_working_directory(write: Write, tmp_path: Path) -> None:
    data = "use = 'files'\npath = 'conf.jsonl'"
    assert option(write(data, "data.train.path=work.jsonl")) == str(tmp_path / "work" / "work.jsonl")
    listed = write(data, "data.train.path=['work.jsonl', '../conf/conf.jsonl']")
    assert option(listed) == [str(tmp_path / "work" / "work.jsonl"), str(tmp_path / "conf" / "conf.jsonl")]
    assert option(write(data, "data.train.kind=words")) == str(tmp_path / "conf" / "conf.jsonl"), "others stay"


def test_sources_of_a_mix_lie_where_others_do(write: Write, tmp_path: Path) -> None:
    data = "use = 'mix'\n[data.train.sources.a]\nuse = 'files'\npath = 'conf.jsonl'\nweight = 2"
    config = write(data, "data.train.sources.b={use='files', path='work.jsonl'}")
    assert option(config, "sources") == {
        "a": {"use": "files", "path": str(tmp_path / "conf" / "conf.jsonl"), "weight": 2},
        "b": {"use": "files", "path": str(tmp_path / "work" / "work.jsonl")},
    }


def test_a_hub_id_is_a_name_unless_a_folder_of_that_name_lies_beside_the_config(write: Write, tmp_path: Path) -> None:
    data = "use = 'gsm8k'\nsource = 'openai/gsm8k'"
    (tmp_path / "work" / "openai" / "gsm8k").mkdir(parents=True)
    assert option(write(data), "source") == "openai/gsm8k"
    on_command_line = write(data, "data.train.source=openai/gsm8k")
    assert option(on_command_line, "source") == str(tmp_path / "work" / "openai" / "gsm8k")
    (tmp_path / "conf" / "openai" / "gsm8k").mkdir(parents=True)
    assert option(write(data), "source") == str(tmp_path / "conf" / "openai" / "gsm8k")


def test_a_model_is_a_path_if_a_folder_with_weights_lies_there(write: Write, tmp_path: Path) -> None:
    data = "use = 'arithmetic'"
    for folder in ("conf", "work"):
        (tmp_path / folder / "tiny").mkdir()  # of a run that is called so
        (tmp_path / folder / "mine").mkdir()
        (tmp_path / folder / "mine" / "model.safetensors").touch()
    assert write(data).run.model == "tiny"
    assert write(data.replace("x", "y"), "run.model=mine").run.model == str(tmp_path / "work" / "mine")
    (tmp_path / "conf" / "c.toml").write_text(CONFIG.format(run="", data=data, more="").replace("tiny", "mine"))
    assert read("../conf/c.toml").run.model == str(tmp_path / "conf" / "mine")
    assert read("../conf/c.toml", ["run.model=Qwen/Qwen3-4B"]).run.model == "Qwen/Qwen3-4B"


def test_the_start_lies_beside_the_config_and_that_of_set_in_the_working_directory(
    write: Write, tmp_path: Path
) -> None:
    for folder in ("conf", "work"):
        (tmp_path / folder / "weights").mkdir()
    data, start = "use = 'arithmetic'", "start_from = 'weights'"
    assert write(data, run=start).run.start_from == str(tmp_path / "conf" / "weights")
    assert write(data, "run.start_from=weights", run=start).run.start_from == str(tmp_path / "work" / "weights")
    assert write(data, "run.start_from=tinker://a/weights/b").run.start_from == "tinker://a/weights/b"
    (tmp_path / "conf" / "weights").rmdir()
    with pytest.raises(PluginError) as error:
        write(data, run=start)
    assert str(error.value) == (
        "[run] start_from = 'weights': a path in a config begins at the config's folder, where there is no such thing; "
        "it is in the working directory, where a path of --set run.start_from=… begins"
    )
    with pytest.raises(PluginError, match=r"^expected a checkpoint or a run directory, got 'nowhere' "):
        write(data, "run.start_from=nowhere")


def test_a_path_of_your_own_plugin_begins_there_too(write: Write, tmp_path: Path) -> None:
    (tmp_path / "conf" / "mine.py").write_text(
        "from pathlib import Path\nfrom justtinker_core import NameOrPath, hookimpl, plugin\n@plugin\nclass Words:\n"
        "    list: Path | None = None\n    word: NameOrPath = 'a'\n    text: str = ''\n"
        "    @hookimpl\n    def finish_run(self): pass\n"
    )
    local = "[local_plugins]\nwords = 'mine.py:Words'\n"
    table = "[plugins.words]\nlist = 'words.txt'\nword = 'conf.jsonl'\ntext = 'conf.jsonl'\n"
    data = "use = 'arithmetic'"
    config = write(data, more=', "words"', end=table + local)
    conf = tmp_path / "conf"
    own = {"list": str(conf / "words.txt"), "word": str(conf / "conf.jsonl"), "text": "conf.jsonl"}
    assert config.plugin_options["words"] == own
    sets = ("plugins.words.list=words.txt", "plugins.words.word=b")
    assert write(data, *sets, more=', "words"', end=table + local).plugin_options["words"] == {
        **own, "list": str(tmp_path / "work" / "words.txt"), "word": "b",
    }  # fmt: skip


def test_a_missing_file_says_when_it_is_in_the_working_directory(write: Write, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="data is loaded once the backend is open")
    write("use = 'files'\npath = 'work.jsonl'")
    result = cli("check", tmp_path / "conf" / "c.toml")
    assert (
        f"there is no file {tmp_path}/conf/work.jsonl; the working directory has work.jsonl, but a path in a config "
        "begins at the config's folder"
    ) in " ".join(result.output.split()).replace("/ ", "/")


def test_a_resolved_config_holds_from_any_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "weights").mkdir()
    config = write("use = 'files'\npath = 'conf.jsonl'", run="start_from = 'weights'")
    RunDir.create(tmp_path / "run", config.dump()).manifest(status="finished")
    monkeypatch.chdir("/")
    again = read(tmp_path / "run")
    assert again.recorded
    assert not config.recorded
    assert (again.data, again.run.start_from) == (config.data, str(tmp_path / "conf" / "weights"))
    assert resolved(again).dump() == config.dump()


def test_an_old_run_may_hold_paths_as_they_were_given(write: Write, tmp_path: Path) -> None:
    text = CONFIG.format(run="start_from = '../other'", data="use = 'files'\npath = 'work.jsonl'", more="")
    RunDir.create(tmp_path / "run", text).manifest(status="finished")
    (tmp_path / "other").mkdir()
    old = read(tmp_path / "run")
    assert option(resolved(old)) == str(tmp_path / "work" / "work.jsonl")
    assert old.run.start_from == str(tmp_path / "other")


def test_tables_in_memory_begin_at_the_given_folder(tmp_path: Path) -> None:
    tables = tomllib.loads(CONFIG.format(run="", data="use = 'files'\npath = 'a.jsonl'", more=""))
    assert option(resolved(parse(tables, tmp_path))) == str(tmp_path / "a.jsonl")
    assert tables["data"]["train"]["path"] == "a.jsonl", "they stay as they were"


def test_files_that_a_plugin_writes_are_known() -> None:
    @plugin
    class Cached:
        """Options."""

        cache: Annotated[Path, Written()] = Path("a")
        other: Annotated[Path, Written()] | None = None
        reads: Path | None = None

    assert written(Cached) == {"cache", "other"}
