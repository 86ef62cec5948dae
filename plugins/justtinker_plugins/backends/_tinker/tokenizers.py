"""A model's tokenizer, without a server: the one that the SDK would load for this name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from justtinker_core import PluginError


def load(name: str) -> Any:
    """Load a tokenizer from a directory, or by the name of a model as the SDK does (it knows some by another name)."""
    if Path(name).is_dir():
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(name)
    from tinker.lib.public_interfaces import sampling_client

    return sampling_client._load_tokenizer_from_model_info(name)


def compare(model: str, own: Any, client: Any) -> None:
    """PluginError if the server names a tokenizer for this model that differs from the one in use."""
    name = client.get_info().model_data.tokenizer_id
    if name is None or name == model:
        return
    theirs = client.get_tokenizer()
    if theirs is not own and (theirs.get_vocab() != own.get_vocab() or theirs.chat_template != own.chat_template):
        raise PluginError(
            f"the server's tokenizer of {model} is {name}, which differs from the one under the model's name: "
            f'set tokenizer = "{name}" in [plugins.tinker]'
        )
