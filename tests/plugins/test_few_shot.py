from __future__ import annotations

from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Prompt
from justtinker_core.options import configure
from justtinker_plugins.prompts.few_shot import EXAMPLES, FewShot
from justtinker_plugins.text import last_boxed


def build(question: str, **options: Any) -> Prompt:
    return configure(FewShot, "plugins.few_shot", options).build_prompt(Problem("1", question))


def test_own_examples() -> None:
    prompt = build(
        "What is $2 \\cdot 3$?",
        examples=[{"problem": "1+1=?", "solution": "\\boxed{2}"}, {"problem": "1+2=?", "solution": "\\boxed{3}"}],
    )
    assert prompt == Prompt(
        text="Problem: 1+1=?\nSolution: \\boxed{2}\n\n"
        "Problem: 1+2=?\nSolution: \\boxed{3}\n\n"
        "Problem: What is $2 \\cdot 3$?\nSolution:",
        stop=("\n\nProblem:",),
    )


def test_built_in_examples_end_in_a_box_and_precede_the_question() -> None:
    blocks = build("1+1=?").text.split("\n\n")
    assert len(blocks) == len(EXAMPLES) + 1
    boxes = [last_boxed(block) for block in blocks[:-1]]
    assert [box and box.content for box in boxes] == ["34", "5", "\\frac{1}{9}", "13"]
    assert blocks[-1] == "Problem: 1+1=?\nSolution:"


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "examples = []: a base model needs at least one, to see what to do"),
        ([{"problem": "1+1=?"}], "needs a value for 'examples.0.solution'"),
        (
            [{"problem": "1+1=?", "solution": "2", "answer": "2"}],
            "examples.0.answer = '2': unexpected keyword argument",
        ),
        (
            [{"problem": "1+1=?", "solution": 2}],
            'examples.0.solution = 2: input should be a valid string; write it in quotes: "2"',
        ),
    ],
)
def test_bad_examples_are_refused(examples: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PluginError) as error:
        build("1+1=?", examples=examples)
    assert str(error.value) == f"[plugins.few_shot] {message}"
