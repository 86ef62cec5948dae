"""verifiers (Prime Intellect, v1 API): our reward terms as ``@vf.reward``s of a task class.

A reward plugin becomes one reward that bears its name and weight. What verifiers hands over is one trace, so terms that
compare the responses of a group are refused. Of a trace, the last reply is scored, with its reasoning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from justtinker_core import PluginError, Scorer
from justtinker_plugins.bridges import STANDARD
from justtinker_plugins.bridges._stack import (
    Config,
    check_alone,
    gold_of,
    in_thread,
    raw_values,
    reward_names,
    reward_weights,
    scorer_of,
)
from justtinker_plugins.shared.foreign import column, package
from justtinker_plugins.text import CLOSE, OPEN

BRIDGE = "verifiers"
Values = Mapping[str, float | None]


class UnscoredError(PluginError):
    """Nobody could grade a response. verifiers records the error on the trace, whose rewards then stay None."""


class Judge(NamedTuple):
    """What a class of tasks is scored with, and where the data of a task has what that needs."""

    scorer: Scorer
    question: str
    answer: str
    kind: str
    opened: str

    def facts(self, data: Any) -> dict[str, Any]:
        """Return the question, the answer and the metadata of a task's data. PluginError if it lacks them."""
        fields, where = dict(data), f"the task's data ({type(data).__name__})"
        answer = column(fields, self.answer, where)
        question = column(fields, self.question, where) if self.question else data.prompt_text
        if not isinstance(question, str):
            raise PluginError(f"{where}: expected text as question, got {question!r:.80}")
        return {
            "question": question,
            "answer": gold_of(answer, f"{where}, {self.answer!r}"),
            "meta": data.model_dump(mode="json", exclude_unset=True),
        }

    def score(self, task: Any, trace: Any) -> Values:
        """Score the last reply of a trace; each reward plugin's number, None where it does not apply."""
        reply = reply_of(trace)
        group = self.scorer.score(
            **self.facts(task.data),
            kind=self.kind,
            responses=[reply.text],
            tokens=None if reply.tokens is None else [reply.tokens],
            truncated=[trace.is_truncated],
            opened="" if reply.reasoned else self.opened,
        )
        [verdict] = group.verdicts
        trace.info["justtinker"] = {"outcome": verdict.outcome, "answer": verdict.answer, "reason": verdict.reason}
        if verdict.outcome == "unscored":
            raise UnscoredError(f"the response is unscored: {verdict.reason}")
        return raw_values(self.scorer, group, 0)


_calls: ContextVar[dict[Judge, asyncio.Future[Values]]] = ContextVar("calls of scorers for the trace being scored")
"""Within one `Task.score`, the call of the scorer that all of its rewards share."""


class Reply(NamedTuple):
    """A model's last reply."""

    text: str
    tokens: int | None
    """None: neither the provider nor the trace counted them."""
    reasoned: bool
    """The provider gave the reasoning apart; the text begins with it, between ``<think>`` and ``</think>``."""


def with_rewards(
    task_class: type[Any],
    config: Config = STANDARD,
    *,
    question: str = "",
    answer: str = "answer",
    kind: str = "math",
    prefix: str = "",
    opened: str = "",
    sets: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> type[Any]:
    """Return a subclass of a ``vf.Task`` with our terms as rewards, beside those that it has.

    `question` (default: the prompt's text) and `answer` name fields of the task's data. `kind` is `Problem.kind`.
    Rewards are called like their plugins, after `prefix`. `opened` is what the prompt already holds of a reply, such as
    ``<think>``; it is not used if the provider gives the reasoning apart. `config`, `sets` and `plugins` are those of
    `Scorer`. PluginError if the config is wrong, a term compares the responses of a group, or a name is taken.

    All rewards of a trace share one call of the scorer, in a thread. A reply that nobody could grade fails scoring with
    `UnscoredError`: all rewards of the trace stay None, the task's own too. A term that does not apply to a reply
    is left out of its trace. The verdict is in ``trace.info["justtinker"]``.
    """
    package("verifiers.v1", "with_rewards", BRIDGE)
    check_alone(scorer := scorer_of(config, sets, plugins), BRIDGE)
    judge = Judge(scorer, question, answer, kind, opened)

    class Rewarded(task_class):  # type: ignore[misc]
        def __init__(self, data: Any, config: Any = None) -> None:
            super().__init__(data, config)
            judge.facts(data)  # a field that is missing is found before anything is sampled

        async def score(self, trace: Any, runtime: Any = None) -> None:
            _calls.set({})
            await super().score(trace, runtime)

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):  # traces record the task's type by name
        setattr(Rewarded, name, getattr(task_class, name))
    add_methods(Rewarded, judge, prefix)
    return Rewarded


def add_methods(task_class: type[Any], judge: Judge, prefix: str) -> None:
    """Give a class of tasks one ``@vf.reward`` for each reward plugin. PluginError if it has something of that name."""
    vf, weights = package("verifiers.v1", "with_rewards", BRIDGE), reward_weights(judge.scorer)
    for name in reward_names(judge.scorer):
        if hasattr(task_class, prefix + name):
            raise PluginError(
                f"with_rewards: {task_class.__name__} already has {prefix + name!r}; choose a prefix, such as 'jt_'"
            )
        setattr(task_class, prefix + name, vf.reward(reward_method(judge, name, prefix + name), weight=weights[name]))


def reward_method(judge: Judge, name: str, method: str) -> Callable[[Any, Any], Awaitable[Any]]:
    """Make the method that gives the number of one reward plugin; no number at all where it does not apply."""

    async def reward(self: Any, trace: Any) -> Any:
        calls = _calls.get({})
        if judge not in calls:
            calls[judge] = asyncio.ensure_future(in_thread(judge.scorer, judge.score, self, trace))
        value = (await calls[judge])[name]
        return {} if value is None else value

    reward.__name__, reward.__doc__ = method, f"The number of the reward plugin {name!r}."
    return reward


def reply_of(trace: Any) -> Reply:
    """Return the last reply that the model wrote, '' if it wrote none."""
    if trace.root_reply is not None:
        return Reply(trace.root_reply, None, False)
    place = next((i for i in reversed(range(len(trace.nodes))) if trace.nodes[i].sampled), None)
    if place is None:
        return Reply("", None, False)
    node = trace.nodes[place]
    usage = next((call.usage for call in reversed(trace.calls) if call.node == place), None)
    tokens = usage.completion_tokens if usage else sum(node.mask) or None
    content, reasoning = node.message.content or "", node.message.reasoning_content
    return Reply(f"{OPEN}{reasoning}{CLOSE}{content}" if reasoning else content, tokens, bool(reasoning))
