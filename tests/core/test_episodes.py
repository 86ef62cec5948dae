"""Multi-turn rollouts: a fixed order of turns, masks, and no episode left waiting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, SamplingError, hookimpl
from justtinker_core.episodes import Policy
from justtinker_core.rollouts import collect, episode
from justtinker_core.sampling import Settings
from tests.core.conftest import Ask, Correct, Judge, ScriptedBackend, cast, go, plugins_of, problems

pytestmark = pytest.mark.timeout(60)  # a test that waits for ever fails


class Tool:
    """A tool: the policy asks with ``?`` and the tool answers, at most `turns` times."""

    turns = 3

    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
        for turn in range(self.turns):
            text = policy.generate(stop=["?"])
            if policy.truncated or not text.endswith("?"):
                break
            policy.observe(f"<{turn}>")
        return policy.rollout()


def script(prompt: str, index: int) -> str:
    """Ask twice, then answer."""
    return "ask?" if prompt.count("<") < 2 else "done"


def constant(text: str) -> ScriptedBackend:
    return ScriptedBackend(lambda prompt, index: text)


def played(
    *players: Any, backend: ScriptedBackend, count: int = 2, n: int = 2, max_tokens: int = 40, chat: bool = False
) -> tuple[Group, ...]:
    settings = Settings("sample", n, max_tokens, 1.0, 1.0, 42)
    plugins = plugins_of(Chat() if chat else Ask(), Judge(), Correct(), *players)
    return collect(problems(count), 1, plugins, backend, backend.sampler(), settings)


def test_a_rollout_of_several_turns() -> None:
    groups = played(Tool(), backend=ScriptedBackend(script))
    [rollout, _] = groups[0].rollouts
    assert rollout.text == "ask?<0>ask?<1>done"
    whole = "ask?<0>ask?<1>done$"
    assert rollout.tokens == tuple(map(ord, whole)), "the end token is trained, but no part of the text"
    wrote = "".join(c for c, mine in zip(whole, rollout.mask, strict=True) if mine)
    assert wrote == "ask?ask?done$"
    assert all((logprob != 0) == mine for logprob, mine in zip(rollout.logprobs, rollout.mask, strict=True))
    assert rollout.response_tokens == 13
    assert not rollout.truncated


class Chat:
    """Asks in chat messages."""

    @hookimpl
    def build_prompt(self, problem: Problem) -> list[dict[str, str]]:
        return [{"role": "user", "content": problem.question}]


class Critic:
    """Sends the policy a message after its first turn."""

    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
        policy.generate(stop=["?"])
        policy.reply({"role": "user", "content": "no"})
        policy.generate()
        return policy.rollout()


@pytest.mark.parametrize(("said", "between"), [("one", "[user]no[assistant]"), ("one?", "$[user]no[assistant]")])
def test_a_reply_ends_the_turn_and_begins_the_next(said: str, between: str) -> None:
    backend = constant(said)
    [group] = played(Critic(), chat=True, backend=backend, count=1, n=1)
    first = said if said.endswith("?") else f"{said}$"
    assert backend.decode(backend.requests[1][0].tokens) == f"[user]0+0[assistant]{first}{between}"
    [rollout] = group.rollouts
    assert rollout.text == f"{first}{between}{said}"
    assert "".join(c for c, mine in zip(map(chr, rollout.tokens), rollout.mask, strict=True) if not mine) == between


def test_a_reply_needs_a_prompt_of_messages() -> None:
    expected = r"policy\.reply needs a prompt of messages, such as chat_template's; add text with observe"
    with pytest.raises(PluginError, match=expected):
        played(Critic(), backend=constant("one"))


def test_a_reply_needs_a_format_that_shows_earlier_answers() -> None:
    class Forgetful(ScriptedBackend):
        def render(self, prompt: Any, **template: Any) -> Prompt:
            return super().render(prompt if isinstance(prompt, str) else prompt[-1:], **template)

    expected = r"the model's chat template leaves out earlier answers, so policy\.reply cannot go on"
    with pytest.raises(PluginError, match=expected):
        played(Critic(), chat=True, backend=Forgetful(lambda prompt, index: "one"))


def test_each_turn_sees_all_that_went_before() -> None:
    backend = ScriptedBackend(script)
    played(Tool(), backend=backend, count=1, n=1)
    assert [backend.decode(r[0].tokens) for r in backend.requests] == [
        "0+0=", "0+0=ask?<0>", "0+0=ask?<0>ask?<1>",
    ]  # fmt: skip
    assert [r[0].max_tokens for r in backend.requests] == [40, 36, 32]
    assert {r[0].stop for r in backend.requests} == {("?", "$")}


def test_what_the_tool_says_is_never_trained(run_of: Any) -> None:
    backend = ScriptedBackend(lambda prompt, index: script(prompt, index) + str(len(prompt)))
    _, *others = cast()
    go(run_of(backend, *others, Tool(), config={"run.steps": 1, "sampling.max_tokens": 40}))
    data = backend.updates[0].data
    for datum in data:
        assert datum.advantages is not None
        text = "".join(map(chr, datum.targets))
        start = text.index("<0>")
        assert datum.advantages[start : start + 3] == (0.0, 0.0, 0.0)


def test_the_turns_of_all_episodes_are_sampled_together_in_a_fixed_order() -> None:
    class Uneven(Tool):
        """A tool that takes a while, so that threads arrive in any order."""

        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
            time.sleep(0.01 * (3 - int(problem.id[1:])))
            return super().rollout(problem, prompt, policy)

    requests = []
    for player in (Tool(), Uneven()):
        backend = ScriptedBackend(script)
        played(player, backend=backend, count=3)
        requests.append(backend.requests)
    assert requests[0] == requests[1]
    assert [len(sent) for sent in requests[0]] == [6, 6, 6]
    assert len({r.seed for sent in requests[0] for r in sent}) == 18
    assert [r.tokens[0] for r in requests[0][0]] == [ord(c) for c in "001122"]


def test_episodes_of_different_length() -> None:
    backend = ScriptedBackend(lambda prompt, index: "ask?" if prompt.count("<") < int(prompt[0]) else "done")
    groups = played(Tool(), backend=backend, count=3, n=1)
    assert [g.rollouts[0].text for g in groups] == ["done", "ask?<0>done", "ask?<0>ask?<1>done"]
    assert [len(sent) for sent in backend.requests] == [3, 2, 1]


def test_a_plugin_that_passes_leaves_the_turn_to_core() -> None:
    class Some:
        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout | None:
            return Tool().rollout(problem, prompt, policy) if problem.id == "p1" else None

    groups = played(Some(), backend=ScriptedBackend(lambda p, i: "done" if "<" in p or p[0] == "0" else "ask?"))
    assert [g.rollouts[0].text for g in groups] == ["done", "ask?<0>done"]


def test_one_turn_by_core_is_the_same_with_and_without_a_rollout_plugin() -> None:
    class Pass:
        @hookimpl
        def rollout(self) -> None:
            return None

    for text in ("x" * 39, "x" * 40, "x$y", ""):
        with_, without = (
            played(*players, backend=constant(text), n=1, count=1)[0].rollouts for players in ((Pass(),), ())
        )
        assert with_ == without


def test_an_episode_begins_with_what_the_prompt_holds() -> None:
    class Opens(Ask):
        @hookimpl
        def build_prompt(self, problem: Problem) -> str:
            return super().build_prompt(problem) + "<think>\n"

    backend = ScriptedBackend(lambda prompt, index: "done" if "<1>" in prompt else "ask?")
    settings = Settings("sample", 2, 40, 1.0, 1.0, 42)
    plugins = plugins_of(Opens(), Judge(), Correct(), Tool())
    [group] = collect(problems(1), 1, plugins, backend, backend.sampler(), settings)
    assert {(r.opened, r.response) for r in group.rollouts} == {("<think>\n", "<think>\nask?<0>ask?<1>done")}


def test_a_turn_that_runs_out_of_tokens_is_truncated() -> None:
    groups = played(Tool(), backend=ScriptedBackend(script), n=1, count=1, max_tokens=10)
    rollout = groups[0].rollouts[0]
    assert rollout.truncated
    assert rollout.text == "ask?<0>ask?<1>do"
    assert rollout.response_tokens == 10


def test_generate_after_the_end_says_nothing_more() -> None:
    class Deaf:
        @hookimpl
        def rollout(self, policy: Policy) -> Rollout:
            turns = [policy.generate() for _ in range(3)]
            assert turns[1:] == ["", ""]
            assert policy.truncated
            return policy.rollout()

    backend = ScriptedBackend(lambda prompt, index: "x" * 99)
    groups = played(Deaf(), backend=backend, n=1, count=1, max_tokens=10)
    assert groups[0].rollouts[0].text == "x" * 10
    assert len(backend.requests) == 1


def test_a_budget_that_is_used_up_exactly_truncates_the_next_turn() -> None:
    groups = played(Tool(), backend=ScriptedBackend(script), n=1, count=1, max_tokens=8)
    rollout = groups[0].rollouts[0]
    assert (rollout.text, rollout.truncated) == ("ask?<0>ask?<1>", True)


def test_text_of_the_environment_is_kept_even_if_it_holds_a_stop() -> None:
    class Costs:
        @hookimpl
        def rollout(self, policy: Policy) -> Rollout:
            policy.generate(stop=["?"])
            policy.observe("5$")
            return policy.rollout()

    groups = played(Costs(), backend=ScriptedBackend(script), n=1, count=1)
    assert groups[0].rollouts[0].text == "ask?5$"


# No episode may be left waiting


class Broken(Tool):
    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
        if problem.id == "p1":
            policy.generate(stop=["?"])
            raise ValueError("the tool is broken")
        return super().rollout(problem, prompt, policy)


def test_an_episode_that_fails_does_not_leave_the_others_waiting() -> None:
    backend = ScriptedBackend(script)
    with pytest.raises(PluginError, match=r"^plugin 'broken' \(under test\) failed in rollout at test_episodes.py:\d+: "
                       "ValueError: the tool is broken$"):  # fmt: skip
        played(Broken(), backend=backend, count=3)
    assert [len(sent) for sent in backend.requests] == [6, 4, 4]


@pytest.mark.parametrize("error", [RuntimeError("down"), PluginError("the service is down")])
def test_a_sampler_that_fails(error: Exception) -> None:
    backend = ScriptedBackend(script)
    sampler_fails = {"sample 4": error}
    backend.fail = sampler_fails
    with pytest.raises(PluginError, match="down"):
        played(Tool(), backend=backend)


def fail_all(ready: Any) -> None:
    for future, _ in ready:
        future.set_exception(RuntimeError("down"))


def cancel_all(ready: Any) -> None:
    for future, _ in ready:
        future.cancel()
        future.set_running_or_notify_cancel()


def empty(ready: Any) -> None:
    for future, _ in ready:
        future.set_result([])


@pytest.mark.parametrize("deliver", [fail_all, cancel_all, empty], ids=lambda f: f.__name__)
def test_a_promise_that_is_broken(deliver: Any) -> None:
    backend = ScriptedBackend(script)
    backend.deliver = deliver
    with pytest.raises((PluginError, BaseException)) as error:
        played(Tool(), backend=backend)
    assert not isinstance(error.value, AssertionError)


def test_a_sampler_that_forgets_a_request() -> None:
    class Forgetful(ScriptedBackend):
        def sampler(self) -> Any:
            sampler = super().sampler()
            original = sampler.sample

            def sample(requests: Any) -> list[Future[Any]]:
                return original(requests)[:-1]

            sampler.sample = sample  # type: ignore[method-assign]
            return sampler

    with pytest.raises(PluginError, match="plugin 'tool'"):
        played(Tool(), backend=Forgetful(script))


BAD_ROLLOUT = (
    r"^plugin '\w+' \(under test\) failed in rollout: TypeError: expected a Rollout with tokens, logprobs and mask of "
    "one length, got"
)


@pytest.mark.parametrize("answer", ["text", 3, [1, 2]])
def test_an_answer_that_is_no_rollout(answer: Any) -> None:
    class Odd:
        @hookimpl
        def rollout(self) -> Any:
            return answer

    with pytest.raises(PluginError, match=BAD_ROLLOUT):
        played(Odd(), backend=ScriptedBackend(script))


def test_a_rollout_whose_parts_differ_in_length() -> None:
    class Short(Tool):
        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
            rollout = super().rollout(problem, prompt, policy)
            return replace(rollout, mask=rollout.mask[:-1])

    with pytest.raises(PluginError, match=BAD_ROLLOUT):
        played(Short(), backend=ScriptedBackend(script))


def test_more_episodes_than_are_played_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("justtinker_core.rollouts.EPISODES", 4)
    backend = ScriptedBackend(script)
    groups = played(Tool(), backend=backend, count=5)
    assert [g.index for g in groups] == [0, 1, 2, 3, 4]
    assert {r.text for g in groups for r in g.rollouts} == {"ask?<0>ask?<1>done"}
    assert max(len(sent) for sent in backend.requests) == 4


def test_stops_may_be_one_text() -> None:
    class Plain(Tool):
        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
            policy.generate(stop="??")
            return policy.rollout()

    backend = constant("a?b??c")
    groups = played(Plain(), backend=backend)
    assert {request.stop for sent in backend.requests for request in sent} == {("??", "$")}
    assert groups[0].rollouts[0].text == "a?b"


def test_a_group_with_a_turn_that_cannot_be_sampled_is_left_out() -> None:
    class Flaky(ScriptedBackend):
        def deliver(self, ready: list[Any]) -> None:
            for request, (future, samples) in zip(self.requests[-1], ready, strict=True):
                broken = len(self.requests) == 2 and self.decode(request.tokens).startswith("1+0=")
                if broken:
                    future.set_exception(SamplingError("the engine fell over"))
                else:
                    future.set_result(samples)

    settings = Settings("sample", 2, 40, 1.0, 1.0, 42, max_failed=0.5)
    plugins, backend = plugins_of(Ask(), Judge(), Correct(), Tool()), Flaky(script)
    groups = collect(problems(3), 1, plugins, backend, backend.sampler(), settings)
    assert [group.problem.id for group in groups] == ["p0", "p2"]
    assert {rollout.text for group in groups for rollout in group.rollouts} == {"ask?<0>ask?<1>done"}
    with pytest.raises(PluginError, match=r"^1 of 3 groups could not be sampled .*the engine fell over$"):
        collect(problems(3), 1, plugins, Flaky(script), Flaky(script).sampler(), replace(settings, max_failed=0.1))


def test_threads_that_cannot_start_leave_no_episode_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    submit, calls = ThreadPoolExecutor.submit, iter([True, True])

    def limited(self: Any, work: Any, *arguments: Any) -> Any:
        if work is episode and not next(calls, False):
            raise RuntimeError("can't start new thread")
        return submit(self, work, *arguments)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", limited)
    text = r"^cannot start the 4 threads that a step's episodes need: can't start new thread$"
    with pytest.raises(PluginError, match=text):
        played(Tool(), backend=ScriptedBackend(script))


@pytest.mark.parametrize("work", ["episode", "judge"])
def test_ctrl_c_while_a_thread_starts_is_no_error_of_threads(monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    """`threading.Condition.wait`, interrupted before it has its lock back, releases a lock that it does not hold."""
    submit = ThreadPoolExecutor.submit

    def interrupted(self: Any, job: Any, *arguments: Any) -> Any:
        if job.__name__ != work:
            return submit(self, job, *arguments)
        try:
            raise KeyboardInterrupt
        finally:
            threading.Lock().release()  # RuntimeError: release unlocked lock

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        played(Tool(), backend=ScriptedBackend(script))


@pytest.mark.parametrize("context", range(12, 26))
def test_an_episode_never_outgrows_the_context(run_of: Any, context: int) -> None:
    class Small(ScriptedBackend):
        context_length = context

    backend = Small(lambda prompt, index: script(prompt, index) + str(index))
    _, *others = cast()
    go(run_of(backend, *others, Tool(), config={"run.steps": 1, "sampling.max_tokens": 40}))
    assert all(len(r.tokens) < context for sent in backend.requests for r in sent), "a turn has room for a token"
    assert all(len(d.inputs) <= context for update in backend.updates for d in update.data)
