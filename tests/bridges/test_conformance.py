"""Every bridge gives the numbers of ``justtinker score`` for one file of real groups, unscored ones and bombs included.

Here are those that need no package of another toolkit. The others ask `assert_conforms` in their own test files, which
`.ci/bridges` runs. 40 groups by default, 500 in the slow tests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from justtinker_core import Group, PluginError, Problem, Prompt
from justtinker_plugins.bridges import _stack, skyrl_gym, trl, verl
from justtinker_plugins.bridges._cookbook import judging
from justtinker_plugins.bridges._verl.groups import Groups
from justtinker_plugins.bridges._verl.scoring import Options, Sample
from tests.bridges.groups import (
    ALONE,
    GROUPED,
    LONGEST,
    REFUSAL,
    Case,
    Found,
    assert_conforms,
    expected,
    needs_data,
    real_groups,
    said_by_verl,
    with_responses,
    write_file,
)
from tests.bridges.serving import call, served
from tests.core.conftest import cli

pytestmark = needs_data
COUNTS = [40, pytest.param(500, marks=pytest.mark.slow)]
END = 1
"""The token that ends a response."""


@pytest.mark.parametrize("n", COUNTS)
def test_the_file_holds_what_goes_wrong_in_practice(n: int) -> None:
    cases = real_groups(n)
    assert cases == real_groups.__wrapped__(n), "always the same"
    assert len({case.question for case in cases}) > 0.85 * n
    assert {len(case.responses) for case in cases} == set(range(2, 9))
    assert sum(case.answer is None for case in cases) > 0.05 * n
    assert sum(flag for case in cases for flag in case.truncated) > 0.2 * n
    assert sum(len(text) >= LONGEST for case in cases for text in case.responses) > 0.2 * n
    scored = [[row.total for row in expected(case, True)] for case in cases]
    assert len({total for group in scored for total in group}) > 0.2 * n
    assert any(None in group and len(set(group)) > 1 for group in scored), "unscored ones beside scored ones"


# The commands


def terms_of(records: Sequence[Mapping[str, Any]]) -> list[Found]:
    return [
        Found(None if each["verdict"]["outcome"] == "unscored" else each["reward"], each["terms"]) for each in records
    ]


@pytest.mark.parametrize("n", COUNTS)
def test_the_command_score(n: int, tmp_path: Path) -> None:
    (tmp_path / "rewards.toml").write_text(tomli_w.dumps(GROUPED))
    file = write_file(tmp_path / "groups.jsonl", real_groups(n))
    result = cli("score", file, "--config", tmp_path / "rewards.toml", "--out", tmp_path / "out", "--jobs", "1")
    assert result.exit_code == 0, result.output
    _, *records = map(json.loads, (tmp_path / "out").read_text().splitlines())
    assert_conforms(real_groups(n), [terms_of(record["config"]["rollouts"]) for record in records], grouped=True)


@pytest.mark.parametrize("n", COUNTS)
def test_the_command_grade(n: int, tmp_path: Path) -> None:
    (tmp_path / "rewards.toml").write_text(tomli_w.dumps(GROUPED))
    file = write_file(tmp_path / "groups.jsonl", real_groups(n))
    arguments = ("--config", tmp_path / "rewards.toml", "--response", "responses", "--tokens", "tokens", "--jobs", "1")
    result = cli("grade", file, *arguments, "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    rows: dict[int, list[Found]] = {}
    for record in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines()):
        rows.setdefault(record["row"], []).append(Found(record["total"], record["terms"] or None))
    assert_conforms(real_groups(n), list(rows.values()), grouped=True)


# Bridges that see groups


def trl_batch(cases: Sequence[Case]) -> dict[str, Any]:
    """The groups as TRL hands them to a reward function: flat lists."""
    rows = [(case, i) for case in cases for i in range(len(case.responses))]
    return {
        "prompts": [[{"role": "user", "content": case.question}] for case, _ in rows],
        "completions": [[{"role": "assistant", "content": case.responses[i]}] for case, i in rows],
        "completion_ids": [[0] * (case.tokens[i] - 1) + [0 if case.truncated[i] else END] for case, i in rows],
        "answer": [case.answer for case, _ in rows],
    }


def in_groups(cases: Sequence[Case], flat: Sequence[Found]) -> list[list[Found]]:
    rows = iter(flat)
    return [[next(rows) for _ in case.responses] for case in cases]


@pytest.mark.parametrize("n", COUNTS)
def test_trls_reward_functions(n: int) -> None:
    cases = real_groups(n)
    options: Any = {"end_tokens": [END]}
    functions = trl.reward_functions(GROUPED, **options)
    columns = {function.__name__: function(**trl_batch(cases)) for function in functions}
    sums = trl.reward_function(GROUPED, **options)(**trl_batch(cases))
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert_conforms(cases, in_groups(cases, list(map(Found, sums, rows))), grouped=True)
    weights = dict(zip(columns, trl.reward_weights(GROUPED), strict=True))
    for total, row in zip(sums, rows, strict=True):  # as the trainer adds them up, which leaves None out
        known = [weights[name] * raw for name, raw in row.items() if raw is not None]
        assert total is None if not known else total == pytest.approx(sum(known))


@pytest.mark.parametrize("n", COUNTS)
def test_verls_reward_manager(n: int) -> None:
    cases = real_groups(n)

    async def run() -> list[list[Found]]:
        groups = Groups(Options(config=GROUPED))
        found = []
        for number, case in enumerate(cases):
            rows = zip(case.responses, case.tokens, case.truncated, strict=True)
            info = {"question": case.question}
            samples = [Sample(text, case.answer, info, "real", size, cut) for text, size, cut in rows]
            calls = (groups.score(str(number), len(samples), sample) for sample in samples)
            found.append([said_by_verl(numbers) for numbers in await asyncio.gather(*calls)])
        return found

    assert_conforms(cases, asyncio.run(run()), grouped=True)


@pytest.mark.parametrize("n", COUNTS)
def test_the_cookbooks_group_rewards(n: int) -> None:
    scorer, found = _stack.scorer_of(GROUPED), []
    for case in real_groups(n):
        rows = zip(case.tokens, case.responses, case.truncated, strict=True)
        rollouts = tuple(judging.rollout_of([0] * size, [-1.0] * size, text, cut) for size, text, cut in rows)
        problem = Problem("p", case.question, case.answer)
        group = scorer.judge(Group(0, 0, problem, Prompt(case.question), rollouts))
        found.append([said_by_cookbook(*pair) for pair in judging.rewards_of(scorer, group)])
    assert_conforms(real_groups(n), found, grouped=True)


def said_by_cookbook(reward: float, metrics: Mapping[str, float]) -> Found:
    """The cookbook wants a number for an unscored rollout too, and has it flagged; metrics are there if they apply."""
    names = _stack.reward_names(_stack.scorer_of(GROUPED))
    return Found(None if metrics["unscored"] else reward, {name: metrics.get(f"reward/{name}") for name in names})


@pytest.fixture(scope="module")
def grouped() -> Iterator[str]:
    with served(GROUPED) as (url, _):
        yield url


@pytest.fixture(scope="module")
def single() -> Iterator[str]:
    with served(ALONE) as (url, _):
        yield url


def readable(cases: Sequence[Case]) -> list[Case]:
    """Without half characters, which the server refuses."""
    return [with_responses(case, lambda text: "\ud800" not in text) for case in cases]


@pytest.mark.parametrize("n", COUNTS)
def test_post_score(n: int, grouped: str) -> None:
    cases = readable(real_groups(n))
    found = []
    for case in cases:
        status, answer, _ = call(f"{grouped}/score", case.line)
        assert status == 200, answer
        found.append(list(map(Found, answer["totals"], answer["terms"])))
    assert_conforms(cases, found, grouped=True)


# Bridges that see one response at a time


def one_by_one(cases: Sequence[Case], ask: Callable[[Case, int], Found]) -> list[list[Found]]:
    return [[ask(case, i) for i in range(len(case.responses))] for case in cases]


@pytest.mark.parametrize("n", COUNTS)
def test_verls_compute_score(n: int) -> None:
    def ask(case: Case, i: int) -> Found:
        info = {"question": case.question}
        return said_by_verl(verl.compute_score("real", case.responses[i], case.answer, info, config=ALONE))

    assert_conforms(real_groups(n), one_by_one(real_groups(n), ask), grouped=False)


@pytest.mark.parametrize("n", COUNTS)
def test_skyrl_gyms_environment(n: int) -> None:
    def ask(case: Case, i: int) -> Found:
        row = {"reward_spec": {"ground_truth": case.answer}, "question": case.question}
        answer = skyrl_gym.OneResponse(None, row, config=ALONE).step(case.responses[i])
        metadata = answer["metadata"]
        return Found(None if metadata["unscored"] else answer["reward"], metadata["terms"])

    assert_conforms(real_groups(n), one_by_one(real_groups(n), ask), grouped=False)


@pytest.mark.parametrize("n", COUNTS)
def test_post_verify(n: int, single: str) -> None:
    weights = _stack.reward_weights(_stack.scorer_of(ALONE))

    def ask(case: Case, i: int) -> Found:
        message = {"type": "message", "content": [{"type": "output_text", "text": case.responses[i]}]}
        params = {"input": [{"role": "user", "content": case.question}]}
        asked = {"responses_create_params": params, "response": {"output": [message]}, "expected_answer": case.answer}
        status, answer, _ = call(f"{single}/verify", asked)
        assert status == 200, answer
        assert set(answer["reward_components"]) == set(weights)
        if answer["reward"] is not None:
            assert answer["reward"] == pytest.approx(sum(answer["reward_components"].values()))
        return Found(answer["reward"], None)

    cases = readable(real_groups(n))
    assert_conforms(cases, one_by_one(cases, ask), grouped=False)


def test_those_refuse_a_term_that_compares_and_name_it(grouped: str) -> None:
    with pytest.raises(PluginError, match=REFUSAL):
        verl.compute_score("real", "text", "2", {"question": "1+1?"}, config=GROUPED)
    with pytest.raises(PluginError, match=REFUSAL):
        skyrl_gym.OneResponse(None, {"reward_spec": {"ground_truth": "2"}}, config=GROUPED)
    params = {"question": "1+1?", "responses_create_params": {}, "response": {"output": []}, "expected_answer": "2"}
    for path, asked in {"verify": params, "slime": {"prompt": "1+1?", "response": "2", "label": "2"}}.items():
        status, answer, _ = call(f"{grouped}/{path}", asked)
        assert status >= 400
        assert REFUSAL in answer["error"]
