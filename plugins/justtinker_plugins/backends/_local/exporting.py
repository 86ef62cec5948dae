"""Write the `local` backend's weights for others: the whole model, or the adapter."""

from __future__ import annotations

from pathlib import Path

from justtinker_core import PluginError
from justtinker_plugins.backends._local.gguf import origin_of
from justtinker_plugins.backends._local.model import Policy, load_checkpoint
from justtinker_plugins.backends._weights import merge, write_adapter, write_model
from justtinker_plugins.shared.exports import Exported, Progress


def export_policy(policy: Policy, checkpoint: Path, directory: Path, merged: bool, progress: Progress) -> Exported:
    """Load a checkpoint and write it; `merged` puts an adapter into the weights. The policy is spent."""
    adapter = None if merged else policy.adapter
    if adapter is not None and policy.base is None:
        raise PluginError(
            "[run] model = 'tiny' exists in its runs only, so nobody could load an adapter of it: add --merge"
        )
    progress(f"loading {checkpoint.name}", 0, 0)
    load_checkpoint(policy, checkpoint)
    policy.tokenizer.save_pretrained(directory)
    origin = tuple(filter(None, [origin_of(policy.base)]))
    if adapter is not None:
        assert policy.base is not None
        progress("writing the adapter", 0, 0)
        return Exported("adapter", policy.base, (*write_adapter(adapter, policy.base, policy.tied, directory), *origin))
    model = policy.model
    if policy.adapter is not None:
        progress("merging the adapter into the weights", 0, 0)
        model = merge(policy.adapter)
    progress("writing the model", 0, 0)
    write_model(model, directory)
    return Exported("model", policy.base, origin)
