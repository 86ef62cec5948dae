"""Write docs/config.md from the config's own classes: ``python docs/config.py``. A test sees that it is current."""

from __future__ import annotations

from pathlib import Path

from justtinker_core.config import SECTIONS
from justtinker_core.weights import RewardOptions
from justtinker_plugins._describe import described

DATA = [
    ("use", "str", "(required)", "The plugin that loads the problems; the table's other keys are its options."),
    ("limit", "int", "", "At most so many problems, drawn with the seed."),
    ("stratify_by", "str", "", "With limit: keep the proportions of this key of the problems' metadata."),
    ("samples", "int", "1", "Evaluation sets: samples a problem."),
    ("seed", "int", "that of [run]", "Of the draw, and for plugins that generate."),
]


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """A Markdown table of options."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        name, kind, default, meaning = (cell.replace("|", "\\|") for cell in row)
        lines.append(f"| `{name}` | {kind} | {default.replace('None', '')} | {meaning} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    parts = [
        "# Every key of a config\n\nMade by `python docs/config.py`. Options of a plugin: `justtinker plugins NAME`.\n"
    ]
    for name, cls in SECTIONS.items():
        parts.append(f"## [{name}]\n\n{table(described(cls))}\n")
    parts.append(f"## [data.train], [data.eval.NAME]\n\n{table(DATA)}\n")
    parts.append(
        "## [plugins]\n\n`enable` lists the active plugins, in the order in which they are asked; plugins that data "
        "tables name are active too. `[plugins.NAME]` holds the options of one. Every reward plugin has these two "
        "besides its own:"
        f"\n\n{table(described(RewardOptions))}\n"
    )
    parts.append('## [local_plugins]\n\n`name = "file.py:Class"`, relative to the config file.\n')
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
