"""The marks between which a script of this folder writes on a page."""

from __future__ import annotations

import re
from pathlib import Path


def write(page: Path, name: str, text: str) -> None:
    """Put a text between its marks. ValueError if the page has none of that name, or several."""
    between = rf"(?<=<!-- {name} -->\n).*(?=<!-- end of {name} -->)"
    content, count = re.subn(between, lambda _: f"{text}\n", page.read_text(), flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{page}: expected one place marked {name}, got {count}")
    page.write_text(content)
