"""Turn an adapter as a Tinker server hands it out into one that PEFT loads.

Servers name parts in their own way: the unembedding is ``unembed_tokens``, Qwen3.5's linear attention has three parts
where transformers has one, and SkyRL's config lists no parts. Names as in tinker-cookbook 0.6.1 (its
``weights/_merge_utils.py`` and ``_merge_qwen3_5.py``) and SkyRL 0.3.0. Experts of mixture models are left as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker.tensors import Tensor, read_tensors, write_tensors

HEAD = "lm_head"
TIED = (
    "The adapter covers the unembedding. If the base model shares this matrix with its input embedding "
    "(tie_word_embeddings in its config.json), do not merge the adapter with PEFT, which would change both: export "
    "with --merge instead. Unmerged, the adapter is right."
)
EXPERTS = (
    "The adapter has parts for experts, in the server's own form. PEFT does not load them: convert the directory with "
    "tinker-cookbook (tinker_cookbook.weights.build_lora_adapter or build_hf_model)."
)
SPLIT = ("in_proj_q", "in_proj_k", "in_proj_v")
WHOLE = "in_proj_qkv"
Pair = tuple[Tensor, Tensor]
"""lora_A (rank, inputs) and lora_B (outputs, rank)."""


def fit_adapter(directory: Path, base: str) -> tuple[str, ...]:
    """Rewrite an adapter's names and config for PEFT; return what a user must know of it."""
    weights, settings = directory / "adapter_model.safetensors", directory / "adapter_config.json"
    try:
        config: dict[str, Any] = json.loads(settings.read_text(encoding="utf-8"))
        rank, alpha = int(config["r"]), config["lora_alpha"]
        pairs = pairs_of(read_tensors(weights))
    except (ValueError, KeyError, TypeError) as error:
        raise PluginError(f"the adapter that the server handed out cannot be read: {error!r}") from error
    pairs = {name.replace("model.unembed_tokens", HEAD): pair for name, pair in pairs.items()}
    joined = join_split(pairs)
    write_tensors(
        {f"{name}.lora_{ab}.weight": t for name, pair in joined.items() for ab, t in zip("AB", pair, strict=True)},
        weights,
    )
    ranks = {name.rpartition(".")[2]: pair[0].bits.shape[0] for name, pair in joined.items() if pair[0].bits.ndim == 2}
    others = {part: own for part, own in ranks.items() if own != rank}
    config |= {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in joined}),
        "rank_pattern": others, "alpha_pattern": {part: alpha * own / rank for part, own in others.items()},
    }  # fmt: skip
    settings.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    notes = [TIED] if any(name.endswith(HEAD) for name in joined) else []
    return (*notes, EXPERTS) if any(".experts" in name for name in joined) else tuple(notes)


def pairs_of(tensors: dict[str, Tensor]) -> dict[str, Pair]:
    """The two factors of each adapted module, by its name. ValueError for anything else in the file."""
    names = sorted({name.partition(".lora_")[0] for name in tensors})
    unknown = sorted(set(tensors) - {f"{name}.lora_{ab}.weight" for name in names for ab in "AB"})
    if unknown or not names:
        raise ValueError(f"expected pairs of lora_A and lora_B, got {', '.join(unknown[:3]) or 'none'}")
    return {name: (tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]) for name in names}


def join_split(pairs: dict[str, Pair]) -> dict[str, Pair]:
    """Join adapters of q, k and v to one of the matrix that holds all three, one below the other.

    Its lora_A is theirs stacked, its lora_B theirs as blocks on the diagonal, so that the product is the stack of the
    three products. The rank adds up; scaling by alpha / rank is kept through alpha_pattern.
    """
    joined = dict(pairs)
    for name in pairs:
        if name.endswith(f".{SPLIT[0]}"):
            prefix = name.removesuffix(SPLIT[0])
            three = [joined.pop(prefix + part) for part in SPLIT]
            first, second = ([pair[i].bits for pair in three] for i in (0, 1))
            dtype = three[0][0].dtype
            joined[prefix + WHOLE] = Tensor(dtype, np.concatenate(first)), Tensor(dtype, diagonal(second))
    return joined


def diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """The blocks on the diagonal of a matrix that is zero elsewhere."""
    rows, columns = np.cumsum([[0, 0], *(block.shape for block in blocks)], axis=0).T
    whole = np.zeros((rows[-1], columns[-1]), blocks[0].dtype)
    for i, block in enumerate(blocks):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = block
    return whole
