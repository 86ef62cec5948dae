"""Ask a question once, whoever asks it again: in this moment, in this run, or in an earlier one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from justtinker_plugins.shared.judge.budget import NOTHING, Cost, Meter, NoAnswerError
from justtinker_plugins.shared.judge.cache import Cache, CacheError, key_of, usual_place
from justtinker_plugins.shared.judge.data import Template, new_code
from justtinker_plugins.shared.judge.endpoint import Answer, BadRequestError, Endpoint
from justtinker_plugins.shared.judge.options import JudgeOptions
from justtinker_plugins.shared.judge.replies import ReplyError, Schema, content_of, object_of_reply

log = logging.getLogger("justtinker")


@dataclass(frozen=True, slots=True)
class Question:
    """Data for the judge, and the form of its reply."""

    template: Template
    data: Mapping[str, str]
    """Placeholder -> text."""
    schema: Schema


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge replied, or why there is nothing."""

    found: dict[str, Any] | None
    reason: str = ""
    cost: Cost = NOTHING
    cached: bool = False


@dataclass
class Shared:
    """A question under way, and how many wait for its answer."""

    task: asyncio.Task[Verdict]
    waiting: int = 0


class Asker:
    """Asks one endpoint, on the event loop on which it was made. PluginError if it cannot be set up."""

    def __init__(self, options: JudgeOptions, meter: Meter) -> None:
        self.loop = asyncio.get_running_loop()
        self._options = options
        self._endpoint = Endpoint(options, meter)
        self._cache = open_cache(options)
        self._structured, self._new_name = options.structured, False
        self._running: dict[str, Shared] = {}

    async def close(self) -> None:
        """Close the connections and the cache."""
        await self._endpoint.close()
        if self._cache:
            self._cache.close()

    async def votes(self, question: Question) -> list[Verdict]:
        """Ask as often as there are votes."""
        return list(await asyncio.gather(*(self.ask(question, vote) for vote in range(self._options.votes))))

    async def ask(self, question: Question, vote: int = 0) -> Verdict:
        """Answer from the cache, from the same question under way, or by asking the endpoint."""
        key = self._key(question, vote)
        if shared := self._running.get(key):
            verdict = await self._wait_for(key, shared)
            return Verdict(verdict.found, verdict.reason, cached=verdict.found is not None)  # who came first pays
        shared = self._running[key] = Shared(asyncio.create_task(self._find(question, key)))
        shared.task.add_done_callback(lambda _: self._forget(key, shared))
        return await self._wait_for(key, shared)

    def _forget(self, key: str, shared: Shared) -> None:
        if self._running.get(key) is shared:
            del self._running[key]

    async def _wait_for(self, key: str, shared: Shared) -> Verdict:
        """Wait for a question; if nobody does so any more, it is dropped."""
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                self._forget(key, shared)
                shared.task.cancel()

    async def _find(self, question: Question, key: str) -> Verdict:
        if (known := await self._recall(key)) is not None:
            return Verdict(known, cached=True)
        try:
            answer = await self._request(question)
        except NoAnswerError as error:
            return Verdict(None, self._endpoint.hide_key(str(error)), error.cost)
        try:
            found = object_of_reply(content_of(answer.payload, self._options.max_tokens), question.schema)
            found["reason"] = self._endpoint.hide_key(found["reason"])  # the only text in it
        except ReplyError as error:
            return Verdict(None, self._endpoint.hide_key(str(error)), answer.cost)
        await self._keep(key, found)
        return Verdict(found, cost=answer.cost)

    async def _recall(self, key: str) -> dict[str, Any] | None:
        try:
            return await self._cache.get(key) if self._cache else None
        except CacheError as error:
            self._give_up_cache(error)
            return None

    async def _keep(self, key: str, found: Mapping[str, Any]) -> None:
        try:
            if self._cache:
                await self._cache.put(key, found)
        except CacheError as error:
            self._give_up_cache(error)

    def _give_up_cache(self, error: CacheError) -> None:
        """Go on without the cache: a disk that is full must not end a run."""
        cache, self._cache = self._cache, None
        if cache:
            log.warning("%s; the judge goes on without it", error)
            cache.close()

    async def _request(self, question: Question) -> Answer:
        """Ask the endpoint; if it refuses a part of the request that can be left out, ask without it from then on."""
        spent = Cost()
        while True:
            structured, new_name = self._structured, self._new_name
            try:
                answer = await self._endpoint.ask(self._body(question, structured, new_name))
                return Answer(answer.payload, spent + answer.cost)
            except NoAnswerError as error:
                error.cost = spent = spent + error.cost
                if not isinstance(error, BadRequestError) or not self._adapt(str(error), structured, new_name):
                    raise

    def _adapt(self, refusal: str, structured: bool, new_name: bool) -> bool:
        """Decide whether to send another request after a refused one, which was sent as told."""
        if (structured, new_name) != (self._structured, self._new_name):
            return True  # another question has found out already
        if not new_name and "max_completion_tokens" in refusal:
            self._new_name = True
        elif structured:
            self._structured = False
            log.warning(
                "the judge takes no response_format and is asked for JSON in words: %s",
                self._endpoint.hide_key(refusal),
            )
        else:
            return False
        return True

    def _body(self, question: Question, structured: bool, new_name: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": question.template.messages(question.data, new_code()),
            "temperature": self._options.temperature,
            "max_completion_tokens" if new_name else "max_tokens": self._options.max_tokens,
        }
        if structured:
            schema = {"name": "verdict", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _key(self, question: Question, vote: int) -> str:
        options = self._options
        return key_of(
            {
                "url": options.base_url, "model": options.model, "temperature": options.temperature,
                "max_tokens": options.max_tokens, "structured": options.structured, "vote": vote,
                "messages": question.template.messages(question.data, "code"), "schema": question.schema,
            }
        )  # fmt: skip


def open_cache(options: JudgeOptions) -> Cache | None:
    """Open the cache that the options name. PluginError if it cannot be used."""
    if options.cache is False:
        return None
    return Cache(usual_place() if options.cache is True else options.cache)
