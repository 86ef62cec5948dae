"""How a run asks its model: one prompt as an example, and what ends the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from justtinker_core import Problem
from justtinker_core.answers import prompt_of
from justtinker_core.plugins import Plugins
from justtinker_core.sampling import stops_of
from justtinker_plugins.shared.prompts import Prompts, encode

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
    """The variables with which the chat format renders it; None if the plugin writes the text itself."""


def asked(plugins: Plugins, directory: Path) -> Example | None:
    """Ask the run's prompt plugins for the prompt of an example, with the tokenizer that was exported.

    None if none of them takes a question of mathematics, or if there is no tokenizer.
    """
    tokenizer = tokenizer_of(directory)
    if tokenizer is None:
        return None
    for plugin in plugins.who("build_prompt"):
        prompt = plugins.ask(plugin, "build_prompt", prompt_of, problem=QUESTION)
        if prompt is not None:
            rendered = Prompts(tokenizer)(prompt.text or prompt.messages, prompt.template)
            stop = stops_of(prompt.stop) or rendered.stop
            encoded = [encode(tokenizer, text) for text in stop]
            tokens = tuple(ids[0] for ids in encoded if len(ids) == 1)
            template = None if prompt.text else dict(prompt.template)
            return Example(plugin, QUESTION.question, rendered.text, stop, tokens, template)
    return None


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
