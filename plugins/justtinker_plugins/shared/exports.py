"""What a backend plugin's `export` method takes and returns; `justtinker export` calls it.

A backend plugin that can hand out its weights has this method beside its hooks. It is no hook: training never asks for
it, and only one plugin is ever asked::

    def export(self, config: RunConfig, checkpoint: str, directory: Path, merge: bool, progress: Progress) -> Exported

`checkpoint` is a recorded path. `directory` exists, is empty, and is deleted if the method raises. The method writes a
tokenizer with its chat template, and either an adapter for PEFT or, with `merge` or where all weights were trained, a
whole model for transformers. It raises a PluginError for whatever a user can mend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many bytes of it are done, and how many there are; 0 and 0 if nobody counts."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    kind: Literal["model", "adapter"]
    base: str | None
    """The model that was trained: an absolute directory or a hub id; None if it was made on the spot."""
    notes: tuple[str, ...] = ()
    """What a user must know before using it, each a sentence or two."""
