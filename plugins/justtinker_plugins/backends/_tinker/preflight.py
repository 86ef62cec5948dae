"""What the `tinker` backend checks before anything is spent. Each complaint comes with its fix."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from http.client import HTTPException

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.backends._tinker.backend import PATHS, TinkerBackend, not_a_checkpoint
from justtinker_plugins.backends._tinker.waiting import KEY, scrubbed


def setup_complaints(backend: TinkerBackend) -> list[str]:
    """Complaints about key, server, SDK, prices and model, each with its fix."""
    found = [*key_complaints(os.environ.get(KEY, "")), *server_complaints(backend.server.url)]
    try:
        import tinker  # noqa: F401
    except ImportError:
        found.append("the tinker SDK is not installed: pip install 'justtinker[tinker]'")
    if backend.options.prices and backend.usd({}) is None:
        found.append(
            f"[plugins.tinker] prices: the table has none for {backend.model}: set prefill, sampled and trained"
        )
    if found:
        return found
    try:
        offered = backend.server.offered
    except PluginError as error:
        return [f"{backend.server.url} (base_url in [plugins.tinker]) does not list its models: {error}"]
    if backend.model in offered:
        return []
    return [f"[run] model = {backend.model!r} is not offered by {backend.server.url}{nearest(backend.model, offered)}"]


def model_complaints(backend: TinkerBackend) -> list[str]:
    """Complaints about the model's tokenizer or its context length."""
    try:
        _ = backend.server.tokenizer
    except PluginError as error:
        return [f"the tokenizer of {backend.model} cannot be loaded: {error}"]
    try:
        _ = backend.context_length
    except PluginError as error:
        return [str(error)]
    return []


def start_complaints(backend: TinkerBackend, path: str | None) -> list[str]:
    """Complaints about the checkpoint to start from: it does not exist, or is of another model."""
    if path is None:
        return []
    if not path.startswith(PATHS):
        return [f"[run] start_from: {not_a_checkpoint(path)}; name one, or a run directory that has one"]
    try:
        info = backend.server.checkpoint(path)
    except PluginError as error:
        return [f"[run] start_from = {path!r} cannot be loaded from {backend.server.url}: {error}"]
    if info.base_model != backend.model:
        return [
            f"[run] start_from = {path!r} is a checkpoint of {info.base_model}, but [run] model = {backend.model!r}"
        ]
    return []


def key_complaints(key: str) -> list[str]:
    """A complaint if there is no key, or one that no request can carry: the SDK would retry for minutes."""
    if not key.strip():
        return [f"{KEY} is not set: create a key in the Tinker console and export it"]
    return [] if key == key.strip() else [f"{KEY} starts or ends with white space, perhaps a newline: remove it"]


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
