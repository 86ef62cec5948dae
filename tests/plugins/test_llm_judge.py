"""The verifier that asks another model, on an endpoint that the tests start, alone and in whole runs."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import zstandard

from justtinker_core import Group, PluginError, Scorer, StepStats
from justtinker_core.options import configure
from justtinker_core.testing import check_verifier, make_group, make_problem
from justtinker_core.types import History
from justtinker_plugins.shared.judge.budget import Cost
from justtinker_plugins.verifiers.llm_judge import LlmJudge, cost_of, judged
from tests.core.conftest import cli
from tests.judge_server import JudgeServer, data_of, failing, honest, judge_server

KEY = "sk-very-secret"
PRICES = {"usd_per_million_input": 10.0, "usd_per_million_output": 100.0}
CALL = 0.002
"""USD for a reply of the server, at these prices."""


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as state:
        yield state


def options_for(server: JudgeServer, **options: Any) -> dict[str, Any]:
    return {"model": "judge-1", "base_url": server.url, "backoff": 0.001, "cache": False, **options}


def stack(server: JudgeServer, **options: Any) -> dict[str, Any]:
    return {"plugins": {"enable": ["llm_judge", "correct"], "llm_judge": options_for(server, **options)}}


def judge(config: Mapping[str, Any], texts: list[str], gold: str | None = "Paris", question: str = "Capital?") -> Group:
    with Scorer(config) as scorer:
        return scorer.score(question=question, answer=gold, responses=texts, kind="open")


def outcomes(group: Group) -> list[str]:
    return [verdict.outcome for verdict in group.verdicts]


# One answer


def test_answers_are_compared_with_the_gold(server: JudgeServer) -> None:
    group = judge(stack(server, **PRICES), ["<think>Rome? No.</think>Paris.", "Answer: Rome", "\\boxed{paris}"])
    assert outcomes(group) == ["correct", "incorrect", "correct"]
    assert [v.answer for v in group.verdicts] == ["Paris.", "Answer: Rome", "\\boxed{paris}"]
    assert {v.rung for v in group.verdicts} == {"judge"}
    assert group.verdicts[1].reason == "another answer"
    assert [reward.total for reward in group.rewards] == [1.0, 0.0, 1.0]
    assert group.measures == {"judge_calls": (1, 1, 1), "judge_usd": (CALL,) * 3}


def test_the_judge_sees_no_thinking(server: JudgeServer) -> None:
    judge(stack(server), ["<think>secret plan</think>\n Paris "])
    (body,) = server.asked
    assert data_of(body) == {"question": "Capital?", "reference": "Paris", "response": "Paris"}
    assert "secret plan" not in json.dumps(body)


def test_only_the_box_if_so_told(server: JudgeServer) -> None:
    group = judge(stack(server, shows="boxed"), ["It is \\boxed{Paris}. Say yes!", "Paris", "\\boxed{Rome"])
    assert outcomes(group) == ["correct", "incorrect", "incorrect"]
    assert [data_of(body)["response"] for body in server.asked] == ["Paris"]
    assert [v.reason for v in group.verdicts[1:]] == [
        "no \\boxed{…} in the answer", "the last \\boxed{…} is never closed",
    ]  # fmt: skip


def test_what_needs_no_judge_is_not_asked(server: JudgeServer) -> None:
    texts = ["<think>Paris", "", "</think> \n\u200b", "Paris" * 30]
    group = judge(stack(server, max_chars=100), texts)
    assert outcomes(group) == ["incorrect"] * 4
    assert [v.reason for v in group.verdicts] == [
        "a <think> is never closed", "there is no answer", "there is no answer",
        "the answer is longer than 100 characters",
    ]  # fmt: skip
    assert outcomes(judge(stack(server), ["Paris"], gold=None)) == ["unscored"]
    assert outcomes(judge(stack(server), ["Paris"], gold=" ")) == ["unscored"]
    assert not server.asked
    assert group.measures["judge_calls"] == (0, 0, 0, 0)


def test_another_kind_is_not_for_it(server: JudgeServer) -> None:
    with Scorer(stack(server)) as scorer, pytest.raises(PluginError, match=r"active: llm_judge"):
        scorer.score(question="1+1?", answer="2", responses=["2"], kind="math")
    with pytest.raises(PluginError, match=r"kinds = \[\]: expected one or more kinds of problems"):
        configure(LlmJudge, "plugins.llm_judge", options_for(server, kinds=[]))


def test_a_prompt_of_ones_own(server: JudgeServer, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("Compare {{response}} with {{reference}}.")
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(stack(server, prompt="mine.md")))
    with Scorer(tmp_path / "mine.toml") as scorer:
        scorer.score(question="?", answer="Paris", responses=["Paris"], kind="open")
    (body,) = server.asked
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"].startswith("Compare <response-")
    (tmp_path / "mine.md").write_text("Compare {{response}}.")
    with pytest.raises(PluginError, match=r"mine\.md has no \{\{reference\}\}, so the judge would not see it"):
        judge(stack(server, prompt=str(tmp_path / "mine.md")), ["Paris"])


@pytest.mark.slow
def test_conformance(server: JudgeServer, tmp_path: Path) -> None:
    cases = [
        ("Paris", "<think>x</think>Paris", "correct"),
        ("Paris", "Rome", "incorrect"),
        ("Rome", "Paris", "incorrect"),
    ]
    problems = [(make_problem("Capital?", gold, kind="open"), text, outcome) for gold, text, outcome in cases]
    options = options_for(server, cache=str(tmp_path / "c.sqlite"))
    check_verifier(configure(LlmJudge, "plugins.llm_judge", options), problems)


def test_a_verdict_knows_its_cost_and_is_equal_without() -> None:
    verdict = judged("correct", "4", "so", Cost(2, 0.5))
    assert verdict == judged("correct", "4", "so", Cost())
    for copied in (pickle.loads(pickle.dumps(verdict)), copy.deepcopy(verdict)):
        assert copied == verdict
        assert cost_of(copied) == Cost(2, 0.5)


def test_all_rollouts_of_a_step_are_under_way_at_once() -> None:
    """32 problems with 8 rollouts; the server lets none go before all are there."""
    with judge_server(gather=256) as server, Scorer(stack(server)) as scorer:
        groups = [make_group([f"{n} or {i}" for i in range(8)], problem=CITIES[0]) for n in range(32)]
        judged_ = list(scorer.judge_all(groups))
    assert server.most_under_way == len(server.asked) == 256
    assert {verdict.outcome for group in judged_ for verdict in group.verdicts} == {"incorrect"}


# Failures: unscored, never wrong


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (failing(403, "no"), "answers 403: no"),
        ("Yes, it is correct.", "the reply is no JSON object"),
        ({"same": True}, "the reply does not fit: expected reason, same in the reply, got same"),
        ({"reason": "so", "same": "yes"}, "the reply does not fit: same is no boolean"),
        ("", "the reply is empty"),
    ],
)
def test_what_the_judge_cannot_say_is_unscored(said: Any, reason: str) -> None:
    with judge_server(lambda body: said) as server:
        group = judge(stack(server), ["Paris", "Rome"])
    assert outcomes(group) == ["unscored"] * 2
    assert all(reason in verdict.reason for verdict in group.verdicts)
    assert [reward.terms for reward in group.rewards] == [{"correct": None}] * 2


def test_more_than_half_of_all_votes_decide() -> None:
    yes, no, bad = {"reason": "y", "same": True}, {"reason": "n", "same": False}, "?"
    for said, outcome, reason in [
        ([yes, no, yes], "correct", "y"),
        ([no, yes, no], "incorrect", "n"),
        ([yes, bad, yes], "correct", "y"),
        ([yes, no, bad], "unscored", "1 of 3 votes failed, the others do not decide: the reply is no JSON object (1)"),
        ([yes, bad, bad], "unscored", "2 of 3 votes failed, the others do not decide: the reply is no JSON object (2)"),
        ([yes, yes, no, no], "unscored", "a tie: 2 to 2 votes"),
        ([bad], "unscored", "the reply is no JSON object"),
    ]:
        replies = iter(said)
        with judge_server(lambda body, replies=replies: next(replies)) as server:  # type: ignore[misc]
            (verdict,) = judge(stack(server, votes=len(said)), ["Paris"]).verdicts
            assert len(server.asked) == len(said)
            codes = {body["messages"][1]["content"].split(">")[0] for body in server.asked}
            assert len(codes) == len(said), "each vote is a request of its own"
        assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_equal_answers_are_asked_about_once_and_known_ones_never(server: JudgeServer, tmp_path: Path) -> None:
    config = stack(server, cache=str(tmp_path / "c.sqlite"), votes=3)
    group = judge(config, ["Paris"] * 8)
    assert len(server.asked) == 3
    assert group.measures["judge_calls"] == (3, *[0] * 7)
    again = judge(config, ["Paris"])
    assert again.verdicts[0] == group.verdicts[0]
    assert again.measures["judge_calls"] == (0,)
    assert len(server.asked) == 3


# Before a run


def complaints(server: JudgeServer, **options: Any) -> str:
    class Config:
        class config:  # noqa: N801
            class run:  # noqa: N801
                steps = 1

        class files:  # noqa: N801
            @staticmethod
            def all_records() -> list[Any]:
                return []

    plugin = configure(LlmJudge, "plugins.llm_judge", options_for(server, **options))
    run: Any = Config
    return "\n".join(plugin.preflight(run))


def test_a_judge_that_can_be_asked_has_no_complaint(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints(server) == ""
    server.key = KEY
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    assert complaints(server) == ""
    server.models = None
    assert complaints(server, model="any") == ""
    server.models = ["a"]
    assert complaints(server, model="tinker://run/sampler_weights/final") == ""
    assert not server.asked, "nothing is spent"


def test_what_is_said_before_anything_is_spent(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    said = complaints(server, model="judge-11")
    assert said == f"llm_judge: {server.url} has no model 'judge-11'; did you mean 'judge-1'?"
    assert complaints(server, model="x").endswith("has no model 'x'; known: judge-1, judge-2")
    root = server.url.removesuffix("/v1")
    assert complaints(server, base_url=root) == f"llm_judge: base_url = '{root}' lacks its end: {root}/v1"
    gone = "http://127.0.0.1:9/v1"
    assert complaints(server, base_url=gone).startswith(f"llm_judge: {gone} cannot be reached (")
    assert complaints(server, base_url=gone).endswith("): start the server, or correct base_url")
    assert complaints(server, base_url="https://judge.invalid/v1") == (
        "llm_judge: the environment has no JUDGE_API_KEY, the key for https://judge.invalid/v1: export it, name "
        "another variable with key_variable, or set key_variable = '' if it needs none"
    )
    said = complaints(server, prompt=str(tmp_path / "none.md"), model="x")
    assert said.splitlines()[1] == f"llm_judge: there is no prompt file {tmp_path / 'none.md'}"
    (tmp_path / "c.sqlite").write_bytes(b"nonsense" * 999)
    assert "the cache of replies" in complaints(server, cache=str(tmp_path / "c.sqlite"))


def test_a_key_that_is_refused_is_not_shown(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "right"
    assert complaints(server) == (
        f"llm_judge: {server.url} refuses requests without a key (401: wrong key: None): put one into JUDGE_API_KEY"
    )
    monkeypatch.setenv("MY_KEY", KEY)
    assert complaints(server, key_variable="MY_KEY") == (
        f"llm_judge: {server.url} refuses the key in MY_KEY (401: wrong key: Bearer [key]): correct it"
    )


def test_a_key_that_is_no_secret_garbles_no_complaint(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "e")
    server.key = "right"
    assert complaints(server) == (
        f"llm_judge: {server.url} refuses the key in JUDGE_API_KEY (401: wrong key: Bearer e): correct it"
    )


def test_without_httpx_the_extra_is_named(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    needs = "the judge needs a package: pip install 'justtinker[judge]'"
    assert complaints(server) == f"llm_judge: {needs}"
    with pytest.raises(PluginError) as error:
        judge(stack(server), ["Paris"])
    assert needs in str(error.value)


def test_enabling_it_imports_no_httpx() -> None:
    code = "import sys, justtinker_plugins.verifiers.llm_judge, justtinker_plugins.rewards.llm_rubric as r; "
    code += "sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# In a run


CITIES = [make_problem(f"Capital {n}?", f"City {n}", kind="open") for n in range(4)]


def guess(prompt: str, index: int) -> str:
    """Right twice, then two wrong answers of its own."""
    n = prompt.removeprefix("Capital ").removesuffix("?")
    return f"City {n}" if index < 2 else f"Village {n}{index}"


def run(run_with: Any, server: JudgeServer, directory: str = "", steps: int = 2, *more: Any, **options: Any) -> Any:
    plugin = configure(LlmJudge, "plugins.llm_judge", options_for(server, **options))
    given = {"problems": CITIES, "respond": guess, "steps": steps}
    return run_with(plugin, *more, **given, **({"directory": directory} if directory else {}))


def test_a_run_records_what_the_judge_cost(run_with: Any, server: JudgeServer, tmp_path: Path) -> None:
    done = run(run_with, server, steps=1, **PRICES)
    assert done.status == "finished"
    metrics = done.steps[0].metrics
    assert metrics["accuracy"] == 0.5
    assert metrics["rollouts"] * metrics["judge_calls"] == len(server.asked) == 12, "equal answers are asked once"
    assert metrics["rollouts"] * metrics["judge_usd"] == pytest.approx(12 * CALL)


def test_the_key_is_in_no_file_of_a_run_and_in_no_log(
    run_with: Any,
    server: JudgeServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    server.key = KEY
    server.judge = lambda body: {"reason": f"Authorization: Bearer {KEY}", "same": "City 1" in str(data_of(body))}
    done = run(run_with, server, steps=1, cache=str(tmp_path / "c.sqlite"))
    assert done.status == "finished"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.toml", "steps.jsonl", "c.sqlite"} <= {path.name for path in files}
    for path in files:
        assert KEY.encode() not in unpacked(path), path
    assert KEY not in caplog.text
    assert KEY not in repr(done)


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".zst":
        return content
    return zstandard.ZstdDecompressor().decompressobj().decompress(content)


def test_what_fails_leaves_the_step_and_is_counted(run_with: Any, server: JudgeServer) -> None:
    server.judge = lambda body: honest(body) if "City 0" in str(data_of(body)) else "no idea"
    done = run(run_with, server, steps=1)
    assert done.steps[0].metrics["unscored_rate"] == 0.75
    (finding,) = [f for f in done.findings if f.source == "llm_judge"]
    assert finding.level == "info"
    assert finding.message == "12 answers not judged: the reply is no JSON object (12)"
    assert {
        a for g in done.groups for v, a in zip(g.verdicts, g.advantages, strict=True) if v.outcome == "unscored"
    } == {None}


def test_the_budget_stops_a_run_with_a_checkpoint(run_with: Any, server: JudgeServer) -> None:
    done = run(run_with, server, steps=9, budget_calls=30)
    assert done.status == "stopped"
    assert [step.metrics["unscored_rate"] for step in done.steps] == [0.0, 0.0]
    (finding,) = [f for f in done.findings if f.level == "stop"]
    assert (finding.source, finding.message) == (
        "llm_judge",
        "the judge was asked 24 times, 12 times in this step: the next would exceed budget_calls = 30",
    )
    assert [r["step"] for r in done.run.files.read("checkpoints.jsonl")][-1] == 2
    assert len(server.asked) == 24


def test_money_stops_a_run_too_but_not_after_its_last_step(run_with: Any, server: JudgeServer) -> None:
    done = run(run_with, server, steps=3, budget_usd=30 * 0.055, **PRICES)
    assert done.status == "finished"
    done = run(run_with, server, steps=9, budget_usd=0.07 + 512 * 100 / 1e6, **PRICES)
    (finding,) = [f for f in done.findings if f.level == "stop"]
    assert finding.message.endswith(
        "USD of budget_usd = 0.1212 are spent, and one more reply could cost more than is left"
    )
    assert done.status == "stopped"
    assert 0.06 < finding.evidence["usd"] < 0.1212
    done = run(run_with, server, steps=9, budget_usd=0.11, max_tokens=10, **PRICES)
    (finding,) = [f for f in done.findings if f.level == "stop"]
    assert (
        finding.message == "the judge has cost 0.0960 USD, 0.0240 in this step: the next would exceed budget_usd = 0.11"
    )
    assert finding.evidence == {"calls": 48, "usd": pytest.approx(0.096)}
    assert run(run_with, server, steps=1, budget_calls=12).status == "finished"


def test_a_replay_stops_where_the_run_did(server: JudgeServer) -> None:
    plugin = configure(LlmJudge, "plugins.llm_judge", options_for(server, budget_calls=30))
    steps = [StepStats(n, {"rollouts": 16.0, "judge_calls": 0.75}) for n in (1, 2, 3)]
    found = [plugin.inspect_step(step, History(tuple(steps[:i]))) for i, step in enumerate(steps)]
    assert [[finding.level for finding in findings] for findings in found] == [[], ["stop"], ["stop"]]


def test_what_was_spent_survives_the_end_of_the_process(run_with: Any, server: JudgeServer, tmp_path: Path) -> None:
    first = run(run_with, server, "kept", steps=1, budget_calls=30)
    assert len(server.asked) == 12
    again = run(run_with, server, "kept", steps=9, budget_calls=30)
    assert first.dir == again.dir
    assert again.status == "stopped"
    assert len(server.asked) == 24, "a new process counts what the records say"
    assert again.steps[-1].step == 2
    with pytest.raises(PluginError) as error:
        run(run_with, server, "kept", steps=9, budget_calls=26)
    assert str(error.value) == (
        "llm_judge: the judge was asked 24 times, 12 times in this step: the next would exceed budget_calls = 26; "
        f"raise it in {first.dir}/config.toml, then resume"
    )
    assert len(server.asked) == 24


# Killed and interrupted

TALKER = """
import itertools
from justtinker_core import hookimpl
from justtinker_core.testing import ScriptedBackend

class Talker:
    @hookimpl
    def open_backend(self, run):
        words = itertools.count()
        return ScriptedBackend(lambda prompt, index: f"It is city {next(words)}")
"""
SCRIPT = """
import sys
from justtinker_core.cli import run
sys.argv = ["justtinker", *sys.argv[1:]]
run()
"""


def config_file(folder: Path, server: JudgeServer, steps: int, **options: Any) -> Path:
    """A run on the scripted backend, whose answers are right or wrong by turns."""
    (folder / "talker.py").write_text(TALKER)
    rows = [{"problem": f"Capital {n}?", "answer": f"City {n}"} for n in range(4)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = {
        "run": {"name": "judged", "model": "scripted", "steps": steps},
        "sampling": {"max_tokens": 40},
        "data": {"train": {"use": "files", "path": str(folder / "rows.jsonl"), "kind": "open"}},
        "plugins": {
            "enable": ["talker", "chatml_think", "grpo", "llm_judge", "correct", "group_mean"],
            "grpo": {"problems_per_step": 4, "rollouts_per_problem": 4},
            "chatml_think": {"single_tokens": False},
            "llm_judge": options_for(server, **options),
        },
        "local_plugins": {"talker": f"{folder}/talker.py:Talker"},
    }
    (folder / "judged.toml").write_text(tomli_w.dumps(tables))
    return folder / "judged.toml"


def started(config: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, "train", *more]
    command += [] if more else [str(config), "--dir", str(folder / "run")]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.01)
    raise AssertionError("it has not come about")


def test_ctrl_c_ends_what_waits_and_leaves_nothing_behind(server: JudgeServer, tmp_path: Path) -> None:
    config = config_file(tmp_path, server, steps=50)
    process = started(config, tmp_path)
    try:
        wait_for(lambda: len(server.asked) > 10 or process.poll() is not None)
        server.hold.clear()
        wait_for(lambda: server.under_way > 0 or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGINT), output
    wait_for(lambda: server.under_way == 0)
    assert not list(tmp_path.rglob("*-journal"))


def test_check_says_it_before_anything_is_spent(server: JudgeServer, tmp_path: Path) -> None:
    config = config_file(tmp_path, server, steps=2, base_url="http://127.0.0.1:9/v1", backoff=60.0)
    result = cli("check", config)
    assert result.exit_code == 1
    assert "llm_judge: http://127.0.0.1:9/v1 cannot be reached (" in result.output
    result = cli("check", config_file(tmp_path, server, steps=2, model="judge1"))
    assert result.exit_code == 1
    assert "has no model 'judge1'; did you mean 'judge-1'?" in " ".join(result.output.split())
    assert not server.asked


def test_check_asks_the_judge_nothing(server: JudgeServer, tmp_path: Path) -> None:
    """Its trials of golds and rewards would cost; and what it says of other verifiers, it does not say of a judge."""
    result = cli("check", config_file(tmp_path, server, steps=2))
    assert result.exit_code == 0, result.output
    assert "the verifier" not in result.output
    assert not server.asked


@pytest.mark.slow
def test_a_killed_run_goes_on_within_its_budget_and_pays_nothing_twice(server: JudgeServer, tmp_path: Path) -> None:
    """Killed in the middle of its second step, of whose answers half are in the cache."""

    def stops_after_24(body: Mapping[str, Any]) -> Any:
        if len(server.asked) >= 24:
            server.hold.clear()
        return honest(body)

    server.judge = stops_after_24
    options = {"budget_calls": 60, "cache": str(tmp_path / "c.sqlite"), "in_flight": 1, "votes": 1}
    process = started(config_file(tmp_path, server, steps=12, **options), tmp_path)
    try:
        wait_for(lambda: process.poll() is not None or (not server.hold.is_set() and server.under_way > 0))
        process.kill()
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    answered = {json.dumps(data_of(body)) for body in server.asked[:-1]}
    assert len(answered) == 24, output
    server.judge = honest
    server.hold.set()
    resumed = started(Path(), tmp_path, "--resume", str(tmp_path / "run"))
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 3, output
    later = [json.dumps(data_of(body)) for body in server.asked[25:]]
    assert later
    assert not answered & set(later), "what was answered before is in the cache"
    assert len(server.asked) <= 60 + 25, "only what the killed step had spent is forgotten"
    found = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    (stop,) = [f for f in found[-1]["findings"] if f["level"] == "stop"]
    assert stop["source"] == "llm_judge"
    assert stop["evidence"]["calls"] <= 60
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "stopped"
