import pytest
from justtinker_core.testing import make_problem

from plugin import MyPlugin


def test_the_text():
    prompt = MyPlugin().build_prompt(make_problem(question="1+1=?"))
    assert prompt.text == "Question: 1+1=?\nThink first, then write the answer as \\boxed{answer}.\nAnswer:"


def test_a_template_without_a_question():
    with pytest.raises(ValueError, match="does not show the question"):
        MyPlugin(template="Answer:")


def test_in_a_run(run_with):
    seen = set()
    done = run_with(
        MyPlugin(), problems=[make_problem(question="1+1=?")], respond=lambda prompt, i: seen.add(prompt) or "2"
    )
    assert done.status == "finished"
    assert all("Question: 1+1=?" in prompt for prompt in seen)
