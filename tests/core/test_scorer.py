"""`Scorer`: the rewards of a config outside a run, from any source, in any thread or process."""

from __future__ import annotations

import json
import math
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from justtinker_core import Group, PluginError, Problem, Prompt, Scorer
from justtinker_core.config_files import read
from justtinker_core.grading import GroupError
from justtinker_core.scorer import text_rollout

OLD = Path(__file__).parent.parent / "old_runs" / "finished"
TABLES: dict[str, Any] = {
    "plugins": {"enable": ["math_verify", "thinking", "correct", "format", "redundancy", "group_mean"]},
}
RIGHT, WRONG, BARE = (
    "<think>One half and one half.</think>\\boxed{1}",
    "<think>Two halves are two.</think>\\boxed{2}",
    "\\boxed{1}",
)
MINE = """
from justtinker_core import hookimpl, plugin

@plugin
class Short:
    most: int = 3
    @hookimpl
    def score(self, group):
        return {"short": [float(len(r.text) <= self.most) for r in group.rollouts]}

class Long:
    @hookimpl
    def score(self, group):
        return {"long": [min(1.0, r.response_tokens / 10) for r in group.rollouts]}

class Sure:
    @hookimpl
    def measure(self, group):
        return {"sureness": [sum(r.logprobs) for r in group.rollouts]}

class Torch:
    @hookimpl
    def open_backend(self, run):
        raise AssertionError("a scorer opens no backend")
"""


@pytest.fixture
def scorer() -> Iterator[Scorer]:
    with Scorer(TABLES) as scorer:
        yield scorer


def ask(scorer: Scorer, **changes: Any) -> Group:
    return scorer.score(**{"question": "1/2+1/2=?", "answer": "1", "responses": [RIGHT, WRONG, BARE], **changes})


def test_a_group_with_all_that_training_knows_of_it(scorer: Scorer) -> None:
    group = ask(scorer, tokens=[9, 8, 7], truncated=[False, True, False], meta={"level": 3})
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect", "correct"]
    assert [reward.total for reward in group.rewards] == pytest.approx([1.0, 0.0, 0.9])
    assert group.advantages == pytest.approx([1 - 1.9 / 3, -1.9 / 3, 0.9 - 1.9 / 3])
    assert group.measures["thinking_rate"] == (1.0, 1.0, 0.0)
    assert [rollout.response_tokens for rollout in group.rollouts] == [9, 8, 7]
    assert [rollout.truncated for rollout in group.rollouts] == [False, True, False]
    assert group.problem.meta == {"level": 3}


def test_thinking_that_the_prompt_has_opened(scorer: Scorer) -> None:
    responses = ["1/2+1/2=2/2</think>\\boxed{1}", "2/2, so \\boxed{1}", "\\boxed{1}"]
    group = ask(scorer, responses=responses, tokens=[9, 9, 9], opened="<think>\n")
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect", "incorrect"]
    assert group.measures["thinking_rate"] == (1.0, 0.0, 0.0)
    assert group.rewards[0].terms["format"] == 0.0
    group = ask(scorer, responses=responses)
    assert [verdict.outcome for verdict in group.verdicts] == ["correct"] * 3, "nothing says that it was opened"


@pytest.mark.parametrize("opened", [None, ["<think>"]])
def test_what_the_prompt_held_is_one_text(scorer: Scorer, opened: Any) -> None:
    with pytest.raises(PluginError, match=r"^opened: expected one text for all responses, such as '<think>', got "):
        ask(scorer, opened=opened)


def test_without_lengths_a_metric_that_reads_them_is_left_out(scorer: Scorer) -> None:
    group = ask(scorer)
    assert "thinking_rate" not in group.measures, "the metric `thinking` reads tokens"
    assert scorer.left_out(group) == {"thinking": "tokens"}


def test_the_groups_of_a_recorded_run_get_their_recorded_rewards() -> None:
    records = [
        json.loads(line)
        for file in sorted((OLD / "rollouts").glob("step_*.zst"))
        for line in zstandard.decompress(file.read_bytes()).decode().splitlines()
    ]
    with Scorer(OLD) as scorer:
        assert scorer.step_needed == "the weight schedule of format"
        for record in records:
            problem, rows = record["problem"], record["rollouts"]
            group = scorer.score(
                question=problem["question"], answer=problem["answer"], responses=[row["text"] for row in rows],
                kind=problem["kind"], tokens=[row["tokens"] for row in rows], step=record["step"],
            )  # fmt: skip
            assert [reward.total for reward in group.rewards] == [row["reward"] for row in rows]
            assert list(group.advantages) == [row["advantage"] for row in rows]
            assert group.kept == record["kept"]
    assert len(records) == 20


def test_a_config_comes_from_tables_a_file_a_preset_or_a_run_config(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text('[plugins]\nenable = ["math_verify", "correct"]\n')
    for source in (TABLES, tmp_path / "bare.toml", str(tmp_path / "bare.toml"), "quickstart-rl", read("quickstart-rl")):
        with Scorer(source) as scorer:
            assert [verdict.outcome for verdict in ask(scorer).verdicts] == ["correct", "incorrect", "correct"]


def test_sets_and_plugins_change_it_and_leave_the_tables_alone() -> None:
    with Scorer(TABLES, sets=["plugins.correct.weight=0.5"], plugins=["no:format", "no:group_mean"]) as scorer:
        group = ask(scorer)
    assert [reward.total for reward in group.rewards] == [0.5, 0.0, 0.5]
    assert group.advantages == (), "no plugin gives advantages"
    assert TABLES["plugins"]["enable"][-1] == "group_mean"
    assert "correct" not in TABLES["plugins"]


def test_plugins_of_a_file_and_options(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "mine.toml").write_text(
        '[plugins]\nenable = ["exact", "short", "torch"]\n[plugins.short]\nmost = 4\nweight = 0.25\n'
        '[local_plugins]\nshort = "mine.py:Short"\ntorch = "mine.py:Torch"\n'
    )
    with Scorer(tmp_path / "mine.toml") as scorer:
        group = scorer.score(question="?", answer="yes", responses=["yes", "no way"])
        assert [reward.total for reward in group.rewards] == [0.25, 0.0]
        assert "torch" not in scorer.plugins.active


def local(tmp_path: Path, name: str) -> dict[str, Any]:
    (tmp_path / "mine.py").write_text(MINE)
    enable = ["math_verify", "correct", name.lower()]
    return {"plugins": {"enable": enable}, "local_plugins": {name.lower(): f"{tmp_path}/mine.py:{name}"}}


def test_a_reward_that_reads_lengths_fails_without_them_rather_than_see_zero(tmp_path: Path) -> None:
    with Scorer(local(tmp_path, "Long")) as scorer:
        assert [r.terms["long"] for r in ask(scorer, tokens=[5, 1, 20]).rewards] == [0.5, 0.1, 1.0]
        with pytest.raises(GroupError, match=r"plugin 'long' .* give 'tokens' \(how many each has\), or disable"):
            ask(scorer)


def test_a_metric_that_does_not_say_that_it_reads_logprobs_is_an_error(tmp_path: Path) -> None:
    with Scorer(local(tmp_path, "Sure")) as scorer, pytest.raises(GroupError, match=r"plugin 'sure': 'sureness'.* nan"):
        ask(scorer, tokens=[1, 2, 3])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"responses": "one"}, "responses: expected a list of one or more texts, got 'one'"),
        ({"responses": [None]}, r"responses: expected a list of one or more texts, got \[None\]"),
        ({"responses": []}, r"responses: expected a list of one or more texts, got \[\]"),
        ({"tokens": [1]}, "tokens: expected 3 entries, one a response, got 1"),
        ({"tokens": [1, -2, 3]}, "tokens: expected counts, got -2"),
        ({"truncated": [True] * 4}, "truncated: expected 3 entries, one a response, got 4"),
        ({"kind": "poem"}, "no verifier takes problem 'scored' of kind 'poem'"),
    ],
)
def test_what_cannot_be_scored(scorer: Scorer, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=f"^{text}"):
        ask(scorer, **changes)


@pytest.mark.parametrize(
    ("source", "changes", "text"),
    [
        ({"plugins": {"enable": ["correct"]}}, {}, "no active plugin implements verify, which scoring needs"),
        ({"plugins": {"enable": ["exact"]}}, {}, "no active plugin implements score, which scoring needs"),
        ({"plugins": {"enable": ["exat", "correct"]}}, {}, "no plugin called 'exat'; did you mean 'exact'"),
        ("no_such", {}, "there is no config file no_such and no preset of that name"),
        (TABLES, {"plugins": ["no:length"]}, "-p no:length: 'length' is not enabled"),
    ],
)
def test_a_config_that_cannot_score(source: Any, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=text):
        Scorer(source, **changes)


def test_a_schedule_needs_a_step() -> None:
    weight = "plugins.correct.weight={from=0.0,to=1.0,steps=4}"
    with Scorer(TABLES, sets=[weight], plugins=["no:format"]) as scorer:
        assert [reward.total for reward in ask(scorer, step=2).rewards] == [0.5, 0.0, 0.5]
        with pytest.raises(PluginError, match=r"^step: expected a number, .* \(the weight schedule of correct\)$"):
            ask(scorer)


def test_changes_are_lists() -> None:
    with pytest.raises(PluginError, match=r"^sets and plugins: expected lists of texts, got 'run.seed=1'"):
        Scorer(TABLES, sets="run.seed=1")


def test_a_run_config_is_not_changed() -> None:
    with pytest.raises(PluginError, match="a RunConfig cannot be changed by sets or plugins: give the tables"):
        Scorer(read("quickstart-rl"), sets=["run.steps=1"])


def test_many_threads_score_at_once(scorer: Scorer) -> None:
    with ThreadPoolExecutor(8) as pool:
        groups = list(pool.map(lambda n: ask(scorer, answer=str(n % 3), tokens=[n, n, n]), range(48)))
    for n, group in enumerate(groups):
        right = {"1": [1, 0, 1], "2": [0, 1, 0], "0": [0, 0, 0]}[str(n % 3)]
        assert [int(verdict.outcome == "correct") for verdict in group.verdicts] == right
        assert {rollout.response_tokens for rollout in group.rollouts} == {n}


def test_a_pickled_scorer_judges_in_another_process(scorer: Scorer) -> None:
    rollouts = tuple(text_rollout(text, 5) for text in (RIGHT, WRONG))
    sampled = Group(1, 0, Problem("p", "1/2+1/2=?", "1"), Prompt("?"), rollouts)
    bad = Group(1, 1, Problem("q", "?", "1", kind="poem"), Prompt("?"), rollouts)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        judged = pool.submit(scorer.judge, sampled).result()
        with pytest.raises(GroupError, match="no verifier takes problem 'q'") as error:
            pool.submit(scorer.judge, bad).result()
    assert [verdict.outcome for verdict in judged.verdicts] == ["correct", "incorrect"]
    assert scorer.credit(judged).advantages == pytest.approx([0.5, -0.5])
    assert error.value.group.problem.id == "q", "the group comes along"


def test_a_process_unpickles_a_scorer_once_and_again_when_it_is_closed(scorer: Scorer) -> None:
    packed = pickle.dumps(scorer)
    first, second = pickle.loads(packed), pickle.loads(packed)
    assert first is second
    first.close()
    third = pickle.loads(packed)
    assert third is not first
    assert ask(third).verdicts[0].outcome == "correct"
    third.close()
    third.close()


IMPORTS = """
import sys
import justtinker_core
early = {"pydantic", "numpy"} & set(sys.modules)
from justtinker_core import Scorer
with Scorer("quickstart-rl") as scorer:
    scorer.score(question="1+1=?", answer="2", responses=["2"], tokens=[1])
print(early, {"torch", "transformers", "tinker", "datasets"} & set(sys.modules))
"""


def test_no_model_is_loaded_and_importing_the_package_stays_light() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "set() set()"


def test_what_is_not_known_of_a_text() -> None:
    rollout = text_rollout("a", 2, truncated=True)
    assert (rollout.tokens, rollout.mask, rollout.truncated) == ((-1, -1), (True, True), True)
    assert all(map(math.isnan, rollout.logprobs))
