from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from justtinker_plugins.commands.bench import bench, made_up_texts, plain_chunk_similarity, plain_repetition


def test_the_table_has_a_row_per_method(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in made_up_texts(3)))
    result = CliRunner().invoke(bench, ["redundancy", str(file)])
    assert result.exit_code == 0, result.output
    first, machine, head, *rows = result.output.splitlines()
    assert first.startswith("3 texts, 0.0 MB; each method against the recipe's score in plain Python")
    assert re.fullmatch(r"on \S.*, \d+ cores?, with(out)? numba", machine)
    assert head.split("  ")[0] == "method"
    names = [row.split("  ")[0].strip() for row in rows]
    assert names[0] == "plain Python"
    assert names[-4:] == ["exact", "exact with chunk similarity", "fast", "flat"]
    assert all(float(row.split()[-1]) > 0 for row in rows)


def test_made_up_texts_are_always_the_same() -> None:
    first, second = made_up_texts(2, 50)
    assert [first, second] == made_up_texts(2, 50)
    assert first != second


def test_the_reference() -> None:
    assert plain_repetition("a b c d e f g h i") == 0.0  # nine words
    assert plain_repetition("a b c d e a b c d e") == 1 - 5 / 6
    assert plain_chunk_similarity("a" * 1000) == 1.0
    assert plain_chunk_similarity("a" * 999) == 0.0
