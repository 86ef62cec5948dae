"""All that is asked of Ray: a cluster, actors on it, calls to them; and what its errors mean."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from platform import python_version
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.executors._ray import probe
from justtinker_plugins.executors._ray.wire import Settings

STORE = 512 << 20
"""Bytes of shared memory that a cluster of our own may use for large groups."""
PROBED = 32
"""Nodes that are asked for their version of JustTinker."""
END_SECONDS = 3.0
NODE_ERRORS = ("ActorUnavailableError", "NodeDiedError", "ObjectLostError", "OwnerDiedError")
NODE_DIED = re.compile(r"node (?:\S+ )?(?:has|was|is) (?:died|dead|terminated|removed)")
Answer = Callable[[Any, BaseException | None], None]


class Actors:
    """Actors on the cluster, by number."""

    def __init__(self, settings: Settings) -> None:
        import ray

        from justtinker_plugins.executors._ray.judge import Judge

        self.ray, self.settings = ray, settings
        self._handles: dict[int, Any] = {}
        self._number = 0
        self._class = ray.remote(Judge).options(
            num_cpus=settings.cpus_per_actor, max_restarts=0, max_task_retries=0, max_concurrency=settings.calls + 2,
            scheduling_strategy="SPREAD", runtime_env=settings.runtime_env or None,
        )  # fmt: skip

    def start(self) -> int:
        """Ask for an actor. It starts as soon as a node has room for it."""
        self._number += 1
        self._handles[self._number] = self._class.remote(self.settings.environment)
        return self._number

    def call(self, number: int, method: str, arguments: Sequence[Any], answer: Answer) -> None:
        """Call a method of an actor; `answer` gets the result or the error, in another thread."""

        def done(future: Any) -> None:
            try:
                result = future.result()
            except BaseException as error:
                answer(None, error)
            else:
                answer(result, None)

        try:
            getattr(self._handles[number], method).remote(*arguments).future().add_done_callback(done)
        except Exception as error:
            answer(None, error)

    def put(self, data: bytes) -> Any:
        """Keep bytes on the cluster."""
        return self.ray.put(data)

    def kill(self, number: int) -> None:
        """End an actor, if it is there."""
        with suppress(Exception):
            self.ray.kill(self._handles.pop(number), no_restart=True)

    def nodes(self) -> int:
        """How many nodes are alive."""
        return sum(node["Alive"] for node in self.ray.nodes())

    def room(self) -> str:
        """Say how much room the cluster has."""
        free, total = (f().get("CPU", 0) for f in (self.ray.available_resources, self.ray.cluster_resources))
        return (
            f"an actor needs cpus_per_actor = {self.settings.cpus_per_actor:g}, and {free:g} of the cluster's "
            f"{total:g} CPUs are free"
        )

    def close(self) -> None:
        """End the actors, then leave the cluster; one that this process started ends."""

        def end() -> None:
            with suppress(Exception):
                ends = [handle.end.remote() for handle in self._handles.values()]
                self.ray.wait(ends, num_returns=len(ends), timeout=END_SECONDS)

        thread = threading.Thread(target=end, daemon=True)  # it may hang where the cluster is gone
        thread.start()
        thread.join(2 * END_SECONDS)
        for number in list(self._handles):
            self.kill(number)
        self.ray.shutdown()


def connect(settings: Settings) -> tuple[Actors, Settings]:
    """Start or join a cluster and look at its nodes. Returns its actors (none yet), and how many there should be."""
    import ray

    own: dict[str, Any] = {"address": settings.address, "log_to_driver": False, "logging_level": "ERROR"}
    if not settings.address:
        cpus = int(-(-settings.actors * settings.cpus_per_actor // 1)) or None
        own |= {"address": "local", "include_dashboard": False, "num_cpus": cpus, "object_store_memory": STORE}
        own |= {"_temp_dir": settings.folder}
    elif "://" in settings.address:
        own.pop("log_to_driver")
        own.pop("logging_level")
    try:
        ray.init(**own)
    except ConnectionAbortedError:  # the first client server of a head node may take longer than Ray waits for it
        ray.init(**own)
    look_at_nodes(ray, settings)
    total = ray.cluster_resources().get("CPU", 0)
    fit = int(total / settings.cpus_per_actor) if settings.cpus_per_actor else int(total)
    settings = replace(settings, actors=settings.actors or max(1, fit))
    return Actors(settings), settings


def look_at_nodes(ray: Any, settings: Settings) -> None:
    """PluginError unless every node (of a few) has this version of JustTinker."""
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    cloudpickle.register_pickle_by_value(probe)
    nodes = {node["NodeID"]: node["NodeName"] for node in ray.nodes() if node["Alive"]}
    asked = dict(list(nodes.items())[:PROBED])
    ask = ray.remote(probe.probe)
    answers = [
        ask.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            runtime_env=settings.runtime_env or None,
        ).remote()
        for node in asked
    ]  # fmt: skip
    for name, answer in zip(asked.values(), answers, strict=True):
        try:
            found, error = ray.get(answer)
        except ray.exceptions.TaskUnschedulableError:
            continue  # it is gone by now
        cure = (
            f"install it there (pip install justtinker=={settings.version}, and what your plugins need), or let Ray do "
            f'so: [plugins.ray] runtime_env = {{pip = ["justtinker=={settings.version}"]}}'
        )
        if not found:
            raise PluginError(f"node {name} lacks the package justtinker: {cure}")
        if error:
            raise PluginError(f"node {name} cannot import justtinker {found} ({error}): {cure}")
        if found != settings.version:
            raise PluginError(f"node {name} has justtinker {found}, this process {settings.version}: {cure}")


def explained(error: Exception, settings: Settings) -> str:
    """Say why a cluster cannot be used, and what to do."""
    if isinstance(error, PluginError):
        return str(error)
    text = str(error)
    found = re.search(r"cluster was started with:\s*Ray: (\S+)\s*Python: (\S+)", text)
    if found:
        theirs = f"Ray {found[1]} on Python {found[2]}"
        ours = f"Ray {version('ray')} on Python {python_version()}"
        return (
            f"the cluster runs {theirs}, this process {ours}, and they cannot talk: run JustTinker in an environment "
            f"with Python {'.'.join(found[2].split('.')[:2])} and pip install 'ray[client]=={found[1]}', or start the "
            "cluster with this one's"
        )
    if settings.address == "auto" and isinstance(error, ConnectionError):
        return (
            "address = 'auto' finds no cluster on this machine: start one (ray start --head), name one "
            "(address = 'ray://HOST:10001'), or leave address empty for one of its own"
        )
    what = f"the cluster at {settings.address!r} cannot be used" if settings.address else "no cluster can be started"
    said = f"{what}: {type(error).__name__}: {' '.join(text.split())[:500]}"
    if isinstance(error, ConnectionError) and "RAY_AUTH_MODE" not in os.environ:
        said += (
            "; if it asks for a token, as clusters do that `ray start` starts, set RAY_AUTH_MODE=token, and copy the "
            "head node's ~/.ray/auth_token to this machine"
        )
    return said


def is_of_node(error: BaseException) -> bool:
    """Return whether a node or the network is to blame for an actor's death, not what it did."""
    return type(error).__name__ in NODE_ERRORS or bool(NODE_DIED.search(str(error)))


def cause_of(error: BaseException) -> str:
    """Say in a line why an actor died."""
    text = " ".join(str(error).split())
    if "OutOfMemory" in type(error).__name__ or "running low on memory" in text:
        return "its node ran out of memory"
    if "worker process has died" in text:
        return "its process has died: killed, crashed, or out of memory"
    found = re.search(r"(?:dead|died|failed) because (?:of )?(.*)", text)
    return (found[1] if found else f"{type(error).__name__}: {text}")[:300]
