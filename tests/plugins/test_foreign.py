"""What is shared by all that talk to other toolkits: their packages, functions, columns and numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from justtinker_core import PluginError
from justtinker_plugins.shared.foreign import column, in_range, load_object, located, number_of, package, scaling


def test_files_of_one_name_are_modules_of_their_own(tmp_path: Path) -> None:
    files = [tmp_path / folder / "reward.py" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text(f"WHO = {file.parent.name!r}\ndef who(): return WHO\nclass Box: pass\n")
    first, second = (load_object(f"{file}:who", "function") for file in files)
    assert (first(), second()) == ("a", "b")
    assert first.__module__ != second.__module__
    assert load_object(f"{files[0]}:Box", "function") is load_object(f"{files[0]}:Box", "function")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("who", "function: expected 'package.module:name' or 'file.py:name', got 'who'"),
        ("{folder}/no.py:who", "function: there is no file {folder}/no.py"),
        ("{folder}/good.py:wo", "function: {folder}/good.py has no 'wo'; did you mean 'who'?"),
        ("{folder}/bad.py:who", "function: {folder}/bad.py cannot be run (ZeroDivisionError: division by zero)"),
        ("no_such_package:who", "function: no_such_package cannot be imported (ModuleNotFoundError: No module named "),
        (
            "missing.part:who",
            "function: missing.part cannot be imported (ModuleNotFoundError: No module named 'missing'); "
            "pip install 'missing'",
        ),
        (
            "missing:who",
            "function: missing cannot be imported (ModuleNotFoundError: No module named 'missing'); "
            "pip install 'missing', or name a file of yours: 'missing.py:...'",
        ),
        (
            "json.missing:who",
            "function: json.missing cannot be imported (ModuleNotFoundError: No module named 'json.missing')",
        ),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence(tmp_path: Path, where: str, sentence: str) -> None:
    (tmp_path / "good.py").write_text("def who(): pass\n")
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(PluginError, match="^" + re.escape(sentence.replace("{folder}", str(tmp_path)))) as error:
        load_object(where.replace("{folder}", str(tmp_path)), "function")
    assert ("pip install" in str(error.value)) == (": No module named" in sentence and "json" not in sentence)


def test_a_mistake_in_the_config_is_not_that_of_a_row() -> None:
    for text, said in (
        ("no number", "line 1: no number"),
        ("[plugins.x] function: gone", "[plugins.x] function: gone"),
    ):
        assert str(located("line 1", PluginError(text))) == said


def test_a_missing_package_and_a_missing_column_are_sentences() -> None:
    with pytest.raises(PluginError, match=r"^the bridge needs a package: pip install 'theirs\[all\]'$"):
        package("no_such_package.part", "the bridge", "theirs[all]")
    with pytest.raises(PluginError, match=r"^row 3: there is no column 'answr'; did you mean 'answer'\?$"):
        column({"answer": 1}, "answr", "row 3")


def test_numbers() -> None:
    assert [number_of(value, "f") for value in (None, True, np.float32(0.5), np.array([2]))] == [None, 1.0, 0.5, 2.0]
    with pytest.raises(PluginError, match=r"^f: expected a number or None, got 'x'$"):
        number_of("x", "f")
    assert [in_range(value, 0.5, True, "f") for value in (2.0, 3.0, float("-inf"))] == [1.0, 1.0, -1.0]
    for value, clip in ((3.0, False), (float("nan"), True)):
        with pytest.raises(
            PluginError, match=r"^f gave (3|nan) x scale 0\.5, but rewards lie in \[-1, 1\]: set `scale"
        ):
            in_range(value, 0.5, clip, "f")
    assert [scaling(1.0, False), scaling(0.5, True)] == ["", "multiplied by 0.5 and cut off at -1 and 1"]
