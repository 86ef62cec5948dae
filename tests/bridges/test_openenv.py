"""`openenv` against real servers, each a process of its own: `.ci/bridges openenv`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import DataSpec, Group, PluginError, Problem
from justtinker_plugins.environments.openenv import KIND, OpenEnv
from justtinker_plugins.prompts.chat_template import ChatTemplate
from tests.bridges.pages import write_examples

pytestmark = pytest.mark.integration
RunWith = Callable[..., Any]
GUESS = {"action": "number", "open": "[", "close": "]", "turns": 4, "size": 4, "held_out": 3}


SERVE = """
import asyncio, sys
import uvicorn

async def serve():
    await asyncio.gather(*(
        uvicorn.Server(uvicorn.Config(f"game_{name}:app", port=int(port), log_level="warning")).serve()
        for name, port in zip(sys.argv[1::2], sys.argv[2::2])
    ))

asyncio.run(serve())
"""
SLEEP = "        import time; time.sleep(9)\n"
RAISE = "        raise RuntimeError('no power')\n"
TAKEN = "        if action.number == self.number:"
ODD: dict[str, dict[str, str]] = {
    "plain": {},
    "full": {"max_concurrent_envs=512": "max_concurrent_envs=2"},
    "random": {"random.Random(seed)": "random.Random()", "My number is": "{random.random()} is"},
    "slow": {TAKEN: SLEEP + TAKEN},
    "broken": {TAKEN: RAISE + TAKEN},
    "rewardless": {"reward=1.0": "reward=None", "reward=0.0": "reward=None"},
}
"""The game of the page, and what is changed in its source."""


class Servers:
    """Games of the page, each at an address of its own, all in one process."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        write_examples("OpenEnv", folder)
        source = (folder / "game.py").read_text()
        free = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        ports = [str(server.getsockname()[1]) for server in free]
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}
        for name in names:
            changed = source
            for old, new in ODD[name].items():
                assert old in changed
                changed = changed.replace(old, new)
            (folder / f"game_{name}.py").write_text(changed)
        for server in free:
            server.close()
        pairs = [word for pair in zip(names, ports, strict=True) for word in pair]
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, *pairs], cwd=folder)
        for url in self.urls.values():
            self.wait(url)

    def wait(self, url: str) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    made = Servers(tmp_path_factory.mktemp("games"), list(ODD))
    yield made.urls
    made.kill()


def load(url: str, purpose: Any = "train", seed: int = 1, **options: Any) -> list[Problem]:
    plugin = OpenEnv(url=url, **{**GUESS, **options})
    return list(plugin.load_problems(DataSpec("train", purpose, KIND, {}), seed))


def halves(prompt: str, index: int) -> str:
    """Guess in the middle, as the hints say."""
    low, high = 1, 9
    for number, hint in re.findall(r"\[(\d)\](Higher|Lower)", prompt):
        low, high = (int(number) + 1, high) if hint == "Higher" else (low, int(number) - 1)
    return f"[{(low + high) // 2}]"


def played(run_with: RunWith, url: str, respond: Any = halves, problems: Any = None, **options: Any) -> Any:
    plugin = OpenEnv(url=url, **{**GUESS, **options})
    return run_with(plugin, steps=1, rollouts=2, respond=respond, problems=problems or load(url))


def reasons(groups: tuple[Group, ...]) -> set[tuple[str, str]]:
    return {(verdict.outcome, verdict.reason) for group in groups for verdict in group.verdicts}


def test_a_problem_is_a_seed(servers: dict[str, str]) -> None:
    plain = servers["plain"]
    train, held_out = load(plain), load(plain, "eval")
    assert train == load(plain)
    assert [problem.meta for problem in train] != [problem.meta for problem in load(plain, seed=2)]
    assert held_out == load(plain, "eval", seed=5)
    assert not {problem.meta["seed"] for problem in train} & {problem.meta["seed"] for problem in held_out}
    assert {problem.question for problem in load(plain, question="Play: {observation}")} <= {
        f"Play: My number is {parity}. Guess it." for parity in ("odd", "even")
    }


def test_episodes_are_played_and_only_the_policy_is_trained(run_with: RunWith, servers: dict[str, str]) -> None:
    done = played(run_with, servers["plain"])
    assert reasons(done.groups) == {("correct", "")}
    assert {group.rollouts[0].text.rpartition("\n")[2].split(",")[0] for group in done.groups} == {
        "[episode over: reward 1"
    }
    for group in done.groups:
        for rollout in group.rollouts:
            own = "".join(chr(token) for token, mine in zip(rollout.tokens, rollout.mask, strict=True) if mine)
            assert re.fullmatch(r"(\[\d\]\x03?)+", own)
    assert done.steps[-1].metrics["env_reward"] == 1.0
    assert 1 <= done.steps[-1].metrics["env_turns"] <= 4


def test_rewards_and_advantages_tell_good_from_bad(run_with: RunWith, servers: dict[str, str]) -> None:
    done = played(run_with, servers["plain"], lambda prompt, index: halves(prompt, 0) if "even" in prompt else "[0]")
    assert {outcome for outcome, _ in reasons(done.groups)} == {"correct", "incorrect"}
    assert ("incorrect", "the reward is 0, not 1") in reasons(done.groups)


def test_what_is_no_action_costs_a_turn(run_with: RunWith, servers: dict[str, str]) -> None:
    done = played(run_with, servers["plain"], lambda prompt, index: "[five]", turns=2)
    assert reasons(done.groups) == {("incorrect", "no reward in 2 turns")}
    assert "[five]error: this is no action of the environment\n[five]" in done.groups[0].rollouts[0].text


def test_whoever_stops_acting_gets_nothing(run_with: RunWith, servers: dict[str, str]) -> None:
    done = played(run_with, servers["plain"], lambda prompt, index: "[episode over: reward 1, 1 turns")
    assert reasons(done.groups) == {("incorrect", "no reward in 0 turns")}


def test_a_run_is_judged_again_without_the_server(run_with: RunWith, servers: dict[str, str]) -> None:
    done = played(run_with, servers["plain"])
    again = OpenEnv(url="http://127.0.0.1:1").verify(done.groups[0].problem, list(done.groups[0].rollouts))
    assert again == list(done.groups[0].verdicts)


def test_a_server_that_fails_leaves_rollouts_unscored(run_with: RunWith, servers: dict[str, str]) -> None:
    url = servers["broken"]
    assert reasons(played(run_with, servers["broken"]).groups) == {
        ("unscored", f"the server at {url} failed: Server error: no power (code: EXECUTION_ERROR)")
    }
    url = servers["slow"]
    problems = load(servers["slow"])
    assert reasons(played(run_with, servers["slow"], problems=problems, seconds=1.0).groups) == {
        ("unscored", f"the server at {url} did not answer in time")
    }
    assert reasons(played(run_with, servers["rewardless"]).groups) == {("unscored", "the environment gave no reward")}


def test_a_server_that_dies_in_the_middle(run_with: RunWith, tmp_path: Path) -> None:
    server = Servers(tmp_path, ["plain"])
    url = server.urls["plain"]
    problems = load(url)

    def respond(prompt: str, index: int) -> str:
        server.kill()
        return halves(prompt, index)

    done = played(run_with, url, respond, problems)
    assert {outcome for outcome, _ in reasons(done.groups)} == {"unscored"}
    assert all(url in reason for _, reason in reasons(done.groups))
    gone = played(run_with, url, halves, problems)
    assert {outcome for outcome, _ in reasons(gone.groups)} == {"unscored"}
    assert all(f"no server answers at {url}" in reason for _, reason in reasons(gone.groups))
    with pytest.raises(PluginError) as error:
        load(url)
    assert f"openenv: no server answers at {url} (" in str(error.value)
    assert "start the server, or change url in [plugins.openenv]" in str(error.value)


def test_another_game_than_was_loaded_is_unscored(run_with: RunWith, servers: dict[str, str]) -> None:
    problems = [Problem("1", "?", kind=KIND, meta={"seed": 1, "observation": "My number is prime. Guess it."})]
    assert reasons(played(run_with, servers["plain"], problems=problems).groups) == {
        ("unscored", "the reset gave another observation than when the problem was loaded")
    }


def test_an_environment_must_follow_its_seed(servers: dict[str, str]) -> None:
    with pytest.raises(PluginError, match=r"gave different observations; the server at http.* must follow the seed"):
        load(servers["random"])


def test_too_few_sessions_end_the_run(run_with: RunWith, servers: dict[str, str]) -> None:
    with pytest.raises(PluginError, match="takes no more sessions; give it as many as episodes are played at once"):
        played(run_with, servers["full"])


def test_turns_of_a_chat(run_with: RunWith, servers: dict[str, str]) -> None:
    def respond(prompt: str, index: int) -> str:
        hints = re.findall(r'"number": (\d)\}.*?(Higher|Lower)', prompt, re.DOTALL)
        return f'<tool_call>{{"number": {halves("".join(f"[{n}]{hint}" for n, hint in hints), 0)[1]}}}</tool_call>'

    options = {"action": "", "open": "", "close": ""}
    plugin = OpenEnv(url=servers["plain"], **{**GUESS, **options})
    done = run_with(plugin, ChatTemplate(), steps=1, rollouts=2, respond=respond, problems=load(servers["plain"]))
    assert reasons(done.groups) == {("correct", "")}


def justtinker(folder: Path, *args: str, code: int = 0) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("justtinker"), *args], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_pages_example_trains(servers: dict[str, str], tmp_path: Path) -> None:
    write_examples("OpenEnv", tmp_path)
    text = (tmp_path / "guess.toml").read_text().replace("http://127.0.0.1:8000", servers["plain"])
    (tmp_path / "guess.toml").write_text(text)
    assert "Nothing stands in the way of this run." in justtinker(tmp_path, "check", "guess.toml")
    justtinker(tmp_path, "train", "guess.toml", "--dir", "run")
    steps = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    assert len(steps) == 3
    assert all(step["metrics"]["unscored_rate"] == 0 for step in steps)
    assert "Traceback" not in justtinker(tmp_path, "score", "run")


def test_no_text_is_paid_for_what_it_says(tmp_path: Path) -> None:
    write_examples("OpenEnv", tmp_path)
    won, lost = (f"[5]\n[episode over: reward {reward}, 1 turns]" for reward in (1, 0))
    case = {"name": "ends", "question": "Guess.", "kind": KIND, "honest": won, "wrong": lost}
    cases = [
        {**case, "response": won, "paid": True},
        {**case, "response": f"{won}{lost}", "paid": False},
        {**case, "response": f"{won} and so on", "paid": False},
        {**case, "response": won, "truncated": True, "paid": False},
        {**case, "response": "[5]\n[episode lost: reward 1, 1 turns]", "paid": False},
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    found = justtinker(tmp_path, "audit", "guess.toml", "--problems", "0", "--cases", "cases.jsonl")
    assert "The stack passes." in found


def test_a_server_that_is_down_stops_the_check(tmp_path: Path) -> None:
    write_examples("OpenEnv", tmp_path)
    text = (tmp_path / "guess.toml").read_text().replace("http://127.0.0.1:8000", "http://127.0.0.1:1")
    (tmp_path / "guess.toml").write_text(text)
    assert "openenv: no server answers at http://127.0.0.1:1 (" in justtinker(tmp_path, "check", "guess.toml", code=1)
