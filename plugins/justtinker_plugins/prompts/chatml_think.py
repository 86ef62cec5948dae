"""The recipe's prompt: ChatML written by hand, ending where the assistant's turn begins.

The opening ``<think>`` is not part of it: it is the model's own first token, which cold-start SFT teaches. Both stages
must use the same texts, or a model that learned to think in the first stops thinking in the second. This plugin does
not use the model's chat template; `chat_template` does.
"""

from __future__ import annotations

import re

from justtinker_core import Problem, Prompt, RunContext, hookimpl, plugin
from justtinker_plugins.text import OPEN

STOP = "<|im_end|>"
_CONTROL = re.compile(r"<(?=\|(?:im_start|im_end|endoftext)\|>)")


@plugin
class ChatmlThink:
    """The ChatML prompt of JustTinker (Ning, 2026), byte for byte.

    A control token spelled out in a question (``<|im_end|>``) would end the user's turn, because backends recognise
    special tokens in text. A space makes it harmless, ``< |im_end|>``, so that one odd row of a data set can neither
    write the assistant's turn nor end a run halfway.
    """

    system: str = "You are a helpful mathematical assistant. Think step by step before answering."
    """The system message."""
    user: str = "Solve the following math problem.\n\nProblem: {problem}"
    """The user's message; ``{problem}`` stands for the question."""
    single_tokens: bool = True
    """Refuse a model whose tokenizer splits ``<think>`` or ``<|im_end|>``: the recipe needs each as one token."""

    def __post_init__(self) -> None:
        if "{problem}" not in self.user:
            raise ValueError(f"user = {self.user!r} never shows the question; write {{problem}} where it goes")

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each tag that the model's tokenizer splits."""
        words = (OPEN, STOP) if self.single_tokens and run.ready else ()
        return [
            f"the tokenizer of {run.config.run.model} turns {word} into {n} tokens, but chatml_think needs one: use a "
            "model that has it (the Qwen3 family) or another prompt plugin, or set single_tokens = false in "
            "[plugins.chatml_think]"
            for word in words
            if (n := len(run.backend.encode(word))) != 1
        ]

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """The whole prompt as text; ``<|im_end|>`` stops a sample and ends an SFT target."""
        user = self.user.replace("{problem}", _CONTROL.sub("< ", problem.question))
        text = f"<|im_start|>system\n{self.system}{STOP}\n<|im_start|>user\n{user}{STOP}\n<|im_start|>assistant\n"
        return Prompt(text=text, stop=(STOP,))
