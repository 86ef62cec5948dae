"""What the `tinker` backend checks before anything is spent. Each complaint comes with its fix."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from http.client import HTTPException
from importlib.util import find_spec

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.backends._tinker.backend import PATHS, TinkerBackend, not_a_checkpoint, unpriced
from justtinker_plugins.backends._tinker.catalog import retirement, successor
from justtinker_plugins.backends._tinker.protocol import mismatch, sdk_version
from justtinker_plugins.backends._tinker.server import RankError
from justtinker_plugins.backends._tinker.waiting import KEY, scrubbed


def setup_complaints(backend: TinkerBackend, budget: float | None) -> list[str]:
    """Complaints about key, server, SDK, prices (for the run's budget, if it has one) and model, each with its fix."""
    unreached = server_complaints(backend.server.url)
    backend.server.reached = not unreached
    found = [*key_complaints(os.environ.get(KEY, "")), *unreached]
    if find_spec("tinker") is None:
        found.append("the tinker SDK is not installed: pip install 'justtinker[tinker]'")
    elif not found:
        found += protocol_complaints(backend)
    found += price_complaints(backend, budget)
    return found + unlisted_complaints(backend) if found else offer_complaints(backend)


def price_complaints(backend: TinkerBackend, budget: float | None) -> list[str]:
    """A complaint if prices are missing that the options or the run's budget need."""
    if backend.prices or not (backend.options.prices or budget is not None):
        return []
    if backend.options.prices:
        return [f"[plugins.tinker] prices: no others are known for {backend.model}: set prefill, sampled and trained"]
    return [f"[run] budget_usd = {budget:g} cannot be kept. {unpriced(backend)}"]


def offer_complaints(backend: TinkerBackend) -> list[str]:
    """A complaint if the server does not offer the model. Its own list decides, whatever is known otherwise."""
    url, model = backend.server.url, backend.model
    try:
        offered = backend.server.offered
    except PluginError as error:
        return [
            f"{url} (base_url in [plugins.tinker]) does not list its models: {error}",
            *unlisted_complaints(backend),
        ]
    if model in offered:
        return []
    new = successor(model)
    if retired := retirement(model, offered) if backend.server.is_service or (new and new.name in offered) else "":
        return [f"[run] model = {model!r} is not offered by {url}: {retired}"]
    return [f"[run] model = {model!r} is not offered by {url}{nearest(model, offered)}"]


def unlisted_complaints(backend: TinkerBackend) -> list[str]:
    """A complaint if the service is said to have retired the model, for when its own list cannot be asked."""
    retired = retirement(backend.model) if backend.server.is_service else ""
    return [f"[run] model = {backend.model!r}: {retired}"] if retired else []


def protocol_complaints(backend: TinkerBackend) -> list[str]:
    """A complaint if a server of one's own and the SDK speak different versions of the protocol."""
    url = backend.server.url
    why = mismatch(backend.server.description, sdk_version())
    return [f"{url} (base_url in [plugins.tinker]): {why}"] if why else []


def model_complaints(backend: TinkerBackend) -> list[str]:
    """Complaints about the model's tokenizer or its context length."""
    try:
        _ = backend.server.tokenizer
    except RankError as error:
        return [str(error)]
    except PluginError as error:
        fix = "set tokenizer in [plugins.tinker] to a name or a directory"
        return [f"the tokenizer of {backend.model} cannot be loaded: {error}; {fix}"]
    try:
        _ = backend.context_length
    except PluginError as error:
        return [str(error)]
    return []


def start_complaints(backend: TinkerBackend, path: str | None) -> list[str]:
    """Complaints about the checkpoint to start from: it is gone, or of another model, rank or unembedding."""
    if path is None:
        return []
    if not path.startswith(PATHS):
        return [f"[run] start_from: {not_a_checkpoint(path)}; name one, or a run directory that has one"]
    try:
        info = backend.server.checkpoint(path)
    except PluginError as error:
        return [f"[run] start_from = {path!r} cannot be loaded from {backend.server.url}: {error}"]
    named = f"[run] start_from = {path!r}"
    if info.base_model != backend.model:
        return [f"{named} is a checkpoint of {info.base_model}, but [run] model = {backend.model!r}"]
    found = []
    for option in ("lora_rank", "train_unembed"):
        there, own = getattr(info, option, None), getattr(backend.options, option)
        if there is not None and there != own:
            theirs, ours = str(there).lower(), str(own).lower()
            found.append(f"{named} has {option} = {theirs}, but [plugins.tinker] {option} = {ours}: set it to {theirs}")
    return found


def key_complaints(key: str) -> list[str]:
    """A complaint if there is no key, or one that no request can carry: the SDK would retry for minutes."""
    if not key.strip():
        missing = f"{KEY} is not set: create a key in the Tinker console and export it"
        return [] if has_other_credentials() else [missing]
    return [] if key == key.strip() else [f"{KEY} starts or ends with white space, perhaps a newline: remove it"]


def has_other_credentials() -> bool:
    """Whether the SDK itself knows a credential: a command (TINKER_CREDENTIAL_CMD), or a key that its login stored."""
    if os.environ.get("TINKER_CREDENTIAL_CMD"):
        return True
    try:
        from tinker import auth
    except ImportError:  # no SDK, or one without `tinker auth login`
        return False
    return bool(auth.tinker_has_credentials())


def server_complaints(url: str) -> list[str]:
    """A complaint if nothing answers at the address; any HTTP status is an answer."""
    try:
        urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=10).close()
    except urllib.error.HTTPError:
        return []
    except (OSError, ValueError, HTTPException) as error:
        return [
            f"no server answers at {url} ({scrubbed(str(error))}): check base_url in [plugins.tinker] and the network"
        ]
    return []
