"""Weights as transformers, PEFT and vLLM load them: untied heads, whole models, adapters. Shared by both backends."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from justtinker_core import PluginError

WHOLE_HEAD = (
    "The adapter holds the whole unembedding instead of its low-rank part, because the base model shares this matrix "
    "with the input embedding, and merging a low-rank part would change both. vLLM takes no such adapter: export with "
    "--merge for it."
)


def is_tied(model: Any) -> bool:
    """Whether the unembedding and the input embedding are one matrix."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def untie(model: Any) -> None:
    """Give the unembedding its own weight: merging an adapter into a shared one would also change the embedding."""
    import torch

    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=head.weight.requires_grad)
    model.config.tie_word_embeddings = False
    model.config.get_text_config().tie_word_embeddings = False


def base_of(name: str) -> str:
    """The name by which others find a base model: the absolute path of a directory, else a hub id as it is."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def write_model(model: Any, directory: Path) -> None:
    """Write a whole model for transformers: safetensors, config, generation config. PluginError for a full disk."""
    with writing():
        model.save_pretrained(directory)


def sync(path: Path) -> None:
    """Flush a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing() -> Iterator[None]:
    """Turn what safetensors raises for a full disk, which is no OSError, into a PluginError."""
    try:
        yield
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"cannot write the weights: {error}; nothing was kept") from error


def merge(adapter: Any) -> Any:
    """Merge a peft adapter into its model, whose head must be untied if it is adapted; return the plain model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return adapter.merge_and_unload(safe_merge=True)


def write_adapter(adapter: Any, base: str, tied: bool, directory: Path) -> tuple[str, ...]:
    """Write an adapter for PEFT that can be merged, too; return what a user must know of it.

    `tied`: the base model as others load it shares its head with the input embedding, so a low-rank part of the head
    would be merged into both. The whole head goes out instead: PEFT then replaces the head and leaves the embedding.
    """
    from copy import deepcopy

    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config = deepcopy(adapter.peft_config["default"])
    config.base_model_name_or_path, config.task_type, config.inference_mode = base, "CAUSAL_LM", True
    weights = get_peft_model_state_dict(adapter, save_embedding_layers=False)
    model = adapter.get_base_model()
    head = model.get_output_embeddings()
    notes: tuple[str, ...] = ()
    if tied and hasattr(head, "get_delta_weight"):
        name = next(name for name, module in model.named_modules() if module is head)
        weights = {key: w for key, w in weights.items() if not key.startswith(f"base_model.model.{name}.")}
        whole = head.get_base_layer().weight
        weights[f"base_model.model.{name}.weight"] = whole + head.get_delta_weight("default").to(whole.dtype)
        config.target_modules, config.modules_to_save = set(config.target_modules) - {name}, [name]
        notes = (WHOLE_HEAD,)
    weights = {key: w.detach().contiguous().cpu() for key, w in weights.items()}
    with writing():
        config.save_pretrained(directory)
        save_file(weights, directory / "adapter_model.safetensors", metadata={"format": "pt"})
    return notes


def load_base(name: str, where: str) -> Any:
    """Load a model in its own precision: a directory or a hub id. PluginError says `where`."""
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(name, dtype="auto")
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PluginError(f"{where}: transformers cannot load {name!r} ({reason})") from error
