"""Sampling by a vLLM server (`sampler = "vllm"`): each version of the weights goes to it before it samples from them.

The weights travel as files, so the server must see the run's directory under the same path. An adapter gets a new name
for each version: the server then uses nothing that it keeps of the one before, neither weights nor prefix cache. Whole
weights replace the server's own, and its prefix cache is emptied.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from justtinker_core import PluginError, Sample, SampleRequest
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.sampling import check_request, split_stops
from justtinker_plugins.backends._weights import write_adapter, write_model
from justtinker_plugins.shared.connections import Connections, is_on_this_machine, sentence_of
from justtinker_plugins.shared.exports import Progress
from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.secret import token_of

if TYPE_CHECKING:
    import threading

T = TypeVar("T")
KEY = "VLLM_API_KEY"
"""The environment variable that holds the server's key, if it wants one."""
IN_FLIGHT = 256
"""Requests under way at once, each for all rollouts of a problem."""
TRIES = 3
"""Of a request that does not get through, or meets an error of the server."""
SECONDS = 3600.0
"""The longest wait for an answer."""
GREEDY = {"n": 1, "temperature": 0.0}
"""vLLM refuses several greedy samples, which would all be the same."""


class VllmServer:
    """A vLLM server at `url`, for one policy; the weights that it samples from pass through `directory`."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url.rstrip("/").removesuffix("/v1"), directory.absolute()
        self._httpx = package("httpx", "[plugins.local] sampler = 'vllm'", "justtinker[vllm]")
        self._key = token_of(KEY)
        self._version: int | None = None
        """Of the weights that the server has; None before the first ones, and after a failure."""
        self._adapter = ""
        """The name of the adapter that the server has."""
        self._model = ""
        """The name by which requests ask for the weights."""

    def sample(
        self,
        policy: Policy,
        version: int,
        requests: Sequence[SampleRequest],
        futures: Sequence[Future[list[Sample]]],
        *,
        context: int,
        closed: threading.Event,
        progress: Progress,
    ) -> None:
        """Give the server this version of the weights, and resolve the futures. A bad request fails alone."""
        if version != self._version:
            progress("handing the weights to vLLM", 0, 0)
            self._refresh(policy, version)
        bodies = {}
        for request, future in zip(requests, futures, strict=True):
            try:
                bodies[future] = body_of(policy, request, context)
            except PluginError as error:
                future.set_exception(error)
        asyncio.run(self._sample(list(zip(requests, futures, strict=True)), bodies, closed, progress))

    def complaints(self, policy: Policy) -> list[str]:
        """Say what is wrong with the server, or with the run for it, and what to do."""
        if policy.adapter is not None and policy.tied and hasattr(policy.model.get_output_embeddings(), "lora_A"):
            return [
                "[plugins.local] sampler = 'vllm': this model shares its unembedding with the input embedding, and "
                "vLLM takes no adapter of that: set train_unembed = false"
            ]
        try:
            self.base()
        except PluginError as error:
            name = policy.base or "MODEL"
            if policy.adapter is None:
                command = f"VLLM_SERVER_DEV_MODE=1 vllm serve {name}"
            else:
                rank = policy.adapter.peft_config["default"].r
                command = (
                    f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve {name} --enable-lora --max-lora-rank {rank} "
                    "--max-loras 2"
                )
            return [f"[plugins.local] sampler = 'vllm': {error}; start it with: {command}"]
        return []

    def base(self) -> str:
        """The name of the model that the server was started with."""
        models = self._ask("GET", "/v1/models").get("data", [])
        bases = [model["id"] for model in models if not model.get("parent")]
        if not bases:
            raise PluginError(f"{self.url} serves no model")
        return str(bases[0])

    def close(self) -> None:
        """Take the adapter off the server, if it still answers, and delete the files."""
        if self._adapter:
            with suppress(PluginError):  # the server has gone, and its adapters with it
                self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": self._adapter})
        shutil.rmtree(self.directory, ignore_errors=True)

    def _refresh(self, policy: Policy, version: int) -> None:
        """Write the weights and have the server load them. If that fails, the next sampling tries it again."""
        self._version = None
        target = self.directory / f"{os.getpid()}-{version}"
        target.mkdir(parents=True, exist_ok=True)
        try:
            if policy.adapter is None:
                self._replace_weights(policy, target)
            else:
                self._replace_adapter(policy, target)
        finally:
            shutil.rmtree(target, ignore_errors=True)
        self._version = version

    def _replace_weights(self, policy: Policy, target: Path) -> None:
        self._model = self._model or self.base()
        write_model(policy.model, target)
        self._ask("POST", "/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(target)}})
        self._ask("POST", "/reset_prefix_cache")

    def _replace_adapter(self, policy: Policy, target: Path) -> None:
        write_adapter(policy.adapter, policy.base or "", policy.tied, target)
        name = f"justtinker-{target.name}"
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(target)})
        before, self._adapter, self._model = self._adapter, name, name
        if before:
            self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": before})

    def _settings(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = self._httpx.Timeout(SECONDS, connect=20.0)
        return {"headers": headers, "timeout": timeout, "trust_env": not is_on_this_machine(self.url)}

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request that is not for samples. PluginError says what the server answers."""
        try:
            with self._httpx.Client(**self._settings()) as client:
                response = client.request(method, self.url + path, json=body)
        except self._httpx.HTTPError as error:
            raise PluginError(f"no vLLM server answers at {self.url} ({error})") from None
        return self._answer(path, response)

    def _answer(self, path: str, response: Any) -> dict[str, Any]:
        if response.status_code == 404 and path != "/v1/completions":
            raise PluginError(f"{self.url}{path} is not there: the server was started without it")
        if response.status_code != 200:
            said = sentence_of(response.text)
            said = said.replace(self._key, "[key]") if self._key else said
            raise PluginError(f"{self.url}{path} answers {response.status_code}{said and ': '}{said}")
        try:
            found = response.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    async def _sample(
        self,
        asked: Sequence[tuple[SampleRequest, Future[list[Sample]]]],
        bodies: Mapping[Future[list[Sample]], dict[str, Any]],
        closed: threading.Event,
        progress: Progress,
    ) -> None:
        connections = Connections(self._httpx, min(IN_FLIGHT, len(bodies)) or 1, self._settings())
        try:
            jobs = [self._fulfil(connections, request, bodies[f], f) for request, f in asked if f in bodies]
            await all_of(jobs, closed, partial(progress, "request"))
        finally:
            await connections.close()

    async def _fulfil(
        self, connections: Connections, request: SampleRequest, body: dict[str, Any], future: Future[list[Sample]]
    ) -> None:
        try:
            answer = await self._complete(connections, body) if request.n else {"choices": []}
            future.set_result(samples_of(answer, request))
        except PluginError as error:
            future.set_exception(error)

    async def _complete(self, connections: Connections, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a request, again if it does not get through or the server fails."""
        path = "/v1/completions"
        for left in reversed(range(TRIES)):
            try:
                async with connections.place() as client:
                    response = await client.post(self.url + path, json={"model": self._model, **body})
                if response.status_code < 500 or not left:
                    return self._answer(path, response)
            except self._httpx.TransportError as error:
                if not left:
                    raise PluginError(f"{self.url}{path} cannot be reached: {error}") from None
            await asyncio.sleep(TRIES - left)
        raise AssertionError("TRIES >= 1")


def body_of(policy: Policy, request: SampleRequest, context: int) -> dict[str, Any]:
    """A request as the server takes it; the same tokens stop it that stop `local` itself."""
    limit = check_request(policy, request, context)
    tokens, texts = split_stops(policy, request.stop)
    body = {
        "prompt": list(request.tokens),
        "n": request.n,
        "max_tokens": limit,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "logprobs": 1,  # of the drawn token, and of the likeliest
        "stop_token_ids": list(tokens),
        "stop": list(texts),
        "ignore_eos": True,  # it is one of the stops, or does not stop
        "include_stop_str_in_output": True,
        "skip_special_tokens": False,
        "return_token_ids": True,
    }
    return body | GREEDY if request.temperature == 0 else body


def samples_of(answer: Mapping[str, Any], request: SampleRequest) -> list[Sample]:
    """The samples of an answer. PluginError if it lacks tokens or their log-probabilities."""
    try:
        choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
        samples = [sample_of(choice) for choice in choices]
    except (KeyError, TypeError, ValueError) as error:
        raise PluginError(
            f"vLLM's answer has no tokens with log-probabilities ({error!r}): expected vLLM 0.10.2 or newer"
        ) from error
    if request.temperature == 0:
        samples *= request.n
    if len(samples) != request.n:
        raise PluginError(f"vLLM sent {len(samples)} samples; expected {request.n}")
    return samples


def sample_of(choice: Mapping[str, Any]) -> Sample:
    """One choice as a sample."""
    tokens, logprobs = choice["token_ids"], choice["logprobs"]["token_logprobs"]
    if choice["finish_reason"] not in ("stop", "length") or len(tokens) != len(logprobs):
        raise ValueError(f"finish_reason {choice['finish_reason']}, {len(tokens)} tokens, {len(logprobs)} logprobs")
    return Sample(tuple(map(int, tokens)), tuple(map(float, logprobs)), choice["finish_reason"] == "stop")


async def all_of(
    jobs: Sequence[Awaitable[None]], closed: threading.Event, progress: Callable[[int, int], None]
) -> None:
    """Await all jobs, and say how many are done. PluginError once the backend is closed."""
    pending = {asyncio.ensure_future(job) for job in jobs}
    while pending:
        if closed.is_set():
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            raise PluginError("the backend was closed while it was sampling")
        progress(len(jobs) - len(pending), len(jobs))
        done, pending = await asyncio.wait(pending, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
