"""A Tinker server in miniature: the real SDKs talk to it over HTTP, and what it trains is a real, tiny model.

The model is a bigram table, so that losses, gradients and log-probabilities are exact and quick in numpy. It speaks
JSON to SDK 0.24 and protobuf to newer ones, by what each request asks for. It knows no queues, no accounts, no
expiry by itself; tests inject faults: `answers`, `faults`, `poison`, `hold`, and `stop`, `forget` and `start` it.
"""

from __future__ import annotations

import io
import json
import socket
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from justtinker_plugins.backends._local import model as models

MODEL = "tiny/bigram"
KEY = "tml-not-a-real-key-0123456789"
USED: set[int] = set()
"""Ports of earlier servers of this process: clients of theirs, which no old SDK closes, still try to reach them."""
SCALE = 30.0
"""Weights to logits: lets Adam steps of 0.01 show."""
NEEDS = {"cross_entropy": {"weights"}, "importance_sampling": {"logprobs", "advantages"}}
NEEDS |= dict.fromkeys(("ppo", "cispo", "dro"), NEEDS["importance_sampling"])
NEEDS["gspo"] = {*NEEDS["ppo"], "sequence_ratio_mask"}
CONFIGS: dict[str, dict[str, float]] = {
    "ppo": {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2},
    "cispo": {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0},
    "dro": {"beta": 0.05},
}
CONFIGS["gspo"] = CONFIGS["ppo"]


def softmax_log(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def slopes(datum: dict[str, Any], logprobs: np.ndarray, loss: str, config: dict[str, float]) -> np.ndarray:
    """The derivative of a loss by each target's log-probability (T,), as the service's losses have it."""
    if loss == "cross_entropy":
        return -np.asarray(datum["weights"])
    far, advantages = logprobs - datum["logprobs"], np.asarray(datum["advantages"])
    if loss == "dro":  # the quadratic term is everywhere
        return config["beta"] * far - advantages
    ratio = np.exp(far)
    if loss == "importance_sampling":
        return -ratio * advantages
    low, high = config["clip_low_threshold"], config["clip_high_threshold"]
    if loss == "cispo":
        return -np.clip(ratio, low, high) * advantages
    if loss == "gspo":
        ratio = np.exp(far[np.asarray(datum["sequence_ratio_mask"]) != 0].mean())
    kept = ratio * advantages <= np.clip(ratio, low, high) * advantages
    return -np.where(kept, ratio * advantages, 0.0)


@dataclass
class Weights:
    """A bigram table (V, V) with Adam's state and the gradient that has accumulated."""

    table: np.ndarray
    gradient: np.ndarray = field(init=False)
    first: np.ndarray = field(init=False)
    second: np.ndarray = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.gradient, self.first, self.second = (np.zeros_like(self.table) for _ in range(3))

    def copy(self, optimizer: bool) -> Weights:
        other = Weights(self.table.copy())
        if optimizer:
            other.first, other.second, other.steps = self.first.copy(), self.second.copy(), self.steps
        return other

    def forward_backward(
        self, data: list[dict[str, Any]], loss: str, config: dict[str, float], only_forward: bool = False
    ) -> list[np.ndarray]:
        outputs = []
        for datum in data:
            inputs, targets = datum["model_input"], datum["target_tokens"]
            scores = softmax_log(SCALE * self.table[inputs])
            logprobs = scores[np.arange(len(targets)), targets]
            outputs.append(logprobs)
            if only_forward:
                continue
            one_hot = np.zeros_like(scores)
            one_hot[np.arange(len(targets)), targets] = 1
            slope = slopes(datum, logprobs, loss, {**CONFIGS.get(loss, {}), **config})
            np.add.at(self.gradient, inputs, SCALE * slope[:, None] * (one_hot - np.exp(scores)))
        return outputs

    def score(self, tokens: list[int]) -> list[float | None]:
        """The log-probability of each token of a prompt; nothing precedes the first."""
        scores = softmax_log(SCALE * self.table[tokens[:-1]])
        return [None, *scores[np.arange(len(tokens) - 1), tokens[1:]].tolist()]

    def step(self, adam: dict[str, float]) -> dict[str, float]:
        gradient, norm = self.gradient, float(np.linalg.norm(self.gradient))
        clip = adam["grad_clip_norm"]
        if clip and norm > clip:
            gradient = gradient * (clip / norm)
        self.steps += 1
        self.first = adam["beta1"] * self.first + (1 - adam["beta1"]) * gradient
        self.second = adam["beta2"] * self.second + (1 - adam["beta2"]) * gradient**2
        first = self.first / (1 - adam["beta1"] ** self.steps)
        second = self.second / (1 - adam["beta2"] ** self.steps)
        self.table = self.table * (1 - adam["learning_rate"] * adam["weight_decay"])
        self.table = self.table - adam["learning_rate"] * first / (np.sqrt(second) + adam["eps"])
        self.gradient = np.zeros_like(gradient)
        return {"unclipped_grad_l2:mean": norm} if clip else {}

    def sample(self, prompt: list[int], params: dict[str, Any], i: int, decode: Callable[..., str]) -> dict[str, Any]:
        generator = np.random.default_rng([params["seed"], i])
        tokens: list[int] = []
        logprobs: list[float] = []
        while len(tokens) < params["max_tokens"]:
            scores = softmax_log(SCALE * self.table[(prompt + tokens)[-1]])
            token = pick(scores, params["temperature"], params["top_p"], generator)
            tokens.append(token)
            logprobs.append(float(scores[token]))
            if ends(tokens, params["stop"], decode):
                return {"tokens": tokens, "logprobs": logprobs, "stop_reason": "stop"}
        return {"tokens": tokens, "logprobs": logprobs, "stop_reason": "length"}


def pick(scores: np.ndarray, temperature: float, top_p: float, generator: np.random.Generator) -> int:
    if temperature == 0:
        return int(scores.argmax())
    chances = np.exp(softmax_log(scores / temperature))
    order = np.argsort(-chances)
    before = np.cumsum(chances[order]) - chances[order]
    kept = order[before < top_p]
    return int(generator.choice(kept, p=chances[kept] / chances[kept].sum()))


def ends(tokens: list[int], stop: list[Any], decode: Callable[..., str]) -> bool:
    text = decode(tokens)
    return any(tokens[-1] == s if isinstance(s, int) else text.endswith(s) for s in stop)


class TinkerServer:
    """The server's state and its endpoints; ``with served(...)`` runs it."""

    def __init__(self, tokenizer_directory: str) -> None:
        self.tokenizer_directory = tokenizer_directory
        self.tokenizer = models.tiny_tokenizer()
        self.context_length: int | None = 64
        self.models: tuple[str, ...] = (MODEL,)
        """What it says that it offers."""
        self.base_model = MODEL
        self.tokenizer_id: str | None = tokenizer_directory
        self.lora = {"lora_rank": 128, "train_unembed": True}
        """What the server says of a checkpoint's adapter."""
        self.max_rank = 128
        self.losses: tuple[str, ...] = tuple(NEEDS)
        """What it computes; with `json_only`, it says so."""
        self.json_only = False
        """Neither takes nor sends protobuf, and describes itself so, as SkyRL 0.3.0 does."""
        self.weights: dict[str, Weights] = {}
        self.samplers: dict[str, Weights] = {}
        self.saved: dict[str, Weights] = {}
        self.results: dict[str, Any] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []
        """Requests in the order of their arrival: path and body."""
        self.answers: dict[str, tuple[int, str]] = {}
        """Path -> status and text to answer with instead of the truth."""
        self.faults: dict[str, list[int]] = {}
        """Path -> what happens to its next requests before anything is done: a status, or 0: the connection is cut."""
        self.poison: dict[str, Callable[[list[dict[str, Any]]], Any]] = {}
        """Prompt -> what changes its sequences; an exception becomes that request's failure."""
        self.blur: dict[str, Callable[[list[float | None]], Any]] = {}
        """Text -> what changes the log-probabilities of its tokens."""
        self.hold: dict[str, threading.Event] = {}
        """Prompt -> what the answer to its sample request waits for."""
        self.adapter: dict[str, bytes] = {}
        """File -> content: the adapter that every checkpoint holds for a download."""
        self.copies: list[str] = []
        """Paths that can be downloaded."""
        self.skyrl = False
        """Give archives an address without the checkpoint's kind, and no external weights, as SkyRL does."""
        self.bill: dict[str, Any] = {"data": []}
        """The answer to whoever asks for the bill."""
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.url = ""
        self.http: ThreadingHTTPServer | None = None

    # -- the process ---------------------------------------------------------------------------------------------------

    def start(self, port: int = 0) -> None:
        """Listen on a port of this machine, or a free one."""
        handler = type("Bound", (Handler,), {"world": self})
        taken = []
        while True:
            self.http = Listener(("127.0.0.1", port), handler)
            if port or self.http.server_address[1] not in USED:
                break
            taken.append(self.http)  # kept open, so that the next port is another
        for other in taken:
            other.server_close()
        USED.add(self.http.server_address[1])
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> int:
        """Go away as a killed process does, connections too. Returns the port."""
        http, self.http = self.http, None
        if http is None:
            return 0
        http.shutdown()
        http.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return int(http.server_address[1])

    def forget(self) -> None:
        """Forget what a process holds in memory; checkpoints stay."""
        self.weights, self.samplers, self.results = {}, {}, {}

    def model(self, body: dict[str, Any]) -> Weights:
        if body["model_id"] not in self.weights:
            raise Refused(404, "Model not found")
        return self.weights[body["model_id"]]

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for seen, body in self.seen if seen == path]

    def base(self) -> Weights:
        """The base model's weights, which a new adapter, whatever its seed, leaves as they are."""
        size = len(self.tokenizer)
        return Weights(np.random.default_rng(0).normal(0, 0.05, (size, size)))

    def count(self, what: str) -> int:
        self.counts[what] += 1
        return self.counts[what] - 1

    def save_somewhere(self, path: str) -> None:
        """Have a checkpoint of fresh weights at a path."""
        size = len(self.tokenizer)
        self.saved[path] = Weights(np.zeros((size, size)))

    def future(self, result: Any, kind: str = "json", **more: Any) -> dict[str, Any]:
        request = f"{kind}-{self.count('request')}"
        self.results[request] = result
        return {"request_id": request, **more}

    # -- endpoints: POST /api/v1/NAME -> NAME(body) --------------------------------------------------------------------

    def create_session(self, body: dict[str, Any]) -> Any:
        return {"type": "create_session", "session_id": f"session{self.count('session')}"}

    def create_model(self, body: dict[str, Any]) -> Any:
        model = f"{body['session_id']}:train:{body['model_seq_id']}"
        if (rank := body["lora_config"]["rank"]) > self.max_rank:
            return self.future({"error": f"LoRA rank {rank} must be between 1 and {self.max_rank}", "category": "user"})
        self.weights[model] = self.base()
        return self.future({"type": "create_model", "model_id": model})

    def get_info(self, body: dict[str, Any]) -> Any:
        data = {"arch": "bigram", "model_name": self.base_model, "tokenizer_id": self.tokenizer_id}
        return {"type": "get_info", "model_id": body["model_id"], "model_data": data}

    def weights_info(self, body: dict[str, Any]) -> Any:
        if body["tinker_path"] not in self.saved:
            raise Refused(404, "checkpoint not found")
        return {"base_model": self.base_model, "is_lora": True, **self.lora}

    def forward_backward(self, body: dict[str, Any]) -> Any:
        loss, config, only_forward = body["loss_fn"], body["loss_fn_config"], body["forward_only"]
        if loss not in self.losses or (unknown := set(config) - set(CONFIGS.get(loss, ()))):
            raise Refused(400, f"no loss {loss}" if loss not in self.losses else f"{loss} has no {sorted(unknown)}")
        for datum in body["data"]:
            if set(datum) != {"model_input", "target_tokens", *NEEDS[loss]}:
                raise Refused(400, f"{loss} takes no {sorted(datum)}")
            if len({len(values) for values in datum.values()}) != 1:
                raise Refused(400, "lengths differ")
        return self.future(self.model(body).forward_backward(body["data"], loss, config, only_forward), "train")

    def forward(self, body: dict[str, Any]) -> Any:
        """How old SDKs ask for a forward pass alone."""
        return self.forward_backward(body)

    def optim_step(self, body: dict[str, Any]) -> Any:
        adam = body.get("adam_params") or body["optim_params"]
        return self.future({"metrics": self.model(body).step(adam)})

    def save_weights(self, body: dict[str, Any]) -> Any:
        path = f"tinker://{body['model_id']}/weights/{body['path']}"
        self.saved[path] = self.model(body).copy(optimizer=True)
        return self.future({"type": "save_weights", "path": path})

    def save_weights_for_sampler(self, body: dict[str, Any]) -> Any:
        if body.get("path"):
            return self.copy(body, "sampler_weights", "save_weights_for_sampler")
        sampler = f"sampler{self.count('sampler')}"
        self.samplers[sampler] = self.model(body).copy(optimizer=False)
        return self.future({"type": "save_weights_for_sampler", "sampling_session_id": sampler})

    def save_weights_external(self, body: dict[str, Any]) -> Any:
        if self.skyrl:
            raise Refused(404, "Not Found")
        return self.copy(body, "external_weights", "save_weights_external")

    def copy(self, body: dict[str, Any], kind: str, answer: str) -> Any:
        self.copies.append(f"tinker://{body['model_id']}/{kind}/{body['path']}")
        return self.future({"type": answer, "path": self.copies[-1]})

    def load_weights(self, body: dict[str, Any]) -> Any:
        model = body.get("model_id") or f"{body['session_id']}:train:{body['model_seq_id']}"
        if body["path"] not in self.saved:
            return self.future({"error": f"checkpoint {body['path']} not found", "category": "user"})
        self.weights[model] = self.saved[body["path"]].copy(body["optimizer"])
        return self.future({"type": "load_weights", "path": body["path"], "model_id": model})

    def create_sampling_session(self, body: dict[str, Any]) -> Any:
        if body["base_model"] not in self.models:
            raise Refused(404, f"model {body['base_model']} not found")
        sampler = f"sampler{self.count('sampler')}"
        self.samplers[sampler] = self.base()
        return {"type": "create_sampling_session", "sampling_session_id": sampler}

    def asample(self, body: dict[str, Any]) -> Any:
        prompt = [token for chunk in body["prompt"]["chunks"] for token in chunk["tokens"]]
        if body["sampling_session_id"] not in self.samplers:
            raise Refused(404, "Sampling session not found")
        i, text = self.count("asample"), self.tokenizer.decode(prompt)
        weights, n = self.samplers[body["sampling_session_id"]], body["num_samples"]
        params = {
            "seed": i,
            "top_p": 1.0,
            "temperature": 1.0,
            "stop": [],
            **body["sampling_params"],
        }  # the cookbook sends neither
        sequences = [weights.sample(prompt, params, k, self.tokenizer.decode) for k in range(n)]
        try:
            sequences = self.poison.get(text, list)(sequences)
        except Exception as error:
            return self.future({"error": str(error), "category": "server"}, sample_sequence_ids=["x"] * n)
        scores = self.blur.get(text, list)(weights.score(prompt)) if body.get("prompt_logprobs") else None
        return self.future((text, sequences, scores), "sample", sample_sequence_ids=[f"{i}-{k}" for k in range(n)])

    def checkpoint(self, path: str, method: str) -> Any:
        """What ``training_runs/RUN/checkpoints/[KIND/]NAME[/WHAT]`` answers; a str is an address to go to."""
        _, run, _, *rest = path.split("/")
        what = rest.pop() if method == "GET" else "delete"
        copy = next((c for c in self.copies if c == f"tinker://{run}/{'/'.join(rest)}"), None)
        if self.skyrl and what == "archive":
            copy = next((c for c in self.copies if c == f"tinker://{run}/sampler_weights/{'/'.join(rest)}"), None)
        if copy is None:
            raise Refused(404, "Checkpoint not found")
        if what == "delete":
            self.copies.remove(copy)
            return {}
        if what == "archive":
            return f"{self.url}/api/v1/files/archive"
        urls = {name: f"{self.url}/api/v1/files/{name}?signature=secret" for name in self.adapter}
        return {"urls": urls, "expires": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}

    def file(self, name: str) -> bytes:
        """A file of the adapter, or all of them as a tar archive."""
        return packed(self.adapter) if name == "archive" else self.adapter[name]

    def other(self, path: str) -> Any:
        if path == "get_server_capabilities":
            length = self.context_length
            return {"supported_models": [{"model_name": m, "max_context_length": length} for m in self.models]}
        if path.startswith("samplers/"):
            return {"sampler_id": path.partition("/")[2], "base_model": self.base_model}
        if path == "billing/usage/events":
            return self.bill
        if path == "/openapi.json":
            return json_api(self.losses) if self.json_only else {}
        return {"status": "accepted", "type": "session_heartbeat"}


def json_api(losses: tuple[str, ...]) -> dict[str, Any]:
    """What FastAPI says of a server that takes JSON, and of the losses that it takes."""
    given = {"properties": {"loss_fn": {"type": "string", "enum": list(losses)}}}
    request = {
        "properties": {
            "model_id": {"type": "string"},
            "forward_backward_input": {"$ref": "#/components/schemas/ForwardBackwardInput"},
        },
        "required": ["model_id"],
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ForwardBackwardRequest"}}}
    return {
        "paths": {"/api/v1/forward_backward": {"post": {"requestBody": {"content": content}}}},
        "components": {"schemas": {"ForwardBackwardInput": given, "ForwardBackwardRequest": request}},
    }


BYTES = "Input should be a valid dictionary or object to extract fields from"


def packed(files: dict[str, bytes]) -> bytes:
    """A tar archive of files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


class Refused(Exception):  # noqa: N818
    """An HTTP status other than 200."""


def datum_of_json(datum: dict[str, Any]) -> dict[str, np.ndarray]:
    tokens = [token for chunk in datum["model_input"]["chunks"] for token in chunk["tokens"]]
    return {"model_input": np.array(tokens)} | {
        name: np.array(tensor["data"]) for name, tensor in datum["loss_fn_inputs"].items()
    }


def training_of(raw: bytes, is_proto: bool) -> dict[str, Any]:
    """A forward_backward request in either encoding."""
    if not is_proto:
        body = json.loads(raw)
        only_forward = "forward_input" in body
        sent = body["forward_input" if only_forward else "forward_backward_input"]
        data = [datum_of_json(datum) for datum in sent["data"]]
        config = sent.get("loss_fn_config") or {}
        about = {"model_id": body["model_id"], "loss_fn": sent["loss_fn"], "forward_only": only_forward}
        return {**about, "loss_fn_config": config, "data": data}
    from tinker.proto import tinker_public_pb2 as pb

    message = pb.ForwardBackwardRequest()
    message.ParseFromString(raw)
    kinds = {pb.DTYPE_INT64: np.int64, pb.DTYPE_FLOAT32: np.float32}
    data = []
    for datum in message.data:
        tokens = [t for chunk in datum.model_input for t in np.frombuffer(chunk.encoded_text.tokens, np.int32)]
        tensors = {name: np.frombuffer(t.dense, kinds[t.dtype]) for name, t in datum.loss_fn_inputs.items()}
        data.append({"model_input": np.array(tokens), **tensors})
    config = dict(message.loss_fn_config)
    about = {"model_id": message.model_id, "loss_fn": message.loss_fn, "forward_only": message.forward_only}
    return {**about, "loss_fn_config": config, "data": data}


def train_reply(outputs: list[np.ndarray], as_proto: bool) -> bytes:
    if not as_proto:
        tensors = [{"data": p.tolist(), "dtype": "float32", "shape": [len(p)]} for p in outputs]
        reply = {"loss_fn_output_type": "ArrayRecord", "loss_fn_outputs": [{"logprobs": t} for t in tensors]}
        return json.dumps({**reply, "metrics": {}}).encode()
    from tinker.proto import tinker_public_pb2 as pb

    message = pb.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord")
    record = message.loss_fn_outputs.add()
    record.num_datums = len(outputs)
    tensor = record.fields["logprobs"]
    tensor.dtype = pb.DTYPE_FLOAT32
    tensor.data = np.concatenate(outputs).astype(np.float32).tobytes()
    tensor.offsets = np.cumsum([0, *(4 * len(p) for p in outputs)], dtype=np.int64).tobytes()
    return message.SerializeToString()


def sample_reply(sequences: list[dict[str, Any]], scores: list[float | None] | None, as_proto: bool) -> bytes:
    if not as_proto:
        return json.dumps({"type": "sample", "sequences": sequences, "prompt_logprobs": scores}).encode()
    from tinker.proto import tinker_public_pb2 as pb

    message = pb.SampleResponse()
    for sequence in sequences:
        one = message.sequences.add()
        one.stop_reason = pb.STOP_REASON_STOP if sequence["stop_reason"] == "stop" else pb.STOP_REASON_LENGTH
        one.tokens = np.array(sequence["tokens"], np.int32).tobytes()
        one.logprobs = np.array(sequence["logprobs"] or [], np.float32).tobytes()
    if scores is not None:
        message.prompt_logprobs = np.array(scores, np.float32).tobytes()
    return message.SerializeToString()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: two of them wait 40 ms for an acknowledgement
    world: TinkerServer

    def setup(self) -> None:
        super().setup()
        self.world.connections.add(self.connection)

    def finish(self) -> None:
        self.world.connections.discard(self.connection)
        with suppress(OSError):  # the client, or `stop`, has cut it
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(b"", {})

    def do_DELETE(self) -> None:
        self.answer(b"", {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_proto = "x-protobuf" in self.headers.get("Content-Type", "")
        if is_proto and self.world.json_only:
            self.send(422, json.dumps({"detail": [{"loc": ["body"], "msg": BYTES}]}).encode())
            return
        training = self.path.endswith(("/forward_backward", "/forward"))
        self.answer(raw, training_of(raw, is_proto) if training else json.loads(raw or b"{}"))

    def answer(self, raw: bytes, body: dict[str, Any]) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/v1/")
        with self.world.lock:
            fault = self.world.faults[path].pop(0) if self.world.faults.get(path) else None
        if fault:
            return self.send(fault, b'{"detail": "later"}')
        if fault == 0 or self.world.http is None:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if path in self.world.answers:
            status, text = self.world.answers[path]
            return self.send(status, json.dumps({"detail": text}).encode())
        try:
            if path == "retrieve_future":
                if body["request_id"] not in self.world.results:
                    raise Refused(404, "Future not found")
                return self.retrieve(self.world.results[body["request_id"]], body["request_id"].partition("-")[0])
            with self.world.lock:
                self.world.seen.append((path, body))
                known = getattr(TinkerServer, path, None) if body else None
                if path.startswith("training_runs/"):
                    reply = self.world.checkpoint(path, self.command)
                elif path.startswith("files/"):
                    return self.send(200, self.world.file(path.partition("/")[2]), "application/octet-stream")
                else:
                    reply = known(self.world, body) if known else self.world.other(path)
        except Refused as refused:
            status, text = refused.args
            return self.send(status, json.dumps({"detail": text}).encode())
        if isinstance(reply, str):
            return self.send(302, b"", location=reply)
        return self.send(200, json.dumps(reply).encode())

    def retrieve(self, result: Any, kind: str) -> None:
        as_proto = "x-protobuf" in self.headers.get("Accept", "") and not self.world.json_only
        if kind == "json":
            return self.send(200, json.dumps(result).encode())
        content = "application/x-protobuf" if as_proto else "application/json"
        if kind == "train":
            return self.send(200, train_reply(result, as_proto), content)
        prompt, sequences, scores = result
        if prompt in self.world.hold:
            self.world.hold[prompt].wait(60)
        return self.send(200, sample_reply(sequences, scores, as_proto), content)

    def send(self, status: int, content: bytes, kind: str = "application/json", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be accepted; beyond the usual 5, the kernel lets clients wait for seconds."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a connection that was cut
            super().handle_error(request, client_address)


@contextmanager
def served(directory: Any) -> Iterator[TinkerServer]:
    """A server on a free port of this machine."""
    models.tiny_tokenizer().save_pretrained(directory)
    world = TinkerServer(str(directory))
    world.start()
    try:
        yield world
    finally:
        world.stop()
