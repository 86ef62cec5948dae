"""How a run asks its model: one prompt as an example, and what ends the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from justtinker_core import PluginError, Problem
from justtinker_core.answers import prompt_of
from justtinker_core.plugins import Plugins
from justtinker_core.sampling import stops_of

QUESTION = Problem("example", "What is 27+45?", "72")
GENERATION = "generation_config.json"


@dataclass(frozen=True, slots=True)
class Example:
    """The prompt of one question."""

    plugin: str
    question: str
    text: str
    stop: tuple[str, ...]
    stop_tokens: tuple[int, ...]
    """Those of the stops that are one token."""
    template: dict[str, Any] | None
    """The variables with which the chat template renders it; None if the plugin writes the text itself."""


def asked(plugins: Plugins, directory: Path) -> Example | None:
    """Ask the run's prompt plugins for the prompt of an example, with the tokenizer that was exported.

    None if none of them takes a question of mathematics, or if there is no tokenizer.
    """
    tokenizer = tokenizer_of(directory)
    for plugin in plugins.who("build_prompt"):
        prompt = plugins.ask(plugin, "build_prompt", prompt_of, problem=QUESTION)
        if prompt is None or tokenizer is None:
            continue
        text, template = prompt.text, None
        if not text:
            template = dict(prompt.template)
            text = rendered(tokenizer, [dict(m) for m in prompt.messages], template)
        stop = stops_of(prompt.stop) or (str(tokenizer.eos_token),)
        encoded = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in stop]
        tokens = tuple(ids[0] for ids in encoded if len(ids) == 1)
        return Example(plugin, QUESTION.question, text, stop, tokens, template)
    return None


def rendered(tokenizer: Any, messages: list[dict[str, Any]], template: dict[str, Any]) -> str:
    """Render messages with the chat template of the exported tokenizer."""
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **template))
    except Exception as error:  # a template is a program and may raise anything
        raise PluginError(f"the chat template that was exported cannot render the prompt: {error}") from error


def tokenizer_of(directory: Path) -> Any:
    """Load the tokenizer that was exported; None if there is none, or nothing that loads it."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return None
    return AutoTokenizer.from_pretrained(directory) if (directory / "tokenizer_config.json").is_file() else None


def stop_there(directory: Path, example: Example | None) -> None:
    """Add the stops of the run to the tokens that end a generation by default, so that transformers and vLLM stop."""
    file = directory / GENERATION
    if example is None or not file.is_file():
        return
    config = json.loads(file.read_text(encoding="utf-8"))
    ends = config.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    missing = [token for token in example.stop_tokens if token not in ends]
    if not missing:
        return
    config["eos_token_id"] = [*ends, *missing]
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
