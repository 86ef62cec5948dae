r"""Chat messages, which the backend renders in the model's own chat format.

For models that already reason in their own format. Many templates open the thinking block in the prompt, or close it
there if thinking is off; the core sees that and reads responses accordingly. The recipe's two stages need
`chatml_think` instead, where the tag is the model's own. What ends a turn is read off the template, too: see
docs/chat-formats.md.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from justtinker_core import Problem, Prompt, hookimpl, plugin


@plugin
class ChatTemplate:
    r"""An optional system message and the question, by default with the usual request for ``\boxed{}``."""

    system: str | None = None
    """The system message; without one, the template's own default applies."""
    user: str = "{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
    """The user's message; ``{problem}`` stands for the question."""
    template: dict[str, Any] = field(default_factory=dict)
    """Variables of the chat template: ``{ enable_thinking = false }``, ``{ reasoning_effort = "low" }``."""
    renderer: str = ""
    """Render with this renderer of the package `renderers` (``"qwen3.5"``; ``"auto"`` goes by the model's name) instead
    of the tokenizer's template: for models whose tokenizer has none."""
    stop: tuple[str, ...] = ()
    """What ends the model's turn; the first also ends SFT targets. Without any, it is read off the chat template."""

    def __post_init__(self) -> None:
        if "{problem}" not in self.user:
            raise ValueError(f"user = {self.user!r} never shows the question; write {{problem}} where it goes")

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """Messages for the backend to render; by default without a stop, since the format has its own."""
        user = {"role": "user", "content": self.user.replace("{problem}", problem.question)}
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        template = {"renderer": self.renderer, **self.template} if self.renderer else self.template
        return Prompt(messages=(*system, user), stop=self.stop, template=template)
