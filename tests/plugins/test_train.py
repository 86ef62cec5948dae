"""``justtinker train`` as people use it: what it prints, what it leaves behind, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.rundir import RunDir
from tests.core.conftest import LATE, PLAYERS, WILD, Written, cli, records

WAITS = "opening the model scripted ...\nloading data.train (listed) ...\nchecking what may prevent the run ...\n"
EXPECTED = re.compile(r".* \.\.\.\n|\w+: \d+ steps of scripted on my_scriptedbackend.*\n|rewards: .*\n")


def rest(output: str) -> str:
    """What a command printed, but for what every run is and waits for."""
    return EXPECTED.sub("", output)


def test_one_config_is_trained(written: Written, tmp_path: Path) -> None:
    result = cli("train", written("a"), "--dir", "out")
    header = "a: 2 steps of scripted on my_scriptedbackend, in out\n"
    assert (result.exit_code, result.output) == (0, header + WAITS)
    assert (result.stdout, result.stderr) == (header, WAITS)
    assert RunDir(tmp_path / "out").manifest()["status"] == "finished"
    assert len(records(tmp_path / "out", "steps.jsonl")) == 2


def test_the_default_directory_is_a_new_one_in_runs(written: Written, tmp_path: Path) -> None:
    assert cli("train", written("a")).exit_code == 0
    [run] = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"a-\d{8}-\d{6}", run.name)


def test_each_run_of_a_series_starts_from_the_one_before(written: Written, tmp_path: Path) -> None:
    result = cli("train", written("a"), written("b"), "--dir", "out", "--set", "run.steps=1")
    assert result.exit_code == 0, result.output
    first, second = sorted(p for p in (tmp_path / "out").iterdir())
    assert first.name.endswith("-a")
    assert second.name.endswith("-b")
    assert f'start_from = "../{first.name}"' in (second / "config.toml").read_text()
    weights = [json.loads((p / "checkpoints" / "step_000001.json").read_text())[0] for p in (first, second)]
    assert 1.0 < weights[0] < weights[1] or 1.0 > weights[0] > weights[1], "the second went on where the first ended"


def test_a_long_series_is_resumed_in_order(written: Written, tmp_path: Path) -> None:
    configs = [written("c0", "ScriptedBackend", "Sft", "Interrupt"), *(written(f"c{i}", steps=1) for i in range(1, 11))]
    assert cli("train", *configs, "--dir", "out").exit_code == 130
    result = cli("train", "--resume", "out")
    assert result.exit_code == 0, result.output
    assert all(RunDir(p).manifest()["status"] == "finished" for p in (tmp_path / "out").iterdir())


def test_a_mistake_in_the_second_config_shows_before_the_first_runs(written: Written, tmp_path: Path) -> None:
    result = cli("train", written("a"), written("b", "ScriptedBackend"), "--dir", "out")
    assert result.exit_code == 1
    assert "no active plugin implements collect_batch, which training needs" in result.output
    assert not (tmp_path / "out").exists(), "the next try may have the same --dir"


def test_set_and_p_change_the_config(written: Written, tmp_path: Path) -> None:
    result = cli("train", written("a", "ScriptedBackend", "Sft", "Stop"), "--dir", "out", "-p", "no:my_stop",
                 "--set", "run.steps=3")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(records(tmp_path / "out", "steps.jsonl")) == 3


# What a run is, before it begins


def test_the_rewards_and_their_weights_stand_above_the_first_step(written: Written) -> None:
    more = "[plugins.my_correct]\nweight = {from = 0.0, to = 0.3, steps = 100}\n[plugins.my_wild]\nmode = 'observe'\n"
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Correct", "Wild", "Mean", "Rl", more=more)
    Path("players.py").write_text(PLAYERS + WILD.replace("7.0", "0.5"))
    result = cli("train", config, "--dir", "out")
    assert result.exit_code == 0, result.output
    first, second, *_ = result.stdout.splitlines()
    assert first == "a: 2 steps of scripted on my_scriptedbackend, in out"
    assert second == "rewards: my_correct 0 to 0.3 over 100 steps; observed: my_wild"
    assert result.stdout.splitlines()[-1] == "rollouts: justtinker show out"


def test_a_stage_that_cannot_load_the_weights_of_the_one_before_is_told_at_once(tmp_path: Path) -> None:
    place = ("--dir", tmp_path / "out")
    ranks = ("--set", "plugins.local.lora_rank=8", "--set", "quickstart-rl:plugins.local.lora_rank=16")
    for more in ((), ("--dry-run",)):
        result = cli("train", *place, *ranks, "--set", "quickstart-rl:run.model=other", *more)
        assert result.exit_code == 1
        assert result.output[result.output.index("Error: ") :] == (
            "Error: 2-quickstart-rl starts from the weights of 1-quickstart-sft, but has [run] model = 'other', not "
            "'tiny': use one value for both, with --set run.model=...\n"
            "2-quickstart-rl starts from the weights of 1-quickstart-sft, but has [plugins.local] lora_rank = 16, not "
            "8: use one value for both, with --set plugins.local.lora_rank=...\n"
        )
    assert not (tmp_path / "out").exists()
    result = cli("train", *place, "-p", "quickstart-rl:no:local", "-p", "quickstart-rl:tinker")
    assert result.output.endswith(
        "Error: 2-quickstart-rl starts from the weights of 1-quickstart-sft, but its backend is tinker, not local, "
        "whose weights it cannot load\n"
    )


# Dry runs


def test_a_dry_run_shows_every_run_and_leaves_nothing(written: Written, tmp_path: Path) -> None:
    configs = written("a"), written("b", steps=7)
    before = sorted(tmp_path.rglob("*"))
    result = cli("train", *configs, "--dry-run", "--dir", "out")
    assert result.exit_code == 0, result.output
    assert "a: 2 steps of scripted\nstarts from the model as it is\n" in result.output
    assert "b: 7 steps of scripted\nstarts from the run before (1-a)\n" in result.output
    assert "Nothing stands in the way of these runs." in result.output
    assert [p for p in sorted(tmp_path.rglob("*")) if p not in before and "__pycache__" not in p.parts] == []


def test_a_dry_run_has_the_complaints_of_every_run(written: Written, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("[]")
    configs = written("a"), written("b")
    result = cli("train", *configs, "--dry-run")
    assert result.exit_code == 1
    assert "a: [data.train] listed gives no problem at all\nb: [data.train] listed" in result.output
    assert "Nothing stands" not in result.output


def test_a_dry_run_refuses_a_directory_that_exists(written: Written, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = cli("train", written("a"), "--dry-run", "--dir", "out")
    assert (result.exit_code, result.output[:36]) == (1, "Error: the run directory out exists;")


def test_a_dry_run_of_resuming_names_the_step(written: Written, tmp_path: Path) -> None:
    assert cli("train", written("a", "ScriptedBackend", "Sft", "Interrupt"), "--dir", "out").exit_code == 130
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    result = cli("train", "--resume", "out", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "starts from its checkpoint of step 1\n" in result.output
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
    assert cli("train", "--resume", "out").exit_code == 0
    assert cli("train", "--resume", "out", "--dry-run").output == "Nothing is left to do.\n"


def test_resuming_takes_the_newest_checkpoint_not_the_best(written: Written, tmp_path: Path) -> None:
    cli("train", written("a"), "--dir", "out")
    RunDir(tmp_path / "out").append("checkpoints.jsonl", {"step": 1, "kind": "best", "path": "checkpoints/x"})
    assert cli("train", "--resume", "out", "--dry-run").output == "Nothing is left to do.\n"


# Errors


def test_an_error_is_a_sentence_and_exit_code_1(written: Written) -> None:
    result = cli("train", "nowhere.toml")
    assert result.exit_code == 1
    assert result.output.startswith("Error: there is no config file nowhere.toml and no preset of that name")
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_directory_that_exists_is_an_error(written: Written, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for configs in ([written("a")], [written("a"), written("b")]):
        result = cli("train", *configs, "--dir", "out")
        assert result.exit_code == 1
        assert result.output == (
            "Error: the run directory out exists; continue it with --resume out, or name another with --dir\n"
        )


ADVICE = "failed; fix the cause, then resume with the same config: justtinker train --resume out\n"
CRASH = r"Error: plugin 'my_crash' \(.*\) failed in collect_batch at players.py:\d+: ValueError: oh\n"


def test_a_run_that_fails_says_how_to_resume(written: Written, tmp_path: Path) -> None:
    config = written("a", "ScriptedBackend", "Crash")
    (tmp_path / "players.py").write_text(PLAYERS + LATE)
    result = cli("train", config, "--dir", "out dir")
    assert result.exit_code == 1
    advice = re.escape(ADVICE.replace("out", "'out dir'"))
    assert re.fullmatch(CRASH + advice, rest(result.output)), "the reason stands above the advice"
    manifest = RunDir(tmp_path / "out dir").manifest()
    assert manifest["status"] == "failed"
    assert re.match(r"PluginError: plugin 'my_crash' .* ValueError: oh$", manifest["error"])
    assert len(records(tmp_path / "out dir", "steps.jsonl")) == 1


def test_every_error_that_ends_a_run_is_named(written: Written, tmp_path: Path) -> None:
    config = written("a", "ScriptedBackend", "Crash")
    (tmp_path / "players.py").write_text(PLAYERS + LATE.replace('ValueError("oh")', "SystemExit(1)"))
    result = cli("train", config, "--dir", "out")
    assert result.exit_code == 1
    reason = r"Error: plugin 'my_crash' \(local file\) failed in collect_batch at players.py:\d+: SystemExit: 1\n"
    assert re.fullmatch(reason + ADVICE, rest(result.output))
    (tmp_path / "players.py").write_text(PLAYERS + LATE)
    mistaken = BaseException("of nobody's making")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("justtinker_core.loop.loop.one_step", lambda run: (_ for _ in ()).throw(mistaken))
        result = cli("train", "--resume", "out")
    assert result.exit_code == 1
    assert re.search(r"\nBaseException: of nobody's making\n" + ADVICE, result.output)
    assert RunDir(tmp_path / "out").manifest()["error"] == "BaseException: of nobody's making"
    (tmp_path / "players.py").write_text(PLAYERS + LATE.replace("step == 2", "step > 2"))
    assert cli("train", "--resume", "out").exit_code == 0
    assert RunDir(tmp_path / "out").manifest()["error"] is None


def test_a_run_without_records_leaves_nothing_behind(written: Written, tmp_path: Path) -> None:
    for _ in range(2):
        result = cli("train", written("a", "ScriptedBackend", "Crash"), "--dir", "out")
        assert result.exit_code == 1
        removed = "failed before its first step, so out is removed; fix the cause and repeat the command\n"
        assert re.fullmatch(CRASH + removed, rest(result.output))
        assert not (tmp_path / "out").exists()


def test_the_offending_group_of_the_first_step_is_kept(written: Written, tmp_path: Path) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Wild", "Mean", "Rl")
    (tmp_path / "players.py").write_text(PLAYERS + WILD)
    result = cli("train", config, "--dir", "out")
    assert "the group is kept in out/offending_groups.jsonl" in result.output
    assert len(RunDir(tmp_path / "out").read("offending_groups.jsonl")) == 1
    assert rest(result.output) == f"Error: {RunDir(tmp_path / 'out').manifest()['error']}\n{ADVICE}"


def test_a_stop_by_a_monitor_is_exit_code_3(written: Written, tmp_path: Path) -> None:
    result = cli("train", written("a", "ScriptedBackend", "Sft", "Stop"), "--dir", "out")
    assert result.exit_code == 3
    assert rest(result.output) == (
        "stopped by my_stop; to resume, though it may stop again soon: justtinker train --resume out\n"
        "or go on without it: justtinker train out/config.toml --set run.start_from=out -p no:my_stop\n"
    )
    assert [r["step"] for r in records(tmp_path / "out", "checkpoints.jsonl")] == [1]


PRICED = """
class Dear(ScriptedBackend):
    def usd(self, tokens):
        return 0.1 * sum(tokens.values())
"""


def test_a_run_without_money_is_told_to_raise_its_budget(written: Written, tmp_path: Path) -> None:
    config = written("a", "Dear", "Sft", steps=9)
    (tmp_path / "players.py").write_text(PLAYERS + PRICED)
    result = cli("train", config, "--dir", "out", "--set", "run.budget_usd=1.5")
    assert result.exit_code == 3
    resume = "then resume with: justtinker train --resume out\n"
    assert result.output.endswith(f"stopped by the budget; raise run.budget_usd in out/config.toml, {resume}")
    result = cli("train", "--resume", "out")
    assert result.exit_code == 1
    assert result.output.endswith("config.toml, then resume\nfailed; resuming does not help before that is done\n")


def test_a_second_stage_that_fails_can_be_trained_anew_from_the_first(written: Written, tmp_path: Path) -> None:
    config = written("b", "ScriptedBackend", "Crash")
    result = cli("train", written("a"), config, "--dir", "out")
    assert result.exit_code == 1
    anew = "justtinker train out/2-b/config.toml --set run.start_from=out/1-a"
    assert result.output.endswith(
        f"{ADVICE}or, if its config is the cause, train another from the newest checkpoint: {anew}\n"
    )
    (tmp_path / "players.py").write_text(PLAYERS + "\nclass Crash(Sft):\n    pass\n")
    result = cli(*anew.split()[1:], "--dir", "again")
    assert result.exit_code == 0, result.output
    assert f'start_from = "{tmp_path / "out/1-a"}"' in (tmp_path / "again" / "config.toml").read_text()


def test_a_run_whose_checkpoints_are_gone_is_not_told_to_resume(written: Written, tmp_path: Path) -> None:
    assert cli("train", written("a", "ScriptedBackend", "Sft", "Stop"), "--dir", "out").exit_code == 3
    for path in (tmp_path / "out" / "checkpoints").iterdir():
        path.unlink()
    result = cli("train", "--resume", "out")
    assert result.exit_code == 1
    assert "still exists; start a new run\nfailed; resuming does not help before that is done\n" in result.output


@pytest.mark.parametrize(("who", "steps"), [("Interrupt", 1), ("Impatient", 0)])
def test_ctrl_c_is_exit_code_130_and_can_be_resumed(written: Written, tmp_path: Path, who: str, steps: int) -> None:
    config = written("a", "ScriptedBackend", "Sft", who)
    result = cli("train", config, written("b"), "--dir", "out")
    assert result.exit_code == 130
    assert rest(result.output) == "interrupted; resume with: justtinker train --resume out\n"
    first, second = sorted((tmp_path / "out").iterdir())
    assert RunDir(first).manifest()["status"] == "interrupted"
    assert len(records(first, "steps.jsonl")) == steps
    assert RunDir(second).manifest() == {}
    (tmp_path / "players.py").write_text(PLAYERS.replace("times if", "times if False and"))
    result = cli("train", "--resume", "out")
    assert (result.exit_code, rest(result.output)) == (0, "")
    assert {RunDir(p).manifest()["status"] for p in (first, second)} == {"finished"}


# A process of its own

HANG = """
import os, threading, time
class Hang(Player):
    @hookimpl
    def HOOK(self):
        open("hangs", "a").close()
        time.sleep(1000)
"""
STUBBORN = """
    def finish_run(self):
        while True:
            try:
                self.HOOK()
            except KeyboardInterrupt:
                pass
"""
RL = ("ScriptedBackend", "Ask", "Judge", "Correct", "Mean", "Rl")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start(*arguments, grace=..., stdout=...)``: the command in a process of its own."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path, grace: float = 60.0, **streams: Any) -> subprocess.Popen[str]:
        code = f"from justtinker_core import cli\ncli.GRACE = {grace}\ncli.run()"
        command = [sys.executable, "-c", code, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        begun.append(subprocess.Popen(command, text=True, env=environment, **pipes))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()


def press(process: subprocess.Popen[str], wait_for: str = "") -> None:
    """Press Ctrl-C, and wait for a line on standard error."""
    process.send_signal(signal.SIGINT)
    if wait_for:
        assert process.stderr
        assert any(wait_for in line for line in process.stderr)


def until(there: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("hook", ["score", "rollout", "advantages", "report_step"])
def test_the_second_ctrl_c_ends_a_run_that_hangs(written: Written, tmp_path: Path, start: Start, hook: str) -> None:
    players = [name for name in RL if (name, hook) != ("Mean", "advantages")]
    config = written("a", *players, "Hang")
    hang = HANG.replace("HOOK", hook)
    if hook == "score":  # the check before the run asks for rewards, too
        hang = hang.replace(
            "open(", 'if threading.current_thread().name[:5] != "judge":\n            return {}\n        open('
        )
    (tmp_path / "players.py").write_text(PLAYERS + hang)
    process = start("train", config, "--dir", "out", grace=0.5 if hook == "report_step" else 60)
    until((tmp_path / "hangs").exists)
    press(process, "WARNING: finishing this step, then saving; Ctrl-C again stops at once")  # a slow hook may follow
    press(process)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert rest(errors).strip() == "interrupted; resume with: justtinker train --resume out"
    assert RunDir(tmp_path / "out").manifest()["status"] == "interrupted"


@pytest.mark.parametrize("presses", [2, 3])
def test_a_plugin_that_ignores_ctrl_c_is_ended(written: Written, tmp_path: Path, start: Start, presses: int) -> None:
    config = written("a", "ScriptedBackend", "Sft", "Hang")
    stubborn = HANG.replace("HOOK", "hang").replace("    @hookimpl\n", "") + STUBBORN.replace("HOOK", "hang")
    (tmp_path / "players.py").write_text(PLAYERS + stubborn.replace("    def finish", "    @hookimpl\n    def finish"))
    process = start("train", config, "--dir", "out", grace=60 if presses == 3 else 0.3)
    until((tmp_path / "hangs").exists)
    for _ in range(presses - 1):
        press(process)
        time.sleep(0.5)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, rest(errors)) == (130, "\ninterrupted; resume with: justtinker train --resume out\n")


def test_a_closed_pipe_does_not_end_a_run(written: Written, tmp_path: Path, start: Start) -> None:
    more = "[plugins.console]\nevery = 1\n"
    config = written("a", "ScriptedBackend", "Sft", steps=50, more=more)
    process = start("train", config, "--dir", "out", "-p", "console")
    assert process.stdout
    assert process.stderr
    assert any(line.startswith("a 1/50 ") for line in process.stdout)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(120) == 0
    assert rest(errors) == "WARNING: the console is gone (Broken pipe): it stays silent, and the run goes on\n"
    assert len(records(tmp_path / "out", "steps.jsonl")) == 50
    assert RunDir(tmp_path / "out").manifest()["status"] == "finished"


def test_a_lost_terminal_does_not_end_a_run(written: Written, tmp_path: Path, start: Start) -> None:
    config = written("a", "ScriptedBackend", "Sft", steps=500)
    ours, theirs = pty.openpty()
    process = start("train", config, "--dir", "out", "-p", "console", stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.read(ours, 1)
    os.close(ours)
    assert process.wait(120) == 0
    assert len(records(tmp_path / "out", "steps.jsonl")) == 500


def test_a_terminal_shows_what_is_awaited_and_then_no_more_of_it(
    written: Written, tmp_path: Path, start: Start
) -> None:
    """Warnings stand above the live line, whole."""
    slow = "import logging, time\nclass Slow(ScriptedBackend):\n    @hookimpl\n    def open_backend(self):\n"
    slow += "        time.sleep(0.5)\n        logging.getLogger('justtinker').warning('odd')\n        return self\n"
    config = written("a", "Slow", "Sft")
    (tmp_path / "players.py").write_text(PLAYERS + slow)
    ours, theirs = pty.openpty()
    process = start("train", config, "--dir", "out", stderr=theirs)
    os.close(theirs)
    output = b""
    with suppress(OSError):
        while part := os.read(ours, 4096):
            output += part
    assert process.wait(120) == 0
    text = output.decode()
    assert "opening the model scripted ..." in text
    assert re.search(r"(\x1b\[2K|\r|^)WARNING: odd\r\n", text)
    assert re.search(r"checking [^\n]*$", text) is None or text.rstrip().endswith("\x1b[2K"), "the line has vanished"


def test_a_terminal_gets_its_cursor_back(written: Written, tmp_path: Path, start: Start) -> None:
    config = written("a", "ScriptedBackend", "Sft", "Hang", "Interrupt")
    (tmp_path / "players.py").write_text(PLAYERS + HANG.replace("HOOK", "finish_run"))
    config.write_text(config.read_text().replace('"my_interrupt"]', '"my_interrupt", "console"]'))
    ours, theirs = pty.openpty()
    process = start("train", config, "--dir", "out", grace=0.3, stdout=theirs)
    os.close(theirs)
    until((tmp_path / "hangs").exists)
    process.send_signal(signal.SIGINT)
    output = b""
    with suppress(OSError):
        while part := os.read(ours, 4096):
            output += part
    assert process.wait(120) == 130
    assert b"\x1b[?25l" in output, "the live line had hidden it"
    assert output.rindex(b"\x1b[?25h") > output.rindex(b"\x1b[?25l")


def test_resuming_with_a_changed_plugin_is_a_warning(
    written: Written, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = written("a", "ScriptedBackend", "Sft", "Interrupt")
    assert cli("train", config, "--dir", "out").exit_code == 130
    old = RunDir(tmp_path / "out").manifest()["plugins"]["my_sft"]
    assert old == "local file " + hashlib.sha256((tmp_path / "players.py").read_bytes()).hexdigest()[:12]
    (tmp_path / "players.py").write_text(PLAYERS + "# changed\n")
    caplog.clear()
    assert cli("train", "--resume", "out").exit_code == 0
    new = RunDir(tmp_path / "out").manifest()["plugins"]["my_sft"]
    assert new != old
    [line] = [r.getMessage() for r in caplog.records if "my_sft" in r.getMessage()]
    assert line.startswith("this run had other versions before: ")
    assert f"my_sft ({old}, now {new})" in line
    assert "listed" not in line


def test_resuming_a_finished_run_does_nothing(written: Written, tmp_path: Path) -> None:
    cli("train", written("a"), "--dir", "out")
    before = {p: p.read_bytes() for p in tmp_path.joinpath("out").rglob("*") if p.is_file()}
    assert cli("train", "--resume", "out").exit_code == 0
    assert {p: p.read_bytes() for p in tmp_path.joinpath("out").rglob("*") if p.is_file()} == before


def test_resuming_a_directory_without_a_run_is_an_error(tmp_path: Path) -> None:
    result = cli("train", "--resume", tmp_path)
    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path} is no run directory: expected config.toml or 1-NAME, 2-NAME ... in it\n"
    assert cli("train", "--resume", tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize("more", [["x.toml"], ["--set", "run.steps=3"], ["-p", "x"], ["--dir", "y"]])
def test_resume_takes_no_other_option(tmp_path: Path, more: list[str]) -> None:
    result = cli("train", "--resume", tmp_path, *more)
    assert result.exit_code == 2
    assert "--resume uses the config of the run" in result.output


def test_a_reporter_that_fails_is_a_warning(written: Written, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clumsy = "\nclass Clumsy(Player):\n    @hookimpl\n    def report_step(self):\n        raise ValueError('oh')\n"
    config = written("a", "ScriptedBackend", "Sft", "Clumsy")
    (tmp_path / "players.py").write_text(PLAYERS + clumsy)
    assert cli("train", config, "--dir", "out").exit_code == 0
    assert re.search(r"plugin 'my_clumsy' .* ValueError: oh \(logged once; the run goes on\)", caplog.text)
