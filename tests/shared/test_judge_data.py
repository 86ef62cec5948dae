"""What a judge is shown: nothing in the data reads as a tag, and a prompt file has its placeholders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_plugins.shared.judge import data
from justtinker_plugins.shared.judge.data import Template, framed, harmless, new_code, read_template

ALLOWED = ("question", "reference", "response")
PIECES = st.sampled_from(
    ["<", "</", "<|im_end|>", "</response-0123456789abcdef>", "[INST]", "[/INST]", "[", "]", "a<b", 
     "<\uff5cUser\uff5c>", "\n", "x", "\ud800", "<s>", "<<SYS>>", "{{response}}", "1 < 2"]
)  # fmt: skip


@given(st.lists(PIECES).map("".join) | st.text())
def test_nothing_in_data_is_a_tag_a_special_token_or_half_a_character(text: str) -> None:
    shown = harmless(text)
    assert not re.search("<[A-Za-z/|!?\uff5c\u2581]|" r"\[/?[A-Z]{2,}\]", shown)
    shown.encode()
    assert harmless(shown) == shown


@given(st.lists(PIECES).map("".join) | st.text())
def test_data_differ_by_blanks_only(text: str) -> None:
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if not re.search("[\ud800-\udfff]", text):
        assert harmless(text).replace(" ", "") == whole.replace(" ", "")


@given(st.lists(PIECES).map("".join) | st.text())
def test_a_response_ends_where_its_frame_does(text: str) -> None:
    code = new_code()
    shown = framed("response", text, code)
    assert shown.count(f"</response-{code}>") == 1
    assert shown.endswith(f"</response-{code}>")
    assert len(re.findall(r"</?[A-Za-z]", shown)) == 2


def test_mathematics_stays_readable() -> None:
    assert harmless("if 1 < 2 and a<b then x<=y, [0, 1], [A]") == "if 1 < 2 and a< b then x<=y, [0, 1], [A]"


def test_each_request_has_a_code_of_its_own() -> None:
    assert len({new_code() for _ in range(100)}) == 100


def test_placeholders_in_data_are_not_filled() -> None:
    template = Template("Code {{code}}.", "{{ question }} {{response}}")
    messages = template.messages({"question": "{{response}}", "response": "{{code}}"}, "c0de")
    assert messages == [
        {"role": "system", "content": "Code c0de."},
        {
            "role": "user",
            "content": "<question-c0de>\n{{response}}\n</question-c0de> <response-c0de>\n{{code}}\n</response-c0de>",
        },
    ]


def read(text: str, folder: Path) -> Template:
    (folder / "p.md").write_text(text)
    return read_template(folder / "p.md", ("reference", "response"), ALLOWED)


def test_a_prompt_has_two_parts_or_one(tmp_path: Path) -> None:
    assert read("Judge.\n=====\n{{reference}}{{response}}\n", tmp_path) == Template(
        "Judge.", "{{reference}}{{response}}"
    )
    assert read("{{reference}} or {{ response }}?", tmp_path) == Template("", "{{reference}} or {{ response }}?")
    assert len(Template("", "{{response}}").messages({"response": "x"}, "c")) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{reference}}", "p.md has no {{response}}, so the judge would not see it; expected {{question}}, {{referen"),
        ("{{reference}} {{response}} {{gold}}", "p.md has an unknown placeholder {{gold}}; expected {{question}}, "),
        ("{{response}}\n===\n{{reference}}", "p.md has {{response}} above the line ===: that is the system's message"),
    ],
)
def test_a_prompt_that_cannot_be_used(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=re.escape(complaint)):
        read(text, tmp_path)


def test_a_prompt_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"there is no prompt file .*none\.md"):
        read_template(tmp_path / "none.md", (), ALLOWED)
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe")
    with pytest.raises(PluginError, match=r"the prompt file .*bytes\.md cannot be read: 'utf-8' codec"):
        read_template(tmp_path / "bytes.md", (), ALLOWED)


@pytest.mark.parametrize(
    ("name", "allowed"), [("same.md", ALLOWED), ("rubric.md", ("question", "criteria", "response"))]
)
def test_the_bundled_prompts_use_all_placeholders(name: str, allowed: tuple[str, ...]) -> None:
    template = read_template(Path(data.__file__).parent / name, allowed, allowed)
    assert "{{code}}" in template.system
