"""Groups judged on a Ray cluster. What needs Ray itself is marked integration: ``.ci/run ray`` runs it."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.config import RunConfig
from justtinker_core.grading import GroupError
from justtinker_core.scorer import config_of
from justtinker_core.testing import make_group, make_problem
from justtinker_plugins.executors._ray import travel
from justtinker_plugins.executors._ray.broker import Broker
from justtinker_plugins.executors._ray.cluster import cause_of, explained, is_of_node
from justtinker_plugins.executors._ray.dispatch import MOVES, Dispatch, Task
from justtinker_plugins.executors._ray.executor import RayExecutor, unscored
from justtinker_plugins.executors._ray.wire import Counts, Settings
from justtinker_plugins.executors.ray import Ray, finding
from tests.core.conftest import cli

PLUGINS = Path(__file__).with_name("ray_plugins.py")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs pip install 'justtinker[ray]'")
MATH = {"plugins": {"enable": ["math_verify", "correct", "format"]}}


def stack(path: Path = PLUGINS) -> dict[str, Any]:
    return {"plugins": {"enable": ["obedient"]}, "local_plugins": {"obedient": f"{path}:Obedient"}}


def group_of(text: str, number: int = 1) -> Group:
    """A group whose right answer is its number."""
    return make_group([f"{text} {number}", "0 wrong"], problem=make_problem(f"q{number}", str(number)), index=number)


def context(config: RunConfig) -> Any:
    return SimpleNamespace(config=config)


def judged_right(group: Group) -> bool:
    return [v.outcome for v in group.verdicts] == ["correct", "incorrect"]


# Which group goes where


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 40), st.sets(st.integers(0, 39), max_size=3), st.randoms())
def test_every_group_ends_once_and_only_poison_is_given_up(
    workers: int, calls: int, groups: int, poison: set[int], chance: random.Random
) -> None:
    """Whatever order answers come in, and whichever nodes die, a few times."""
    dispatch, next_worker, node_deaths = Dispatch(calls, tries=3), workers, 3
    for worker in range(workers):
        dispatch.join(worker)
    for number in range(groups):
        dispatch.add(Task(number))
    ended: list[int] = []
    given_up: list[int] = []
    under_way: list[tuple[int, int, list[Task]]] = []
    while len(ended) + len(given_up) < groups:
        while call := dispatch.next():
            under_way.append(call)
            assert len(dispatch.workers[call[0]].calls) <= calls
            if any(task.suspect for task in call[2]):
                assert len(call[2]) == len(dispatch.workers[call[0]].calls) == 1, "a suspect is alone"
        worker, number, tasks = under_way.pop(chance.randrange(len(under_way)))
        node = node_deaths > 0 and chance.random() < 0.1
        if node or any(task.id in poison for task in tasks):
            node_deaths -= node
            _, lost = dispatch.leave(worker, node=node)
            assert not (node and lost)
            given_up += [task.id for task in lost]
            under_way = [call for call in under_way if call[0] != worker]
            dispatch.join(next_worker)
            next_worker += 1
        else:
            ended += [task.id for task in dispatch.done(worker, number, chance.random())]
    assert sorted(ended + given_up) == list(range(groups))
    assert set(given_up) == poison & set(range(groups))


def test_quick_groups_share_a_call_and_slow_ones_do_not() -> None:
    sizes = {}
    for seconds in (0.0001, 5.0):
        dispatch = Dispatch(1, 3)
        dispatch.join(1)
        for number in range(1000):
            dispatch.add(Task(number))
        worker, call, tasks = dispatch.next() or pytest.fail("nothing to do")
        assert len(tasks) == 1, "nobody knows yet"
        dispatch.done(worker, call, seconds)
        sizes[seconds] = len((dispatch.next() or pytest.fail("nothing to do"))[2])
    assert sizes == {0.0001: 64, 5.0: 1}


def test_groups_whose_nodes_die_again_and_again_are_judged_alone_in_the_end() -> None:
    dispatch = Dispatch(8, 3)
    dispatch.add(Task(0))
    dispatch.add(Task(1))
    for death in range(MOVES + 1):
        dispatch.join(death)
        assert [(dispatch.next() or pytest.fail("none"))[2][0].id for _ in range(2)] == [0, 1]
        assert dispatch.leave(death, node=True)[1] == []
    dispatch.join(99)
    assert [task.suspect for task in (dispatch.next() or pytest.fail("none"))[2]] == [True]
    assert dispatch.next() is None


# What the process that talks to Ray does


class Untold:
    """A cluster whose actors start at once, answer when they are told to, and say nothing of having been killed."""

    def __init__(self) -> None:
        self.number = 0
        self.calls: list[tuple[int, str, Any]] = []
        self.killed: list[int] = []

    def start(self) -> int:
        self.number += 1
        return self.number

    def call(self, number: int, method: str, arguments: Any, answer: Any) -> None:
        self.calls.append((number, method, answer))

    def kill(self, number: int) -> None:
        self.killed.append(number)

    def put(self, data: bytes) -> bytes:
        return data

    def nodes(self) -> int:
        return 1


def broker_of(**changes: Any) -> tuple[Broker, Untold, io.BytesIO]:
    """A broker that knows the reward stack `k` and has one actor that starts."""
    actors, out = Untold(), io.BytesIO()
    broker = Broker(settings_of(actors=1, **changes), actors, out)  # type: ignore[arg-type]
    broker.start_actor()
    broker.on_parcel("k", b"stack")
    return broker, actors, out


def send_calls(broker: Broker) -> None:
    while call := broker.dispatch.next():
        broker.send_call(*call)


def test_an_answer_that_is_here_already_is_not_overdue() -> None:
    broker, actors, _ = broker_of(timeout=0.01, tries=1)
    broker.on_ready(1, None)
    broker.on_judge(1, "k", b"group")
    send_calls(broker)
    broker.events.put(("answered", (1, 1, ([b"verdicts"], 0.001), None)))  # while the broker is busy
    time.sleep(0.02)
    broker.look_after()
    assert actors.killed == []
    name, arguments = broker.events.get()
    getattr(broker, f"on_{name}")(*arguments)
    broker.look_after()
    assert actors.killed == []
    assert (broker.counts.judged, broker.counts.unscored) == (1, 0)


def test_an_actor_that_is_ended_gets_nothing_more_so_nobody_dies_with_it() -> None:
    broker, actors, _ = broker_of(timeout=0.01)
    broker.on_ready(1, None)
    broker.on_judge(1, "k", b"slow")
    send_calls(broker)
    time.sleep(0.02)
    broker.look_after()
    assert actors.killed == [1]
    broker.on_judge(2, "k", b"innocent")
    send_calls(broker)
    assert [number for number, method, _ in actors.calls if method == "judge"] == [1]
    broker.on_answered(1, 1, None, RuntimeError("the actor was killed"))
    assert [(task.id, task.deaths) for task in broker.dispatch.suspects] == [(1, 1)]
    assert [(task.id, task.deaths) for task in broker.dispatch.waiting] == [(2, 0)]
    assert (broker.counts.died, broker.counts.alive, broker.begun) == (1, 0, {})


def test_a_reward_stack_is_tried_on_the_next_actor_if_none_is_left() -> None:
    broker, actors, _ = broker_of()
    broker.on_try("k")
    assert [method for _, method, _ in actors.calls] == ["ready"]
    broker.on_ready(1, None)
    assert [method for _, method, _ in actors.calls] == ["ready", "open"]
    broker.on_ready(2, None)
    assert [method for _, method, _ in actors.calls] == ["ready", "open"], "it is tried once"


class Alone(RayExecutor):
    """An executor whose other process opens and then only listens."""

    ends: Any

    def _start(self) -> subprocess.Popen[bytes]:
        says = (
            "import sys; from justtinker_plugins.executors._ray.wire import Counts, receive, send\n"
            "receive(sys.stdin.buffer); send(sys.stdout.buffer, ('open', Counts())); sys.stdin.buffer.read()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", says], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def _key(self, config: RunConfig) -> str:
        self.ends(self)
        return "k"


def lose_process(executor: RayExecutor) -> None:
    os.kill(executor._process.pid, signal.SIGKILL)
    executor._reader.join(10)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (lose_process, "the same command goes on from there"),
        (lambda executor: executor.shutdown(wait=False), "cannot schedule new futures after shutdown"),
    ],
    ids=["lost", "shut down"],
)
def test_a_group_that_comes_while_everything_ends_is_told_so_and_waits_for_nobody(ends: Any, said: str) -> None:
    executor = Alone(settings_of())
    executor.ends = ends
    try:
        with Scorer(MATH) as scorer, pytest.raises((PluginError, RuntimeError), match=said):
            executor.submit(scorer.judge, group_of("plain"))
        assert executor._futures == {}
    finally:
        executor.shutdown(wait=False)


def test_a_shutdown_leaves_nobody_waiting() -> None:
    executor = Alone(settings_of())
    executor.ends = lambda executor: None
    with Scorer(MATH) as scorer:
        future = executor.submit(scorer.judge, group_of("plain"))
        executor.shutdown(wait=False)
        assert isinstance(future.exception(0), CancelledError)


# Files travel


def test_a_plugin_travels_with_what_it_names_beside_it(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "elsewhere"
    (home / "tools").mkdir(parents=True)
    (home / "mine.py").write_text(
        "from pathlib import Path\nfrom justtinker_core import Verdict, hookimpl, plugin\n"
        "from justtinker_core.discovery import load_file\n"
        "words = Path(__file__).with_name('words.txt').read_text()\n"
        "tool = load_file(str(Path(__file__).with_name('helper.py')) + ':tool')\n"
        "@plugin\nclass Mine:\n    list_file: Path\n"
        "    @hookimpl\n    def verify(self, problem, rollouts):\n"
        "        right = problem.answer in self.list_file.read_text() + words + tool()\n"
        "        return [Verdict('correct' if right else 'incorrect') for _ in rollouts]\n"
        "    @hookimpl\n    def score(self, group):\n        return {'mine': [1.0] * len(group.rollouts)}\n"
    )
    (home / "helper.py").write_text("from tools import deep\ndef tool(): return 'helper'\n")
    (home / "tools" / "__init__.py").write_text("")
    (home / "tools" / "deep.py").write_text("")
    (home / "words.txt").write_text("word")
    (home / "list.txt").write_text("listed")
    (home / "secret.env").write_text("KEY=1")
    config = config_of(
        {
            "plugins": {"enable": ["mine"], "mine": {"list_file": str(home / "list.txt")}},
            "local_plugins": {"mine": f"{home}/mine.py:Mine"},
        },
        [], [],
    )  # fmt: skip
    sys.path.insert(0, str(home))
    try:
        parcel = travel.pack(config)
    finally:
        sys.path.remove(str(home))
    names = {str(Path(path).relative_to(home)) for path in parcel.files}
    assert names == {"mine.py", "helper.py", "tools/__init__.py", "tools/deep.py", "words.txt", "list.txt"}
    assert parcel.on_path == (str(home),)
    home.rename(root)
    before = list(sys.path)
    try:
        there = travel.unpack(parcel)
        assert str(tmp_path) not in there.dump()
        with Scorer(there) as scorer:
            for answer in ("word", "listed", "helper"):
                assert scorer.score(question="?", answer=answer, responses=["a"]).verdicts[0].outcome == "correct"
    finally:
        sys.path[:] = before
        for name in ("tools", "tools.deep"):
            sys.modules.pop(name, None)


def judge_beside(folder: Path, *, absolute: bool) -> RunConfig:
    """A stack whose judge has a prompt of its own and a cache."""
    (folder / "my.md").write_text("Is {response} right?")
    (folder / "replies.sqlite").write_bytes(b"replies")
    (folder / "stack.toml").write_text(
        '[plugins]\nenable = ["llm_judge", "correct"]\n[plugins.llm_judge]\nmodel = "m"\n'
        + "".join(
            f'{key} = "{folder / name if absolute else name}"\n'
            for key, name in (("prompt", "my.md"), ("cache", "replies.sqlite"))
        )
    )
    return config_of(folder / "stack.toml", [], [])


@pytest.mark.parametrize("absolute", [True, False])
def test_files_of_options_travel_but_for_those_that_a_plugin_writes_to(tmp_path: Path, absolute: bool) -> None:
    parcel = travel.pack(judge_beside(tmp_path, absolute=absolute))
    assert set(parcel.files) == {str(tmp_path / "my.md")}
    (tmp_path / "replies.sqlite").write_bytes(b"more replies")
    at = {"prompt": str(tmp_path / "my.md"), "cache": str(tmp_path / "replies.sqlite")}
    assert dict(travel.unpack(parcel).plugin_options["llm_judge"]) == {"model": "m", **at}
    (tmp_path / "my.md").unlink()
    there = travel.unpack(parcel).plugin_options["llm_judge"]
    assert Path(there["prompt"]).read_text() == "Is {response} right?"
    assert there["cache"] == at["cache"]


def test_a_node_that_has_the_files_uses_its_own() -> None:
    config = config_of(stack(), [], [])
    assert travel.unpack(travel.pack(config)).local_plugins == config.local_plugins


def test_a_changed_file_is_not_taken_for_the_same(tmp_path: Path) -> None:
    path = Path(shutil.copy(PLUGINS, tmp_path))
    parcel = travel.pack(config_of(stack(path), [], []))
    path.write_text("changed")
    there = travel.unpack(parcel)
    assert there.local_plugins["obedient"] != f"{path}:Obedient"
    with Scorer(there) as scorer:
        assert judged_right(scorer.judge(group_of("plain", 3)))


def test_plugins_that_do_not_judge_stay_here(tmp_path: Path) -> None:
    config = config_of(stack(), [], ["ray", "console"])
    assert travel.pack(config).config.enable == ("obedient",)


def test_a_file_too_large_to_travel_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(travel, "MOST_BYTES", 10)
    said = (
        r"^\[local_plugins\] obedient: .*ray_plugins.py cannot be sent to the nodes: with the files beside it that it "
    )
    with pytest.raises(
        PluginError, match=said + "names it has 0 MiB, more than 0; make it a package and install it there"
    ):
        travel.pack(config_of(stack(), [], []))
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(100))
    parcel = travel.Parcel(config_of(MATH, [], []), {}, (), {str(large): 5 << 20})
    travel.unpack(parcel)
    large.unlink()
    with pytest.raises(PluginError, match=r"large.bin \(5 MiB\) is too large to be sent to the nodes: put it at the"):
        travel.unpack(parcel)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_cannot_travel(tmp_path: Path) -> None:
    path = Path(shutil.copy(PLUGINS, tmp_path))
    config = config_of(stack(path), [], [])
    path.chmod(0)
    with pytest.raises(PluginError, match="cannot be sent to the nodes: Permission denied"):
        travel.pack(config)


# What is said


def settings_of(**changes: Any) -> Settings:
    return replace(Settings("", 1, 1.0, 2, 3, 600.0, 60.0, "", "0.1.0"), **changes)


def test_another_version_is_told_with_both_and_the_cure() -> None:
    pytest.importorskip("ray", reason="needs pip install 'justtinker[ray]'")
    error = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.50.1\n    Python: 3.13.2\n"
        "This process on node 1.2.3.4:5 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    assert explained(error, settings_of(address="auto")).startswith(
        "the cluster runs Ray 2.50.1 on Python 3.13.2, this"
    )
    assert "with Python 3.13 and pip install 'ray[client]==2.50.1'" in explained(error, settings_of())


@pytest.mark.parametrize(
    ("text", "node", "cause"),
    [
        ("The actor died.\n The actor is dead because its worker process has died. Worker exit: (1) OOM", False,
         "its process has died: killed, crashed, or out of memory"),
        ("The actor is dead because its node has died. Node Id: 17", True, "its node has died. Node Id: 17"),
        ("Task was killed due to the node running low on memory.", False, "its node ran out of memory"),
    ],
)  # fmt: skip
def test_why_an_actor_died(text: str, node: bool, cause: str) -> None:
    assert is_of_node(RuntimeError(text)) is node
    assert cause_of(RuntimeError(text)).startswith(cause)


def test_what_nobody_could_judge_is_unscored_and_never_0() -> None:
    group = unscored(group_of("plain"), "no actor of the Ray cluster is left", True)
    assert [(v.outcome, v.rung, v.reason) for v in group.verdicts] == [
        ("unscored", "ray", "no actor of the Ray cluster is left")
    ] * 2
    assert [dict(reward.terms) for reward in group.rewards] == [{}, {}]


def test_a_finding_says_what_was_lost() -> None:
    said = finding(Counts(3, 4, 2, died=3, resent=9, unscored=2, judged=50), Counts(died=1, resent=4))
    assert said.level == "warn"
    assert said.message == (
        "2 actors died; 5 groups were sent again, and 2 given up: they are unscored; 3 of 4 actors on 2 nodes are alive"
    )
    assert said.evidence["judged"] == 50


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert Ray().preflight(context(config_of(MATH, [], []))) == [
        "the plugin ray needs a package: pip install 'justtinker[ray]'"
    ]


def test_an_address_where_nothing_listens_is_told_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(
        PluginError, match=r"^ray: nothing answers at address = 'ray://127.0.0.1:9' .*10001 by default$"
    ):
        RayExecutor(settings_of(address="ray://127.0.0.1:9"))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("options", [{"address": "ray://me:pw@host:1"}, {"cpus_per_actor": 0}, {"tries": 0}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises((PluginError, ValueError), match=r"address: expected no password|greater than"):
        Ray(**options)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="needs pip install 'justtinker[ray]'")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    said = Ray(environment=("NO_SUCH_KEY",)).preflight(context(config_of(MATH, [], [])))
    assert said == ["ray: environment names NO_SUCH_KEY, which is not set here"]


def test_a_budget_is_not_multiplied_by_the_actors() -> None:
    pytest.importorskip("ray", reason="needs pip install 'justtinker[ray]'")
    said = Ray().preflight(
        context(config_of({"plugins": {"enable": ["llm_judge", "correct"], "llm_judge": {"budget_usd": 5.0}}}, [], []))
    )
    assert said[0].startswith("ray: [plugins.llm_judge] budget_usd = 5.0 would hold for each actor, so a run could")


# On a cluster

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, with one CPU each."""
    saved = {name: os.environ.get(name) for name in LOOPBACK}
    os.environ.update(LOOPBACK)
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1)
    two.wait_for_nodes()
    yield two
    two.shutdown()
    for name, value in saved.items():
        if value is None:
            del os.environ[name]


@pytest.fixture
def executor_on(cluster: Any) -> Iterator[Any]:
    """Opens the executor of a config on the two nodes."""
    plugins: list[Ray] = []

    def opened(config: RunConfig, **options: Any) -> RayExecutor:
        plugins.append(Ray(address=cluster.address, **options))
        executor = plugins[-1].grading_executor(context(config))
        assert isinstance(executor, RayExecutor)
        return executor

    yield opened
    for plugin in plugins:
        plugin.finish_run()


def bare(group: Group) -> Group:
    """Without what differs by design."""
    return replace(group, measures={k: v for k, v in group.measures.items() if k not in ("resent_rate", "pid")})


@needs_ray
@pytest.mark.integration
def test_verdicts_are_those_of_this_process(executor_on: Any) -> None:
    answers = [r"\frac{%d}{7}", r"\sqrt{%d}", "%d", "x^2+%d", r"\{1,%d\}"]
    groups = []
    for number in range(300):
        gold = answers[number % 5] % (number + 2)
        texts = [rf"\boxed{{{gold}}}", rf"<think>a</think>\boxed{{{number}.5}}", "no box", rf"\boxed{{{gold}+0}}"]
        groups.append(make_group(texts, problem=make_problem(f"q{number}", gold), index=number))
    with Scorer(MATH) as scorer:
        local = [scorer.judge(group) for group in groups]
        far = list(scorer.judge_all(groups, executor_on(scorer.config)))
    assert list(map(bare, far)) == list(map(bare, local))
    assert {v.outcome for group in far for v in group.verdicts} == {"correct", "incorrect"}


@needs_ray
@pytest.mark.integration
def test_both_nodes_judge(executor_on: Any) -> None:
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config, groups_per_actor=1)
        deadline = time.monotonic() + 20
        while executor.counts.alive < 2 and time.monotonic() < deadline:
            list(scorer.judge_all([group_of("plain")], executor))
        far = list(scorer.judge_all([group_of("sleep 0.05", i) for i in range(40)], executor))
    assert all(map(judged_right, far))
    assert len({group.measures["pid"][0] for group in far}) == 2
    assert executor.counts.nodes == 2


@needs_ray
@pytest.mark.integration
def test_an_actor_that_is_killed_loses_nothing(executor_on: Any, tmp_path: Path) -> None:
    groups = [group_of("sleep 0.01", i) for i in range(60)]
    groups[20] = group_of(f"die once {tmp_path / 'died'}", 20)
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config, groups_per_actor=4)
        far = list(scorer.judge_all(groups, executor))
    assert all(map(judged_right, far))
    assert far[20].measures["resent_rate"] == (1.0, 1.0)
    assert executor.counts.died == 1
    assert 1 <= executor.counts.resent <= 64 * 4


@needs_ray
@pytest.mark.integration
def test_a_group_that_kills_every_actor_is_given_up_alone(executor_on: Any) -> None:
    groups = [group_of("sleep 0.01", i) for i in range(60)]
    groups[7] = group_of("die always", 7)
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config, groups_per_actor=4)
        far = list(scorer.judge_all(groups, executor))
    assert [v.outcome for v in far[7].verdicts] == ["unscored"] * 2
    reason = "the actor that judged it died, 3 times; the last time because its process has died: killed, crash"
    assert far[7].verdicts[0].reason.startswith(reason)
    assert all(judged_right(group) for i, group in enumerate(far) if i != 7)
    assert executor.counts.unscored == 1
    assert executor.counts.died == 3


@needs_ray
@pytest.mark.integration
def test_a_node_that_is_killed_loses_nothing(cluster: Any, executor_on: Any) -> None:
    node = cluster.add_node(num_cpus=2)
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config, actors=3, groups_per_actor=2, patience=90)
        judged = scorer.judge_all([group_of("sleep 0.1", i) for i in range(150)], executor)
        deadline = time.monotonic() + 30
        while executor.counts.alive < 3 and time.monotonic() < deadline:
            list(scorer.judge_all([group_of("plain")], executor))
        far = [next(judged) for _ in range(5)]
        cluster.remove_node(node, allow_graceful=False)
        far += list(judged)
    assert all(map(judged_right, far)), [v for g in far for v in g.verdicts if v.outcome == "unscored"][:3]
    assert executor.counts.unscored == 0
    assert executor.counts.died >= 1


@needs_ray
@pytest.mark.integration
def test_a_group_that_takes_too_long_is_unscored(executor_on: Any) -> None:
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config, timeout=2, tries=1)
        far = list(scorer.judge_all([group_of("sleep 60", 1), group_of("plain", 2)], executor))
    assert far[0].verdicts[0].reason == (
        "the actor that judged it died, 1 times; the last time because it took longer than timeout = 2 s"
    )
    assert judged_right(far[1])


@needs_ray
@pytest.mark.integration
def test_an_error_of_a_plugin_arrives_as_itself_with_its_group(executor_on: Any) -> None:
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config)
        with pytest.raises(
            GroupError, match=r"^plugin 'obedient' \(local file\) failed in verify at ray_plugins.py:\d+: Value"
        ) as caught:
            list(scorer.judge_all([group_of("plain", 1), group_of("fail", 2)], executor))
        assert caught.value.group.index == 2
        with pytest.raises(PluginError, match=r"the executor of ray judges groups: expected Scorer.judge"):
            executor.submit(pow, 2, 3)


@needs_ray
@pytest.mark.integration
def test_a_local_plugin_travels(executor_on: Any, tmp_path: Path) -> None:
    path = Path(shutil.copy(PLUGINS, tmp_path))
    with Scorer(stack(path)) as scorer:
        executor = executor_on(scorer.config)
        assert executor._key(scorer.config)
        path.unlink()
        far = list(scorer.judge_all([group_of("plain", i) for i in range(9)], executor))
    assert all(map(judged_right, far))


@needs_ray
@pytest.mark.integration
def test_the_values_of_variables_reach_actors_and_nothing_else(
    executor_on: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "very-secret")
    (tmp_path / "keyed.py").write_text(
        PLUGINS.read_text().replace("words[-1] == problem.answer", "os.environ.get('JUDGE_KEY') == 'very-secret'")
    )
    with Scorer(stack(tmp_path / "keyed.py")) as scorer:
        executor = executor_on(scorer.config, environment=("JUDGE_KEY",))
        far = list(scorer.judge_all([group_of("plain", 1)], executor))
    assert {v.outcome for v in far[0].verdicts} == {"correct"}
    assert "very-secret" not in repr(executor._settings)


@needs_ray
@pytest.mark.integration
def test_when_the_cluster_is_lost_groups_are_unscored_and_the_next_is_an_error(executor_on: Any) -> None:
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config)
        future = executor.submit(scorer.judge, group_of("sleep 30", 1))
        os.kill(executor._process.pid, signal.SIGKILL)
        group = future.result(20)
        assert [v.outcome for v in group.verdicts] == ["unscored"] * 2
        assert group.verdicts[0].reason.startswith("the process that talks to Ray has ended, as it does where the")
        with pytest.raises(PluginError, match=r"the same command goes on from there"):
            executor.submit(scorer.judge, group_of("plain"))


@needs_ray
@pytest.mark.integration
def test_what_is_cancelled_ends_at_once(executor_on: Any) -> None:
    with Scorer(stack()) as scorer:
        executor = executor_on(scorer.config)
        future = executor.submit(scorer.judge, group_of("sleep 60", 1))
        executor.shutdown(wait=False, cancel_futures=True)
        assert isinstance(future.exception(0), CancelledError)
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            executor.submit(scorer.judge, group_of("plain"))


@needs_ray
@pytest.mark.integration
def test_a_cluster_that_is_full_is_told_in_time(executor_on: Any) -> None:
    with pytest.raises(PluginError, match=r"^ray: none has started for \d+ s \(patience = 2\): an actor needs "
                       r"cpus_per_actor = 50, and \d+ of the cluster's \d+ CPUs are free$"):  # fmt: skip
        executor_on(config_of(MATH, [], []), cpus_per_actor=50, actors=1, patience=2)


def raylets() -> set[str]:
    """The raylets that run on this machine, by process id."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if "/raylet/raylet " in line or "/gcs_server " in line}


def folders() -> set[Path]:
    """Folders of clusters of our own."""
    return {path for place in {"/tmp", tempfile.gettempdir()} for path in Path(place).glob("jt-ray-*")}


CONFIG = """
[run]
name = "tiny"
model = "scripted"
steps = 3
[data.train]
use = "arithmetic"
count = 9
[data.eval.held]
use = "arithmetic"
count = 4
seed = 2
[plugins]
enable = ["backend", "question", "rl", "math_verify", "correct", "group_mean"]
[local_plugins]
"""


def config_file(folder: Path) -> Path:
    from justtinker_core.testing import _backend, _stand_ins

    path = folder / "tiny.toml"
    path.write_text(
        f'{CONFIG}backend = "{_backend.__file__}:ScriptedBackend"\nquestion = "{_stand_ins.__file__}:Question"\n'
        f'rl = "{_stand_ins.__file__}:Grpo"\n'
    )
    return path


def steps(run: Path) -> list[dict[str, Any]]:
    """The records of a run, without times and without what only Ray measures."""
    read = [json.loads(line) for line in (run / "steps.jsonl").read_text().splitlines()]
    for record in read:
        record.pop("seconds")
        record["metrics"].pop("resent_rate", None)
    return read


@needs_ray
@pytest.mark.integration
def test_a_run_records_what_one_without_it_records_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before, left, config = raylets(), folders(), str(config_file(tmp_path))
    assert cli("train", config, "--dir", "plain").exit_code == 0
    done = cli("train", config, "--dir", "far", "-p", "ray", "--set", "plugins.ray.actors=2")
    assert done.exit_code == 0, done.output
    (plain,), (far,) = (list(Path(name).rglob("steps.jsonl")) for name in ("plain", "far"))
    assert steps(plain.parent) == steps(far.parent)
    assert len(steps(far.parent)) == 3
    assert raylets() == before
    assert folders() == left, "its folder is gone"


def wait_for_raylets(expected: set[str], seconds: float = 30) -> set[str]:
    """Wait until no others run; return those that do."""
    end = time.monotonic() + seconds
    while raylets() != expected and time.monotonic() < end:
        time.sleep(0.2)
    return raylets()


def table_of(folder: Path, texts: list[str]) -> Path:
    """A table for `justtinker grade`: right is the number of the row."""
    path = folder / "table.jsonl"
    rows = ({"question": f"q{i}", "answer": str(i), "response": f"{text} {i}"} for i, text in enumerate(texts))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def stack_file(folder: Path) -> Path:
    path = folder / "stack.toml"
    path.write_text(f'[plugins]\nenable = ["obedient"]\n[local_plugins]\nobedient = "{PLUGINS}:Obedient"\n')
    return path


@needs_ray
@pytest.mark.integration
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_however_a_command_ends_no_process_is_left(tmp_path: Path, how: signal.Signals) -> None:
    before, left = raylets(), folders()
    began, out = tmp_path / "began", tmp_path / "out.jsonl"
    table = table_of(tmp_path, [f"touch {began}", *["sleep 30"] * 5])
    command = [
        sys.executable,
        "-c",
        "from justtinker_core.cli import run; run()",
        "grade",
        str(table),
        "--out",
        str(out),
    ]
    command += ["--config", str(stack_file(tmp_path)), "-p", "ray", "--set", "plugins.ray.actors=1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not began.exists() and time.monotonic() < end and process.poll() is None:
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert said.strip() == f"interrupted after 1 response; {out} holds them"
        assert len(out.read_text().splitlines()) == 1
    assert wait_for_raylets(before) == before
    end = time.monotonic() + 10
    while folders() != left and time.monotonic() < end:
        time.sleep(0.2)
    assert folders() == left


@needs_ray
@pytest.mark.integration
def test_grade_and_score_judge_on_it_and_score_goes_on(tmp_path: Path) -> None:
    table, config = table_of(tmp_path, ["plain"] * 300), str(stack_file(tmp_path))
    ray = ["-p", "ray", "--set", "plugins.ray.actors=2"]
    for name, extra in (("here", []), ("far", ray)):
        done = cli("grade", str(table), "--config", config, "--out", str(tmp_path / f"{name}.jsonl"), *extra)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "here.jsonl").read_text() == (tmp_path / "far.jsonl").read_text()
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    saved = tmp_path / "saved.jsonl"
    saved.write_text("".join(json.dumps({"responses": [row.pop("response"), "x"], **row}) + "\n" for row in rows))
    out, again = tmp_path / "scores.jsonl", ["score", str(saved), "--config", config, "--against", config]
    assert cli(*again, "--jobs", "1", "--out", str(tmp_path / "plain.jsonl")).exit_code == 0
    done = cli(*again, *ray, "--out", str(out))
    assert done.exit_code == 0, done.output
    plain, far = (
        [without_ray(json.loads(line)) for line in path.read_text().splitlines()[1:]]
        for path in (tmp_path / "plain.jsonl", out)
    )
    assert plain == far
    whole = out.read_text()
    out.write_text("".join(whole.splitlines(keepends=True)[:100]) + '{"cut')
    done = cli(*again, *ray, "--out", str(out))
    assert "already holds scores of 198 rollouts" in done.output
    assert [without_ray(json.loads(line)) for line in out.read_text().splitlines()[1:]] == far


def without_ray(record: dict[str, Any]) -> dict[str, Any]:
    """A record of `score` without what only Ray measures, and without processes."""
    for side in ("config", "against"):
        record[side]["measures"].pop("resent_rate", None)
        record[side]["measures"].pop("pid")
    return record


ELSEWHERE = os.environ.get("JUSTTINKER_RAY_ENVIRONMENTS", "")
"""A folder with two environments that hold Ray and no JustTinker: ``bare`` of this Python, ``other`` of another."""
PORTS = {"bare": 26411, "other": 26412, "own": 26413}


@contextmanager
def head(name: str, folder: Path) -> Iterator[int]:
    """A cluster that `ray start` of an environment starts; the port of its client server."""
    port = PORTS[name]
    command = [
        f"{folder}/ray", "start", "--head", f"--port={port}", f"--ray-client-server-port={port + 10}",
        f"--dashboard-agent-listen-port={port + 20}", "--include-dashboard=false", "--num-cpus=1", "--block",
        f"--temp-dir=/tmp/jt-test-{name}",
    ]  # fmt: skip
    environment = os.environ | LOOPBACK | {"PATH": f"{folder}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port + 10), 1).close()
                break
            time.sleep(0.5)
        yield port + 10
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(f"/tmp/jt-test-{name}", ignore_errors=True)


@needs_ray
@pytest.mark.integration
def test_a_cluster_behind_ray_client_judges_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in LOOPBACK.items():
        monkeypatch.setenv(variable, value)
    groups = [group_of("plain", i) for i in range(40)]
    groups[7] = group_of("die always", 7)
    before = raylets()
    with head("own", Path(sys.executable).parent) as port, Scorer(stack()) as scorer:
        running = raylets()
        for _ in range(2):
            plugin = Ray(address=f"ray://127.0.0.1:{port}")
            assert plugin.preflight(context(scorer.config)) == []
            executor = plugin.grading_executor(context(scorer.config))
            far = list(scorer.judge_all(groups, executor))
            plugin.finish_run()
            assert [i for i, group in enumerate(far) if not judged_right(group)] == [7]
            assert far[7].verdicts[0].reason.startswith("the actor that judged it died, 3 times;")
        assert raylets() == running
    assert wait_for_raylets(before) == before


@needs_ray
@pytest.mark.integration
@pytest.mark.skipif(not ELSEWHERE, reason="set JUSTTINKER_RAY_ENVIRONMENTS to a folder with environments to join")
@pytest.mark.parametrize("name", ["bare", "other"])
def test_a_cluster_of_another_environment_is_told_before_anything_is_spent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (Path(ELSEWHERE) / name).exists():
        pytest.skip(f"there is no environment {name}: another Python is not installed here")
    for variable, value in LOOPBACK.items():
        monkeypatch.setenv(variable, value)
    with head(name, Path(ELSEWHERE) / name / "bin") as port:
        plugin = Ray(address=f"ray://127.0.0.1:{port}")
        said = plugin.preflight(context(config_of(MATH, [], [])))
        plugin.finish_run()
    (complaint,) = said
    if name == "bare":
        assert "lacks the package justtinker: install it there (pip install justtinker==" in complaint
        assert 'or let Ray do so: [plugins.ray] runtime_env = {pip = ["justtinker==' in complaint
    else:
        ours = f"on Python {sys.version_info.major}.{sys.version_info.minor}."
        assert complaint.startswith("ray: the cluster runs Ray 2.60.")
        assert ours in complaint.partition("this process")[2]
        assert ours not in complaint.partition("this process")[0]
        assert "and they cannot talk: run JustTinker in an environment with Python" in complaint
