"""skyrl-gym: one response, the scorer's numbers, and nothing scored 0 in silence."""

from __future__ import annotations

import logging
import math
import pickle
import random
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Scorer
from justtinker_plugins.bridges import skyrl_gym
from tests.bridges.groups import ALONE, Case, Found, assert_conforms, needs_data, real_groups
from tests.bridges.pages import write_examples
from tests.plugins.adversarial_math import BOMBS, HACKS, HONEST

RIGHT = r"<think>3/6 and 2/6 make 5/6</think>\boxed{5/6}"
ROW = {"reward_spec": {"ground_truth": "5/6"}, "question": "1/2 + 1/3?"}
STACK = {"plugins": {"enable": ["math_verify", "correct", "format"]}}


def one(row: Mapping[str, Any] = ROW, **options: Any) -> skyrl_gym.OneResponse:
    return skyrl_gym.OneResponse(None, row, **{"config": STACK, **options})


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skyrl_gym", None)
    skyrl_gym.environment_class.cache_clear()
    with pytest.raises(PluginError) as error:
        _ = skyrl_gym.JusttinkerEnv
    assert str(error.value) == "the bridge to skyrl-gym needs a package: pip install 'skyrl-gym'"
    with pytest.raises(AttributeError, match="has no attribute 'Env'"):
        _ = skyrl_gym.Env


def test_a_step_ends_the_episode_with_reward_terms_and_metrics() -> None:
    env = one()
    answer = env.step(RIGHT)
    assert (answer["reward"], answer["done"], answer["observations"]) == (1.0, True, [])
    assert answer["metadata"] == {
        "outcome": "correct",
        "unscored": False,
        "reason": "",
        "answer": "5/6",
        "terms": {"correct": 1.0, "format": 0.0},
    }
    assert env.get_metrics() == {"reward/correct": 1.0, "reward/format": 0.0, "unscored": 0.0, "correct": 1.0}
    assert one().step(r"\boxed{1}")["metadata"]["terms"] == {"correct": 0.0, "format": None}


def test_an_unscored_response_is_said_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    env = one({**ROW, "reward_spec": {"ground_truth": None}})
    with caplog.at_level(logging.WARNING):
        answer = env.step(RIGHT)
    assert (answer["reward"], answer["metadata"]["unscored"], answer["metadata"]["outcome"]) == (0.0, True, "unscored")
    assert set(answer["metadata"]["terms"].values()) == {None}
    assert env.get_metrics() == {"unscored": 1.0}
    assert "a response is unscored and earns 0.0: " in caplog.text
    assert one(env.row, unscored=-0.5).step(RIGHT)["reward"] == -0.5
    with pytest.raises(PluginError, match="a response is unscored: "):
        one(env.row, unscored="raise").step(RIGHT)
    with pytest.raises(PluginError, match="unscored: expected a number or 'raise', got nan"):
        one(unscored=math.nan)


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"reward_spec": {"ground_truth": 3}}, "3"),
        ({"reward_model": {"ground_truth": "7"}}, "7"),
        ({"reward_spec": {"ground_truth": "7"}, "reward_model": {}}, "7"),
    ],
)
def test_the_gold_is_where_skyrl_has_it(row: dict[str, Any], gold: str) -> None:
    assert one(row).answer == gold


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"reward_specs": {}}, "the row (extras): there is no column 'reward_spec'; did you mean 'reward_specs'?"),
        (
            {"reward_spec": {"groundtruth": 1}},
            "the row's reward_spec: there is no column 'ground_truth'; did you mean 'groundtruth'?",
        ),
        (
            {"reward_spec": {"ground_truth": ["1"]}},
            "the row's reward_spec.ground_truth: expected a text or a number, got ['1']",
        ),
        (
            {"reward_spec": "42"},
            "the row (extras): expected a table 'reward_spec', got '42'",
        ),
    ],
)
def test_a_row_without_a_gold_is_refused(row: dict[str, Any], error: str) -> None:
    with pytest.raises(PluginError) as raised:
        one(row)
    assert str(raised.value) == error


def test_the_question_is_the_rows_or_the_last_user_message() -> None:
    gold = {"reward_spec": {"ground_truth": "2"}}
    talk = [{"role": role, "content": text} for role, text in (("user", "hi"), ("assistant", "hi"), ("user", "1+1?"))]
    assert one({**gold, "extra_info": {"question": "what?"}}).question == "what?"
    env = one(gold)
    with pytest.raises(PluginError, match="no question; call init, or give the row a column 'question'"):
        env.step("2")
    assert env.init(talk) == (talk, {})
    assert env.question == "1+1?"


def test_the_config_of_the_environment_wins() -> None:
    env = skyrl_gym.OneResponse({"plugins": ["no:format"]}, ROW, config=STACK)
    assert env.step(RIGHT)["metadata"]["terms"] == {"correct": 1.0}


def test_thinking_that_the_prompt_opens_is_judged() -> None:
    text = RIGHT.removeprefix("<think>")
    assert one(opened="<think>").step(text)["metadata"]["terms"] == {"correct": 1.0, "format": 0.0}


def test_group_terms_are_refused_by_name() -> None:
    with pytest.raises(PluginError, match="skyrl-gym sees one response at a time, but 'length' compares"):
        one(config={"plugins": {"enable": ["math_verify", "correct", "length"]}})


# -- with skyrl-gym itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def gym() -> Iterator[Any]:
    import skyrl_gym as package
    from skyrl_gym.envs.registration import deregister

    yield package
    deregister("justtinker")


@pytest.mark.integration
def test_the_docs_example_prints_a_reward(
    gym: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_examples("skyrl-gym", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    runpy.run_path("step_skyrl.py")
    assert "'reward': 1.0, 'done': True" in capsys.readouterr().out


@pytest.mark.integration
def test_it_is_one_of_their_environments(gym: Any) -> None:
    from skyrl_gym.envs.base_text_env import BaseTextEnv
    from skyrl_gym.metrics import aggregate_for_environment

    gym.register(
        "justtinker", "justtinker_plugins.bridges.skyrl_gym:JusttinkerEnv", kwargs={"config": STACK, "sets": []}
    )
    right, unscored = (
        gym.make("justtinker", env_config={}, extras={"reward_spec": {"ground_truth": gold}, "max_turns": 1})
        for gold in ("5/6", None)
    )
    assert isinstance(right, BaseTextEnv)
    assert pickle.loads(pickle.dumps(type(right))) is type(right) is skyrl_gym.JusttinkerEnv
    for env in (right, unscored):
        env.init([{"role": "user", "content": "1/2 + 1/3?"}])
        env.step(RIGHT)
        env.close()
    numbers = [right.get_metrics(), unscored.get_metrics()]
    assert aggregate_for_environment("justtinker", numbers) == {
        "reward/correct": 1.0,
        "reward/format": 0.0,
        "unscored": 0.5,
        "correct": 1.0,
    }


@pytest.mark.integration
def test_hacks_honest_answers_and_bombs_are_what_the_scorer_says(gym: Any) -> None:
    gym.register("justtinker", "justtinker_plugins.bridges.skyrl_gym:JusttinkerEnv", kwargs={"config": STACK})
    rng = random.Random(0)
    pairs = [pair for kind in (HACKS, HONEST, BOMBS) for pair in rng.sample(kind, 20)]
    with Scorer(STACK) as scorer:
        for gold, answer in pairs:
            text = rf"<think>so it is</think>\boxed{{{answer}}}"
            env = gym.make("justtinker", env_config={}, extras={"reward_spec": {"ground_truth": gold}})
            env.init([{"role": "user", "content": "q"}])
            said = env.step(text)
            expected = scorer.score(question="q", answer=gold, responses=[text])
            assert said["metadata"]["outcome"] == expected.verdicts[0].outcome
            if not said["metadata"]["unscored"]:
                assert said["reward"] == expected.rewards[0].total


@needs_data
@pytest.mark.integration
def test_real_groups_have_the_scorers_numbers(gym: Any) -> None:
    gym.register("justtinker", "justtinker_plugins.bridges.skyrl_gym:JusttinkerEnv", kwargs={"config": ALONE})

    def ask(case: Case, text: str) -> Found:
        env = gym.make("justtinker", env_config={}, extras={"reward_spec": {"ground_truth": case.answer}})
        env.init([{"role": "user", "content": case.question}])
        said = env.step(text)
        unscored = said["metadata"]["unscored"]
        return Found(None if unscored else said["reward"], said["metadata"]["terms"])

    cases = real_groups(500)
    assert_conforms(cases, [[ask(case, text) for text in case.responses] for case in cases], grouped=False)
