"""Which group goes to which actor, and what becomes of groups whose actor dies. It knows nothing of Ray.

A group whose actor died is suspect. Suspects are judged again one at a time, each alone on an actor that holds nothing
else, so that one that kills whatever judges it takes no other with it. After `tries` actors that died under it, of
which only the first may have held others too, it is given up. A node that dies makes nobody suspect: its groups just go
elsewhere, up to `MOVES` times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST = 64
"""Groups of one call."""
CALL_SECONDS = 0.2
"""What a call should take at most: groups that are judged faster share one."""
MOVES = 5
"""How many nodes may die under a group before it is suspect too."""


@dataclass(slots=True)
class Task:
    """A group to be judged."""

    id: int
    deaths: int = 0
    """Actors that died while they judged it."""
    moves: int = 0
    """Nodes that died while one of their actors judged it."""

    @property
    def resent(self) -> bool:
        """Whether it was sent more than once."""
        return bool(self.deaths or self.moves)

    @property
    def suspect(self) -> bool:
        """Whether it must be judged alone."""
        return self.deaths > 0 or self.moves > MOVES


@dataclass(slots=True)
class Worker:
    """A living actor and the calls that are under way on it."""

    calls: dict[int, list[Task]] = field(default_factory=dict)
    alone: bool = False
    """It judges a suspect."""


class Dispatch:
    """Tasks that wait, and workers that have some. `calls`: how many a worker has at once."""

    def __init__(self, calls: int, tries: int) -> None:
        self.calls, self.tries = calls, tries
        self.waiting: deque[Task] = deque()
        self.suspects: deque[Task] = deque()
        self.workers: dict[int, Worker] = {}
        self.seconds = 0.0
        """What a group takes, a running mean; 0 while nobody knows."""
        self._numbers = 0

    def join(self, worker: int) -> None:
        """Take a worker that has started."""
        self.workers[worker] = Worker()

    def add(self, task: Task) -> None:
        """Take a task."""
        (self.suspects if task.suspect else self.waiting).append(task)

    def next(self) -> tuple[int, int, list[Task]] | None:
        """Start a call: which worker, the call's number, its tasks. None if nothing waits or no worker is free."""
        if self.suspects and (idle := [w for w, worker in self.workers.items() if not worker.calls]):
            self.workers[idle[0]].alone = True
            return self._start(idle[0], [self.suspects.popleft()])
        kept_free = self._kept_free()
        free = [
            (len(worker.calls), key)
            for key, worker in self.workers.items()
            if not worker.alone and key not in kept_free and len(worker.calls) < self.calls
        ]
        if not self.waiting or not free:
            return None
        return self._start(min(free)[1], [self.waiting.popleft() for _ in range(self._size())])

    def done(self, worker: int, call: int, seconds: float) -> list[Task]:
        """End a call that was answered. Returns its tasks; none if the worker has left."""
        if worker not in self.workers:
            return []
        self.workers[worker].alone = False
        tasks = self.workers[worker].calls.pop(call, [])
        if tasks:
            each = seconds / len(tasks)
            self.seconds = 0.8 * self.seconds + 0.2 * each if self.seconds else max(each, 1e-6)
        return tasks

    def leave(self, worker: int, *, node: bool = False) -> tuple[list[Task], list[Task]]:
        """Remove a worker that died, or whose node did. Returns its tasks: those to send again, those given up."""
        gone = self.workers.pop(worker, Worker())
        tasks = [task for call in gone.calls.values() for task in call]
        for task in tasks:
            task.deaths += not node
            task.moves += node
        again = [task for task in tasks if task.deaths < self.tries]
        for task in reversed(again):
            (self.suspects if task.suspect else self.waiting).appendleft(task)
        return again, [task for task in tasks if task.deaths >= self.tries]

    def give_up(self) -> list[Task]:
        """Return everything that waits, and forget it."""
        tasks = [*self.suspects, *self.waiting]
        self.suspects.clear()
        self.waiting.clear()
        return tasks

    def _kept_free(self) -> Sequence[int]:
        """Workers that get nothing new until a suspect can be alone on them: one of the least busy ones."""
        if not self.suspects or any(worker.alone for worker in self.workers.values()):
            return ()
        return [min(self.workers, key=lambda key: len(self.workers[key].calls), default=-1)]

    def _size(self) -> int:
        """How many tasks the next call gets: many quick ones, but not what other workers could do meanwhile."""
        if not self.seconds:
            return 1
        share = -(-len(self.waiting) // (2 * len(self.workers)))
        return max(1, min(MOST, share, len(self.waiting), int(CALL_SECONDS / self.seconds)))

    def _start(self, worker: int, tasks: list[Task]) -> tuple[int, int, list[Task]]:
        self._numbers += 1
        self.workers[worker].calls[self._numbers] = tasks
        return worker, self._numbers, tasks
