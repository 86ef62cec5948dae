"""The local backend's losses beside TRL's own: `GRPOTrainer._compute_loss` on log-probabilities that are given."""

from __future__ import annotations

import importlib
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from justtinker_core.types import Datum, Loss
from justtinker_plugins.backends._local.losses import token_losses

pytestmark = pytest.mark.integration
PROMPT, LENGTHS = 2, (5, 3, 7, 1)
ADVANTAGES = (1.0, -0.5, -1.5, 2.0)
CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28}
CASES: dict[str, tuple[Loss, dict[str, float], dict[str, Any]]] = {
    "ppo": ("ppo", CLIP, {"epsilon_high": 0.28}),
    # a delta above 1 + epsilon_high does nothing where the advantage is positive, as a dual clip
    "dual clip": ("ppo", {**CLIP, "dual_clip": 1.5}, {"epsilon_high": 0.28, "delta": 1.5}),
    "cispo": ("cispo", {"clip_high_threshold": 1.5}, {"loss_type": "cispo", "epsilon_high": 1.5}),
    # TRL's gradient goes through the sequence's mean: for one advantage a sequence, the same as GSPO-token's
    "gspo": ("gspo", CLIP, {"epsilon_high": 0.28, "importance_sampling_level": "sequence"}),
}  # fmt: skip


def trl_loss(new: Any, old: Any, mask: Any, **settings: Any) -> Any:
    """What TRL computes from log-probabilities (B, T), summed over the tokens."""
    import torch

    trainer: Any = importlib.import_module("trl.trainer.grpo_trainer").GRPOTrainer
    args = SimpleNamespace(delta=settings.pop("delta", None), steps_per_generation=1)
    same = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x)
    defaults = {
        "model": SimpleNamespace(training=False),
        "loss_type": "dapo",
        "epsilon_low": 0.2,
        "importance_sampling_level": "token",
        "_get_per_token_logps_and_entropies": lambda *_, **__: (new, torch.zeros_like(new), None),
        "aux_loss_enabled": False,
        "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None,
        "beta": 0.0,
        "use_vllm": False,
        "_entropy_bonus_enabled": False,
        "_metrics": defaultdict(lambda: defaultdict(list)),
    }
    itself = SimpleNamespace(args=args, accelerator=same, **{**defaults, **settings})
    ids = torch.zeros_like(mask, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": torch.tensor(ADVANTAGES, dtype=torch.float64),
        "old_per_token_logps": old,
        "num_items_in_batch": torch.tensor(1.0),
    }
    return trainer._compute_loss(itself, itself.model, inputs)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_trl(name: str) -> None:
    pytest.importorskip("trl")
    import torch

    loss, config, settings = CASES[name]
    generator = np.random.default_rng(0)
    mask = torch.tensor([[float(t < length) for t in range(max(LENGTHS))] for length in LENGTHS])
    far = generator.normal([[0.4], [-0.4], [0.3], [0.0]], 0.5, mask.shape)
    old = torch.tensor(generator.normal(-2, 1, mask.shape), dtype=torch.float32).double()
    new = (old + torch.tensor(far)).requires_grad_()
    theirs = trl_loss(new, old, mask, **settings)
    (expected,) = torch.autograd.grad(theirs, new)

    data = []
    for row, (length, advantage) in enumerate(zip(LENGTHS, ADVANTAGES, strict=True)):
        nothing, tokens = (0.0,) * PROMPT, (1,) * (PROMPT + length)
        sampled = (*nothing, *old[row, :length].tolist())
        each, written = (*nothing, *(advantage,) * length), (*nothing, *(1.0,) * length)
        data.append(Datum(tokens, tokens, logprobs=sampled, advantages=each, mask=written))
    before = torch.full((PROMPT,), -1.0, dtype=torch.float64)
    parts = [torch.cat([before, new[row, :length]]) for row, length in enumerate(LENGTHS)]
    ours = token_losses(loss, config, torch.cat(parts), data).sum()
    (found,) = torch.autograd.grad(ours, new)

    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    assert 0 < (found == 0).sum() - (mask == 0).sum() < mask.sum() or loss == "cispo", "some tokens are clipped"
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
