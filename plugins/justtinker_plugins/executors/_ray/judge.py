"""The actor: it holds the scorers of the configs that it is sent, and judges groups with them."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.scorer import scorer_of_process
from justtinker_plugins.executors._ray.travel import unpack

Parcels = Mapping[str, Sequence[Any]]
"""Key -> a reference to a pickled `Parcel`, in a list, so that Ray fetches it only when it is asked to."""


class Judge:
    """Judges groups on a node. Ray makes one object a process, and calls it from several threads."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        self._scorers: dict[str, Scorer] = {}
        self._lock = threading.Lock()

    def ready(self) -> int:
        """Answer as soon as calls are answered: with the process's number."""
        return os.getpid()

    def open(self, parcels: Parcels) -> bytes:
        """Open the plugins of configs: the pickled error if that fails, else of None."""
        try:
            for key, parcel in parcels.items():
                self._scorer(key, parcel)
        except BaseException as error:
            return dumped(error)
        return dumped(None)

    def judge(self, parcels: Parcels, groups: Sequence[tuple[str, bytes]]) -> tuple[list[bytes], float]:
        """Judge groups in turn, each pickled and with the key of its parcel.

        Returns pickled verdicts, measures and rewards, or an error, for each; and the seconds that it took.
        """
        begun = time.perf_counter()
        answers = [dumped(self._judged(key, parcels[key], data)) for key, data in groups]
        return answers, time.perf_counter() - begun

    def end(self) -> None:
        """Let the plugins end their processes."""
        for scorer in self._scorers.values():
            scorer.close()

    def _judged(self, key: str, parcel: Sequence[Any], data: bytes) -> Any:
        try:
            group: Group = pickle.loads(data)
            judged = self._scorer(key, parcel).judge(group)
            return judged.verdicts, judged.measures, judged.rewards  # the rest is where it came from
        except BaseException as error:
            return error

    def _scorer(self, key: str, parcel: Sequence[Any]) -> Scorer:
        with self._lock:
            if key not in self._scorers:
                import ray

                self._scorers[key] = scorer_of_process(unpack(pickle.loads(ray.get(parcel[0]))))
            return self._scorers[key]


def dumped(answer: Any) -> bytes:
    """Pickle an answer; an error that cannot be pickled becomes a PluginError of its text."""
    try:
        data = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        if isinstance(answer, BaseException):
            pickle.loads(data)
    except Exception as error:
        why = answer if isinstance(answer, BaseException) else error
        data = pickle.dumps(PluginError(f"{type(why).__name__}: {why}"))
    return data
