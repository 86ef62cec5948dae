"""The examples of docs/judges.md, as files, on a scripted judge: they run, and print what the page shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from justtinker_core import Scorer, config_files
from justtinker_core.enabling import check_roles, open_plugins
from justtinker_core.options import option_names
from justtinker_plugins.rewards.llm_rubric import LlmRubric
from justtinker_plugins.verifiers.llm_judge import LlmJudge
from tests.core.conftest import cli
from tests.judge_server import JudgeServer, credulous, judge_server

PAGE = (Path(__file__).parents[2] / "docs" / "judges.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files, in which the test works."""
    for name, text in re.findall(r"^```toml\n# ([\w.]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(text)
    (rows,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "labelled.jsonl").write_text(rows)
    (tmp_path / "questions.jsonl").write_text(rows)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as state:
        yield state


def shown(after: str) -> str:
    """The first block of text after a sentence of the page."""
    found = re.search(r"```text\n(.*?)```", PAGE.partition(after)[2], re.DOTALL)
    assert found, after
    return found[1]


def to(server: JudgeServer, plugin: str = "llm_judge") -> tuple[str, ...]:
    return "--set", f"plugins.{plugin}.base_url={server.url}"


def test_what_grade_prints(server: JudgeServer) -> None:
    (line,) = re.findall(r"^justtinker (grade .*)$", PAGE, re.MULTILINE)
    result = cli(*shlex.split(line), *to(server))
    assert result.exit_code == 0, result.output
    printed = "".join(line.rstrip() + "\n" for line in result.output.splitlines())
    timeless = [re.sub(r"[\d.]+ s, .*", "", text) for text in (printed, shown("takes nothing but the same words"))]
    assert timeless[0] == timeless[1]


def test_what_audit_prints(server: JudgeServer) -> None:
    server.judge = credulous
    result = cli("audit", "open.toml", "--problems", "2", "--no-built-in", *to(server))
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    for line in shown("obeys whatever it reads").splitlines():
        assert " ".join(line.split()) in lines, result.output


@pytest.mark.parametrize("name", ["open.toml", "hosted.toml", "rubric.toml", "judge.toml"])
def test_every_config_is_one(name: str, folder: Path) -> None:
    if name == "open.toml":
        wanted = config_files.read(folder / name)
        check_roles(wanted, open_plugins(wanted))
    else:
        Scorer(folder / name).close()


def test_the_rubric_pays_what_the_page_says(folder: Path, server: JudgeServer) -> None:
    met = {"units": True, "check": False, "filler": False}
    for filler, raw in ((False, 2 / 3), (True, 1 / 3)):
        server.judge = lambda body, filler=filler: {"reason": "", "criteria": met | {"filler": filler}}  # type: ignore[misc]
        options = [f"plugins.llm_rubric.base_url={server.url}", "plugins.llm_rubric.cache=false"]
        with Scorer(folder / "rubric.toml", sets=options) as scorer:
            (reward,) = scorer.score(question="?", answer="4", responses=["\\boxed{4 m}"]).rewards
        assert reward.terms["llm_rubric"] == pytest.approx(raw)
        assert reward.weights["llm_rubric"] == 0.5


def test_every_option_of_the_page_is_there() -> None:
    options = {*option_names(LlmJudge), *option_names(LlmRubric), "weight"}
    named = re.findall(r"`(\w+) = ", PAGE)
    assert named
    assert set(named) <= options
