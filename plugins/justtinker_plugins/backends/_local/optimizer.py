"""AdamW over a policy's trained weights; of bfloat16 weights it keeps float32 copies, so that small steps add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError
from justtinker_core.types import Adam

if TYPE_CHECKING:
    import torch


class Optimizer:
    """AdamW. Weights that are not float32 follow float32 copies of their own, which checkpoints hold too."""

    def __init__(self, weights: list[torch.nn.Parameter]) -> None:
        import torch

        full = torch.float32
        self.masters = [w if w.dtype == full else torch.nn.Parameter(w.detach().to(full)) for w in weights]
        self._copied = [(w, m) for w, m in zip(weights, self.masters, strict=True) if m is not w]
        self._adamw = torch.optim.AdamW(self.masters, fused=True)

    def step(self, adam: Adam) -> float:
        """Take a step with the weights' gradients; return their norm. PluginError, and no step, if it is not finite."""
        import torch

        for weight, master in self._copied:
            master.grad = None if weight.grad is None else weight.grad.to(master.dtype)
        for group in self._adamw.param_groups:
            group.update(
                lr=adam.learning_rate, betas=(adam.beta1, adam.beta2), eps=adam.eps, weight_decay=adam.weight_decay
            )
        norm = torch.nn.utils.clip_grad_norm_(self.masters, adam.grad_clip_norm or float("inf")).item()
        if norm != norm or norm == float("inf"):
            raise PluginError(f"the gradient's norm is {norm}; the gradient was dropped, the weights are unchanged")
        self._adamw.step()
        with torch.no_grad():
            for weight, master in self._copied:
                weight.copy_(master)
                master.grad = None
        return norm

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside the weights."""
        copies = [master.detach() for _, master in self._copied]
        return self._adamw.state_dict() | ({"masters": copies} if copies else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        import torch

        state = dict(state)
        with torch.no_grad():
            for (_, master), saved in zip(self._copied, state.pop("masters", []), strict=False):  # older ones have none
                master.copy_(saved)
        self._adamw.load_state_dict(state)
