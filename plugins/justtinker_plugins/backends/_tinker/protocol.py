"""Which versions of the SDK a server understands.

The service speaks the newest protocol. Servers of one's own may lag behind, but say what they take in the description
that FastAPI makes of them. Seen: SkyRL 0.3.0 takes JSON only (SDK 0.24); SkyRL 0.4.0 takes protobuf, and its sample
replies carry no sequence ids (SDK 0.25). The SDK needs these ids since 0.26.2, and restores by one request since 0.38.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from importlib import metadata
from importlib.util import find_spec
from typing import Any

PROTOBUF, IDS, ONE_REQUEST = (0, 25), (0, 26, 2), (0, 38)
"""The first versions of the SDK that send protobuf, need sequence ids, and restore by one request."""
JSON_ONLY = "the server takes JSON, but SDK {version} sends protobuf: pip install 'tinker==0.24.1'"
PROTOBUF_ONLY = "the server takes protobuf, but SDK {version} sends JSON: pip install 'tinker>=0.25,<0.26'"
WITHOUT_IDS = (
    "the server's sample replies have no sequence ids, which SDK {version} needs: pip install 'tinker>=0.25,<0.26'"
)
NO_RESTORE = (
    "the server cannot restore a checkpoint in one request, as SDK {version} asks it to: "
    "pip install 'tinker>=0.26.2,<0.38'"
)
SINCE = {"gspo": (0, 34)}
"""Loss -> the first version of the SDK that has it; those that are not named are as old as the oldest that is used."""
WORDS = {
    "only supports as proto": JSON_ONLY,
    "valid dictionary or object to extract fields from": JSON_ONLY,  # pydantic, given bytes
    "requires a application/x-protobuf body": PROTOBUF_ONLY,
    "always carry sample_sequence_ids": WITHOUT_IDS,
}
"""What an SDK or a server says when they do not understand each other."""
SECONDS = 10


def description(url: str) -> Mapping[str, Any]:
    """The server's OpenAPI description; empty if it has none."""
    try:
        with urllib.request.urlopen(f"{url}/openapi.json", timeout=SECONDS) as reply:
            api = json.load(reply)
    except (OSError, ValueError, HTTPException):
        return {}
    return get(api)


def mismatch(api: Mapping[str, Any], version: str) -> str | None:
    """Why a server with this description and the SDK of this version cannot work together, with the fix."""
    sdk = numbers(version)
    training, sampling = endpoint(api, "forward_backward"), endpoint(api, "asample")
    kinds = set(get(training, "requestBody", "content") or {"application/x-protobuf"})  # FastAPI omits what is read raw
    reply = schema(api, get(sampling, "responses", "200"))
    found = None
    if training and sdk >= PROTOBUF and kinds == {"application/json"}:
        found = JSON_ONLY
    elif training and sdk < PROTOBUF and "application/json" not in kinds:
        found = PROTOBUF_ONLY
    elif reply and sdk >= IDS and "sample_sequence_ids" not in get(reply, "properties"):
        found = WITHOUT_IDS
    elif sdk >= ONE_REQUEST and "model_id" in required(api, endpoint(api, "load_weights")):
        found = NO_RESTORE
    return found and found.format(version=version)


def lacking(loss: str) -> str:
    """Why the installed SDK cannot ask for a loss, with the fix; "" if it can, or if there is no SDK."""
    first = SINCE.get(loss)
    if first is None or find_spec("tinker") is None or numbers(sdk_version()) >= first:
        return ""
    wanted = ".".join(map(str, first))
    return (
        f"SDK {sdk_version()} does not know the loss {loss!r}, which came with {wanted}: pip install 'tinker>={wanted}'"
    )


def losses(api: Mapping[str, Any]) -> tuple[str, ...]:
    """The losses that a server with this description says it takes; empty if it does not say."""
    request = schema(api, get(endpoint(api, "forward_backward"), "requestBody"))
    given = referred(api, get(request, "properties", "forward_backward_input")) or request
    found = referred(api, get(given, "properties", "loss_fn"))
    return tuple(found.get("enum") or ([found["const"]] if "const" in found else ()))


def explain(text: str) -> str:
    """What to do about an error by which a mismatch shows once a run has begun; empty for any other error."""
    found = next((why for words, why in WORDS.items() if words in text), None)
    return found.format(version=sdk_version()) if found else ""


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, as one can compare them."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def sdk_version() -> str:
    """The version of the installed SDK."""
    return metadata.version("tinker")


def endpoint(api: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An endpoint's description; empty if the server has none."""
    return get(api, "paths", f"/api/v1/{name}", "post")


def required(api: Mapping[str, Any], described: Mapping[str, Any]) -> Sequence[str]:
    """The fields that an endpoint's requests must have."""
    return schema(api, get(described, "requestBody")).get("required") or ()


def schema(api: Mapping[str, Any], message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a JSON message; empty if it is not described."""
    return referred(api, get(message, "content", "application/json", "schema"))


def referred(api: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference stands for; any other schema as it is."""
    reference = found.get("$ref")
    return get(api, *reference.removeprefix("#/").split("/")) if isinstance(reference, str) else found


def get(value: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping at the end of a path of keys; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
