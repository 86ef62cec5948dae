from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.fences import Block, fenced


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```python\nx = 1\n```", [("python", "x = 1\n")]),
        ("So:\n  ```Python \n  x = 1\n\n  ```\nDone.", [("python", "  x = 1\n\n")]),
        ("```bash\nls\n```\n\n```python\nx\n```", [("bash", "ls\n"), ("python", "x\n")]),
        ("```\na\n```\nb\n```\nc\n```", [("", "a\n"), ("", "c\n")]),
        ("```python\r\nx\r\n```\r\n", [("python", "x\n")]),
        ("```python\nx\n```<|im_end|>", [("python", "x\n")]),
        ("````md\n```python\nx\n```\n````", [("md", "```python\nx\n```\n")]),
        ("```python title=a.py\nx\n```", [("python", "x\n")]),
        ("```python\nx", []),
        ("```python\nx\n```python\ny\n```", [("python", "x\n```python\ny\n")]),
        ("`x` and ```x``` in a line\n", []),
        ("```\n```", [("", "")]),
        ("", []),
    ],
)
def test_blocks(text: str, blocks: list[tuple[str, str]]) -> None:
    assert fenced(text) == [Block(*block) for block in blocks]


LINES = st.lists(st.sampled_from(["", "x = 1", "    y", "` z", "``"]), max_size=5)


@given(st.lists(st.tuples(st.sampled_from(["", "python", "json"]), LINES, LINES), max_size=4))
def test_written_blocks_are_read_back(parts: list[tuple[str, list[str], list[str]]]) -> None:
    text, expected = "", []
    for language, inside, between in parts:
        body = "".join(f"{line}\n" for line in inside)
        text += f"```{language}\n{body}```\n" + "".join(f"{line}\n" for line in between)
        expected.append((language, body))
    assert fenced(text) == [Block(*block) for block in expected]


@given(st.text("`\n a\r~", max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert all(block.text.endswith("\n") or not block.text for block in fenced(text))
