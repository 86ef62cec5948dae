"""Weights from a Tinker server: real SDK, real HTTP, a real adapter, and real archives, good and bad."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from justtinker_core import PluginError
from justtinker_core.rundir import RunDir

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")
pytest.importorskip("torch", reason="the adapter is made by the local backend")

import torch
from safetensors.torch import load, load_file, save
from tinker.lib.public_interfaces.rest_client import RestClient

from justtinker_core.testing.backends import demonstrations, train
from justtinker_plugins.backends._tinker.adapter import fit_adapter
from justtinker_plugins.backends._tinker.download import fetch, unpack
from justtinker_plugins.backends._tinker.tensors import read_tensors, write_tensors
from justtinker_plugins.backends.local import LocalBackend
from tests.core.conftest import cli
from tests.plugins.test_export import CONFIG, logits, made, policy_logits
from tests.plugins.test_local import open_local
from tests.plugins.tinker_server import KEY, TinkerServer, packed, served

ARCHIVES = hasattr(RestClient, "get_checkpoint_archive_url_from_tinker_path")
"""Whether this SDK downloads archives; newer ones download external weights."""
PATH = "tinker://run/weights/step_000002"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LocalBackend, dict[str, bytes]]]:
    """A base model with tied embeddings, a policy trained from it, and its adapter named as the service names it."""
    folder = tmp_path_factory.mktemp("tinker")
    base = made(folder / "base", tied=True)
    backend = open_local(folder / "run", str(base), lora_rank=4)
    for _ in range(5):
        train(backend, demonstrations(backend))
    saved = Path(backend.save("end").result(60))
    weights = load_file(saved / "adapter_model.safetensors")
    renamed = {name.replace("lm_head", "model.unembed_tokens"): w for name, w in weights.items()}
    config = json.dumps({"r": 4, "lora_alpha": 32, "peft_type": "LORA", "target_modules": "all-linear"})
    yield base, backend, {"adapter_config.json": config.encode(), "adapter_model.safetensors": save(renamed)}
    backend.close()


@pytest.fixture
def server(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinkerServer]:
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    with served(tmp_path / "tokenizer") as world:
        world.adapter, world.skyrl = trained[2], ARCHIVES
        world.save_somewhere(PATH)
        yield world


@pytest.fixture
def run(server: TinkerServer, trained: Any, tmp_path: Path) -> Path:
    text = CONFIG.format(model=str(trained[0]), backend="tinker") + f'base_url = "{server.url}"\n'
    files = RunDir.create(tmp_path / "run", text)
    files.append("checkpoints.jsonl", {"step": 2, "kind": "final", "path": PATH})
    return files.path


def test_a_merged_model_is_the_one_that_was_trained(run: Path, trained: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    result = cli("export", run, tmp_path / "out", "--merge")
    assert result.exit_code == 0, result.output
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    np.testing.assert_allclose(logits(model), policy_logits(trained[1]), atol=1e-5)
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_an_adapter_comes_home(run: Path, server: TinkerServer, trained: Any, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    result = cli("export", run, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "saving a copy that can be downloaded" in result.output
    assert "do not merge the adapter with PEFT" in " ".join(result.output.split())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    model = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "out")
    np.testing.assert_allclose(logits(model), policy_logits(trained[1]), atol=1e-4)
    assert server.copies == [], "the copy was deleted"
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert KEY.encode() not in written
    assert b"signature" not in written


def test_a_checkpoint_that_expired(run: Path, server: TinkerServer, tmp_path: Path) -> None:
    server.saved.clear()
    result = cli("export", run, tmp_path / "out")
    assert result.exit_code == 1
    assert f"{PATH} is no longer on the server" in result.output
    assert "choose another with --checkpoint" in result.output
    assert not (tmp_path / "out").exists()


def test_no_key_is_told_before_anything(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY")
    assert "Error: TINKER_API_KEY is not set" in cli("export", run, tmp_path / "out").output


def test_what_is_no_adapter(run: Path, server: TinkerServer, tmp_path: Path) -> None:
    server.adapter = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"\x08\0\0\0\0\0\0\0{}      "}
    assert "the adapter that the server handed out cannot be read: KeyError('r')" in cli("export", run, "out").output
    server.adapter = {"something.txt": b"else"}
    assert "is no adapter: it has no adapter_config.json and no adapter_model" in cli("export", run, "out").output


@pytest.mark.skipif(ARCHIVES, reason="this SDK does not ask for external weights")
def test_a_server_that_the_sdk_is_too_new_for(run: Path, server: TinkerServer, tmp_path: Path) -> None:
    server.skyrl = True
    result = cli("export", run, tmp_path / "out")
    assert f"Error: {server.url} cannot save weights in the form that the installed tinker" in result.output


@pytest.mark.skipif(not ARCHIVES, reason="this SDK does not ask for archives")
def test_an_archive_of_the_service(run: Path, server: TinkerServer, tmp_path: Path) -> None:
    server.skyrl = False
    assert cli("export", run, tmp_path / "out").exit_code == 0


def archive(*members: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return packed.getvalue()


def member(name: str, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    else:
        info.size = 1
    return info


@pytest.mark.parametrize(
    "content",
    [
        archive(member("../evil")),
        archive(member("a/../../evil")),
        archive(member("link", "/etc"), member("link/evil")),
        archive(member("link", "../.."), member("link/evil")),
        packed({"adapter_config.json": b"{}"})[:40],
        b"no archive",
    ],
)
def test_an_archive_that_is_not_safe(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "archive").write_bytes(content)
    with pytest.raises(PluginError, match=r"archive is damaged or unsafe: .*; nothing was kept"):
        unpack(tmp_path / "in" / "archive", tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_download_that_fails_hides_the_signature(server: TinkerServer, tmp_path: Path) -> None:
    told: list[str] = []
    url = f"{server.url}/api/v1/files/archive?signature=secret"
    server.faults["files/archive"] = [0, 503]
    fetch(url, tmp_path / "file", "the archive", lambda what, done, total: told.append(what))
    assert told[0] == "downloading the archive again (127.0.0.1: Remote end closed connection without response)"
    assert (tmp_path / "file").read_bytes()[:2] == b"\x1f\x8b"
    server.faults["files/archive"] = [403]
    with pytest.raises(PluginError) as error:
        fetch(url, tmp_path / "file", "the archive", lambda *_: None)
    assert str(error.value) == "cannot download the archive (127.0.0.1 answers 403); try again"
    with pytest.raises(PluginError, match="wants the archive to be read from file://, expected https://"):
        fetch("file:///etc/passwd", tmp_path / "file", "the archive", lambda *_: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tensors_are_read_and_written_bit_for_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 5).to(dtype), "b.c": torch.randn(2).to(dtype), "none": torch.zeros(0, 4).to(dtype)}
    (tmp_path / "one").write_bytes(save(tensors, {"format": "pt"}))
    write_tensors(read_tensors(tmp_path / "one"), tmp_path / "two")
    again = load((tmp_path / "two").read_bytes())
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_three_parts_of_qwen_3_5_become_one(tmp_path: Path) -> None:
    """PEFT loads the joined adapter into the real architecture, and its product is the stack of the three."""
    from peft import PeftModel
    from transformers import Qwen3_5ForCausalLM, Qwen3_5TextConfig

    torch.manual_seed(1)
    model = Qwen3_5ForCausalLM(
        Qwen3_5TextConfig(
            vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, layer_types=["linear_attention"],
            linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=4, linear_value_head_dim=4,
            num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        )
    )  # fmt: skip
    rows, name = {"q": 8, "k": 8, "v": 16}, "base_model.model.model.layers.0.linear_attn.in_proj_"
    pairs = {part: (torch.randn(2, 16), torch.randn(n, 2)) for part, n in rows.items()}
    pairs["z"] = (torch.randn(2, 16), torch.randn(16, 2))
    tensors = {
        f"{name}{part}.lora_{ab}.weight": w for part, pair in pairs.items() for ab, w in zip("AB", pair, strict=True)
    }
    (tmp_path / "adapter_model.safetensors").write_bytes(save(tensors))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 6}))
    before = model.model.layers[0].linear_attn.in_proj_qkv.weight.detach().clone()
    assert fit_adapter(tmp_path, "some/base") == ()
    merged = PeftModel.from_pretrained(model, str(tmp_path)).merge_and_unload()
    expected = torch.cat([3 * pairs[part][1] @ pairs[part][0] for part in "qkv"])
    linear = merged.model.layers[0].linear_attn
    torch.testing.assert_close(linear.in_proj_qkv.weight - before, expected, atol=1e-5, rtol=1e-5)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["in_proj_qkv", "in_proj_z"]
    assert (config["rank_pattern"], config["base_model_name_or_path"]) == ({"in_proj_qkv": 6}, "some/base")


def test_parts_that_the_base_does_not_have(run: Path, server: TinkerServer, trained: Any, tmp_path: Path) -> None:
    base = trained[0]
    weights = load(server.adapter["adapter_model.safetensors"])
    experts = {name.replace("mlp", "mlp.experts"): w for name, w in weights.items()}
    server.adapter = {**server.adapter, "adapter_model.safetensors": save(experts)}
    said = " ".join(cli("export", run, tmp_path / "adapter").output.split())
    assert "convert the directory with tinker-cookbook (tinker_cookbook.weights.build_lora_adapter" in said
    result = cli("export", run, tmp_path / "out", "--merge")
    assert f"the adapter covers 3 parts that {base} does not have in transformers, such as" in result.output
    assert not (tmp_path / "out").exists()
