"""The `local` backend's model: loading it, the quickstart's tiny model, LoRA, and checkpoint files.

Nothing here samples or trains.
"""

from __future__ import annotations

import contextlib
import difflib
import gc
import hashlib
import importlib
import inspect
import json
import os
import shutil
import string
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError
from justtinker_plugins.backends._local.attention import can_pack
from justtinker_plugins.backends._local.gguf import unpacked
from justtinker_plugins.backends._weights import base_of, is_tied, sync, untie

if TYPE_CHECKING:
    import torch

    from justtinker_plugins.backends._local.optimizer import Optimizer

IM_START, IM_END, PAD, UNKNOWN = "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<unk>"
WORDS = ("<think>", "</think>", "\\boxed")
# Each fixed phrase of the recipe's prompt is one token, so a prompt has 17 tokens instead of 196.
PHRASES = (
    "system\nYou are a helpful mathematical assistant. Think step by step before answering.",
    "user\nSolve the following math problem.\n\nProblem: ",
    "assistant\n",
    "What is ",
)
CHARACTERS = sorted(set(string.printable) - set("\t\r\x0b\x0c"))
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THREADED = 10**6
"""Parameters from which on more than one thread pays."""


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter (Hu et al., arXiv:2106.09685): scale `alpha` / `rank`."""

    rank: int
    alpha: float
    targets: str | tuple[str, ...]
    """``all-linear`` (every linear layer but the unembedding), or module names."""
    unembed: bool
    """Whether to adapt the unembedding too."""


@dataclass
class Policy:
    """A causal language model, its tokenizer and, if only an adapter is trained, that adapter."""

    model: Any
    """The transformers model, LoRA layers included."""
    tokenizer: Any
    device: torch.device
    adapter: Any = None
    """peft's wrapper around the same model."""
    base: str | None = None
    """The name by which others find the model: an absolute directory or a hub id; None for the tiny one."""
    tied: bool = False
    """Whether the model as it was loaded shares its unembedding with the input embedding."""
    plain_head: bool = True
    """Whether logits are the unembedding of the last hidden state and nothing more (no soft cap, no scale)."""
    packs: bool = False
    """Whether it reads packed tokens (see attention.py)."""

    @property
    def config(self) -> Any:
        """The language model's part of the configuration."""
        return self.model.config.get_text_config()

    @property
    def vocabulary(self) -> int:
        """The number of tokens that the model knows."""
        return int(self.model.get_input_embeddings().num_embeddings)

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        """The parameters that get gradients."""
        return [p for p in self.model.parameters() if p.requires_grad]

    @property
    def cache_bytes(self) -> int:
        """Bytes of one token in the KV cache: a key and a value in every layer."""
        config = self.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize)

    @cached_property  # read at every token
    def cache_name(self) -> str:
        """The KV cache's name among the model's arguments and outputs; transformers 5 renamed it."""
        return "cache" if "cache" in inspect.signature(self.model.forward).parameters else "past_key_values"

    @property
    def merges_to_sample(self) -> bool:
        """Whether an adapter is merged into the weights to sample.

        On a CPU, merging once is cheaper than two more products a layer; on a GPU it is not. bfloat16 weights would
        round the adapter away.
        """
        import torch

        return self.device.type == "cpu" and self.model.dtype == torch.float32

    @property
    def architecture(self) -> str:
        """A description of the model that a checkpoint must match."""
        size = sum(p.numel() for p in self.model.parameters())
        text = (
            f"{type(self.model).__name__} with {size:,} parameters, width {self.config.hidden_size}, "
            f"{self.config.num_hidden_layers} layers, {self.vocabulary} tokens"
        )
        if self.adapter is None:
            return text
        lora = self.adapter.peft_config["default"]
        return f"{text}, LoRA rank {lora.r} alpha {lora.lora_alpha:g} on {', '.join(sorted(lora.target_modules))}"

    @property
    def fingerprint(self) -> str:
        """Tells models of one architecture apart, by the first rows of the input embedding; '' without an adapter.

        An adapter leaves them as they are. Rounded to bfloat16, so that the dtype does not matter.
        """
        import torch

        if self.adapter is None:
            return ""
        rows = self.model.get_input_embeddings().weight[:4].detach().to("cpu", torch.bfloat16)
        return hashlib.sha256(rows.contiguous().view(torch.int16).numpy().tobytes()).hexdigest()[:16]

    @contextlib.contextmanager
    def checkpointing(self) -> Iterator[None]:
        """Keep only the layers' inputs of a forward pass, and compute the rest again in the backward pass."""
        renamed = hasattr(self.model, "activation_checkpointing_enable")
        prefix = "activation" if renamed else "gradient"
        getattr(self.model, f"{prefix}_checkpointing_enable")({"use_reentrant": False})
        layers = [module for module in self.model.modules() if getattr(module, "gradient_checkpointing", False)]
        for module in layers:
            module.training = True  # or they would not; what is within them stays as it is
        try:
            yield
        finally:
            getattr(self.model, f"{prefix}_checkpointing_disable")()
            for module in layers:
                module.training = False

    def merged(self) -> contextlib.AbstractContextManager[None]:
        """Merge the adapter into the weights if that is faster to sample; on exit, restore them bit for bit."""
        return _merged(self.adapter) if self.adapter is not None and self.merges_to_sample else contextlib.nullcontext()


@contextlib.contextmanager
def _merged(adapter: Any) -> Iterator[None]:
    layers = [m for m in adapter.modules() if hasattr(m, "merge") and hasattr(m, "get_base_layer")]
    weights = [m.get_base_layer().weight for m in layers]
    originals = [w.detach().clone() for w in weights]  # subtracting the adapter would leave rounding errors
    adapter.merge_adapter()
    try:
        yield
    finally:
        adapter.unmerge_adapter()
        for weight, original in zip(weights, originals, strict=True):
            weight.data.copy_(original)


def open_policy(
    name: str, *, seed: int, device: str, dtype: str, lora: Lora | None, threads: int | None = None
) -> Policy:
    """Load a directory, a GGUF file or a hub id, or make ``"tiny"`` from the seed.

    Raises PluginError if transformers cannot load it, it has no end token, or the device is missing.
    """
    cores = import_libraries()
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would tear up the live report
    torch.manual_seed(seed)
    picked = torch.device(pick_device(device))
    name = unpacked(name)
    model, tokenizer = tiny() if name == "tiny" else load_pretrained(name, dtype)
    if tokenizer.eos_token is None:
        raise PluginError(f"[run] model = {name!r}: its tokenizer has no end token; set eos_token in its config")
    torch.set_num_threads(threads or (cores if model.num_parameters() >= THREADED else 1))
    model = model.to(device=picked, dtype=getattr(torch, dtype)).eval()  # with dropout, sampler and trainer disagree
    policy = Policy(model, tokenizer, picked, base=None if name == "tiny" else base_of(name), tied=is_tied(model))
    if lora is not None:
        policy.adapter = add_lora(model, lora)
        policy.adapter.peft_config["default"].base_model_name_or_path = policy.base
    policy.plain_head = has_plain_head(model, picked)
    policy.packs = policy.plain_head and can_pack(policy)
    return policy


@cache
def import_libraries() -> int:
    """Import torch and transformers; return how many cores torch finds.

    Its threads wait without spinning, which takes ten times as long where others use the cores. The garbage collector
    is kept from the libraries' modules, then and later: it would look through all of them many times while they are
    imported, and again at the end of the process, a third of the time that opening a small model takes.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    collects = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("transformers.modeling_utils")  # and with it torch
    finally:
        gc.freeze()
        if collects:
            gc.enable()
    import torch

    return torch.get_num_threads()


def pick_device(device: str) -> str:
    """Resolve ``auto`` to the GPU if there is one, else the CPU."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise PluginError(f"[plugins.local] device = {device!r}: torch finds no GPU here; use 'auto' or 'cpu'")
    return device


def load_pretrained(name: str, dtype: str) -> tuple[Any, Any]:
    """Load the model and tokenizer of a directory or a hub id."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if difflib.get_close_matches(name, ["tiny"]) and not Path(name).exists():  # a typo: do not ask the hub
        raise PluginError(f"[run] model = {name!r}: there is no such directory; did you mean 'tiny'?")
    if (Path(name) / "config.json").is_file() and not Path(name).is_absolute():
        raise PluginError(
            f"[run] model = {name!r}: a path in a config begins at the config's folder, where there is no such model; "
            f"write {str(Path(name).resolve())!r}, or on the command line --set run.model={name}"
        )
    try:
        return AutoModelForCausalLM.from_pretrained(name, dtype=dtype), AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PluginError(
            f"[run] model = {name!r}: transformers cannot load it ({reason}); give a directory with config.json, "
            f"weights and a tokenizer, a GGUF file, a model id of the Hugging Face hub, or 'tiny'"
        ) from error


def tiny() -> tuple[Any, Any]:
    """Make the quickstart's model: Qwen3 architecture, about 110 k parameters, drawn from torch's random state."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tiny_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, intermediate_size=192, max_position_embeddings=1024, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Qwen3ForCausalLM(config), tokenizer


def tiny_tokenizer() -> Any:
    """Make a tokenizer with one token for each printable ASCII character, recipe tag and fixed phrase."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate([PAD, IM_START, IM_END, UNKNOWN, *WORDS, *PHRASES, *CHARACTERS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in (PAD, IM_START, IM_END, UNKNOWN)])
    backend.add_tokens([AddedToken(t, normalized=False) for t in (*WORDS, *PHRASES)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=IM_END, pad_token=PAD, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def add_lora(model: Any, lora: Lora) -> Any:
    """Freeze the model and add an adapter, drawn from torch's random state."""
    import torch
    from peft import LoraConfig, get_peft_model

    head = model.get_output_embeddings()
    linear = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    heads = {name for name, m in linear.items() if m is head}
    leaves = {name.rpartition(".")[2] for name in linear.keys() - heads}
    targets = leaves if lora.targets == "all-linear" else set(lora.targets)
    targets |= heads if lora.unembed else set()
    if targets & heads and is_tied(model):
        untie(model)
    adapter = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=sorted(targets))
    try:
        with warnings.catch_warnings():  # about peft's use of transformers, which no user can change
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(model, adapter)
    except ValueError as error:
        raise PluginError(
            f"[plugins.local] lora_targets = {lora.targets!r}: {error}; the model has {', '.join(sorted(leaves))}"
        ) from error


def has_plain_head(model: Any, device: torch.device) -> bool:
    """Whether logits are ``unembedding(last hidden state)``, as tried on two tokens."""
    import torch

    with torch.no_grad():
        tokens = torch.zeros(1, 2, dtype=torch.long, device=device)
        hidden = getattr(model.base_model(tokens), "last_hidden_state", None)
        head = model.get_output_embeddings()
        return None not in (hidden, head) and torch.allclose(head(hidden), model(tokens).logits, atol=1e-5)


# -- checkpoints -----------------------------------------------------------------------------------------------------


def save_checkpoint(policy: Policy, optimizer: Optimizer | None, target: Path) -> None:
    """Write a directory, whole or not at all, that transformers (or peft, for an adapter) can load too.

    An adapter on the head of a model with tied embeddings is the exception: use it, but do not merge it with peft
    (`justtinker export` writes one that can be merged).

    Raises PluginError if it cannot be written (a full disk).
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(policy, optimizer, unfinished)
        replace_directory(unfinished, target)
    except Exception as error:  # safetensors and torch each raise their own for a full disk
        shutil.rmtree(unfinished, ignore_errors=True)
        raise PluginError(f"cannot write checkpoint {target}: {error}") from error


def write_checkpoint(policy: Policy, optimizer: Optimizer | None, directory: Path) -> None:
    """Write a checkpoint's files and flush them to the disk."""
    import torch

    if policy.adapter is None:
        policy.model.save_pretrained(directory)
    else:  # peft would add the whole unembedding, which never changes
        policy.adapter.save_pretrained(directory, save_embedding_layers=False)
    policy.tokenizer.save_pretrained(directory)
    state = {
        "optimizer": optimizer.state_dict() if optimizer else None,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if policy.device.type == "cuda" else [],
    }
    torch.save(state, directory / "training.pt")
    meta = {"format": 1, "architecture": policy.architecture, "base": policy.fingerprint}
    (directory / "meta.json").write_text(json.dumps(meta))
    for path in [*directory.rglob("*"), directory]:
        sync(path)


def replace_directory(source: Path, target: Path) -> None:
    """Move `source` to `target`, then delete what was there before (a resumed run saves again)."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    source.rename(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def check_checkpoint(policy: Policy, path: str) -> None:
    """Raise what `load_checkpoint` would, without loading a weight: FileNotFoundError or PluginError."""
    from safetensors import safe_open

    if "://" in path:
        raise PluginError("a checkpoint of a server, which the backend local cannot load; name a run of local, or none")
    check_architecture(policy, Path(path))
    try:
        read_state(Path(path), mmap=True)
        if not (weights := sorted(Path(path).glob("*.safetensors"))):
            raise FileNotFoundError("it has no *.safetensors")
        for file in weights:
            with safe_open(file, "pt"):  # reads the header, and compares it with the file's size
                pass
    except Exception as error:
        raise damaged(path, error) from error


def check_architecture(policy: Policy, path: Path) -> None:
    """Raise FileNotFoundError if there is no checkpoint, PluginError if it is damaged or does not fit the policy."""
    if not (path / "meta.json").is_file():
        what = "it is a model, so name it as run.model" if (path / "config.json").is_file() else "it has no meta.json"
        raise FileNotFoundError(
            f"no checkpoint at {path}: {what}; a run directory has its checkpoints in checkpoints/step_..."
        )
    try:
        meta = json.loads((path / "meta.json").read_text())
        saved, base = meta["architecture"], meta.get("base")  # older checkpoints name no base
    except Exception as error:  # a damaged file can make the reader raise anything
        raise damaged(path, error) from error
    if saved != policy.architecture:
        raise PluginError(
            f"checkpoint {path} is of {saved}, but this run's model is {policy.architecture}; "
            f"use the model and the LoRA options that it was saved with"
        )
    if base and base != policy.fingerprint:
        raise PluginError(
            f"checkpoint {path} is an adapter of a model with other weights than {policy.base or 'this tiny one'}: "
            f"use the model that it was trained on (a tiny one: the same run.seed)"
        )


def read_state(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read the optimizer and random states of a checkpoint; with `mmap`, leave their numbers on the disk."""
    import torch

    state: dict[str, Any] = torch.load(path / "training.pt", map_location="cpu", weights_only=True, mmap=mmap)
    return state


def damaged(path: object, error: Exception) -> PluginError:
    """The error for a checkpoint that cannot be read."""
    return PluginError(f"checkpoint {path} is damaged ({error}); use an older one")


def load_checkpoint(policy: Policy, path: Path) -> dict[str, Any]:
    """Load a checkpoint's weights into the policy; return its optimizer and random states.

    Raises FileNotFoundError if there is none, PluginError if it is damaged or of another architecture.
    """
    check_architecture(policy, path)
    try:
        state = read_state(path)
    except Exception as error:
        raise damaged(path, error) from error
    load_weights(policy, path)
    return state


def load_weights(policy: Policy, path: Path) -> None:
    """Load a checkpoint's trained weights: the adapter's if there is one, else the model's."""
    if policy.adapter is None:
        loaded = type(policy.model).from_pretrained(path, dtype=policy.model.dtype)
        policy.model.load_state_dict(loaded.state_dict())
        return
    from peft import load_peft_weights, set_peft_model_state_dict

    set_peft_model_state_dict(policy.adapter, load_peft_weights(str(path), device=str(policy.device)))


def restore_random_state(state: dict[str, Any]) -> None:
    """Set torch's random generators to a checkpoint's states."""
    import torch

    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
