"""Print the shell commands of the README's code blocks under one heading: ``readme.py README.md Train``."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def commands(text: str, heading: str) -> list[str]:
    """The lines of all ``sh`` blocks between this heading and the next one."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    if section is None:
        raise SystemExit(f"the README has no heading {heading!r}")
    return [line for block in re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL) for line in block.splitlines()]


if __name__ == "__main__":
    print("\n".join(commands(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2])))
