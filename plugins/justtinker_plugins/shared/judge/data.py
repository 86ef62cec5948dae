r"""What a judge is shown: a prompt from a file, and texts that are data to it, each between tags with a random code.

A response may try to talk to its judge. So it stands between ``<response-CODE>`` and ``</response-CODE>``, with a code
that is new for each request, and nothing in it can look like a tag or like a token of a chat format: `<` before a
letter, ``/``, ``|``, ``!``, ``?`` or DeepSeek's wide bars gets a space, and so do Mistral's ``[INST]`` and its like.
``a<b`` stays readable.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from justtinker_core import PluginError

Messages = list[dict[str, str]]
BORDER = re.compile(r"^===+[ \t]*$", re.MULTILINE)
"""The line that parts the system's message from the user's."""
PLACE = re.compile(r"\{\{ *([a-z_]+) *\}\}")
CODE = "code"
"""The placeholder of the code that is in all tags."""
_TAG = re.compile(r"<(?=[^\W\d_]|[/|!?\uff5c\u2581])")
_BRACKET = re.compile(r"\[(?=/?g?[A-Z][A-Z_]+\])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def new_code() -> str:
    """Draw a code that no response can know."""
    return secrets.token_hex(8)


def harmless(text: str) -> str:
    """Return a text in which nothing reads as a tag or as a special token."""
    return _BRACKET.sub("[ ", _TAG.sub("< ", _SURROGATE.sub("\ufffd", text)))


def framed(name: str, text: str, code: str) -> str:
    """Put a text between tags with the code."""
    return f"<{name}-{code}>\n{harmless(text)}\n</{name}-{code}>"


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with placeholders such as ``{{response}}``."""

    system: str
    """Empty: there is only a user's message."""
    user: str

    def messages(self, data: Mapping[str, str], code: str) -> Messages:
        """Fill in the data, framed, and the code. A placeholder inside the data stays as it is."""

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            return code if name == CODE else framed(name, data[name], code)

        parts = [("system", self.system), ("user", self.user)]
        return [{"role": role, "content": PLACE.sub(fill, text)} for role, text in parts if text]


def read_template(path: Path, needed: Sequence[str], allowed: Sequence[str]) -> Template:
    """Read a prompt. PluginError if there is no file, or a placeholder is missing, unknown or misplaced."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PluginError(f"there is no prompt file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"the prompt file {path} cannot be read: {error}") from None
    before, *after = (part.strip() for part in BORDER.split(text, maxsplit=1))
    system, user = (before, after[0]) if after else ("", before)
    shown = ", ".join(f"{{{{{name}}}}}" for name in (*allowed, CODE))
    used = PLACE.findall(user)
    for name in [*PLACE.findall(system), *used]:
        if name not in allowed and name != CODE:
            raise PluginError(f"the prompt file {path} has an unknown placeholder {{{{{name}}}}}; expected {shown}")
    if misplaced := [name for name in PLACE.findall(system) if name != CODE]:
        raise PluginError(
            f"the prompt file {path} has {{{{{misplaced[0]}}}}} above the line ===: that is the system's message, "
            "which holds no data; move it below"
        )
    if missing := [name for name in needed if name not in used]:
        raise PluginError(
            f"the prompt file {path} has no {{{{{missing[0]}}}}}, so the judge would not see it; expected {shown}"
        )
    return Template(system, user)
