"""Sampling by a vLLM server (`sampler = "vllm"`): each version of the weights goes to it before it samples from them.

The weights travel as files, so the server must see the run's directory under the same path. An adapter gets a new name
each time: the server then uses nothing that it keeps of the one before, neither weights nor prefix cache. Whole weights
replace the server's own, and its prefix cache is emptied, so such a server serves one run.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from justtinker_core import PluginError, Sample, SampleRequest, SamplingError
from justtinker_plugins.backends._local.completions import body_of, samples_of
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._weights import write_adapter, write_model
from justtinker_plugins.shared.connections import Connections, client_settings, sentence_of, without_key
from justtinker_plugins.shared.exports import Progress
from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.secret import token_of

if TYPE_CHECKING:
    import threading

KEY = "VLLM_API_KEY"
"""The environment variable that holds the server's key, if it wants one."""
COMPLETIONS, RPC = "/v1/completions", "/collective_rpc"
LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
IN_FLIGHT = 256
"""Requests under way at once, each for all rollouts of a problem."""
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before another try of a request that does not get through, or meets an error of the server."""
SHORT, LOADING, LONG = 10.0, 900.0, 3600.0
"""The longest wait, in seconds, for a plain answer, for weights to be loaded, and for samples."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank may be."""


class VllmServer:
    """A vLLM server at `url`, for one policy; the weights that it samples from pass through `directory`."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url.rstrip("/").removesuffix("/v1"), directory.absolute()
        self._httpx = package("httpx", "[plugins.local] sampler = 'vllm'", "justtinker[vllm]")
        self._key = token_of(KEY)
        self._version: int | None = None
        """Of the weights that the server has; None before the first ones, and once something has gone wrong."""
        self._adapter = ""
        """The name of the adapter that the server has, and of its folder."""
        self._model = ""
        """The name by which requests ask for the weights."""
        self._longest: int | None = None
        """Most tokens of prompt and response that the server takes; None if it does not say."""

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
        """Give the server this version of the weights, and resolve the futures. A request that fails, fails alone."""
        if version != self._version:
            progress("handing the weights to vLLM", 0, 0)
            self._hand_over(policy, version)
        bodies = []
        for request, future in zip(requests, futures, strict=True):
            try:
                bodies.append((request, body_of(policy, request, min(context, self._longest or context)), future))
            except PluginError as error:
                future.set_exception(error)
        asyncio.run(self._sample(bodies, closed, progress))

    def complaints(self, policy: Policy) -> list[str]:
        """Say what is wrong with the server, or with the run for it, and what to do."""
        head = policy.model.get_output_embeddings()
        if policy.base is None:
            found = "the model 'tiny' is made here, so no server has it: name a directory or a hub id as run.model"
        elif policy.adapter is not None and policy.tied and hasattr(head, "lora_A"):
            found = (
                "this model shares its unembedding with the input embedding, and vLLM takes no adapter of that: set "
                "train_unembed = false"
            )
        else:
            try:
                found = self._unfit(policy)
            except PluginError as error:
                found = str(error)
            found = found and f"{found}; check vllm_url, or start it with: {self._command(policy)}"
        return [f"[plugins.local] sampler = 'vllm': {found}"] if found else []

    def served_model(self) -> dict[str, Any]:
        """What the server says of the model that it was started with."""
        models = self._ask("GET", "/v1/models").get("data", [])
        for model in models:
            if not model.get("parent"):
                return dict(model)
        raise PluginError(f"{self.url} serves no model")

    def close(self) -> None:
        """Take the adapter off the server, if it still answers, and delete the files."""
        if self._adapter:
            self._unload(self._adapter)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _unfit(self, policy: Policy) -> str:
        """Why the server cannot sample for this policy; '' if it can."""
        served = self.served_model()
        root = str(served.get("root") or served["id"])
        if policy.base and Path(root).name != Path(policy.base).name:
            return f"{self.url} serves {root}, but the run's model is {policy.base}"
        self._ask("POST", RPC if policy.adapter is None else LOAD, {}, expects=(200, 400, 422))
        return ""

    def _command(self, policy: Policy) -> str:
        """How to start a server for this policy."""
        dtype, port = str(policy.model.dtype).removeprefix("torch."), urlsplit(self.url).port or 8000
        serve = f"vllm serve {policy.base} --host 127.0.0.1 --port {port} --dtype {dtype} --generation-config vllm"
        if policy.device.type == "cuda":  # the trainer needs the other half
            serve += " --gpu-memory-utilization 0.5"
        if policy.adapter is None:
            return f"VLLM_SERVER_DEV_MODE=1 {serve}"
        rank = policy.adapter.peft_config["default"].r
        most = next((allowed for allowed in RANKS if allowed >= rank), rank)
        return f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 {serve} --enable-lora --max-lora-rank {most} --max-loras 2"

    def _hand_over(self, policy: Policy, version: int) -> None:
        """Write the weights and have the server load them. If that fails, the next sampling tries it again."""
        self._version = None
        served = self.served_model()
        self._model, self._longest = str(served["id"]), served.get("max_model_len")
        name = f"justtinker-{secrets.token_hex(6)}"
        target = self.directory / name
        target.mkdir(parents=True)
        try:
            if policy.adapter is None:
                self._replace_weights(policy, target)
                shutil.rmtree(target, ignore_errors=True)
            else:
                self._replace_adapter(policy, target)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        self._version = version

    def _replace_weights(self, policy: Policy, target: Path) -> None:
        write_model(policy.model, target)
        call = {"method": "reload_weights", "kwargs": {"weights_path": str(target)}}
        self._ask("POST", RPC, call, seconds=LOADING)
        self._ask("POST", "/reset_prefix_cache")

    def _replace_adapter(self, policy: Policy, target: Path) -> None:
        """Load the adapter, then drop the one before. The server may read its files again, so they stay till then."""
        write_adapter(policy.adapter, policy.base or "", policy.tied, target)
        self._ask("POST", LOAD, {"lora_name": target.name, "lora_path": str(target)}, seconds=LOADING)
        before, self._adapter, self._model = self._adapter, target.name, target.name
        if before:
            self._unload(before)
            shutil.rmtree(self.directory / before, ignore_errors=True)

    def _unload(self, name: str) -> None:
        with suppress(PluginError):  # a server that was restarted, or has gone, no longer has it
            self._ask("POST", UNLOAD, {"lora_name": name})

    def _settings(self, seconds: float) -> dict[str, Any]:
        return client_settings(self.url, self._key) | {"timeout": self._httpx.Timeout(seconds, connect=SHORT)}

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = SHORT,
        expects: tuple[int, ...] = (200,),
    ) -> dict[str, Any]:
        """Send one request that is not for samples. PluginError says what the server answers."""
        try:
            with self._httpx.Client(**self._settings(seconds)) as client:
                response = client.request(method, self.url + path, json=body)
        except self._httpx.HTTPError as error:
            raise PluginError(f"no vLLM server answers at {self.url} ({str(error) or type(error).__name__})") from None
        return self._answer(path, response, expects)

    def _answer(self, path: str, response: Any, expects: tuple[int, ...] = (200,)) -> dict[str, Any]:
        """Read an answer: PluginError for what would not help another request either, else SamplingError."""
        status, said = response.status_code, sentence_of(without_key(response.text, self._key))
        if status == 404 and said == "Not Found":  # so says a server about a path, in other words about an adapter
            raise PluginError(f"{self.url}{path} is not there: the server was started without it")
        if status not in expects:
            kind = PluginError if path != COMPLETIONS or status in (401, 403) else SamplingError
            raise kind(f"{self.url}{path} answers {status}{said and ': '}{said}")
        try:
            found = response.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    async def _sample(
        self,
        bodies: Sequence[tuple[SampleRequest, dict[str, Any], Future[list[Sample]]]],
        closed: threading.Event,
        progress: Progress,
    ) -> None:
        connections = Connections(self._httpx, min(IN_FLIGHT, len(bodies)) or 1, self._settings(LONG))
        try:
            await await_all([self._fulfil(connections, *each) for each in bodies], closed, partial(progress, "request"))
        finally:
            await connections.close()

    async def _fulfil(
        self, connections: Connections, request: SampleRequest, body: dict[str, Any], future: Future[list[Sample]]
    ) -> None:
        try:
            answer = await self._complete(connections, body) if request.n else {"choices": []}
            future.set_result(samples_of(answer, request))
        except PluginError as error:
            self._version = None  # it may have been restarted, so the next sampling hands the weights over again
            future.set_exception(error)

    async def _complete(self, connections: Connections, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a request, again if it does not get through or the server fails."""
        for pause in (*PAUSES, None):
            try:
                async with connections.place() as client:
                    response = await client.post(self.url + COMPLETIONS, json={"model": self._model, **body})
                if response.status_code < 500 or pause is None:
                    return self._answer(COMPLETIONS, response)
            except self._httpx.TransportError as error:
                if pause is None:
                    said = str(error) or type(error).__name__
                    raise SamplingError(f"{self.url}{COMPLETIONS} cannot be reached: {said}") from None
            assert pause is not None
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")


async def await_all(
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
