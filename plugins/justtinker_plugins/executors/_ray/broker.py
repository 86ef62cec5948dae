"""The process that talks to Ray, started by `executor`; Ray's library is loaded here only.

Ray ends a process whose cluster is lost, waits for minutes where it finds none, and takes over signals and logs. None
of that may happen to a run. This process reads commands from its input and writes answers to its output. It ends when
its input does, however the run ended; then its actors end, and a cluster that it started.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any

from justtinker_plugins.executors._ray import cluster
from justtinker_plugins.executors._ray.dispatch import Dispatch, Task
from justtinker_plugins.executors._ray.wire import Counts, Settings, receive, send

FAILED_STARTS = 3
"""After so many actors in a row that did not start, no more are asked for."""
TICK = 0.5


class Broker:
    """Keeps actors alive, and passes groups and answers on."""

    def __init__(self, settings: Settings, actors: cluster.Actors, out: IO[bytes]) -> None:
        self.settings, self.actors, self.out = settings, actors, out
        self.dispatch = Dispatch(settings.calls, settings.tries)
        self.counts = Counts(wanted=settings.actors)
        self.events: queue.SimpleQueue[tuple[str, tuple[Any, ...]]] = queue.SimpleQueue()
        self.groups: dict[int, tuple[str, bytes]] = {}
        self.parcels: dict[str, list[Any]] = {}
        self.starting: set[int] = set()
        self.begun: dict[int, tuple[int, float, float]] = {}
        """Call -> its worker, when it began, when it is overdue."""
        self.to_try: list[str] = []
        """Keys of reward stacks to open as soon as there is an actor."""
        self.failed_starts, self.why_not = 0, ""
        self.none_since = time.monotonic()
        self.is_open = self.closed = False

    def run(self, commands: IO[bytes]) -> None:
        """Work until the input ends."""
        threading.Thread(target=self.listen, args=(commands,), daemon=True).start()
        for _ in range(self.settings.actors):
            self.start_actor()
        while not self.closed:
            with suppress(queue.Empty):
                name, arguments = self.events.get(timeout=TICK)
                getattr(self, f"on_{name}")(*arguments)
            while call := self.dispatch.next():
                self.send_call(*call)
            self.look_after()

    def listen(self, commands: IO[bytes]) -> None:
        """Turn commands into events."""
        with suppress(EOFError, OSError):
            while True:
                self.events.put(receive(commands))
        self.events.put(("close", ()))

    def start_actor(self) -> None:
        """Ask the cluster for one more actor."""
        number = self.actors.start()
        self.starting.add(number)
        self.actors.call(number, "ready", (), lambda answer, error: self.events.put(("ready", (number, error))))

    def send_call(self, worker: int, call: int, tasks: list[Task]) -> None:
        """Send groups to an actor."""
        groups = [self.groups[task.id] for task in tasks]
        parcels = {key: self.parcels[key] for key, _ in groups}
        now, limit = time.monotonic(), self.settings.timeout
        self.begun[call] = worker, now, now + len(tasks) * limit if limit else float("inf")
        self.actors.call(
            worker, "judge", (parcels, groups), lambda a, e: self.events.put(("answered", (worker, call, a, e)))
        )

    # Commands

    def on_parcel(self, key: str, parcel: bytes) -> None:
        """A reward stack, with its files."""
        self.parcels[key] = [self.actors.put(parcel)]

    def on_try(self, key: str) -> None:
        """Open a reward stack on an actor, to see whether that works there."""
        worker = next(iter(self.dispatch.workers), None)
        if worker is None:
            self.to_try.append(key)
            return
        self.actors.call(worker, "open", ({key: self.parcels[key]},), lambda a, e: self.events.put(("tried", (a, e))))

    def on_judge(self, number: int, key: str, group: bytes) -> None:
        """A group to be judged."""
        self.groups[number] = key, group
        self.dispatch.add(Task(number))

    def on_close(self) -> None:
        """The run is over, or gone."""
        self.closed = True

    # What the cluster says

    def on_ready(self, number: int, error: BaseException | None) -> None:
        """An actor has started, or could not."""
        self.starting.discard(number)
        if error is None:
            self.failed_starts = 0
            self.dispatch.join(number)
            tries, self.to_try = self.to_try, []
            for key in tries:
                self.on_try(key)
        else:
            self.failed_starts, self.why_not = self.failed_starts + 1, cluster.cause_of(error)
            self.actors.kill(number)
            if self.failed_starts < FAILED_STARTS:
                self.start_actor()
        self.count()
        if not self.is_open and self.dispatch.workers:
            self.is_open = True
            self.tell("open", self.counts)

    def on_tried(self, answer: bytes | None, error: BaseException | None) -> None:
        """A reward stack was opened on an actor, or not."""
        failure = pickle.loads(answer) if answer is not None else None
        self.tell("tried", cluster.cause_of(error) if error is not None else str(failure) if failure else "")

    def on_answered(
        self, worker: int, call: int, answer: tuple[list[bytes], float] | None, error: BaseException | None
    ) -> None:
        """An actor has judged groups, or died."""
        self.begun.pop(call, None)
        if worker not in self.dispatch.workers:
            return  # it died, and its groups are elsewhere
        if answer is None:
            assert error is not None
            self.lose(worker, cluster.cause_of(error), node=cluster.is_of_node(error))
            return
        tasks = self.dispatch.done(worker, call, answer[1])
        self.counts.judged += len(tasks)
        self.counts.seconds += answer[1]
        judged = [(task.id, data, task.resent) for task, data in zip(tasks, answer[0], strict=True)]
        for task in tasks:
            del self.groups[task.id]
        self.tell("judged", judged, self.counts)

    def lose(self, worker: int, cause: str, *, node: bool = False) -> None:
        """End and replace an actor that died or must; send its groups again, or give them up."""
        again, given_up = self.dispatch.leave(worker, node=node)
        self.begun = {call: begun for call, begun in self.begun.items() if begun[0] != worker}
        self.actors.kill(worker)
        self.counts.died += 1
        self.counts.resent += len(again)
        self.start_actor()
        self.count()
        for task in given_up:
            self.unscore(task, f"the actor that judged it died, {task.deaths} times; the last time because {cause}")
        self.tell("counts", self.counts)

    def unscore(self, task: Task, reason: str) -> None:
        """Give a group up."""
        self.groups.pop(task.id, None)
        self.counts.unscored += 1
        self.tell("unscored", task.id, reason, task.resent, self.counts)

    def look_after(self) -> None:
        """End actors whose call is overdue, unless its answer may be here already; give up if no actor is left."""
        now = time.monotonic()
        for worker, _, end in list(self.begun.values()) if self.events.empty() else ():
            if now > end and worker in self.dispatch.workers:
                self.lose(worker, f"it took longer than timeout = {self.settings.timeout:g} s")
        if self.dispatch.workers:
            self.none_since = now
            return
        waited = now - self.none_since
        hopeless = not self.starting
        if not hopeless and waited < self.settings.patience:
            return
        if hopeless:
            why = f"its actors cannot start: {self.why_not}"
        else:
            why = f"none has started for {waited:.0f} s (patience = {self.settings.patience:g}): {self.actors.room()}"
        if not self.is_open:
            self.tell("failed", why)
            self.closed = True
            return
        for task in self.dispatch.give_up():
            self.unscore(task, f"no actor of the Ray cluster is left; {why}")
        self.tell("lost", f"no actor of the Ray cluster is left; {why}")

    def count(self) -> None:
        """See what is alive."""
        self.counts.alive = len(self.dispatch.workers)
        self.counts.nodes = self.actors.nodes()

    def tell(self, *message: Any) -> None:
        """Write a message; nobody may be there to read it any more."""
        try:
            send(self.out, message)
        except OSError:
            self.closed = True


def main() -> None:
    """Do what the input says, out of the reach of Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which closes our input
    commands, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Ray prints
    settings: Settings = receive(commands)
    try:
        serve(settings, commands, out)
    finally:
        shutil.rmtree(settings.folder, ignore_errors=True)  # a run that was killed could not


def serve(settings: Settings, commands: IO[bytes], out: IO[bytes]) -> None:
    """Connect, work, disconnect."""
    try:
        actors, settings = cluster.connect(settings)
    except Exception as error:
        send(out, ("failed", cluster.explained(error, settings)))
        return
    try:
        Broker(settings, actors, out).run(commands)
    finally:
        actors.close()


if __name__ == "__main__":
    main()
