"""The backend of the two recorded runs beside this file: a script answers sums, some rightly. Needs no torch."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import time

from justtinker_core import plugin
from justtinker_core.testing import ScriptedBackend


def respond(prompt: str, index: int) -> str:
    """Think, then answer: about half of the answers are right, some have no thinking, some ramble."""
    a, b = re.findall(r"\d+", prompt.replace("\n", " "))[-2:]
    draw = hashlib.blake2b(repr((a, b, index)).encode()).digest()
    answer = int(a) + int(b) + (draw[0] % 2) * 10
    thinking = f"{a} plus {b} is {answer}. " * (1 if draw[1] % 4 else 12)
    return f"\\boxed{{{answer}}}" if draw[2] % 5 == 0 else f"<think>{thinking}</think>\\boxed{{{answer}}}"


@plugin
class ScriptedPolicy(ScriptedBackend):
    """`JUSTTINKER_KILL_AFTER=n` kills the process after n answered requests."""

    def __post_init__(self) -> None:
        ScriptedBackend.__init__(self, respond)
        self.left = int(os.environ.get("JUSTTINKER_KILL_AFTER", 0))

    def deliver(self, ready) -> None:  # type: ignore[no-untyped-def]
        """Answer one by one, from a thread, until the kill."""
        threading.Thread(target=self.answer, args=[ready]).start()

    def answer(self, ready) -> None:  # type: ignore[no-untyped-def]
        """Give the caller time to wait for its answers, so that they are kept as they come."""
        for pair in ready:
            time.sleep(0.02)
            super().deliver([pair])
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
