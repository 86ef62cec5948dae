"""Thinking that the chat template opens or turns off: every reader of a response goes by it, in training as in records.

The templates have the shapes of those of Qwen3.5, DeepSeek-R1 and V3.1 and Llama 3: what they put before the response.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Group, Prompt, Scorer
from justtinker_core.rollouts import collect
from justtinker_core.rundir import RunDir
from justtinker_core.sampling import Settings
from justtinker_core.testing import make_problem
from justtinker_core.types import Problem
from justtinker_plugins.backends._prompts import Prompts
from justtinker_plugins.environments.calculator import Calculator
from justtinker_plugins.prompts.chat_template import ChatTemplate
from justtinker_plugins.shared.page.selection import row_of
from justtinker_plugins.shared.records.groups import group_of
from justtinker_plugins.shared.records.lines import lines
from justtinker_plugins.shared.records.step_files import read_groups
from tests.core.conftest import ScriptedBackend, plugins_of

pytest.importorskip("transformers", reason="chat templates need the 'local' extra")

TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
OFF = "{{ '<think>\\n\\n</think>\\n\\n' }}"
OPEN = "{{ '<think>\\n' }}"
TEMPLATES = {
    "switch": f"{TURNS}{{% if enable_thinking is false %}}{OFF}{{% else %}}{OPEN}{{% endif %}}",
    "always": TURNS + OPEN,
    "bare close": TURNS + "{{ '<think>' if thinking else '</think>' }}",
    "none": TURNS,
}


class Templated(ScriptedBackend):
    """Renders with a real tokenizer's chat template."""

    def __init__(self, template: str, *texts: str) -> None:
        from justtinker_plugins.backends._local.model import tiny_tokenizer

        super().__init__(lambda prompt, index: texts[index % len(texts)])
        self.tokenizer = tiny_tokenizer()
        self.tokenizer.chat_template = template

    def render(self, prompt: Any, **template: Any) -> Prompt:
        text = Prompts(self.tokenizer)(prompt, template).text
        return Prompt(text, stop=(self.end_token,), tokens=tuple(self.encode(text)))


KINDS = ["math", *Calculator().kinds]
STACK = ["math_verify", "correct", "format", "redundancy", "boxed", "thinking", "group_mean"]


def rolled_out(
    backend: ScriptedBackend,
    template: dict[str, Any],
    n: int,
    pipeline: str = "strict",
    problem: Problem | None = None,
    environment: Any = None,
) -> Group:
    """The judged group of one problem."""
    settings = Settings("sample", n, 60 if environment is None else 200, 1.0, 1.0, 42)
    tables = {"plugins": {"enable": STACK, "math_verify": {"pipeline": pipeline, "kinds": KINDS}}}
    with Scorer(tables) as scorer:
        more = [] if environment is None else [environment]
        judges = [active.instance for active in scorer.plugins.active.values()]
        plugins = plugins_of(ChatTemplate(template=template), *more, *judges)
        [group] = collect([problem or make_problem()], 1, plugins, backend, backend.sampler(), settings)
        return scorer.judge(group)


FINISHED = "1+1 is two.\n</think>\n\n\\boxed{2}$"
CUT_OFF = "1+1, so perhaps \\boxed{2}. But wait, let me check it once more"
NEVER_CLOSED = "1+1, so the answer is \\boxed{2}$"
SHORT = "It is \\boxed{2}.$"


@pytest.mark.parametrize(("name", "template"), [("switch", {}), ("always", {}), ("bare close", {"thinking": True})])
@pytest.mark.parametrize("pipeline", ["strict", "flexible"])
def test_a_box_in_thinking_that_the_prompt_has_opened_is_no_answer(
    name: str, template: dict[str, Any], pipeline: str
) -> None:
    group = rolled_out(Templated(TEMPLATES[name], FINISHED, CUT_OFF, NEVER_CLOSED), template, 3, pipeline)
    assert [rollout.truncated for rollout in group.rollouts] == [False, True, False]
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "incorrect", "incorrect"]
    assert {verdict.reason for verdict in group.verdicts[1:]} == {"a <think> is never closed"}
    assert [reward.terms["format"] for reward in group.rewards] == [0.0, None, None]
    assert [reward.terms["boxed"] for reward in group.rewards] == [1.0, 0.0, 0.0]
    assert group.measures["thinking_rate"] == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(("name", "template"), [("switch", {"enable_thinking": False}), ("bare close", {})])
def test_with_thinking_off_an_answer_without_tags_is_well_formed(name: str, template: dict[str, Any]) -> None:
    group = rolled_out(Templated(TEMPLATES[name], SHORT, FINISHED, "<think>1+1</think>\\boxed{2}$"), template, 3)
    assert [verdict.outcome for verdict in group.verdicts] == ["correct"] * 3
    assert [reward.terms["format"] for reward in group.rewards] == [0.0, -1.0, -1.0]
    assert group.measures["thinking_rate"] == (0.0, 0.0, 0.0)


def test_a_prompt_that_opens_nothing_leaves_the_tag_to_the_model() -> None:
    group = rolled_out(Templated(TEMPLATES["none"], "<think>1+1=2</think>\\boxed{2}$", FINISHED, SHORT), {}, 3)
    assert [rollout.opened for rollout in group.rollouts] == [""] * 3
    assert [reward.terms["format"] for reward in group.rewards] == [0.0, -1.0, -1.0]
    assert group.measures["thinking_rate"] == (1.0, 0.0, 0.0)


def test_several_turns_in_opened_thinking() -> None:
    def play(prompt: str, index: int) -> str:
        return "\n</think>\\boxed{65}$" if "</calc>=65" in prompt else "We need <calc>5*13</calc>"

    backend = Templated(TEMPLATES["always"])
    backend.respond = play
    problem = make_problem("5*13=?", "65", kind=Calculator().kinds[0])
    group = rolled_out(backend, {}, 2, "strict", problem, Calculator())
    assert {rollout.opened for rollout in group.rollouts} == {"<think>\n"}
    assert not all(group.rollouts[0].mask), "the calculator's turn is among them"
    assert [verdict.outcome for verdict in group.verdicts] == ["correct", "correct"]
    assert [reward.terms["format"] for reward in group.rewards] == [0.0, 0.0]


def test_what_is_recorded_is_scored_and_shown_alike(tmp_path: Path) -> None:
    group = rolled_out(Templated(TEMPLATES["always"], FINISHED, CUT_OFF), {}, 2)
    RunDir(tmp_path).write_groups("step_000001", [group])
    path = tmp_path / "rollouts" / "step_000001.jsonl.zst"
    [line] = lines(path)
    again, rewards = group_of(line)
    with Scorer({"plugins": {"enable": STACK}}) as scorer:
        judged = scorer.judge(again)
    assert [reward.total for reward in judged.rewards] == [reward.total for reward in group.rewards] == rewards
    assert judged.measures == group.measures
    [record] = read_groups(path)
    rows = [row_of(record, n, "train") for n in range(2)]
    assert [row["thinking"] for row in rows] == ["\n1+1 is two.\n", None]
    assert rows[0]["response"] == "\n\n\\boxed{2}"
    assert rows[1]["response"].startswith("<think>\n1+1, so perhaps")
