r"""Prompt `my_plugin`: the question in a plain template, without the model's chat template."""

from __future__ import annotations

from justtinker_core import Problem, Prompt, hookimpl, plugin

STOP = "\n\nQuestion:"  # a model that has answered may go on with another question


@plugin
class MyPlugin:
    """The question, then the format of the answer, then room for the response."""

    template: str = "Question: {question}\nThink first, then write the answer as \\boxed{{answer}}.\nAnswer:"
    """``{question}`` stands for the question; double any other braces."""

    def __post_init__(self) -> None:
        if "{question}" not in self.template:
            raise ValueError(f"template = {self.template!r} does not show the question; expected {{question}} in it")

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """Return the whole prompt as text, or chat messages as a list of role and content."""
        return Prompt(text=self.template.format(question=problem.question), stop=(STOP,))
