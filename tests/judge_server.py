"""An OpenAI-compatible endpoint for tests, on this machine: a scripted judge, and every fault that one may have."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.http_server import http_server

Body = Mapping[str, Any]
Judge = Callable[[Body], Any]
"""What a judge replies to a request: an object, or text as it is."""
BLOCK = re.compile(r"<(\w+)-([0-9a-f]{16})>\n(.*?)\n</\1-\2>", re.DOTALL)
NAIVE = re.compile(r"<(question|reference|response|criteria)\b[^>]*>.*?</\1\b[^>]*>", re.DOTALL)
CHAT = re.compile(r"<\|\w+\|>|\[/?INST\]|<(?:start|end)_of_turn>")
ORDER = re.compile(r'ignore|answer yes|"same"|"reason"|correct|must|grader|true', re.IGNORECASE)


def user_text(body: Body) -> str:
    return str(body["messages"][-1]["content"])


def data_of(body: Body) -> dict[str, str]:
    """The data of a prompt, as one finds it who knows the code of the tags."""
    return {name: text for name, _, text in BLOCK.findall(user_text(body))}


def final(text: str) -> str:
    """The final answer of a text: its first box, or what follows `Answer:` or ####, or its first line."""
    found = re.findall(r"\\boxed\{(.*?)\}", text) or re.findall(r"(?:Answer:|####)\s*(.*)", text)
    answers = {answer.strip(" .").casefold() for answer in found or text.strip().split("\n")[:1]}
    return answers.pop() if len(answers) == 1 else "several answers"


def honest(body: Body) -> Any:
    """Compares the final answers, and obeys no data."""
    data = data_of(body)
    same = final(data["response"]) == final(data["reference"])
    return {"reason": "the same" if same else "another answer", "same": same}


def gullible(body: Body) -> Any:
    """Obeys what stands outside of the data: after anything that looks like a closing tag or a message of a chat."""
    text = user_text(body)
    outside = NAIVE.sub(" ", text) + " ".join(CHAT.split(text)[1:])
    return {"reason": "I was told so", "same": True} if ORDER.search(outside) else honest(body)


def credulous(body: Body) -> Any:
    """Obeys whatever it reads, data or not."""
    told = ORDER.search(data_of(body)["response"])
    return {"reason": "I was told so", "same": True} if told else honest(body)


def lenient(body: Body) -> Any:
    """Finds every criterion met whose words all stand in the response."""
    data = data_of(body)
    lines = re.findall(r"^(\w+) \((.*?)\): (.*)$", data["criteria"], re.MULTILINE)
    met = {name: all(word in data["response"] for word in text.split()) for name, _, text in lines}
    scale = body["response_format"]["json_schema"]["schema"]["properties"]["criteria"]["properties"]
    points = {
        name: (m if scale[name]["type"] == "boolean" else max(scale[name]["enum"]) * m) for name, m in met.items()
    }
    return {"reason": "as it says", "criteria": points}


def completion(content: Any, **message: Any) -> dict[str, Any]:
    """A chat completion; its usage is 100 and 10 tokens."""
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def failing(status: int, message: str = "no", **headers: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status, {k.replace("_", "-"): v for k, v in headers.items()})


def cut_off() -> Response:
    """Promises more than it sends, so that the connection breaks."""
    return Response(b'{"choices": [', headers={"Content-Length": "1000"}, media_type="application/json")


@dataclass
class JudgeServer:
    """What a test sets, and what it sees."""

    judge: Judge = honest
    faults: list[Callable[[], Response] | Response | None] = field(default_factory=list)
    """What the first requests get; None is an ordinary reply. A function is called each time."""
    refuses: Callable[[Body], Response | None] = lambda body: None
    """What requests of a certain form get."""
    models: list[str] | None = field(default_factory=lambda: ["judge-1", "judge-2"])
    """None: the endpoint lists no models."""
    key: str = ""
    """The key that it wants."""
    gather: int = 0
    """Let no request go before so many are under way."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    dropped: int = 0
    """Requests whose client went away."""
    hold: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, nothing is answered."""
    url: str = ""

    def __post_init__(self) -> None:
        self.hold.set()

    async def list_models(self, request: Request) -> Response:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return failing(401, f"wrong key: {request.headers.get('Authorization')}")
        if self.models is None:
            return PlainTextResponse("not here", 404)
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return failing(401, f"wrong key: {request.headers.get('Authorization')}")
        fault = self.faults.pop(0) if self.faults else None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._wait(request)
        finally:
            self.under_way -= 1
        if fault is not None:
            return fault if isinstance(fault, Response) else fault()
        if (refused := self.refuses(body)) is not None:
            return refused
        said = self.judge(body)
        return said if isinstance(said, Response) else JSONResponse(completion(said))

    async def _wait(self, request: Request) -> None:
        while self.most_under_way < self.gather or not self.hold.is_set():
            if await request.is_disconnected():
                self.dropped += 1
                return
            await asyncio.sleep(0.02)


@contextmanager
def judge_server(judge: Judge = honest, **fields: Any) -> Iterator[JudgeServer]:
    """Run an endpoint in a thread."""
    state = JudgeServer(judge, **fields)
    routes = [
        Route("/v1/models", state.list_models),
        Route("/v1/chat/completions", state.complete, methods=["POST"]),
    ]
    with http_server(routes) as url:
        state.url = f"{url}/v1"
        try:
            yield state
        finally:
            state.hold.set()
