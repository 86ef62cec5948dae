from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.strict_json import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert strict_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"a": 1, "b": {"c": 1, "c": 1}}]', "an object has the key 'c' twice"),
        ("[NaN]", "NaN is not in JSON"),
        ("-Infinity", "-Infinity is not in JSON"),
        ("1e999", "the number 1e999 is too large"),
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("{} {}", "Extra data: line 1 column 4 (char 3)"),
    ],
)
def test_what_is_no_json(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        strict_json(text)
