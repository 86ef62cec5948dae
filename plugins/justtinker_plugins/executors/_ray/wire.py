"""Messages between a run and the process that talks to Ray: pickled, each after its length."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import IO, Any

LENGTH = 8
"""Bytes of a message's length."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process that talks to Ray must know."""

    address: str
    actors: int
    """0: as many as the cluster has processors for."""
    cpus_per_actor: float
    calls: int
    """Groups that an actor judges at once."""
    tries: int
    timeout: float
    """Seconds that a group may take; 0: any number."""
    patience: float
    """Seconds without any living actor until groups are given up."""
    folder: str
    """Where a cluster of our own keeps its sockets and logs."""
    version: str
    """Of JustTinker here."""
    runtime_env: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables that actors get; they may be secret."""


@dataclass(slots=True)
class Counts:
    """What has become of actors and groups so far."""

    alive: int = 0
    wanted: int = 0
    nodes: int = 0
    died: int = 0
    """Actors that ended unasked."""
    resent: int = 0
    unscored: int = 0
    judged: int = 0
    seconds: float = 0.0
    """Time that actors spent judging, summed over groups."""


def send(file: IO[bytes], message: Any) -> None:
    """Write a message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    file.write(len(data).to_bytes(LENGTH, "big"))
    file.write(data)
    file.flush()


def receive(file: IO[bytes]) -> Any:
    """Read a message. EOFError if there is none any more."""
    head = file.read(LENGTH)
    data = file.read(int.from_bytes(head, "big")) if len(head) == LENGTH else b""
    if len(head) < LENGTH or len(data) < int.from_bytes(head, "big"):
        raise EOFError("the other process has ended")
    return pickle.loads(data)
