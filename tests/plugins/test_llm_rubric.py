"""The reward that asks another model about criteria, on an endpoint that the tests start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.options import configure
from justtinker_core.testing import check_reward, make_problem
from justtinker_plugins.rewards.llm_rubric import LlmRubric
from justtinker_plugins.shared.judge.rubric import Criterion, RubricError, rubric_of, score_of
from tests.judge_server import JudgeServer, data_of, judge_server, lenient

CRITERIA = {
    "source": {"text": "source", "weight": 3.0},
    "number": {"text": "42"},
    "rude": {"text": "fool", "weight": -2},
}
OWN = [{"criterion": "blue", "points": 3}, {"criterion": "red", "points": 1}, {"criterion": "fool", "points": -4}]


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server(lenient) as state:
        yield state


def options_for(server: JudgeServer, **options: Any) -> dict[str, Any]:
    return {"model": "judge-1", "base_url": server.url, "backoff": 0.001, "cache": False, **options}


def judge(server: JudgeServer, texts: list[str], meta: Mapping[str, Any] | None = None, **options: Any) -> Group:
    plugins = {"enable": ["exact", "llm_rubric"], "llm_rubric": options_for(server, **options)}
    with Scorer({"plugins": plugins}) as scorer:
        return scorer.score(question="Why?", answer="4", responses=texts, kind="text", meta=meta)


def terms(group: Group) -> list[float | None]:
    return [reward.terms["llm_rubric"] for reward in group.rewards]


def test_criteria_of_the_config_are_weighed(server: JudgeServer) -> None:
    texts = ["<think>source</think>nothing", "a source", "a source: 42", "42 fool", "source 42 fool"]
    group = judge(server, texts, criteria=CRITERIA, usd_per_million_input=10.0, usd_per_million_output=100.0)
    assert terms(group) == [0.0, 0.75, 1.0, 0.0, 0.5]
    assert group.measures["rubric_source"] == (0, 1, 1, 0, 1)
    assert group.measures["rubric_rude"] == (0, 0, 0, 1, 1)
    assert group.measures["rubric_failed_rate"] == (0,) * 5
    assert group.measures["rubric_calls"] == (1,) * 5
    assert group.measures["rubric_usd"] == (0.002,) * 5
    assert len(server.asked) == 5
    (data,) = [found for found in map(data_of, server.asked) if found["response"] == "nothing"]
    assert data["criteria"].splitlines()[0] == "source (true or false): source"
    assert "3" not in data["criteria"], "the judge does not know the weights"


def test_a_problem_may_have_a_rubric_of_its_own(server: JudgeServer) -> None:
    assert terms(judge(server, ["blue", "red", "blue red", "blue fool"], {"rubric": OWN})) == [0.75, 0.25, 1.0, 0.0]
    assert terms(judge(server, ["blue"], {"points": ["blue", "red"]}, rubric="points")) == [0.5]
    both = judge(server, ["source blue"], {"rubric": {"blue": 2, "red": 1}}, criteria=CRITERIA)
    assert terms(both) == [pytest.approx(5 / 7)]
    assert set(both.measures) >= {"rubric_source", "rubric_score"}
    assert "rubric_c1" not in both.measures


def test_criteria_may_be_met_in_part(server: JudgeServer) -> None:
    def halfway(body: Mapping[str, Any]) -> Any:
        return {"reason": "so so", "criteria": {"source": 2, "number": 4, "rude": 0}}

    server.judge = halfway
    group = judge(server, ["x"], criteria=CRITERIA, scale=4)
    assert terms(group) == [(3 * 0.5 + 1) / 4]
    assert group.measures["rubric_source"] == (0.5,)
    assert "source (a whole number from 0 (not at all) to 4 (fully)): source" in data_of(server.asked[0])["criteria"]


def test_votes_are_averaged(server: JudgeServer) -> None:
    replies = iter([True, False, True, "?"])

    def by_turns(body: Mapping[str, Any]) -> Any:
        said = next(replies)
        return said if said == "?" else {"reason": "", "criteria": {"a": said}}

    server.judge = by_turns
    group = judge(server, ["x"], criteria={"a": {"text": "a"}}, votes=4)
    assert terms(group) == [pytest.approx(2 / 3)]
    assert group.measures["rubric_calls"] == (4,)


@pytest.mark.parametrize("said", ["?", {"reason": "", "criteria": {}}, {"reason": "", "criteria": {"a": 1}}])
def test_what_the_judge_cannot_say_is_no_reward(said: Any) -> None:
    with judge_server(lambda body: said) as server:
        group = judge(server, ["x", "y"], criteria={"a": {"text": "a"}})
    assert terms(group) == [None, None]
    assert group.measures["rubric_failed_rate"] == (1, 1)
    assert group.measures["rubric_score"] == (None, None)


def test_the_end_says_what_was_spent_and_what_was_not_judged(tmp_path: Path) -> None:
    config = tmp_path / "rubric.toml"
    (tmp_path / "a.jsonl").write_text('{"question": "Why?", "answer": "4", "response": ["fine", "broken"]}\n')

    def half(body: Mapping[str, Any]) -> Any:
        return "?" if data_of(body)["response"] == "broken" else lenient(body)

    with judge_server(half) as server:
        priced = options_for(server, criteria=CRITERIA, usd_per_million_input=10.0, usd_per_million_output=100.0)
        config.write_text(tomli_w.dumps({"plugins": {"enable": ["exact", "llm_rubric"], "llm_rubric": priced}}))
        command = ["justtinker_core.cli", "grade", str(tmp_path / "a.jsonl"), "--kind", "text", "--config", str(config)]
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "WARNING: llm_rubric: 1 answer not judged: the reply is no JSON object (1)",
        "INFO: llm_rubric: 2 requests so far, 0.0040 USD",
    ]


def test_what_needs_no_judge_is_not_asked(server: JudgeServer) -> None:
    group = judge(server, ["", "<think>open", "x" * 101], criteria=CRITERIA, max_chars=100)
    assert terms(group) == [0.0, 0.0, 0.0]
    assert group.measures["rubric_failed_rate"] == (None,) * 3
    gated = judge(server, ["\\boxed{4}", "\\boxed{5}"], criteria=CRITERIA, only_correct=True)
    assert terms(gated) == [0.0, None]
    assert len(server.asked) == 1
    assert "llm_rubric" not in judge(server, ["x"], criteria=CRITERIA, kinds=["open"]).rewards[0].terms


@pytest.mark.slow
def test_conformance(server: JudgeServer, tmp_path: Path) -> None:
    options = options_for(server, criteria=CRITERIA, cache=str(tmp_path / "c.sqlite"))
    plugin = configure(LlmRubric, "plugins.llm_rubric", options)
    check_reward(plugin)
    plugin.finish_run()


def test_a_run_counts_failures_and_stops_when_the_money_is_gone(run_with: Any, server: JudgeServer) -> None:
    from justtinker_plugins.monitors.grader_health import GraderHealth

    criteria = {"five": {"text": "5"}}
    sums = [make_problem(f"1+{n}=?", f"{n + 1}") for n in range(4)]
    given: dict[str, Any] = {"problems": sums, "respond": lambda prompt, index: f"it is {index + 2}"}
    plugin = configure(LlmRubric, "plugins.llm_rubric", options_for(server, criteria=criteria, budget_calls=40))
    done = run_with(plugin, steps=9, **given)
    assert done.status == "stopped"
    (finding,) = [f for f in done.findings if f.level == "stop"]
    assert finding.source == "llm_rubric"
    assert done.steps[0].metrics["rubric_five"] == 0.25
    assert done.steps[0].metrics["rubric_calls"] * 16 == 16
    assert done.steps[0].terms["llm_rubric"]["raw"] == 0.25
    assert len(server.asked) == 32

    server.judge = lambda body: "?"
    plugin = configure(LlmRubric, "plugins.llm_rubric", options_for(server, criteria=criteria))
    done = run_with(plugin, GraderHealth(window=2), steps=1, **given)
    messages = {f.source: f.message for f in done.findings}
    assert messages["llm_rubric"] == "16 answers not judged: the reply is no JSON object (16)"
    assert messages["grader_health"].startswith("50.0% of the rubrics could not be judged, over the last 2 steps")
    assert "llm_rubric" not in done.steps[0].terms or done.steps[0].terms["llm_rubric"]["applies"] == 0


def test_problems_without_a_rubric_are_named_before_the_run(run_with: Any, server: JudgeServer) -> None:
    good = make_problem("a?", "1", meta={"rubric": OWN})
    bad = make_problem("b?", "1", id="b", meta={"rubric": [{"points": 3}]})
    bare = make_problem("c?", "1", id="c")
    plugin = configure(LlmRubric, "plugins.llm_rubric", options_for(server))
    with pytest.raises(PluginError) as error:
        run_with(plugin, problems={"train": [good, bad, bare], "held": [bare]})
    assert str(error.value).splitlines() == [
        "llm_rubric: [data.train] 2 of 3 problems have no rubric to judge by, such as 'b': criterion 1: expected a "
        "text under 'criterion', got None",
        "llm_rubric: [data.eval.held] 1 of 1 problems have no rubric to judge by, such as 'c': its metadata has no "
        "'rubric', and the config no criteria",
    ]
    assert not server.asked
    with pytest.raises(PluginError, match="problem 'scored' has no rubric to judge by: its metadata has no 'rubric'"):
        judge(server, ["x"])


@pytest.mark.parametrize(
    ("criteria", "complaint"),
    [
        (
            {"Source": {"text": "x"}},
            "criteria.Source: expected a name of small letters, digits and _, other than score",
        ),
        ({"usd": {"text": "x"}}, "criteria.usd: expected a name of small letters"),
        ({"c1": {"text": "x"}}, "usd and c1, c2, ..., the criteria of a problem's own rubric"),
        ({"a": {"text": "x", "weight": -1}}, "criteria: no criterion has positive points, so nothing could be earned"),
    ],
)
def test_criteria_that_cannot_be(server: JudgeServer, criteria: Any, complaint: str) -> None:
    with pytest.raises(PluginError) as error:
        configure(LlmRubric, "plugins.llm_rubric", options_for(server, criteria=criteria))
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("text", "expected a list of criteria, got 'text'"),
        ([], "it has no criteria"),
        ([7], "criterion 1: expected a text, or an object with 'criterion' and 'points'"),
        (["a", {"criterion": " "}], "criterion 2: expected a text under 'criterion', got ' '"),
        ([{"criterion": "a", "points": "3"}], "criterion 1: expected a number under 'points', got '3'"),
        ({"a": -1}, "no criterion has positive points, so nothing could be earned"),
    ],
)
def test_rubrics_that_are_none(value: Any, complaint: str) -> None:
    with pytest.raises(RubricError) as error:
        rubric_of(value)
    assert str(error.value) == complaint


weights = st.dictionaries(st.text(max_size=3), st.floats(-9, 9), min_size=1).filter(lambda d: max(d.values()) > 0.01)


@given(weights, st.data())
def test_scores_lie_between_0_and_1_and_grow_with_what_is_met(given_: dict[str, float], data: st.DataObject) -> None:
    rubric = {name: Criterion(name, weight) for name, weight in given_.items()}
    shares = {name: data.draw(st.floats(0, 1)) for name in rubric}
    score = score_of(rubric, shares)
    assert 0 <= score <= 1
    name = data.draw(st.sampled_from(list(rubric)))
    more = score_of(rubric, {**shares, name: 1.0})
    assert more >= score - 1e-9 if rubric[name].weight >= 0 else more <= score + 1e-9
    assert score_of(rubric, {n: float(c.weight > 0) for n, c in rubric.items()}) == pytest.approx(1)
