from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.commands.bench import made_up_texts
from justtinker_plugins.commands.calibrate import calibrate
from justtinker_plugins.rewards.redundancy import Redundancy
from justtinker_plugins.shared.redundancy.flat import Coefficients, fit


def test_the_printed_table_works_as_a_config(tmp_path: Path) -> None:
    texts = [text[: 600 + 200 * i] for i, text in enumerate(made_up_texts(40))]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.zst"
    plain.write_text("\n".join(json.dumps({"text": text}) for text in texts[:20]))
    packed.write_bytes(zstandard.compress("\n".join(map(json.dumps, texts[20:])).encode()))
    result = CliRunner().invoke(calibrate, ["redundancy", str(plain), str(packed)])
    assert result.exit_code == 0, result.output
    assert re.match(
        r"# 40 texts; fined: \S+% by the defaults, \S+% by these, \S+% by these with mask_digits = false, "
        r"\S+% by these with vocabulary = false\n",
        result.output,
    )
    table = tomllib.loads(result.output)["plugins"]["redundancy"]
    plugin, fitted = configure(Redundancy, "plugins.redundancy", table), fit(texts)
    assert Coefficients(plugin.expected, plugin.scale, plugin.fitted, plugin.mask_digits, plugin.vocabulary) == fitted


def test_a_runs_own_rollouts_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "step_000001.jsonl.zst"
    groups = [{"step": 1, "rollouts": [{"text": "a"}, {"text": "b"}]}, {"step": 1, "rollouts": [{"text": "c"}]}]
    file.write_bytes(zstandard.compress("\n".join(map(json.dumps, groups)).encode()))
    assert read_texts(file) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'"a"\n{"txt": "b"}\n',
            ", line 2 holds no text: expected a string, or an object with text or response or completion",
        ),
        (b'"a"\n[1]\n', ", line 2 holds no text"),
        (b"plain\n", ", line 1 is no JSON: Expecting value"),
        (b"\n", " holds no texts"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_bytes(content)
    with pytest.raises(PluginError) as error:
        read_texts(file)
    assert str(error.value).startswith(f"{file}{message}")


def test_a_missing_or_broken_file(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"there is no file .*none.jsonl$"):
        read_texts(tmp_path / "none.jsonl")
    broken = tmp_path / "broken.zst"
    broken.write_bytes(b"no zstd")
    with pytest.raises(PluginError, match=r"^cannot read .*broken.zst as JSON lines: zstd"):
        read_texts(broken)
    (latin := tmp_path / "latin.jsonl").write_bytes(b'"a"\n\xff\n')
    with pytest.raises(PluginError, match=r"^cannot read .*latin.jsonl as JSON lines: 'utf-8' codec"):
        read_texts(latin)
