"""Sessions with an OpenEnv server, and the line with which an episode's record ends.

The package's client opens a new session by itself if the old one is gone, and that one has not been reset. Here a lost
session stays lost.

>>> from justtinker_plugins.environments._openenv import End
>>> print(End("over", 0.5, 3).line)
[episode over: reward 0.5, 3 turns]
>>> End.of("so 7\\n[episode over: reward 0.5, 3 turns]")
End(how='over', reward=0.5, turns=3, reason='')
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from justtinker_core import PluginError
from justtinker_plugins.shared.foreign import package

FULL = 5.0
"""Seconds to wait for a session that the server has not closed yet."""
_LINE = re.compile(r"\[episode (over|stopped): reward (none|-?[0-9.e+-]+), (\d+) turns\]\s*\Z")
_LOST = re.compile(r"\[episode lost: ([^\n]*)\]\s*\Z")
_CODE = re.compile(r"\(code: (\w+)\)\s*\Z")
_OWN = ("done", "reward", "metadata")


class LostError(Exception):
    """The episode cannot go on, by no fault of the policy."""


class RefusedError(Exception):
    """The server does not take the action as one."""


@dataclass(frozen=True)
class End:
    """How an episode ended."""

    how: Literal["over", "stopped", "lost"]
    """over: the environment says so. stopped: the policy has made its turns, or makes no more. lost: with a reason."""
    reward: float | None = None
    turns: int = 0
    reason: str = ""

    @property
    def line(self) -> str:
        """The last line of the episode's text."""
        if self.how == "lost":
            return f"[episode lost: {' '.join(self.reason.split())[:300]}]"
        reward = "none" if self.reward is None else repr(self.reward).removesuffix(".0")
        return f"[episode {self.how}: reward {reward}, {self.turns} turns]"

    @classmethod
    def of(cls, text: str) -> End | None:
        """Read the line at the end of a text; None if there is none. Whoever played the episode wrote it last."""
        last = text[-400:]
        if lost := _LOST.search(last):
            return cls("lost", reason=lost[1])
        if not (found := _LINE.search(last)):
            return None
        with contextlib.suppress(ValueError):
            reward = None if found[2] == "none" else float(found[2])
            return cls("over" if found[1] == "over" else "stopped", reward, int(found[3]))
        return None


class Session:
    """One session with a server: an environment of its own. Each method raises LostError if the server fails."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        core = package("openenv.core", "openenv", install="justtinker[openenv]")
        self._client = core.GenericEnvClient(base_url=url, message_timeout_s=seconds, connect_timeout_s=seconds).sync()
        self._socket: Any = None

    def reset(self, seed: int) -> Any:
        """Begin the episode of a seed; return its StepResult. PluginError if the server takes no more sessions."""
        deadline = time.monotonic() + FULL
        while True:
            try:
                self._client.connect()
                found = self._asked(lambda: self._client.reset(seed=seed))
            except PluginError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            except ConnectionError as error:
                raise LostError(f"no server answers at {self.url} ({error})") from error
            else:
                self._socket = self._client.async_client._ws
                return found

    def step(self, action: Mapping[str, Any]) -> Any:
        """Act; return the StepResult. RefusedError if this is no action."""
        if self._socket is None or self._client.async_client._ws is not self._socket or self._closed:
            raise LostError(f"the server at {self.url} has closed the session")
        found = self._asked(lambda: self._client.step(dict(action)))
        if self._client.async_client._ws is not self._socket:
            raise LostError(f"the server at {self.url} has closed the session")
        return found

    @property
    def _closed(self) -> bool:
        return getattr(getattr(self._socket, "state", None), "name", "OPEN") in ("CLOSING", "CLOSED")

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except TimeoutError as error:
            raise LostError(f"the server at {self.url} did not answer in time") from error
        except Exception as error:
            code = _CODE.search(str(error))
            if code and code[1] == "CAPACITY_REACHED":
                raise PluginError(
                    f"openenv: the server at {self.url} takes no more sessions; give it as many as episodes are "
                    "played at once (max_concurrent_envs, in its create_app)"
                ) from error
            if code and code[1] == "VALIDATION_ERROR":
                raise RefusedError from error
            raise LostError(f"the server at {self.url} failed: {error or type(error).__name__}") from error

    def close(self) -> None:
        """End the session; a server that is gone has ended it already."""
        with contextlib.suppress(Exception):
            self._client.close()


def shown(observation: Any, key: str) -> str:
    """What the policy sees of an observation: one of its keys; by default its only text, or else all of it as JSON."""
    fields = {name: value for name, value in dict(observation).items() if name not in _OWN}
    if key:
        if key not in fields:
            raise LostError(f"the observation has no {key!r}, but {', '.join(sorted(fields)) or 'nothing'}")
        value = fields[key]
        return value if isinstance(value, str) else json.dumps(value)
    texts = [value for value in fields.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 == len(fields) else json.dumps(fields)


def number_of(reward: Any) -> float | None:
    """Return a reward as a number. LostError if it is none."""
    if reward is None:
        return None
    if not isinstance(reward, int | float) or not math.isfinite(reward):
        raise LostError(f"the environment gave the reward {reward!r}, which is no finite number")
    return float(reward)
