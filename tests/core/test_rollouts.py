"""Prompt, sample, verify, measure, score: the path of every rollout, and what it refuses."""

from __future__ import annotations

import math
import re
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Verdict, hookimpl
from justtinker_core.grading import GroupError, judge, scoring
from justtinker_core.rollouts import collect, fill_prompt
from justtinker_core.sampling import Settings, opened_by, seed_of, until_stop
from justtinker_core.weights import Ramp, RewardOptions
from tests.core.conftest import Ask, Correct, Judge, Length, Report, ScriptedBackend, plugins_of, problems

SETTINGS = Settings("sample", 3, 20, 1.0, 1.0, 42)


def rollouts(*texts: str) -> tuple[Rollout, ...]:
    return tuple(Rollout((0,), (0.0,), (True,), text) for text in texts)


def group(*texts: str, step: int = 1, answer: str = "1") -> Group:
    return Group(step, 0, Problem("p", "1+0", answer), Prompt("1+0="), rollouts(*(texts or ("1", "2", "1"))))


def raises(text: str) -> Any:
    return pytest.raises(GroupError, match=f"^{re.escape(text)}$")


def collected(*plugins: Any, backend: ScriptedBackend | None = None, n: int = 3, count: int = 4) -> tuple[Group, ...]:
    backend = backend or ScriptedBackend()
    settings = replace(SETTINGS, samples=n)
    return collect(problems(count), 1, plugins_of(*plugins), backend, backend.sampler(), settings)


# Prompts


class Say:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def build_prompt(self) -> Any:
        return self.answer


def test_a_text_a_chat_or_a_prompt() -> None:
    backend = ScriptedBackend()

    def filled(answer: Any) -> Prompt:
        return fill_prompt(problems()[0], plugins_of(Say(answer)), backend)

    assert filled("ab") == Prompt("ab", (), ("$",), (97, 98), opened="")
    chat = [{"role": "user", "content": "hi"}]
    assert filled(chat).text == "[user]hi[assistant]"
    assert filled(chat).messages == tuple(chat)
    assert filled(Prompt("ab", stop=("!", "?"))).stop == ("!", "?")
    assert filled(Prompt("ab")).tokens == (97, 98)


OFF = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("end", "opened"),
    [
        ("<think>", "<think>"),
        ("<think>\n", "<think>\n"),
        (OFF, OFF),
        ("<think></think>", "<think></think>"),
        ("</think>", "</think>"),  # DeepSeek's way to turn thinking off
        ("", ""),
        ("<think>Well", ""),
        ("Think in <think> and </think>.\n[assistant]", ""),
        (f"{OFF}4\n[user]And 5?\n[assistant]", ""),
        (f"{OFF}4\n[user]And 5?\n[assistant]<think>\n", "<think>\n"),
        ("<Think>", ""),
    ],
)
def test_what_the_prompt_holds_of_the_response(end: str, opened: str) -> None:
    prompt = fill_prompt(problems()[0], plugins_of(Say(f"1+0={end}")), ScriptedBackend())
    assert (prompt.text, prompt.opened) == (f"1+0={end}", opened)
    [group] = collected(Say(f"1+0={end}"), Judge(), Correct(), n=2, count=1)
    assert [(r.opened, r.response) for r in group.rollouts] == [(opened, opened + r.text) for r in group.rollouts]


@pytest.mark.parametrize("said", ["<think>Well", ""])
def test_a_prompt_plugin_may_say_what_the_prompt_holds(said: str) -> None:
    answer = Prompt("1+0=<think>\n", opened=said)
    assert fill_prompt(problems()[0], plugins_of(Say(answer)), ScriptedBackend()).opened == said


@given(st.text("<>/think \n"))
def test_what_the_prompt_holds_is_its_end(text: str) -> None:
    opened = opened_by(text)
    assert text.endswith(opened)
    assert opened == "" or opened.split("think")[0] in ("<", "</")
    assert opened_by(text + "<think>\n") == "<think>\n"


def test_variables_go_to_the_chat_template() -> None:
    answer = Prompt(messages=({"role": "user", "content": "hi"},), template={"thinking": True})
    prompt = fill_prompt(problems()[0], plugins_of(Say(answer)), ScriptedBackend())
    assert (prompt.text, prompt.opened) == ("[user]hi[assistant]<think>\n", "<think>\n")


def test_no_plugin_has_a_prompt() -> None:
    problem = Problem("p", "q", kind="chess")
    with pytest.raises(PluginError, match=r"^no prompt plugin takes problem 'p' of kind 'chess' \(active: say\)$"):
        fill_prompt(problem, plugins_of(Say(None)), ScriptedBackend())
    with pytest.raises(PluginError, match=r"^no prompt plugin takes problem 'p' of kind 'chess' \(active: none\)$"):
        fill_prompt(problem, plugins_of(Judge()), ScriptedBackend())


# Sampling


def test_groups_come_in_order_with_their_rollouts_verdicts_and_rewards() -> None:
    groups = collected(Ask(), Judge(), Correct(), Length())
    assert [g.index for g in groups] == [0, 1, 2, 3]
    for g in groups:
        assert len(g.rollouts) == len(g.verdicts) == len(g.rewards) == 3
        assert [r.total for r in g.rewards] == [float(v.outcome == "correct") for v in g.verdicts]
        assert g.measures == {"letters": (1.0, 1.0, 1.0)}


def test_the_stop_string_ends_a_rollout_and_is_trained_but_not_read() -> None:
    [g] = collected(Ask(), Judge(), backend=ScriptedBackend(lambda prompt, i: "7"), n=1, count=1)
    assert g.rollouts[0] == Rollout(tuple(map(ord, "7$")), g.rollouts[0].logprobs, (True, True), "7", False)


def test_a_response_that_runs_out_of_tokens_is_truncated() -> None:
    [g] = collected(Ask(), Judge(), backend=ScriptedBackend(lambda prompt, i: "x" * 99), n=1, count=1)
    assert g.rollouts[0].truncated
    assert g.rollouts[0].text == "x" * 20


def test_a_response_that_fills_the_budget_and_stops_is_not() -> None:
    [g] = collected(Ask(), Judge(), backend=ScriptedBackend(lambda prompt, i: "x" * 19), n=1, count=1)
    assert not g.rollouts[0].truncated


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [("ab$", ("$",), "ab"), ("ab", ("$",), "ab"), ("a$b$", ("$",), "a"), ("a!b$", ("$", "!"), "a"), ("ab", (), "ab"),
     ("$", ("$",), "")],
)  # fmt: skip
def test_until_stop(text: str, stop: tuple[str, ...], expected: str) -> None:
    assert until_stop(text, stop) == expected


def test_all_requests_are_sent_at_once_with_their_own_seeds() -> None:
    backend = ScriptedBackend()
    collected(Ask(), Judge(), backend=backend)
    [requests] = backend.requests
    assert len({r.seed for r in requests}) == len(requests) == 4
    assert {(r.n, r.max_tokens, r.temperature, r.top_p) for r in requests} == {(3, 20, 1.0, 1.0)}


@given(st.integers(), st.integers(0, 999), st.integers(0, 999))
def test_seeds_are_pure_functions_of_31_bits(seed: int, step: int, index: int) -> None:
    assert 0 <= seed_of(seed, step, index) < 2**31
    assert seed_of(seed, step, index) == seed_of(seed, step, index)


def test_seeds_differ_by_every_part() -> None:
    parts = [(s, t, i, j) for s in range(3) for t in range(9) for i in range(9) for j in range(3)]
    assert len({seed_of(*p) for p in parts}) == len(parts)
    assert len({seed_of(1, 23), seed_of(12, 3), seed_of("1", 23)}) == 3


def test_groups_are_judged_as_they_arrive() -> None:
    judged = [threading.Event() for _ in range(4)]

    class Slow(Judge):
        @hookimpl
        def verify(self, problem: Problem, rollouts: Any) -> Any:
            judged[int(problem.id[1:])].set()
            return super().verify(problem, rollouts)

    def deliver(ready: list[tuple[Future[Any], Any]]) -> None:
        def one_by_one() -> None:
            for place in (2, 0, 3, 1):
                future, samples = ready[place]
                future.set_result(samples)
                assert judged[place].wait(10), "judged while others are still being sampled"
                assert not any(judged[p].is_set() for p in range(4) if not ready[p][0].done())

        threading.Thread(target=one_by_one).start()

    backend, report = ScriptedBackend(), Report()
    backend.deliver = deliver
    groups = collected(Ask(), Slow(), report, backend=backend)
    assert [g.index for g in groups] == [0, 1, 2, 3]
    assert report.progress == [("sample", done, 4) for done in range(5)]


def test_a_verifier_that_fails_does_not_wait_for_the_other_samples() -> None:
    backend, release = ScriptedBackend(), threading.Event()

    class Broken:
        @hookimpl
        def verify(self) -> None:
            raise ValueError("oh")

    def deliver(ready: list[tuple[Future[Any], Any]]) -> None:
        ready[0][0].set_result(ready[0][1])

        def late() -> None:
            release.wait(30)
            ready[1][0].set_result(ready[1][1])

        threading.Thread(target=late).start()

    backend.deliver = deliver
    try:
        with pytest.raises(PluginError, match="plugin 'broken'"):
            collected(Ask(), Broken(), backend=backend, count=2)
    finally:
        release.set()


@pytest.mark.parametrize("error", [RuntimeError("the service is down"), KeyboardInterrupt()])
def test_an_error_of_the_backend_comes_out(error: BaseException) -> None:
    backend = ScriptedBackend()

    def break_all(ready: list[tuple[Future[Any], Any]]) -> None:
        for future, _ in ready:
            future.set_exception(error)

    backend.deliver = break_all
    with pytest.raises(type(error)):
        collected(Ask(), Judge(), backend=backend)


# Verdicts


class Verify:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def verify(self) -> Any:
        return self.answer


def test_the_first_verifier_that_knows_the_kind_decides() -> None:
    class Second(Verify):
        pass

    unscored = [Verdict("unscored")] * 3
    assert judge(group(), plugins_of(Verify(None), Second(unscored), Judge())).verdicts == tuple(unscored)


def test_no_plugin_verifies() -> None:
    with raises(
        "no verifier takes problem 'p' of kind 'math' (active: verify); enable a verifier for that kind, or give the "
        "problem a kind that one takes"
    ):
        judge(group(), plugins_of(Verify(None)))

    class Chemist(Verify):
        kinds = ("chemistry", "biology")

    with raises(
        "no verifier takes problem 'p' of kind 'math' (active: chemist (chemistry, biology), verify); "
        "enable a verifier for that kind, or give the problem a kind that one takes"
    ):
        judge(group(), plugins_of(Chemist(None), Verify(None)))


def test_too_few_verdicts() -> None:
    with raises(
        "plugin 'verify' (under test) failed in verify: ValueError: 2 verdicts for the 3 rollouts of problem 'p'"
    ):
        judge(group(), plugins_of(Verify([Verdict("correct")] * 2)))


def test_verdicts_that_are_none() -> None:
    with pytest.raises(PluginError, match="verify"):
        judge(group(), plugins_of(Verify([True, False, True]), Correct()))


# Measures and scores


class Score:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def score(self) -> Any:
        return self.answer


class Measure:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def measure(self) -> Any:
        return self.answer


def test_none_is_no_term_and_leaves_the_total_alone() -> None:
    judged = judge(group(), plugins_of(Judge(), Correct(), Score({"x": [None, 0.5, -1]})))
    assert [r.total for r in judged.rewards] == [1.0, 0.5, 0.0]
    assert judged.rewards[0].terms == {"correct": 1.0, "x": None}
    assert judged.rewards[0].weighted == {"correct": 1.0}


@pytest.mark.parametrize("answer", [None, {}])
def test_nothing_to_say(answer: Any) -> None:
    judged = judge(group(), plugins_of(Judge(), Score(answer), Measure(answer)))
    assert judged.measures == {}
    assert [r.total for r in judged.rewards] == [0.0] * 3


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int64(1), np.float64(-1)])
def test_numbers_of_all_sorts_are_numbers(value: Any) -> None:
    judged = judge(group(), plugins_of(Judge(), Score({"x": [value] * 3}), Measure({"m": [value] * 3})))
    assert judged.rewards[0].terms["x"] == float(value)
    assert type(judged.measures["m"][0]) is float


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, "0.5", [0.5], 1j, object(), 10**400],
    ids=["nan", "inf", "-inf", "text", "list", "complex", "object", "huge"],
)
@pytest.mark.parametrize("kind", [Score, Measure])
def test_what_is_no_finite_number_is_refused(kind: Any, value: Any) -> None:
    name = kind.__name__.lower()
    with raises(f"plugin '{name}': 'x' of rollout 1 of 'p': expected a finite number, got {value!r}"):
        judge(group(), plugins_of(Judge(), kind({"x": [0.0, value, 0.0]})))


@pytest.mark.parametrize("value", [1.001, -2.0, 100])
def test_a_raw_term_outside_of_its_range(value: float) -> None:
    with raises(
        "reward term 'x' of plugin 'score', rollout 2 of problem 'p': "
        f"expected a raw number in [-1, 1], got {float(value)}"
    ):
        judge(group(), plugins_of(Judge(), Score({"x": [None, 0.0, value]})))


@pytest.mark.parametrize("kind", [Score, Measure])
@pytest.mark.parametrize("values", [[], [0.0] * 2, [0.0] * 4])
def test_a_wrong_length(kind: Any, values: list[float]) -> None:
    with raises(
        f"plugin '{kind.__name__.lower()}' gives {len(values)} values of 'x' for the 3 rollouts of problem 'p'"
    ):
        judge(group(), plugins_of(Judge(), kind({"x": values})))


@pytest.mark.parametrize(("kind", "hook"), [(Score, "score"), (Measure, "measure")])
def test_one_name_from_two_plugins(kind: Any, hook: str) -> None:
    second = type("Second", (kind,), {})({"x": [0.0] * 3})
    with raises(f"plugins '{hook}' and 'second' both give 'x' in {hook}"):
        judge(group(), plugins_of(Judge(), kind({"x": [0.0] * 3}), second))


@pytest.mark.parametrize("kind", [Score, Measure])
@pytest.mark.parametrize("answer", [[0.0] * 3, 0.5, {"x": 0.5}], ids=repr)
def test_an_answer_of_the_wrong_shape_names_its_plugin(kind: Any, answer: Any) -> None:
    with pytest.raises(GroupError, match=f"^plugin '{kind.__name__.lower()}'"):
        judge(group(), plugins_of(Judge(), kind(answer)))


@pytest.mark.parametrize("name", ["reward", "accuracy", "loss", "unscored_rate", "mean_response_tokens", "pass@2"])
def test_a_measure_may_not_take_a_name_of_the_core(name: str) -> None:
    with raises(f"plugin 'measure' measures {name!r}, a reserved name; choose another"):
        judge(group(), plugins_of(Judge(), Measure({name: [0.0] * 3})))


def test_the_group_comes_with_the_error() -> None:
    with pytest.raises(GroupError) as error:
        judge(group(), plugins_of(Judge(), Score({"x": [5.0] * 3})))
    assert [v.outcome for v in error.value.group.verdicts] == ["correct", "incorrect", "correct"]


def test_unscored_rollouts_have_no_reward() -> None:
    verdicts = [Verdict("correct"), Verdict("unscored", reason="worker died"), Verdict("incorrect")]
    judged = judge(group(), plugins_of(Verify(verdicts), Score({"length": [-0.5] * 3})))
    assert [r.total for r in judged.rewards] == [-0.5, 0.0, -0.5]


# Weights


class Counted(Correct):
    asked = 0

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        self.asked += 1
        return super().score(group)


def test_only_core_weighs() -> None:
    judged = judge(group(), plugins_of(Judge(), (Correct(), RewardOptions(weight=0.25))))
    assert [r.total for r in judged.rewards] == [0.25, 0.0, 0.25]
    assert judged.rewards[0].terms == {"correct": 1.0}


def test_observed_is_computed_and_adds_nothing() -> None:
    judged = judge(group(), plugins_of(Judge(), (Correct(), RewardOptions(mode="observe", weight=9.0))))
    assert [r.total for r in judged.rewards] == [0.0] * 3
    assert judged.rewards[0].terms == {"correct": 1.0}
    assert judged.rewards[0].weights == {"correct": 0.0}


def test_weight_zero_is_not_asked() -> None:
    counted = Counted()
    judged = judge(group(), plugins_of(Judge(), (counted, RewardOptions(weight=0.0))))
    assert counted.asked == 0
    assert judged.rewards[0].terms == {}


def test_a_ramp_follows_the_groups_step() -> None:
    plugins = plugins_of(Judge(), (Correct(), RewardOptions(weight=Ramp(start=0.0, to=0.4, steps=4))))
    totals = [judge(group("1", step=step), plugins).rewards[0].total for step in range(7)]
    assert totals == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_a_group_can_be_scored_again_with_other_weights() -> None:
    judged = judge(group(), plugins_of(Judge(), Correct()))
    plugins = plugins_of((Correct(), RewardOptions(weight=0.5)))
    again = plugins.wait_for(scoring(judged, plugins))
    assert [r.total for r in again.rewards] == [0.5, 0.0, 0.5]
    assert replace(again, rewards=()) == replace(judged, rewards=())


def test_an_outcome_that_there_is_not_names_the_verifier() -> None:
    class Wrong(Judge):
        @hookimpl
        def verify(self, rollouts: Any) -> list[Verdict]:
            return [Verdict("right") for _ in rollouts]  # type: ignore[arg-type]

    group = Group(1, 0, problems(1)[0], Prompt(), (Rollout((), (), (), ""),))
    with pytest.raises(
        PluginError, match=r"'wrong' .*outcome: expected one of correct, incorrect, unscored, got 'right'"
    ):
        judge(group, plugins_of(Wrong()))
