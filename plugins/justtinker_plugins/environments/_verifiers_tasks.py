"""Tasks of verifiers (Prime Intellect, v1 API): opened, looked over, and scored in a worker process.

A task scores a trace of what a model did. Ours is the shortest: the task's prompt and one reply, as a chat server with
a reasoning parser would return it. So tasks that need more (tools, a user, a container) are refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from justtinker_core import PluginError, Rollout
from justtinker_plugins.shared.foreign import load_object, package
from justtinker_plugins.text import CLOSE, OPEN, answer_part

PLUGIN = "verifiers_env"
WORKER = "justtinker_plugins.environments._verifiers_tasks:grade"


class Reply(NamedTuple):
    """What a policy wrote, as a task sees it."""

    content: str
    """What follows the thinking; '' if the thinking never ends."""
    reasoning: str
    truncated: bool
    tokens: int | None
    """None: unknown."""


def reply_of(rollout: Rollout) -> Reply:
    """Split a response into its thinking and the rest."""
    response = rollout.response
    content = answer_part(response)
    thinking = response if content is None else response[: len(response) - len(content)]
    reasoning = thinking.strip().removeprefix(OPEN).removesuffix(CLOSE).strip()
    return Reply(content or "", reasoning, rollout.truncated, sum(rollout.mask) or None)


def open_taskset(where: str, options: Mapping[str, Any]) -> Any:
    """Open a taskset by ``package.module:Class``, ``file.py:Class`` or the name of an installed package."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    from verifiers.v1.utils.generic import concrete_type
    from verifiers.v1.utils.loaders import taskset_class

    if ":" in where:
        cls, named = load_object(where, f"{PLUGIN}: taskset"), {}
    else:
        try:
            cls, named = taskset_class(where), {"id": where}
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise PluginError(f"{PLUGIN}: taskset = {where!r}: {error}") from error
    if not isinstance(cls, type) or not issubclass(cls, vf.Taskset):
        raise PluginError(f"{PLUGIN}: taskset = {where!r}: expected a subclass of vf.Taskset, got {cls!r:.80}")
    config_class = concrete_type(cls, vf.TasksetConfig, origin=vf.Taskset) or vf.TasksetConfig
    return cls(checked(config_class, {**named, **options}, "options"))


def checked(model: Any, values: Mapping[str, Any], option: str) -> Any:
    """Validate a table with one of verifiers' models; PluginError says which keys are wrong."""
    from pydantic import ValidationError

    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        wrong = (f"{PLUGIN}: {'.'.join(map(str, (option, *e['loc'])))}: {e['msg']}" for e in error.errors())
        raise PluginError("\n".join(wrong)) from None


def select(taskset: Any, wanted: Mapping[str, Any]) -> list[Any]:
    """Return the tasks that a `SelectConfig` chooses. PluginError if they never end, or are not for one reply."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    view = taskset.select(checked(vf.SelectConfig, wanted, "select"))
    name = type(taskset).__name__
    if not view.bounded:
        raise PluginError(f"{PLUGIN}: {name} never ends; choose how many tasks: select = {{limit = 1000}}")
    tasks = list(view)
    if tasks and (why := unfit(taskset, tasks[0])):
        raise PluginError(
            f"{PLUGIN} judges one reply of a single agent, but {name} {why}; train it with verifiers' own trainer"
        )
    return tasks


def unfit(taskset: Any, task: Any) -> str:
    """Return why one reply and a text do not make a whole rollout of a task; '' if they do."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    from verifiers.v1.utils.decorators import discover_decorated

    cls, own = type(task), vf.environment_class(taskset.config.id)
    signals = [*task.hooks("reward"), *task.hooks("metric"), *(judge.score for judge in task.plugged_judges())]
    if own is not vf.SingleAgentEnv:
        return f"has an environment of its own ({own.__name__})"
    if taskset.toolsets(taskset.config) or cls.toolsets(task.config):
        return "gives the model tools"
    if cls.NEEDS_CONTAINER or cls.setup is not vf.Task.setup or cls.finalize is not vf.Task.finalize:
        return "prepares its tasks in a runtime (NEEDS_CONTAINER, setup or finalize)"
    if discover_decorated(task, "intercept"):
        return "rewrites requests or replies (@vf.intercept)"
    if needing := [signal.__name__ for signal in signals if needs_runtime(signal)]:
        return f"scores in a runtime ({', '.join(needing)})"
    if not task.hooks("reward") and not task.plugged_judges():
        return "has no rewards (@vf.reward)"
    return ""


def needs_runtime(signal: Any) -> bool:
    """Return whether a reward, metric or judge cannot be computed without a runtime; verifiers would skip it."""
    parameter = inspect.signature(signal).parameters.get("runtime")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def prompt_of(data: Any) -> list[Any]:
    """Return a task's messages: at most one of the system, then one of the user, both text only."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    given = [vf.UserMessage(content=data.prompt)] if isinstance(data.prompt, str) else list(data.prompt or [])
    messages = [vf.SystemMessage(content=data.system_prompt), *given] if data.system_prompt is not None else given
    if [message.role for message in messages] not in (["user"], ["system", "user"]):
        roles = ", ".join(message.role for message in messages) or "no message"
        raise PluginError(f"{PLUGIN}: the prompt of task {data.idx}: expected one message of the user, got {roles}")
    if not all(isinstance(text, str) or all(part.type == "text" for part in text) for text in contents(messages)):
        raise PluginError(f"{PLUGIN}: the prompt of task {data.idx} has images: expected text")
    return messages


def contents(messages: list[Any]) -> Iterator[Any]:
    """Yield what messages hold: text, or parts."""
    return (message.content for message in messages)


def question_of(data: Any) -> str:
    """Return a task's prompt as one text: the system's message, if there is one, stands before the user's."""
    from verifiers.v1.types import content_text

    return "\n\n".join(map(content_text, contents(prompt_of(data))))


def own_fields(data: Any) -> dict[str, Any]:
    """Return what a task's data has beside that of every task."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    return {name: value for name, value in data if name not in vf.TaskData.model_fields}


def digest_of(data: Any) -> str:
    """Return what two tasks with the same data share, wherever they stand in their tasksets."""
    text = json.dumps(data.model_dump(mode="json", exclude={"idx"}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trace_of(task: Any, reply: Reply) -> Any:
    """Make the trace of a task's prompt and one reply."""
    vf = package("verifiers.v1", PLUGIN, "verifiers")
    from verifiers.v1.state import state_cls

    trace = vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
        state=state_cls(type(task))(),
        agent=vf.AgentInfo(config=vf.AgentConfig()),
    )
    for place, message in enumerate(prompt_of(task.data)):
        trace.nodes.append(vf.MessageNode(parent=place - 1 if place else None, message=message))
    last = len(trace.nodes)
    answer = vf.AssistantMessage(content=reply.content, reasoning_content=reply.reasoning or None)
    trace.nodes.append(vf.MessageNode(parent=last - 1, message=answer, sampled=True))
    # Only the reply's tokens are known here; no score of one reply asks for those of its prompt.
    usage = None if reply.tokens is None else vf.Usage(prompt_tokens=0, completion_tokens=reply.tokens)
    trace.calls.append(vf.ModelCall(node=last, finish_reason="length" if reply.truncated else "stop", usage=usage))
    trace.stop("agent_completed")
    return trace


class Tasks:
    """The tasks of a taskset by their place in it, read as far as somebody asks."""

    def __init__(self, where: str, options: str) -> None:
        self.taskset = open_taskset(where, json.loads(options))
        self._stream, self._read = iter(self.taskset), list[Any]()

    def __getitem__(self, place: int) -> Any:
        while len(self._read) <= place:
            try:
                self._read.append(next(self._stream))
            except StopIteration:
                raise LookupError(f"the taskset has only {len(self._read)} tasks, no number {place}") from None
        return self._read[place]

    def read_all(self) -> None:
        """Read every task, unless they never end."""
        if self.taskset.bounded:
            self._read.extend(self._stream)


tasks_of = lru_cache(maxsize=None)(Tasks)


def grade(
    where: str, options: str, place: int = 0, digest: str = "", reply: Reply | None = None
) -> dict[str, tuple[float, float] | None]:
    """Score a reply to a task with the task's own rewards: name -> score and weight. Without a reply: read the tasks.

    This runs in a worker's main thread: some scores set alarms, which only work there.
    """
    tasks = tasks_of(where, options)
    if reply is None:
        tasks.read_all()
        return {}
    task = tasks[place]
    if digest_of(task.data) != digest:
        raise LookupError(f"task {place} is not the one that the problem was made from: the taskset has changed")
    trace = trace_of(task, reply)
    asyncio.run(task.score(trace))
    return {name: reward and (reward.score, reward.weight) for name, reward in trace.rewards.items()}
