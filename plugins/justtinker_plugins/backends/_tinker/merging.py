"""Merge a downloaded adapter into its base model, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker.download import FILES
from justtinker_plugins.backends._weights import is_tied, load_base, merge, untie, write_model
from justtinker_plugins.shared.exports import Progress


def merge_into_base(directory: Path, base: str, progress: Progress) -> None:
    """Replace the adapter in a directory by the whole model, in the base model's own precision."""
    try:
        from peft import PeftModel
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise PluginError(
            f"--merge needs torch, transformers and peft ({error}): pip install 'justtinker[local]'"
        ) from None
    disable_progress_bar()  # it would tear up the live line
    progress(f"loading {base}", 0, 0)
    model, tokenizer = load_base(base, "--merge: [run] model (--set run.model=DIR names the base model on a disk)")
    check_parts(model, directory, base)
    if is_tied(model) and "lm_head" in targets(directory):
        untie(model)
    progress("merging the adapter into the weights", 0, 0)
    merged = merge(PeftModel.from_pretrained(model, str(directory)))
    for name in FILES:
        (directory / name).unlink()
    progress("writing the model", 0, 0)
    write_model(merged, directory)
    tokenizer.save_pretrained(directory)


def targets(directory: Path) -> list[str]:
    """The parts that an adapter covers."""
    config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    return list(config["target_modules"])


def check_parts(model: Any, directory: Path, base: str) -> None:
    """Raise PluginError unless the model has every part that the adapter covers: PEFT would leave out the rest."""
    from safetensors import safe_open

    with safe_open(directory / "adapter_model.safetensors", "pt") as file:
        names = {name.partition(".lora_")[0].removeprefix("base_model.model.") for name in file.keys()}  # noqa: SIM118
    known = {name for name, _ in model.named_modules()}
    if unknown := sorted(names - known):
        raise PluginError(
            f"the adapter covers {unknown[0]} and {len(unknown) - 1} other parts that {base} does not have in "
            "transformers; export without --merge, and merge with tinker-cookbook (tinker_cookbook.weights)"
        )
