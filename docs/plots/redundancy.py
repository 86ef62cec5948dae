"""Draws docs/images/redundancy.png: redundancy score against length, for the three methods, on real model outputs.

Run with JUSTTINKER_DATA set to the folder of reasoning_texts.jsonl.zst; needs matplotlib.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import zstandard

from justtinker_core.options import configure
from justtinker_plugins.rewards.redundancy import Redundancy

IMAGE = Path(__file__).parents[1] / "images" / "redundancy.png"
TITLES = {"exact": "exact: the recipe", "fast": "fast: nearly the recipe", "flat": "flat: the default"}


def main() -> None:
    """Read, score, draw."""
    import json

    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    packed = Path(os.environ["JUSTTINKER_DATA"], "reasoning_texts.jsonl.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().stream_reader(packed).read().decode().splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [row["text"] for row in rows]
    length = np.array([len(text) for text in texts])
    loops = np.array([row["label"] != "normal" for row in rows])

    figure, panels = plt.subplots(1, 3, figsize=(11, 3.7), sharex=True, sharey=True, layout="constrained")
    for panel, (method, title) in zip(panels, TITLES.items(), strict=True):
        score = configure(Redundancy, "plugins.redundancy", {"method": method}).score_batch(texts)["redundancy_score"]
        panel.axhspan(0.3, 1.03, color="#fbeee6", zorder=0)
        panel.scatter(length[~loops], score[~loops], s=13, color="#2f6fa7", alpha=0.65, lw=0, label="healthy")
        panel.scatter(length[loops], score[loops], s=20, color="#c8452d", marker="x", lw=1, label="loops")
        fined = (score[~loops] > 0.3).mean()
        panel.set_title(f"{title}\n{fined:.1%} of healthy texts fined", fontsize=10)
        panel.set(xscale="log", ylim=(-0.03, 1.03), xlabel="characters")
        panel.set_xticks([1000, 4000, 16_000, 64_000], ["1k", "4k", "16k", "64k"])
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("redundancy score")
    panels[0].annotate("fined above 0.3", (900, 0.97), fontsize=8, color="#8a4a2a")
    panels[2].legend(loc="center right", frameon=False, fontsize=9)
    figure.savefig(IMAGE, dpi=130)


if __name__ == "__main__":
    main()
