"""The examples of docs/bridges.md, as files that tests run."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "bridges.md"


def write_examples(section: str, folder: Path) -> list[Path]:
    """Write the examples under a heading, and rewards.toml; a block's first line, a comment, names its file."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(f"\n## {section}\n")
    assert rest, f"there is no section {section!r}"
    files = []
    for block in re.findall(
        r"^```(?:python|toml|json)\n(.*?)^```$",
        before.partition("\n## ")[0] + rest.partition("\n## ")[0],
        re.DOTALL | re.MULTILINE,
    ):
        if named := re.match(r"# ([\w.]+)\n", block):
            files.append(folder / named[1])
            files[-1].write_text(block, encoding="utf-8")
    return files
