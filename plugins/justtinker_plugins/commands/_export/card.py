"""The README.md of exported weights: where they come from, the prompt that they were trained with, how to load them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from justtinker_core.config import RunConfig
from justtinker_plugins.commands._export.prompt import Example
from justtinker_plugins.shared.exports import Exported

LOADERS = {
    "model": ("transformers", "AutoModelForCausalLM", "transformers"),
    "adapter": ("peft", "AutoPeftModelForCausalLM", "peft and transformers"),
}
"""Kind -> package, class, and what is needed."""


@dataclass(frozen=True, slots=True)
class Card:
    """What the page is about."""

    run: str
    step: int
    config: RunConfig
    exported: Exported
    example: Example | None


def write_card(card: Card, directory: Path) -> None:
    """Write README.md."""
    parts = [heading(card), prompt(card.example), loading(card), serving(card, directory)]
    (directory / "README.md").write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")


def heading(card: Card) -> str:
    """The metadata that the hub reads, the title, and what this is."""
    base, model = card.exported.base, card.exported.kind == "model"
    on_hub = base is not None and not Path(base).is_absolute()
    lines = [f"base_model: {base}"] if on_hub else []
    lines += [f"library_name: {LOADERS[card.exported.kind][0]}", "tags: [justtinker]"]
    kind = "A whole model" if model else "A LoRA adapter"
    origin = f"trained from `{base}`" if base else "of JustTinker's quickstart"
    if not model:
        origin = f"for `{base}`"
    text = f"{kind} {origin}: step {card.step} of the run `{card.run}`, trained with JustTinker."
    return "\n".join(["---", *lines, "---", "", f"# {card.run}, step {card.step}", "", text, *extra(card)])


def extra(card: Card) -> list[str]:
    """The notes of the backend, each a paragraph."""
    return [line for note in card.exported.notes for line in ("", note)]


def prompt(example: Example | None) -> str:
    """The prompt that the model was trained with."""
    if example is None:
        return "## Prompt\n\nThe run's config.toml says how it asks: its plugins have no prompt for a plain question."
    stop = ", ".join(f"`{stop}`" for stop in example.stop)
    fence = "`" * 4
    if example.template is None:
        how = (
            "This is plain text. The chat template of the tokenizer may render something else: send this text, with no "
            "special tokens added."
        )
    else:
        options = "".join(f", {name}={value!r}" for name, value in example.template.items())
        call = f"apply_chat_template(..., add_generation_prompt=True{options})"
        how = f"The tokenizer's chat template renders it: `{call}`."
    return (
        f"## Prompt\n\nThe model was trained with the prompts of `{example.plugin}`. The question {example.question!r} "
        f"is asked like this; the answer begins where the text ends, and ends at {stop}:\n\n"
        f"{fence}text\n{example.text}\n{fence}\n\n{how}"
    )


def loading(card: Card) -> str:
    """Code that loads it and asks the example's question."""
    package, loader, needs = LOADERS[card.exported.kind]
    imports = [f"from {package} import {loader}", "from transformers import AutoTokenizer"]
    if package == "transformers":
        imports = [f"from transformers import {loader}, AutoTokenizer"]
    text = card.example.text if card.example else "..."
    stop = f", stop_strings={list(card.example.stop)!r}" if card.example else ""
    code = [
        *imports,
        "",
        'directory = "."  # where this README.md is',
        "tokenizer = AutoTokenizer.from_pretrained(directory)",
        f'model = {loader}.from_pretrained(directory, dtype="auto").eval()',
        f"prompt = {text!r}",
        'tokens = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]',
        f"most = {card.config.sampling.max_tokens}  # tokens, as in the run",
        f"output = model.generate(input_ids=tokens, do_sample=False, max_new_tokens=most, tokenizer=tokenizer{stop})",
        "print(tokenizer.decode(output[0, tokens.shape[1]:]))",
    ]
    return "\n".join([f"## Load\n\nWith {needs}:\n\n```python", *code, "```"])


def serving(card: Card, directory: Path) -> str:
    """How to serve it with vLLM, as far as that is known."""
    start = "vllm serve DIRECTORY"
    if card.exported.kind == "adapter":
        adapter = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
        if adapter.get("modules_to_save"):
            return "## Serve\n\nvLLM takes no adapter that holds a whole matrix: export the run with `--merge`."
        start = f"vllm serve {card.exported.base} --enable-lora --lora-modules trained=DIRECTORY"
        start += f" --max-lora-rank {rank_of(adapter)}"
    return (
        f"## Serve\n\nWith vLLM (nobody has tried this page's command): `{start}`, then send the prompt above as text "
        'to `/v1/completions`, with `"add_special_tokens": false` and the same stop.'
    )


def rank_of(adapter: dict[str, Any]) -> int:
    """The highest rank in an adapter's config."""
    return max([int(adapter["r"]), *map(int, (adapter.get("rank_pattern") or {}).values())])
