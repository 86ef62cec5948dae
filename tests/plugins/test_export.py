from __future__ import annotations

import contextlib
import io
import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from justtinker_core import SampleRequest
from justtinker_core.rundir import RunDir
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends.local import LocalBackend
from justtinker_plugins.commands._cli.results import print_results
from justtinker_plugins.commands._export import card
from justtinker_plugins.commands._export.progress import Shown
from justtinker_plugins.commands._export.prompt import Example
from tests.core.conftest import Written, cli
from tests.plugins.test_local import open_local

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch

from justtinker_core.testing.backends import demonstrations, train

CONFIG = """
[run]
name = "mine"
model = {model!r}
steps = 2
[sampling]
max_tokens = 12
[data.train]
use = "arithmetic"
[plugins]
enable = ["{backend}", "chatml_think", "grpo", "math_verify", "correct", "group_mean"]
[plugins.{backend}]
"""
TOKENS = torch.arange(20)[None]


def made(path: Path, tied: bool) -> Path:
    """A small model as it comes from the hub."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(5)
    config = Qwen3Config(
        vocab_size=128, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        intermediate_size=32, max_position_embeddings=64, tie_word_embeddings=tied,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(path)
    models.tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {tied: made(folder / f"tied-{tied}", tied) for tied in (True, False)}


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Any]:
    """Make a run directory with one checkpoint of a trained model; also give the backend that trained it."""
    opened: list[LocalBackend] = []

    def make(model: str, **options: Any) -> tuple[Path, LocalBackend]:
        text = CONFIG.format(model=model, backend="local") + "".join(
            f"{k} = {json.dumps(v)}\n" for k, v in options.items()
        )
        files = RunDir.create(tmp_path / "run", text)
        backend = open_local(files.path, model, seed=42, **options)
        opened.append(backend)
        for _ in range(5):
            train(backend, demonstrations(backend))
        backend.save("step_000002").result(60)
        files.append("checkpoints.jsonl", {"step": 2, "kind": "final", "path": "checkpoints/step_000002"})
        return files.path, backend

    yield make
    for backend in opened:
        backend.close()


def logits(model: Any) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model.eval()(TOKENS).logits)


def policy_logits(backend: LocalBackend) -> np.ndarray:
    with backend.policy.merged():
        backend.policy.model.set_attn_implementation("sdpa")  # the backend's reads packed tokens only
        return logits(backend.policy.model)


def the_readme_says(directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the code on the page prints."""
    code = re.search(r"```python\n(.*?)```", (directory / "README.md").read_text(), re.DOTALL)
    assert code
    monkeypatch.chdir(directory)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code[1], {})
    return printed.getvalue().removesuffix("\n")


def greedy(backend: LocalBackend, text: str) -> str:
    """What the backend answers."""
    request = SampleRequest(tuple(backend.encode(text)), ("<|im_end|>",), 1, 12, 0.0, 1.0, 0)
    [future] = backend.sampler().sample([request])
    return backend.decode(future.result(60)[0].tokens)


CASES = [(True, 4, True), (True, 4, False), (False, 4, True), (False, 4, False), (True, 0, True)]


@pytest.mark.parametrize(("tied", "rank", "unembed"), CASES)
def test_whatever_is_exported_is_the_model_that_was_trained(
    tied: bool, rank: int, unembed: bool, trained: Any, bases: dict[bool, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, backend = trained(str(bases[tied]), lora_rank=rank, train_unembed=unembed)
    expected, before = policy_logits(backend), logits(AutoModelForCausalLM.from_pretrained(bases[tied]))
    assert np.abs(expected - before).max() > 0.1

    result = cli("export", run, tmp_path / "whole", "--merge")
    assert result.exit_code == 0, result.output
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    np.testing.assert_allclose(logits(whole), expected, atol=1e-5)
    assert whole.config.tie_word_embeddings == (tied and not (rank and unembed))
    prompt = "<|im_start|>system\nYou are"
    tokens = AutoTokenizer.from_pretrained(tmp_path / "whole")(prompt, add_special_tokens=False)["input_ids"]
    assert tokens == backend.encode(prompt)
    question = re.search(r"````text\n(.*?)\n````", (tmp_path / "whole" / "README.md").read_text(), re.DOTALL)
    assert question
    answer = greedy(backend, question[1])
    assert the_readme_says(tmp_path / "whole", monkeypatch) == answer
    if not rank:
        return

    result = cli("export", run, tmp_path / "adapter")
    assert result.exit_code == 0, result.output
    assert f"holds an adapter of {bases[tied]}: mine, step 2" in result.output
    assert ("the whole unembedding" in " ".join(result.output.split())) == (tied and unembed)
    adapter = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    np.testing.assert_allclose(logits(adapter), expected, atol=1e-4)
    merged = adapter.merge_and_unload()
    np.testing.assert_allclose(logits(merged), expected, atol=1e-5)
    merged.save_pretrained(tmp_path / "again")
    np.testing.assert_allclose(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "again")), expected, atol=1e-5)
    assert the_readme_says(tmp_path / "adapter", monkeypatch) == answer


def test_an_adapter_of_a_model_that_nobody_has(trained: Any, tmp_path: Path) -> None:
    run, backend = trained("tiny", lora_rank=2)
    result = cli("export", run, tmp_path / "out")
    assert result.output == (
        "loading tiny ...\nError: [run] model = 'tiny' exists in its runs only, so nobody could load an adapter of it: "
        "add --merge\n"
    )
    assert [path.name for path in tmp_path.iterdir() if path.name != "run"] == []
    assert cli("export", run, tmp_path / "out", "--merge").exit_code == 0
    from transformers import AutoModelForCausalLM

    np.testing.assert_allclose(
        logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out")), policy_logits(backend), atol=1e-5
    )
    assert (
        "A whole model of JustTinker's quickstart: step 2 of the run `mine`" in (tmp_path / "out/README.md").read_text()
    )


def test_what_is_there_stays(trained: Any, tmp_path: Path) -> None:
    run, _ = trained("tiny")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    result = cli("export", run, tmp_path / "out")
    assert result.output == f"Error: {tmp_path / 'out'} already holds files; choose a new directory\n"
    (tmp_path / "out" / "notes.txt").unlink()
    assert cli("export", run, tmp_path / "out").exit_code == 0, "an empty directory is as good as none"
    result = cli("export", run, tmp_path / "out" / "README.md" / "in")
    assert f"cannot write {tmp_path / 'out' / 'README.md' / 'in'}: Not a directory; nothing was kept" in result.output


def test_a_full_disk_leaves_nothing(trained: Any, tmp_path: Path) -> None:
    run, _ = trained("tiny")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        result = cli("export", run, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert re.search(r"Error: cannot write the weights: .*; nothing was kept", result.output)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_checkpoint_is_named(trained: Any, tmp_path: Path) -> None:
    run, backend = trained("tiny")

    def said(*arguments: str) -> str:
        return cli("export", run, tmp_path / "out", *arguments).output

    assert said("--checkpoint", "bset") == ("Error: --checkpoint: expected best, final, a step or a path, got 'bset'\n")
    assert said("--checkpoint", "3") == f"Error: the run {run} has no checkpoint of step 3; it has 2\n"
    assert "has been evaluated, so none is the best" in said("--checkpoint", "best")
    path = backend.save("other").result(60)
    assert f"{tmp_path / 'out'} holds a model: mine, checkpoint other\n" in said("--checkpoint", path)
    (run / "checkpoints" / "step_000002" / "meta.json").unlink()
    result = cli("export", run, tmp_path / "gone")
    assert re.search(r"no checkpoint at .*step_000002.*; choose another with --checkpoint\n", result.output)


def test_a_backend_that_cannot_export(written: Written, tmp_path: Path) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Judge", "Sft")
    assert cli("train", config, "--dir", "out").exit_code == 0
    assert "justtinker export" not in cli("train", "--resume", "out").output
    result = cli("export", tmp_path / "out", tmp_path / "weights")
    assert "cannot export its weights: its plugin has no method `export`" in result.output
    assert not (tmp_path / "weights").exists()


def test_a_finished_training_names_the_command(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = trained("tiny")
    print_results([run], "finished")
    assert capsys.readouterr().out == f"use its weights elsewhere: justtinker export {run} DIR\n"
    print_results([run], "failed")
    (run / "checkpoints.jsonl").unlink()
    print_results([run], "finished")
    assert capsys.readouterr().out == ""


def test_a_generation_ends_where_the_run_stops(trained: Any, bases: dict[bool, Path], tmp_path: Path) -> None:
    """A base model's end token is another than the one that ends a turn."""
    other = tmp_path / "base"
    made(other, True)
    settings = json.loads((other / "generation_config.json").read_text())
    (other / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": 0}))
    run, backend = trained(str(other))
    assert cli("export", run, tmp_path / "out").exit_code == 0
    ends = json.loads((tmp_path / "out" / "generation_config.json").read_text())["eos_token_id"]
    assert ends == [0, *backend.encode("<|im_end|>")]


def test_a_prompt_of_the_chat_template_is_shown_with_its_variables(trained: Any, tmp_path: Path) -> None:
    run, _ = trained("tiny")
    config = (run / "config.toml").read_text().replace("chatml_think", "chat_template")
    (run / "config.toml").write_text(config + "[plugins.chat_template]\ntemplate = { enable_thinking = false }\n")
    assert cli("export", run, tmp_path / "out").exit_code == 0
    page = (tmp_path / "out" / "README.md").read_text()
    assert "`apply_chat_template(..., add_generation_prompt=True, enable_thinking=False)`" in page
    assert "````text\n<|im_start|>user\nWhat is 27+45?\n\nPlease reason step by step" in page


def test_a_prompt_of_a_renderer_is_not_said_to_be_the_templates() -> None:
    page = card.prompt(Example("chat_template", "?", "a?b", ("</s>",), (2,), {"renderer": "qwen3.5"}))
    assert "The renderer `qwen3.5` of the package `renderers` made it." in page
    assert "apply_chat_template" not in page


def test_progress_is_told_about_ten_times() -> None:
    told: list[str] = []
    shown = Shown(told.append)
    for done in range(101):
        shown("downloading it", done * 10**6, 100 * 10**6)
    assert len(told) == 11
    assert (told[0], told[-1]) == ("downloading it: 0.0 of 100.0 MB", "downloading it: 100.0 of 100.0 MB")
    shown("writing it", 0, 0)
    shown("writing it", 0, 0)
    assert told[11:] == ["writing it"]
