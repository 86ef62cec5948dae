"""Prompts as a model was trained to see them, and what ends its turn. Both backends make theirs here.

Messages go through the tokenizer's own chat template, as a server does it at inference, or through a renderer of the
package `renderers`. What ends a turn is read off the template. The tokenizer's end token is often another one (Gemma:
``<eos>``, but turns end with ``<end_of_turn>``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import PluginError, Prompt
from justtinker_core.errors import nearest
from justtinker_core.types import Message
from justtinker_plugins.backends._data import decode, encode

SAID, THOUGHT = "justtinker: what the assistant says", "justtinker: what it thinks"


class Prompts:
    """Makes the prompts of one tokenizer, from text or from chat messages."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._ends: dict[str, tuple[str, ...]] = {}
        self._renderers: dict[str, Any] = {}

    def __call__(self, prompt: str | Sequence[Message], template: Mapping[str, Any]) -> Prompt:
        """The text and tokens of a prompt, and what ends the response. PluginError if messages cannot be rendered."""
        if isinstance(prompt, str):
            return self._from_text(prompt)
        messages = [dict(message) for message in prompt]
        if template.get("renderer"):
            return self._through_renderers(messages, dict(template))
        text = self._render(messages, template)
        key = repr(sorted(template.items()))
        if key not in self._ends:  # two templates more, so once a run
            self._ends[key] = self._turn_ends(template)
        return Prompt(text, stop=self._ends[key], tokens=tuple(encode(self.tokenizer, text)))

    def _from_text(self, text: str) -> Prompt:
        """A text after what the tokenizer puts before every text (Llama's ``<|begin_of_text|>``), but not twice."""
        tokens, start = encode(self.tokenizer, text), start_tokens(self.tokenizer)
        if start and tokens[: len(start)] != start:
            tokens, text = start + tokens, decode(self.tokenizer, start) + text
        return Prompt(text, stop=end_tokens(self.tokenizer), tokens=tuple(tokens))

    def _render(self, messages: list[dict[str, str]], template: Mapping[str, Any], *, generate: bool = True) -> str:
        try:
            text: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=generate, **template
            )
        except Exception as error:  # a template is a program and may raise anything
            raise PluginError(f"the model's chat template cannot render the messages: {error}") from error
        return text

    def _turn_ends(self, template: Mapping[str, Any]) -> tuple[str, ...]:
        """What the template writes after the assistant's message, if it is a special token; then the end token."""
        user = {"role": "user", "content": "what the user says"}
        said = {"role": "assistant", "content": SAID, "reasoning_content": THOUGHT, "thinking": THOUGHT}
        special = specials(self.tokenizer)
        for messages in ([user, said], [user, said, user]):  # some templates end a turn only where the next one begins
            try:
                before, _, after = self._render(messages, template, generate=False).partition(SAID)
            except PluginError:
                continue
            # A token that also ends the thinking does not end the turn.
            between = before.rpartition(THOUGHT)[2] if THOUGHT in before else ""
            if ends := [token for token in special.findall(after) if token not in special.findall(between)]:
                return tuple(dict.fromkeys((ends[0], *end_tokens(self.tokenizer))))
        return end_tokens(self.tokenizer)

    def _through_renderers(self, messages: list[dict[str, str]], options: dict[str, Any]) -> Prompt:
        """What the renderer makes of the messages, token by token, and its own stop tokens."""
        key = repr(sorted(options.items()))
        name = options.pop("renderer")
        try:
            if key not in self._renderers:
                self._renderers[key] = open_renderer(self.tokenizer, name, options)
            renderer = self._renderers[key]
            tokens = renderer.render_ids(messages, add_generation_prompt=True)
        except PluginError:
            raise
        except Exception as error:  # another package's: it may raise anything
            raise PluginError(f"the renderer {name!r} cannot render the messages: {error}") from error
        stop = tuple(decode(self.tokenizer, [token]) for token in renderer.get_stop_token_ids())
        return Prompt(decode(self.tokenizer, tokens), stop=stop, tokens=tuple(tokens))


def specials(tokenizer: Any) -> re.Pattern[str]:
    """A pattern of the tokenizer's special tokens, the longest first."""
    added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    names = {*added, *map(str, tokenizer.all_special_tokens)}
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or r"(?!)")


def start_tokens(tokenizer: Any) -> list[int]:
    """The tokens that the tokenizer by itself puts before a text."""
    bare, whole = encode(tokenizer, "a"), list(tokenizer("a")["input_ids"])
    starts = (i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare)
    return whole[: next(starts, 0)]


def end_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The tokenizer's end token, if it has one."""
    return () if tokenizer.eos_token is None else (str(tokenizer.eos_token),)


def open_renderer(tokenizer: Any, name: str, options: Mapping[str, Any]) -> Any:
    """Open a renderer by its name; with ``auto``, that of the tokenizer's model. PluginError if there is none."""
    try:
        from renderers import config_from_name, create_renderer
        from renderers.base import MODEL_RENDERER_MAP
    except ImportError as error:
        raise PluginError(f"renderer = {name!r}: pip install 'justtinker[renderers]' ({error})") from error
    known = sorted(set(MODEL_RENDERER_MAP.values()))
    model = tokenizer.name_or_path
    if name == "auto" and (name := MODEL_RENDERER_MAP.get(model, "auto")) == "auto":
        raise PluginError(f"renderer = 'auto': the package renderers knows no {model!r}; name one: {', '.join(known)}")
    if name not in known:
        raise PluginError(f"renderer = {name!r}: the package renderers has no such renderer{nearest(name, known)}")
    return create_renderer(tokenizer, config_from_name(name), chat_template_kwargs=dict(options))
