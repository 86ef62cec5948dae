"""The recipe's prompt: ChatML written by hand, ending where the assistant's turn begins.

The opening ``<think>`` is no part of it: that is the model's own first token, and what cold-start SFT teaches. Both
stages must use the same texts, or a model that learned to think in the first stops thinking in the second. This
plugin does not use the model's chat template; `chat_template` does.
"""

from __future__ import annotations

import re

from justtinker_core import Problem, Prompt, hookimpl, plugin

STOP = "<|im_end|>"
_CONTROL = re.compile(r"<(?=\|(?:im_start|im_end|endoftext)\|>)")


@plugin
class ChatmlThink:
    """ChatML prompt of JustTinker (Ning, 2026), byte for byte.

    A control token spelt out in a question (``<|im_end|>``) would end the user's turn, because backends recognise
    special tokens in text. It is made harmless by a space, ``< |im_end|>``: one odd row of a data set shall neither
    write the assistant's turn nor end a run half-way.
    """

    system: str = "You are a helpful mathematical assistant. Think step by step before answering."
    """The system message."""
    user: str = "Solve the following math problem.\n\nProblem: {problem}"
    """The user's message; ``{problem}`` stands for the question."""

    def __post_init__(self) -> None:
        if "{problem}" not in self.user:
            raise ValueError(f"user = {self.user!r} never shows the question; write {{problem}} where it goes")

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """The whole prompt as text; ``<|im_end|>`` stops a sample and ends an SFT target."""
        user = self.user.replace("{problem}", _CONTROL.sub("< ", problem.question))
        text = f"<|im_start|>system\n{self.system}{STOP}\n<|im_start|>user\n{user}{STOP}\n<|im_start|>assistant\n"
        return Prompt(text=text, stop=(STOP,))
