"""docs/plugins/tutorial.md, as a reader goes through it: every file is written, every command run, in order.

What stands in a ``text`` block must be part of what the commands before it print; numbers may differ.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "plugins" / "tutorial.md"


def blocks() -> Iterator[tuple[str, str]]:
    """Language and text of every code block, in order."""
    for block in re.finditer(r"^```(\w+)\n(.*?)^```$", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE):
        yield block[1], block[2]


def comparable(text: str) -> str:
    """A text without what may differ: numbers, widths, and what noise says."""
    return " ".join(re.sub(r"-?\d[\d.,:]*", "N", text).split())


def borrowing(folder: Path) -> Path:
    """A virtual environment with the packages of this one."""
    venv.create(folder, with_pip=True)
    [site] = (folder / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text("\n".join(p for p in sys.path if "lib/python3" not in p or "site-packages" in p))
    script = folder / "bin" / "justtinker"
    script.write_text(f"#!{folder / 'bin' / 'python'}\nfrom justtinker_core.cli import run\nrun()\n")
    script.chmod(0o755)
    return folder / "bin"


@pytest.mark.slow
def test_the_tutorial_from_its_first_to_its_last_line(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    pytest.importorskip("hatchling", reason="a package is built with hatchling")
    programs = borrowing(tmp_path / ".venv")
    environment = {
        **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80",
        "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip
    environment.pop("PYTHONPATH", None)
    said, executed = "", 0
    for language, text in blocks():
        if language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", text]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            said = done.stdout + done.stderr
            assert (done.returncode == 0) != ("Error: " in said), f"{text}\n{said}"
            executed += 1
        elif language == "text":
            shown, heard = comparable(text), comparable(said)
            for line in noiseless(text):
                assert comparable(line) in heard, f"{line!r} is not in:\n{said}"
            assert shown
        else:
            name = re.match(r"# (\S+)\n", text)
            assert name, f"a {language} block begins with the name of its file:\n{text}"
            (tmp_path / name[1]).write_text(text)
    assert executed > 8
    assert list((tmp_path / "dist").glob("justtinker_terse-0.1.0-*.whl"))


def noiseless(text: str) -> list[str]:
    """The lines that do not show what an untrained model has said."""
    return [line for line in text.splitlines() if not re.match(r"\d\.\d  |\d+\+\d+=", line)]
