"""The recipe's presets over the wire: the real commands and the real SDK, a server that trains a bigram table.

Only what the machine cannot hold is changed: model, data, lengths and counts. Prompts, rewards, losses, monitors and
records are the presets' own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from justtinker_core.rundir import RunDir
from tests.core.conftest import cli

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")
pytest.importorskip("transformers", reason="chat templates need transformers")

from tests.plugins.tinker_server import KEY, MODEL, TinkerServer, served

QWEN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}"
)
"""What Qwen3.5's template puts around one question."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinkerServer]:
    """A server whose tokenizer has Qwen3.5's template; problems in a file."""
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "problem": f"{a}+{b}=?", "answer": str(a + b), "subject": "sums",
            "demonstration": f"<think>{a}+{b} is {a + b}</think>\\boxed{{{a + b}}}",
        }
        for a in range(1, 9) for b in range(1, 9)
    ]  # fmt: skip
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with served(tmp_path / "tokenizer") as server:
        server.context_length = 1024
        Path("tokenizer", "chat_template.jinja").write_text(QWEN)
        monkeypatch.setenv("TINKER_BASE_URL", server.url)
        yield server


def short(*tables: str) -> list[str]:
    """What no preset can do here, made small."""
    sets = [f"run.model={MODEL}", "sampling.max_tokens=24", "run.steps=2", "evaluation.every=2"]
    for table in tables:
        sets += [f"{table}.use=files", f"{table}.path={Path('sums.jsonl').resolve()}", f"{table}.limit=8"]
    return [part for item in sets for part in ("--set", item)]


def prompts(server: TinkerServer) -> set[str]:
    """The ends of all prompts, from the assistant's turn on."""
    texts = [
        server.tokenizer.decode([token for chunk in body["prompt"]["chunks"] for token in chunk["tokens"]])
        for body in server.bodies("asample")
    ]
    return {text.rpartition("<|im_start|>assistant")[2] for text in texts}


def test_the_two_stages(world: TinkerServer) -> None:
    cold = cli("train", "coldstart-quick", *short("data.train", "data.eval.held_out"), "--dir", "cold")
    assert cold.exit_code == 0, cold.output
    more = ("--set", "run.start_from=cold", "--dir", "rl")
    rl = cli("train", "justrl-quick", *short("data.train", "data.eval.math", "data.eval.aime"), *more)
    assert rl.exit_code == 0, rl.output
    assert prompts(world) == {"\n"}, "the opening tag is the model's own"
    losses = {body["loss_fn"] for body in world.bodies("forward_backward")}
    assert "cross_entropy" in losses
    assert losses <= {"cross_entropy", "ppo"}, "a group without a right answer trains nothing"
    assert [step["step"] for step in RunDir(Path("rl")).read("steps.jsonl")] == [1, 2]
    loaded = [body["path"] for body in world.bodies("load_weights")]
    assert loaded == [RunDir(Path("cold")).read("checkpoints.jsonl")[-1]["path"]]


def test_a_model_that_thinks_by_itself(world: TinkerServer) -> None:
    sets = [*short("data.train", "data.eval.math", "data.eval.aime"), "--set", "plugins.grpo.problems_per_step=2"]
    done = cli("train", "justrl-thinking", *sets, "--dir", "rl")
    assert done.exit_code == 0, done.output
    assert prompts(world) == {"\n<think>\n"}
    assert world.bodies("load_weights") == []
    assert [step["step"] for step in RunDir(Path("rl")).read("steps.jsonl")] == [1, 2]
