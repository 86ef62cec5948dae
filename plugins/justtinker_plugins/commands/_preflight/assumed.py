"""Stand-ins for what a run lacks, so that its cost can be estimated without a key, a tokenizer or its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from justtinker_core import Backend, Problem, Prompt
from justtinker_core.run import Run
from justtinker_core.types import Message
from justtinker_plugins.shared.tables import problems_by_table

CHARACTERS = 4
"""Characters of a token: what tokenizers need for English and for simple formulas."""
QUESTION = 100
"""Tokens of a question."""
EVALUATED = 100
"""Problems of an evaluation set without a limit."""
TAGS = 20
"""Characters that a chat template puts around a message."""


class AssumedBackend:
    """Encodes as if every token had so many characters."""

    context_length = 10**9
    end_token = ""

    def encode(self, text: str) -> list[int]:
        """As many tokens as the text may have."""
        return [0] * -(-len(text) // CHARACTERS)

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        """A text as long as the prompt may become."""
        chat = () if isinstance(prompt, str) else prompt
        text = "".join(f"{message['content']}{' ' * TAGS}" for message in chat) or str(prompt)
        return Prompt(text, stop=(self.end_token,), tokens=tuple(self.encode(text)))


def with_assumptions(run: Run) -> tuple[Run, list[str]]:
    """Return a run that can be asked what it would cost, and what that assumes; the run itself if it lacks nothing."""
    tables, response = {spec.table for spec in missing(run)}, round(run.config.sampling.max_tokens / 2)
    if run.ready and not tables:
        return run, []
    made_up = made_up_problems(response)
    whole = Run(run.config, run.plugins, run.files, ready=True)
    whole.backend = run.backend if run.ready else cast(Backend, AssumedBackend())
    whole.train_problems = run.train_problems or made_up
    assumed = [] if run.ready else [f"{CHARACTERS} characters a token"]
    if tables:
        assumed.append(f"questions of {QUESTION} tokens")
    if "data.train" in tables and not run.plugins.who("score"):
        assumed.append(f"demonstrations of {response:,}")
    for spec in run.config.data:
        if spec.purpose == "eval":
            loaded = run.eval_problems.get(spec.name)
            whole.eval_problems[spec.name] = loaded or made_up[:1] * (spec.limit or EVALUATED)
            if not loaded and spec.limit is None:
                assumed.append(f"{EVALUATED} problems in {spec.table}")
    return whole, assumed


def missing(run: Run) -> list[Any]:
    """The data tables that could not be loaded."""
    loaded = problems_by_table(run)
    return [spec for spec in run.config.data if not loaded.get(spec.table)]


def made_up_problems(response: int) -> tuple[Problem, ...]:
    """Two problems, one whose demonstration thinks and one whose does not: a prompt may fit only one of them."""
    question, text = "x" * QUESTION * CHARACTERS, "x" * response * CHARACTERS
    return tuple(
        Problem(f"assumed-{number}", question, "1", demonstration=demonstration)
        for number, demonstration in enumerate((f"<think>{text}</think>", text))
    )
