"""A vLLM server for tests, on this machine: vLLM's HTTP interface, over transformers and the sampler of `local`.

It loads the weights that it is handed, from their files and by peft and transformers alone, and samples from them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from transformers import AutoModelForCausalLM, AutoTokenizer

from justtinker_core.types import Sample, SampleRequest
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.sampling import sample
from tests.http_server import http_server


def failing(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": status}}, status)


@dataclass
class VllmStandIn:
    """What a test sets, and what it sees."""

    base: Path
    """The model that it serves, by this name."""
    key: str = ""
    longest: int = 1024
    """--max-model-len"""
    is_dev: bool = True
    """VLLM_SERVER_DEV_MODE"""
    takes_adapters: bool = True
    """VLLM_ALLOW_RUNTIME_LORA_UPDATING"""
    faults: list[Callable[[], Response]] = field(default_factory=list)
    """What the first requests for samples get."""
    changes: Callable[[dict[str, Any]], None] = lambda answer: None
    """What is done to an answer with samples."""
    hold: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, no samples are sent."""
    policies: dict[str, Policy] = field(default_factory=dict)
    """By the names that requests use."""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Paths and bodies."""
    url: str = ""

    def __post_init__(self) -> None:
        self.hold.set()
        self.policies[str(self.base)] = self.policy(self.base)

    def policy(self, weights: Path) -> Policy:
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        if (weights / "adapter_config.json").is_file():
            adapter = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(self.base), weights).eval()
            return Policy(adapter.get_base_model(), tokenizer, torch.device("cpu"), adapter=adapter)
        return Policy(AutoModelForCausalLM.from_pretrained(weights).eval(), tokenizer, torch.device("cpu"))

    def paths(self, path: str) -> list[dict[str, Any]]:
        """The bodies sent to a path."""
        return [body for asked, body in self.asked if asked == path]

    async def answer(self, request: Request) -> Response:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return failing(401, f"Unauthorized: {request.headers.get('Authorization')}")
        path, data = request.url.path, await request.body()
        body = json.loads(data) if data else {}
        self.asked.append((path, body))
        if path == "/v1/models":
            bases = [{"id": str(self.base), "root": str(self.base), "parent": None, "max_model_len": self.longest}]
            adapters = [{"id": name, "parent": str(self.base)} for name in self.policies if name != str(self.base)]
            return JSONResponse({"object": "list", "data": [*adapters, *bases]})
        if path == "/v1/completions":
            return await self.complete(request, body)
        if path in ("/collective_rpc", "/reset_prefix_cache") and self.is_dev:
            if path == "/collective_rpc" and "method" not in body:
                return JSONResponse({"detail": "Missing 'method' in request body"}, 400)
            if path == "/collective_rpc":
                assert body["method"] == "reload_weights"
                self.policies[str(self.base)] = self.policy(Path(body["kwargs"]["weights_path"]))
            return JSONResponse({"results": [None]}) if path == "/collective_rpc" else Response(status_code=200)
        if "lora_adapter" in path and self.takes_adapters:
            return self.change_adapters(path, body)
        return JSONResponse({"detail": "Not Found"}, 404)

    def change_adapters(self, path: str, body: dict[str, Any]) -> Response:
        if "lora_name" not in body:
            return failing(400, "[{'type': 'missing', 'loc': ('body', 'lora_name')}]")
        name = body["lora_name"]
        if path == "/v1/unload_lora_adapter":
            if self.policies.pop(name, None) is None:
                return failing(404, f"The lora adapter '{name}' cannot be found.")
            return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")
        if name in self.policies:
            return failing(400, f"The lora adapter '{name}' has already been loaded.")
        if not Path(body["lora_path"], "adapter_config.json").is_file():
            return failing(404, f"No adapter found for {body['lora_path']}")
        self.policies[name] = self.policy(Path(body["lora_path"]))
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def complete(self, request: Request, body: dict[str, Any]) -> Response:
        while not self.hold.is_set() and not await request.is_disconnected():
            await asyncio.sleep(0.02)
        if self.faults:
            return self.faults.pop(0)()
        if body["model"] not in self.policies:
            return failing(404, f"The model `{body['model']}` does not exist.")
        if body["temperature"] == 0 and body["n"] > 1:
            return failing(400, f"n must be 1 when using greedy sampling, got {body['n']}.")
        answer = completion(body, self.samples(self.policies[body["model"]], body))
        self.changes(answer)
        return JSONResponse(answer)

    def samples(self, policy: Policy, body: dict[str, Any]) -> list[Sample]:
        assert body["ignore_eos"], "the policies here know no other end than the stops"
        assert body["include_stop_str_in_output"]
        for name in ("top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"):
            assert name in body, "vLLM would take it from the model's generation_config.json"
        stops = (*(policy.tokenizer.decode([token]) for token in body["stop_token_ids"]), *body["stop"])
        settings = body["max_tokens"], body["temperature"], body["top_p"], body["seed"]
        wanted = SampleRequest(tuple(body["prompt"]), stops or ("",), body["n"], *settings)
        future: Future[list[Sample]] = Future()
        sample(
            policy,
            [wanted],
            [future],
            context=policy.config.max_position_embeddings,
            most_rows=64,
            most_bytes=float("inf"),
            closed=threading.Event(),
            progress=lambda *_: None,
        )
        return future.result()


def completion(body: dict[str, Any], samples: list[Sample]) -> dict[str, Any]:
    """Samples as vLLM writes them; its choices come in no certain order."""
    return {
        "object": "text_completion",
        "choices": [
            {
                "index": index,
                "finish_reason": "stop" if found.stopped else "length",
                "logprobs": {"token_logprobs": list(found.logprobs)} if body["logprobs"] is not None else None,
                "token_ids": list(found.tokens) if body.get("return_token_ids") else None,
            }
            for index, found in reversed(list(enumerate(samples)))
        ],
    }


@contextmanager
def vllm_server(base: Path, **fields: Any) -> Iterator[VllmStandIn]:
    """Run one in a thread."""
    state = VllmStandIn(base, **fields)
    routes = [Route("/{path:path}", state.answer, methods=["GET", "POST"])]
    with http_server(routes) as url:
        state.url = url
        try:
            yield state
        finally:
            state.hold.set()
