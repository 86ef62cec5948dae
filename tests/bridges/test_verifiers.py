"""verifiers, v1 API: our terms as rewards of its tasks, and its tasks as problems that its own rewards judge."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Scorer, Verdict
from justtinker_core.options import configure
from justtinker_core.testing import Runner, check_verifier, make_rollout
from justtinker_core.types import DataSpec
from justtinker_plugins.bridges import _stack
from justtinker_plugins.bridges.verifiers import UnscoredError, with_rewards
from justtinker_plugins.commands._audit.bombs import ANSWERS as BOMBS
from justtinker_plugins.environments.verifiers_env import VerifiersEnv
from tests.bridges.groups import ALONE, Case, Found, assert_conforms, needs_data, real_groups
from tests.bridges.pages import write_examples
from tests.core.conftest import cli

RIGHT, WRONG, CUT = r"<think>one and one</think>\boxed{2}", r"<think>one and one</think>\boxed{3}", "<think>one and"
TEXTS = (RIGHT, WRONG, CUT, "", "2", r"\boxed{2}", *(r"<think>hm</think>\boxed{" + bomb + "}" for bomb in BOMBS[::4]))


def test_without_the_package_with_rewards_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "verifiers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "verifiers", None)
    with pytest.raises(PluginError) as error:
        with_rewards(object)
    assert str(error.value) == "with_rewards needs a package: pip install 'verifiers'"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples of docs/bridges.md, in which tests work and from which they import."""
    write_examples("verifiers", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("sums", "judged_sums"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def task_of(answer: str | None = "2", *, own: str = "", **options: Any) -> Any:
    """A task 1+1 with our rewards; `own` is the body of its class."""
    import verifiers.v1 as vf

    class Data(vf.TaskData):
        answer: str | None
        asked: str = "What is 1+1?"

    names: dict[str, Any] = {"vf": vf}
    exec("class Sum(vf.Task):\n    " + (own or "pass"), names)
    return with_rewards(names["Sum"], **options)(Data(prompt="1+1=?", answer=answer))


def trace_of(task: Any, text: str, reasoning: str | None = None, tokens: int | None = None, cut: bool = False) -> Any:
    """A trace as a rollout of verifiers leaves it."""
    import verifiers.v1 as vf

    trace = vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
        agent=vf.AgentInfo(config=vf.AgentConfig()),
    )
    reply = vf.AssistantMessage(content=text, reasoning_content=reasoning)
    trace.nodes = [
        vf.MessageNode(message=vf.UserMessage(content=task.data.prompt_text)),
        vf.MessageNode(parent=0, message=reply, sampled=True),
    ]
    usage = None if tokens is None else vf.Usage(prompt_tokens=5, completion_tokens=tokens)
    trace.calls = [vf.ModelCall(node=1, finish_reason="length" if cut else "stop", usage=usage)]
    return trace


def scored(task: Any, *args: Any, **options: Any) -> Any:
    trace = trace_of(task, *args, **options)
    asyncio.run(task.score(trace))
    return trace


def numbers(trace: Any) -> dict[str, tuple[float, float]]:
    """Name -> score and weight."""
    return {name: (reward.score, reward.weight) for name, reward in trace.rewards.items()}


# Our rewards in verifiers


@pytest.mark.integration
def test_the_pages_task_has_our_terms_beside_its_own(page: Path) -> None:
    taskset = importlib.import_module("judged_sums").JudgedSums
    import verifiers.v1 as vf

    task = list(taskset(vf.TasksetConfig()))[7]
    assert type(task) is taskset.task_type()
    assert type(task).__name__ == "SumTask"
    right = scored(task, r"<think>seven and seven</think>\boxed{14}")
    assert numbers(right) == {"right": (1, 1), "correct": (1, 1), "format": (0, 0.1), "redundancy": (0, 0.3)}
    wrong = scored(task, r"<think>seven and seven</think>\boxed{15}")
    assert numbers(wrong) == {"right": (0, 1), "correct": (0, 1)}
    assert wrong.info["justtinker"] == {"outcome": "incorrect", "answer": "15", "reason": "a different number"}


@needs_data
@pytest.mark.integration
def test_real_groups_have_the_scorers_numbers() -> None:
    import verifiers.v1 as vf

    names = _stack.reward_names(_stack.scorer_of(ALONE))
    made = task_of(config=ALONE)
    task_class, data_class = type(made), type(made.data)

    def ask(case: Case, text: str) -> Found:
        task = task_class(data_class(prompt=case.question, answer=case.answer))
        trace = trace_of(task, text)
        try:
            asyncio.run(task.score(trace))
        except vf.TaskError as error:
            if "UnscoredError: the response is unscored" not in str(error):
                raise
            return Found(None, dict.fromkeys(names))
        total = sum(score * weight for score, weight in numbers(trace).values())
        return Found(total, {name: numbers(trace).get(name, (None, 0))[0] for name in names})

    cases = real_groups(500)
    assert_conforms(cases, [[ask(case, text) for text in case.responses] for case in cases], grouped=False)


@pytest.mark.integration
@pytest.mark.parametrize("text", TEXTS)
def test_numbers_are_those_of_the_scorer(text: str) -> None:
    import verifiers.v1 as vf

    scorer = _stack.scorer_of()
    group = scorer.score(question="1+1=?", answer="2", responses=[text])
    trace, failed = trace_of(task := task_of(), text), ""
    try:
        asyncio.run(task.score(trace))
    except vf.TaskError as error:
        failed = str(error)
    if group.verdicts[0].outcome == "unscored":
        assert failed.endswith(f"UnscoredError: the response is unscored: {group.verdicts[0].reason}")
        assert trace.rewards == dict.fromkeys(["correct", "format", "redundancy"])
        return
    assert not failed
    assert trace.reward == pytest.approx(_stack.total(group, 0), abs=1e-12)
    raw = {name: value for name, value in _stack.raw_values(scorer, group, 0).items() if value is not None}
    assert {name: score for name, (score, _) in numbers(trace).items()} == raw


@pytest.mark.integration
def test_an_unscored_reply_is_an_error_on_its_trace_and_no_reward_is_0() -> None:
    import verifiers.v1 as vf

    task = task_of(None, own="@vf.reward\n    async def short(self, trace): return 1.0")
    trace = trace_of(task, RIGHT)
    with pytest.raises(
        vf.TaskError, match=r"UnscoredError: the response is unscored: the problem has no gold"
    ) as error:
        asyncio.run(task.score(trace))
    assert isinstance(error.value.__cause__, UnscoredError)
    assert trace.rewards == dict.fromkeys(["correct", "format", "redundancy", "short"])
    assert trace.info["justtinker"]["outcome"] == "unscored"


@pytest.mark.integration
def test_the_rewards_of_a_trace_share_one_call_and_those_of_two_traces_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    score = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda self, **a: (asked.append(a["responses"]), score(self, **a))[1])
    task = task_of()
    traces = [trace_of(task, text) for text in (RIGHT, WRONG, RIGHT)]

    async def all_at_once() -> None:
        await asyncio.gather(*(task.score(trace) for trace in traces))
        await task.score(traces[1])

    asyncio.run(all_at_once())
    assert sorted(asked) == sorted([[RIGHT], [WRONG], [RIGHT], [WRONG]])
    assert [trace.rewards["correct"].score for trace in traces] == [1, 0, 1]
    assert asyncio.run(task.correct(traces[0])) == 1  # a reward can be asked alone


@pytest.mark.integration
def test_two_stacks_may_judge_one_task() -> None:
    strict = {"plugins": {"enable": ["math_verify", "correct"]}}
    exact = {"plugins": {"enable": ["exact", "correct"], "exact": {"kinds": ["math"]}, "correct": {"weight": 0.5}}}
    task = task_of("1/2", config=strict)
    both = with_rewards(type(task), exact, prefix="exact_")(task.data)
    assert numbers(scored(both, r"\boxed{0.5}")) == {"correct": (1, 1), "exact_correct": (0, 0.5)}


@pytest.mark.integration
def test_reasoning_counts_as_thinking_and_tokens_are_the_providers() -> None:
    config = {
        "plugins": {
            "enable": ["math_verify", "correct", "format", "overlong"],
            "overlong": {"max_tokens": 100, "buffer": 50, "mode": "observe"},
        }
    }
    task = task_of(config=config, opened="<think>")
    apart = numbers(scored(task, r"\boxed{2}", reasoning="one and one", tokens=75))
    assert apart["format"] == (0, 0.1)
    assert apart["overlong"] == (-0.5, 0)
    assert numbers(scored(task, r"one and one</think>\boxed{2}", tokens=10))["format"] == (0, 0.1)
    with pytest.raises(Exception, match="the length of a response is not known"):
        scored(task, r"\boxed{2}")


@pytest.mark.integration
def test_what_does_not_fit_is_refused_before_anything_is_sampled() -> None:
    with pytest.raises(PluginError, match=r"^verifiers sees one response at a time, but 'length' compares"):
        task_of(config={"plugins": {"enable": ["math_verify", "correct", "length"]}})
    with pytest.raises(PluginError) as error:
        task_of(own="@vf.reward\n    async def correct(self, trace): return 1.0")
    assert str(error.value) == "with_rewards: Sum already has 'correct'; choose a prefix, such as 'jt_'"
    import verifiers.v1 as vf

    data = task_of().data
    with pytest.raises(PluginError) as error:
        with_rewards(vf.Task, answer="answr")(data)
    assert str(error.value) == "the task's data (Data): there is no column 'answr'; did you mean 'answer'?"
    assert with_rewards(vf.Task, question="asked")(data).data is data
    with pytest.raises(PluginError, match=r"^the task's data \(Data\), 'timeout': expected a text or a number, got "):
        with_rewards(vf.Task, question="asked", answer="timeout")(data)


# Tasks of verifiers in our runs


ODD = """
from __future__ import annotations

import asyncio
import verifiers.v1 as vf

class OddData(vf.TaskData):
    mode: str
    level: int = 3
    notes: str = "long " * 100

class OddTask(vf.Task[OddData]):
    @vf.reward(weight=0.7)
    async def reply(self, trace):
        await asyncio.sleep(0)
        if self.data.mode == "raises":
            raise ValueError("no such table")
        if self.data.mode == "hangs":
            while True:
                pass
        if self.data.mode == "nan":
            return float("nan")
        if self.data.mode == "nothing":
            return {}
        return float(trace.last_reply == "yes")

    @vf.reward(weight=0.2)
    async def thinks(self, trace):
        message = trace.assistant_messages[-1]
        return {} if self.data.mode == "nothing" else {"thinks": float(message.reasoning_content == "hm")}

    @vf.reward(weight=0.1)
    async def whole(self, trace):
        if self.data.mode == "nothing":
            return {}
        if self.data.mode == "tokens":
            return float(trace.num_output_tokens == 20)
        return float(not trace.is_truncated and trace.num_turns == 1 and trace.num_branches == 1)

class Odd(vf.Taskset[OddTask, vf.TasksetConfig]):
    def load(self):
        for mode in ("fine", "raises", "hangs", "nan", "nothing", "tokens"):
            yield OddTask(OddData(prompt="Well?", system_prompt="Say yes or no.", mode=mode), self.config.task)

class Endless(Odd):
    INFINITE = True
    def load(self):
        while True:
            yield from super().load()

class Chat(Odd):
    def load(self):
        for messages in ([vf.UserMessage(content="Hi"), vf.AssistantMessage(content="Hi"), vf.UserMessage(content="?")],
                         [vf.UserMessage(content=[vf.ImageUrlContentPart(image_url=vf.ImageUrlSource(url="x"))])],
                         None):
            yield OddTask(OddData(prompt=messages, mode="fine"), self.config.task)

class NotATaskset:
    pass
"""
UNFIT = {
    "gives the model tools": "@classmethod\n    def toolsets(cls, config): return [object()]",
    "prepares its tasks in a runtime (NEEDS_CONTAINER, setup or finalize)": "NEEDS_CONTAINER = True",
    "prepares its tasks in a runtime (NEEDS_CONTAINER, setup or finalize) ": (
        "async def finalize(self, trace, runtime): trace.info['done'] = True"
    ),
    "rewrites requests or replies (@vf.intercept)": (
        "@vf.intercept\n    async def cut(self, response: vf.Response): pass"
    ),
    "scores in a runtime (runs)": "@vf.reward\n    async def runs(self, trace, runtime): return 1.0",
    "has no rewards (@vf.reward)": "async def right(self, trace): return 1.0",
}
"""Why a taskset is refused -> the body of its task."""


def load(where: str, **options: Any) -> list[Problem]:
    spec = DataSpec("train", "train", "verifiers_env", {})
    return list(configure(VerifiersEnv, spec.table, {"taskset": where, **options}).load_problems(spec))


@pytest.fixture
def judge() -> Iterator[Callable[..., list[Verdict]]]:
    """``judge(problem, texts)``: the verdicts of an instance that has loaded nothing."""
    plugin = VerifiersEnv(seconds=2, workers=1)

    def verdicts(problem: Problem, *texts: str) -> list[Verdict]:
        found = plugin.verify(problem, [make_rollout(text) for text in texts])
        assert found is not None
        return found

    yield verdicts
    plugin.finish_run()


@pytest.mark.integration
def test_the_pages_config_passes_check_and_audit_and_trains(page: Path) -> None:
    pytest.importorskip("torch", reason="the page's config has the local backend")
    checked = cli("check", "sums.toml")
    assert checked.exit_code == 0, checked.output
    assert "Nothing stands in the way of this run." in checked.output
    audited = cli("audit", "sums.toml", "--problems", "2", "--no-built-in")
    assert audited.exit_code == 0, audited.output
    trained = cli("train", "sums.toml", "--dir", "run", "--set", "plugins.grpo.problems_per_step=2")
    assert trained.exit_code == 0, trained.output
    assert len((page / "run" / "steps.jsonl").read_text().splitlines()) == 2
    assert '"unscored_rate": 0.0' in (page / "run" / "steps.jsonl").read_text()


@pytest.mark.integration
def test_the_conformance_battery(page: Path) -> None:
    problems = load("sums.py:Sums", options={"largest": 3})
    cases: list[Any] = [
        (problem, text.replace("ANSWER", answer), outcome)
        for problem in problems[:3]
        for text, answer, outcome in [
            (r"<think>hm</think>\boxed{ANSWER}", str(problem.answer), "correct"),
            (r"<think>hm</think>\boxed{ANSWER}", "77", "incorrect"),
            (r"<think>\boxed{ANSWER}", str(problem.answer), "incorrect"),
        ]
    ]
    check_verifier(VerifiersEnv(workers=2), cases)


@pytest.mark.integration
def test_tasks_score_as_they_do_in_verifiers_and_what_fails_is_unscored(
    page: Path, judge: Callable[..., list[Verdict]]
) -> None:
    (page / "odd.py").write_text(ODD)
    problems = {problem.meta["mode"]: problem for problem in load("odd.py:Odd")}
    fine = problems["fine"]
    assert (fine.id, fine.question, fine.answer, fine.kind) == ("Odd-0", "Say yes or no.\n\nWell?", None, "verifiers")
    assert fine.meta["level"] == 3
    assert set(fine.meta) == {"mode", "level", "verifiers"}  # not the long notes

    right, wrong, open_ended = judge(fine, "<think>hm</think>yes", "<think>hm</think>no", "<think>yes")
    assert (right.outcome, right.answer, right.vote) == ("correct", "yes", "a right answer")
    assert (wrong.outcome, wrong.answer) == ("incorrect", "no")
    assert wrong.reason == "0.3 is less than 1 (reply 0 x 0.7, whole 1 x 0.1, thinks 1 x 0.2)"
    assert (open_ended.outcome, open_ended.answer) == ("incorrect", None)

    reasons = {mode: judge(problem, "<think>hm</think>yes")[0] for mode, problem in problems.items()}
    assert {mode: verdict.outcome for mode, verdict in reasons.items()} == {
        "fine": "correct", "tokens": "correct", **dict.fromkeys(["raises", "hangs", "nan", "nothing"], "unscored"),
    }  # fmt: skip
    assert reasons["raises"].reason == (
        "the taskset failed: TaskError: task OddTask scoring: ValueError: no such table"
    )
    assert reasons["hangs"].reason.startswith("no score within the limits (cpu_limit): ")
    assert reasons["nan"].reason == "the task gives no number for reply"
    assert reasons["nothing"].reason == "the task gives no reward"


@pytest.mark.integration
def test_a_task_that_has_changed_since_is_unscored(page: Path, judge: Callable[..., list[Verdict]]) -> None:
    problem = load("sums.py:Sums", options={"largest": 1})[1]
    text = (page / "sums.py").read_text()
    (page / "sums.py").write_text(text.replace("answer=str(a + b)", "answer=str(a + b + 100)"))
    [verdict] = judge(problem, r"\boxed{101}")
    assert verdict.outcome == "unscored"
    assert "task 1 is not the one that the problem was made from: the taskset has changed" in verdict.reason


@pytest.mark.integration
def test_right_answers_are_paid_in_a_run_and_two_tables_may_differ(page: Path, run_with: Runner) -> None:
    problems = load("sums.py:Sums", options={"largest": 1})
    held_out = load("sums.py:Sums", options={"largest": 2}, select={"skip": 6})
    done = run_with(
        VerifiersEnv(workers=1),
        problems={"train": problems, "held_out": held_out},
        respond=lambda prompt, index: rf"<think>.</think>\boxed{{{sum(map(int, prompt[:3].split('+'))) + index % 2}}}",
    )
    assert done.status == "finished"
    assert [verdict.outcome for verdict in done.groups[0].verdicts] == ["correct", "incorrect"] * 2
    assert {step.metrics["accuracy"] for step in done.steps} == {0.5}
    assert done.evals[-1].metrics["accuracy"] == 1


@pytest.mark.integration
@pytest.mark.parametrize("why", UNFIT)
def test_what_needs_more_than_one_reply_is_refused(page: Path, why: str) -> None:
    text = (page / "sums.py").read_text().partition("    @vf.reward")
    (page / "unfit.py").write_text(
        f"{text[0]}    {UNFIT[why]}\n\nclass SumsConfig{text[2].partition('class SumsConfig')[2]}"
    )
    with pytest.raises(PluginError) as error:
        load("unfit.py:Sums")
    assert str(error.value) == (
        f"verifiers_env judges one reply of a single agent, but Sums {why.strip()}; train it with verifiers' own "
        "trainer"
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ("sums.py:Sms", {}, "verifiers_env: taskset: sums.py has no 'Sms'; did you mean 'Sums'?"),
        ("nowhere.py:Sums", {}, "verifiers_env: taskset: there is no file nowhere.py"),
        ("odd.py:NotATaskset", {}, "expected a subclass of vf.Taskset, got <class "),
        ("no-such-taskset", {}, "verifiers_env: taskset = 'no-such-taskset': taskset 'no-such-taskset' not found"),
        (
            "sums.py:Sums",
            {"options": {"largest": "many"}},
            "verifiers_env: options.largest: Input should be a valid int",
        ),
        (
            "sums.py:Sums",
            {"options": {"smallest": 1}},
            "verifiers_env: options.smallest: Extra inputs are not permitted",
        ),
        ("sums.py:Sums", {"select": {"take": 1}}, "verifiers_env: select.take: Extra inputs are not permitted"),
        ("odd.py:Endless", {}, "Endless never ends; choose how many tasks: select = {limit = 1000}"),
        ("odd.py:Chat", {}, "the prompt of task 0: expected one message of the user, got user, assistant, user"),
        ("odd.py:Chat", {"select": {"skip": 1}}, "the prompt of task 1 has images: expected text"),
        (
            "odd.py:Chat",
            {"select": {"skip": 2}},
            "the prompt of task 2: expected one message of the user, got no message",
        ),
        (
            "openenv",  # comes with verifiers
            {"options": {"base_url": "http://127.0.0.1:1"}},
            "but OpenEnvTaskset has an environment of its own (OpenEnvEnv)",
        ),
    ],
)
def test_a_wrong_option_is_named(page: Path, where: str, options: dict[str, Any], message: str) -> None:
    (page / "odd.py").write_text(ODD)
    with pytest.raises(PluginError) as error:
        load(where, **options)
    assert message in str(error.value)


@pytest.mark.integration
def test_select_chooses_tasks_of_an_endless_taskset_too(page: Path, judge: Callable[..., list[Verdict]]) -> None:
    (page / "odd.py").write_text(ODD)
    problems = load("odd.py:Endless", select={"skip": 6, "limit": 3})
    assert [problem.id for problem in problems] == ["Endless-6", "Endless-7", "Endless-8"]
    assert problems[0].meta["verifiers"]["task"] == 6
    assert judge(problems[0], "<think>hm</think>yes")[0].outcome == "correct"
