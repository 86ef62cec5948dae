r"""Prompt `my_plugin`: the question in a plain template, without the model's chat template."""

from __future__ import annotations

from justtinker_core import Problem, Prompt, hookimpl, plugin

STOP = "\n\nQuestion:"  # where a model that has answered would begin the next question


@plugin
class MyPlugin:
    """A question, the form in which it is to be answered, and the room for the answer."""

    template: str = "Question: {question}\nThink first, then write the answer as \\boxed{{answer}}.\nAnswer:"
    """``{question}`` stands for the question; braces of the text itself are doubled."""

    def __post_init__(self) -> None:
        if "{question}" not in self.template:
            raise ValueError(f"template = {self.template!r} never shows the question; write {{question}}")

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """The whole prompt as text. Chat messages would do too: return a list of role and content."""
        return Prompt(text=self.template.format(question=problem.question), stop=(STOP,))
