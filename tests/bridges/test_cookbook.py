"""tinker-cookbook: one scorer call a group, unscored rollouts that move nothing, and its own training loop."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Group, PluginError, Problem, Prompt, Scorer
from justtinker_plugins.bridges import _stack, cookbook
from justtinker_plugins.bridges._cookbook import judging
from tests.bridges.groups import (
    GROUPED,
    Case,
    Found,
    assert_conforms,
    needs_data,
    real_groups,
    with_responses,
    with_tokens,
)
from tests.bridges.pages import write_examples
from tests.plugins.adversarial_math import BOMBS, HACKS, HONEST

LATER = '''
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Later:
    """Cannot grade what says "later"."""

    @hookimpl
    def verify(self, problem, rollouts):
        outcome = {True: "unscored", False: "correct"}
        return [Verdict(outcome["later" in r.text] if problem.answer in r.text else "incorrect") for r in rollouts]
'''
STACK = {"plugins": {"enable": ["math_verify", "correct", "format", "length"]}}


def with_later(folder: Path) -> Scorer:
    (folder / "later.py").write_text(LATER)
    return Scorer({"plugins": {"enable": ["later", "correct"]}, "local_plugins": {"later": f"{folder}/later.py:Later"}})


def judged(scorer: Scorer, texts: Sequence[str]) -> Group:
    rollouts = tuple(judging.rollout_of([1], [-0.5], text, False) for text in texts)
    return scorer.judge(Group(0, 0, Problem("p", "q", "42"), Prompt("q"), rollouts))


def test_without_the_cookbook_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinker_cookbook", None)
    with pytest.raises(PluginError) as error:
        _ = cookbook.JusttinkerDatasetBuilder
    assert str(error.value) == "the bridge to tinker-cookbook needs a package: pip install 'tinker-cookbook'"
    with pytest.raises(AttributeError, match="has no attribute 'Builder'"):
        _ = cookbook.Builder


def test_an_unscored_rollout_gets_the_mean_of_the_scored_ones(tmp_path: Path) -> None:
    with with_later(tmp_path) as scorer:
        pairs = judging.rewards_of(scorer, judged(scorer, ["42", "no", "42 later", "no"]))
        assert [reward for reward, _ in pairs] == pytest.approx([1.0, 0.0, 1 / 3, 0.0])
        assert pairs[0][1] == {"reward/correct": 1.0, "correct": 1.0, "unscored": 0.0, "truncated": 0.0}
        assert pairs[2][1] == {"unscored": 1.0, "truncated": 0.0}
        nobody = judging.rewards_of(scorer, judged(scorer, ["42 later", "42 later"]))
        assert nobody == [(0.0, {"unscored": 1.0, "truncated": 0.0})] * 2


def test_a_config_needs_problems_and_one_turn() -> None:
    config, _ = judging.opened(STACK, (), ())
    with pytest.raises(PluginError, match=r"the config has no table \[data\.train\]: it says which problems"):
        judging.table_of(config)
    with pytest.raises(PluginError, match="plays one turn, but 'calculator' plays episodes: disable it"):
        judging.opened({"plugins": {"enable": ["calculator", "math_verify", "correct"]}}, (), ())


def test_the_problems_are_those_of_the_table() -> None:
    config, _ = judging.opened({**STACK, "data": {"train": {"use": "arithmetic", "limit": 3}}}, (), ())
    problems = judging.problems_of(config, judging.table_of(config))
    assert len(problems) == 3
    assert all(problem.answer for problem in problems)


# -- with the cookbook itself ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer of our own: no hub is asked."""
    from justtinker_plugins.backends._local import model

    folder = str(tmp_path_factory.mktemp("tokenizer"))
    model.tiny_tokenizer().save_pretrained(folder)
    return folder


def renderer_of(directory: str, name: str = "qwen3") -> Any:
    from tinker_cookbook import renderers, tokenizer_utils

    return renderers.get_renderer(name, tokenizer=tokenizer_utils.get_tokenizer(directory))


def play(builder: Any, texts: Sequence[str], prompts: list[str] | None = None) -> Any:
    """A group's rollouts, by the cookbook, of a policy that says these texts in their order."""
    from tinker_cookbook.completers import TokenCompleter, TokensWithLogprobs
    from tinker_cookbook.rl.rollouts import do_group_rollout

    tokenizer, left = builder.renderer.tokenizer, list(texts)

    class Scripted(TokenCompleter):  # type: ignore[misc]
        async def __call__(self, model_input: Any, stop: Any, *, max_tokens: int | None = None) -> Any:
            tokens = tokenizer.encode(left.pop(0), add_special_tokens=False)
            if prompts is not None:
                prompts.append(tokenizer.decode(model_input.to_ints()))
            return TokensWithLogprobs(tokens, [-1.0] * len(tokens), "stop" if tokens[-1] in stop else "length")

    return asyncio.run(do_group_rollout(builder, Scripted()))


@pytest.mark.integration
def test_a_group_is_scored_at_once_with_its_thinking(directory: str) -> None:
    texts = [rf"<think>{'one and one is two, so ' * n}it is 2</think>\boxed{{2}}<|im_end|>" for n in (1, 9)]
    texts += [r"\boxed{3}<|im_end|>", "<think>I wonder"]
    prompts: list[str] = []
    with Scorer(STACK) as scorer:
        problem = Problem("p", "1+1=?", "2")
        builder = cookbook.JusttinkerGroupBuilder(
            scorer, problem, renderer_of(directory), 4, system="Add.", tags=("x",)
        )
        group = play(builder, texts, prompts)
        expected = scorer.score(
            question="1+1=?",
            answer="2",
            responses=[text.removesuffix("<|im_end|>") for text in texts],
            tokens=[len(t.ac.tokens) for trajectory in group.trajectories_G for t in trajectory.transitions],
            truncated=[False, False, False, True],
        )
    assert set(prompts) == {
        "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n1+1=?\n\nPlease reason step by step, and put your final "
        "answer within \\boxed{}.<|im_end|>\n<|im_start|>assistant\n"
    }
    assert group.get_total_rewards() == [reward.total for reward in expected.rewards]
    assert [metrics["reward/length"] for metrics in group.metrics_G] == [r.terms["length"] for r in expected.rewards]
    assert len({metrics["reward/length"] for metrics in group.metrics_G}) > 1  # it has seen them all
    assert group.metrics_G[0]["reward/format"] == 0.0  # it has seen the thinking
    assert [metrics["truncated"] for metrics in group.metrics_G] == [0.0, 0.0, 0.0, 1.0]
    assert builder.logging_tags() == ["x"]


@pytest.mark.integration
def test_a_prompt_that_never_shows_the_question_is_refused(directory: str) -> None:
    with pytest.raises(PluginError, match=r"user = .Go!. never shows the question"):
        cookbook.JusttinkerGroupBuilder(Scorer(STACK), Problem("p", "q", "1"), renderer_of(directory), 1, user="Go!")


@pytest.mark.integration
def test_thinking_that_the_prompt_opens_is_judged(directory: str) -> None:
    prompts: list[str] = []
    with Scorer({"plugins": {"enable": ["math_verify", "correct", "format"]}}) as scorer:
        renderer = renderer_of(directory, "qwen3_5")
        builder = cookbook.JusttinkerGroupBuilder(scorer, Problem("p", "1+1=?", "2"), renderer, 1)
        text = "one and one make two</think>\n\n" + r"\boxed{2}"
        group = play(builder, [f"{text}<|im_end|>"], prompts)
        expected = scorer.score(question="1+1=?", answer="2", responses=[text], opened="<think>\n")
    assert prompts[0].endswith("<think>\n")
    assert group.get_total_rewards() == [expected.rewards[0].total]
    assert expected.rewards[0].terms == {"correct": 1.0, "format": 0.0}


@pytest.mark.integration
def test_an_unscored_rollout_has_no_advantage(directory: str, tmp_path: Path) -> None:
    from tinker_cookbook.rl.data_processing import compute_advantages

    with with_later(tmp_path) as scorer:
        builder = cookbook.JusttinkerGroupBuilder(scorer, Problem("p", "q", "42"), renderer_of(directory), 3)
        group = play(builder, ["42<|im_end|>", "no<|im_end|>", "42 later<|im_end|>"])
    assert compute_advantages([group])[0].tolist() == pytest.approx([0.5, -0.5, 0.0])


@pytest.mark.integration
def test_hacks_honest_answers_and_bombs_are_what_the_scorer_says(directory: str) -> None:
    renderer, rng = renderer_of(directory), random.Random(0)
    tokenizer = renderer.tokenizer

    def is_readable(text: str) -> bool:
        return text.isascii() and tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text

    pairs = [(gold, rf"\boxed{{{answer}}}") for gold, answer in (*HACKS, *HONEST, *BOMBS)]
    pairs = [(gold, text) for gold, text in pairs if is_readable(text)]
    bombs = [text for _, text in pairs[-len(BOMBS) :]]
    assert len(bombs) > 10
    with Scorer(STACK) as scorer:
        for gold, text in rng.sample(pairs, 60):
            texts = [text, rng.choice(bombs), rf"\boxed{{{gold}}}"]
            builder = cookbook.JusttinkerGroupBuilder(scorer, Problem("p", "q", gold), renderer, 3)
            group = play(builder, [f"{t}<|im_end|>" for t in texts])
            tokens = [len(tokenizer.encode(f"{t}<|im_end|>", add_special_tokens=False)) for t in texts]
            expected = scorer.score(question="q", answer=gold, responses=texts, tokens=tokens)
            for i, verdict in enumerate(expected.verdicts):
                assert group.metrics_G[i]["unscored"] == float(verdict.outcome == "unscored")
                if verdict.outcome != "unscored":
                    assert group.final_rewards_G[i] == expected.rewards[i].total


@needs_data
@pytest.mark.integration
def test_real_groups_have_the_scorers_numbers(directory: str) -> None:
    renderer, scorer = renderer_of(directory), _stack.scorer_of(GROUPED)
    tokenizer, names = renderer.tokenizer, _stack.reward_names(scorer)

    def spelt(case: Case) -> list[str]:
        return [text + ("" if cut else "<|im_end|>") for text, cut in zip(case.responses, case.truncated, strict=True)]

    def is_readable(text: str) -> bool:
        return text.isascii() and tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text

    cases, found = [], []
    for case in real_groups(500):
        case = with_responses(case, is_readable)
        case = with_tokens(case, [len(tokenizer.encode(text, add_special_tokens=False)) for text in spelt(case)])
        cases.append(case)
        problem = Problem("p", case.question, case.answer)
        group = play(cookbook.JusttinkerGroupBuilder(scorer, problem, renderer, len(case.responses)), spelt(case))
        found.append(
            [
                Found(None if m["unscored"] else total, {name: m.get(f"reward/{name}") for name in names})
                for total, m in zip(group.get_total_rewards(), group.metrics_G, strict=True)
            ]
        )
    assert_conforms(cases, found, grouped=True)


@pytest.mark.integration
def test_a_builder_pickles_and_scores_the_same(directory: str) -> None:
    scorer = Scorer(STACK)
    builder = cookbook.JusttinkerGroupBuilder(scorer, Problem("p", "1+1=?", "2"), renderer_of(directory), 2)
    copy = pickle.loads(pickle.dumps(builder))
    texts = [r"\boxed{2}<|im_end|>", r"\boxed{3}<|im_end|>"]
    assert copy.scorer is not scorer
    assert play(copy, texts).get_total_rewards() == play(builder, texts).get_total_rewards()


@pytest.mark.integration
def test_batches_are_those_of_our_runs_and_weights_follow_them(directory: str, tmp_path: Path) -> None:
    from justtinker_core import data

    file = tmp_path / "ramp.toml"
    file.write_text(
        '[data.train]\nuse = "arithmetic"\nlimit = 10\n[plugins]\nenable = ["math_verify", "correct"]\n'
        "[plugins.correct]\nweight = { from = 0.0, to = 1.0, steps = 4 }\n"
    )
    builder = cookbook.JusttinkerDatasetBuilder(
        config=str(file), batch_size=4, group_size=1, model_name_for_tokenizer=directory, renderer_name="qwen3"
    )
    train, test = asyncio.run(builder())
    problems = [group.problem for group in train.groups]
    assert (len(train), test) == (3, None)
    first, last = train.get_batch(0)[0], train.get_batch(2)[0]
    for index in range(3):
        batch = train.get_batch(index)
        assert [group.problem for group in batch] == data.draw(problems, index + 1, 4, first.scorer.config.run.seed)
        assert {group.step for group in batch} == {index + 1}
    rewards = [play(g, [rf"\boxed{{{g.problem.answer}}}<|im_end|>"]).get_total_rewards()[0] for g in (first, last)]
    assert rewards == [first.scorer.plugins.weights(1)["correct"], first.scorer.plugins.weights(3)["correct"]]
    assert rewards[0] < rewards[1]


@pytest.mark.integration
def test_the_docs_example_trains_in_the_cookbooks_own_loop(
    directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import chz
    from tinker_cookbook.rl.train import main

    from tests.plugins import tinker_server

    write_examples("tinker-cookbook", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINKER_API_KEY", tinker_server.KEY)
    config = runpy.run_path("train_cookbook.py")["config"](directory, "qwen3")
    with tinker_server.served(directory) as server:
        asyncio.run(main(chz.replace(config, base_url=server.url, max_tokens=8, max_steps=2, num_groups_to_log=1)))
        assert len(server.bodies("optim_step")) == 2
        assert sum(len(body["data"]) for body in server.bodies("forward_backward")) == 2 * 16 * 8
    first, second, *_ = map(json.loads, Path("runs/cookbook/metrics.jsonl").read_text().splitlines())
    for step in (first, second):
        assert step["env/all/total_episodes"] == 16 * 8
        assert step["env/all/unscored"] == 0.0
        assert {"env/all/correct", "env/all/reward/correct", "env/all/truncated"} < set(step)
    assert first["test/env/all/total_episodes"] == 20
