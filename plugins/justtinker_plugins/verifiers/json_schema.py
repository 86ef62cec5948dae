"""The verifier for answers in JSON: right is what the problem's JSON Schema allows.

The schema is in the problem's metadata, or is its gold answer. The package `jsonschema` knows drafts 3 to 2020-12. It
works in processes that are ended after `limit` seconds, since patterns and ``uniqueItems`` can take years. Nothing is
fetched: a ``$ref`` must point into the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from justtinker_core import PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_plugins.shared.fences import fenced
from justtinker_plugins.shared.pool.kept import KeptPool
from justtinker_plugins.shared.pool.pool import Pool, Result
from justtinker_plugins.shared.pool.verdicts import verdict_without_value
from justtinker_plugins.shared.unusable import unusable_golds
from justtinker_plugins.text import answer_part
from justtinker_plugins.verifiers._json_schema.schemas import needed_package, trouble

WORKER = "justtinker_plugins.verifiers._json_schema.schemas:validate"
WARM_UP = ('{"type": "object"}', "{}", True)


@plugin
class JsonSchema:
    """Validates the answer: the last block in a fence with ``json`` or nothing behind its backticks; without a fence,
    all that follows the thinking. It must be one JSON value, without NaN or a key twice in an object.
    """

    kinds: tuple[str, ...] = ("json_schema",)
    """Kinds of problems that it judges, as in `Problem.kind`."""
    column: str = "schema"
    """The key of `Problem.meta` that holds the schema, a table or JSON. Without it, the gold answer is the schema."""
    formats: bool = True
    """Whether a value must have the schema's ``format``, such as ``date``. Formats that need a package which is not
    installed (``uri``, ``date-time``, ...) are not checked."""
    max_chars: Annotated[int, Field(ge=1)] = 100_000
    """Longer answers are wrong."""
    limit: Annotated[float, Field(gt=0)] = 2.0
    """CPU seconds after which an answer counts as wrong."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self._workers = KeptPool(lambda: Pool(WORKER, workers=self.workers, limit=self.limit, warm_up=WARM_UP))

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain about a missing package, and about schemas that are missing, invalid or allow anything."""
        try:
            needed_package()
        except PluginError as error:
            return [str(error)]
        return [f"json_schema: {text}" for text in unusable_golds(run, self.kinds, self._trouble)]

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if the schema is of no use. Equal answers are validated once."""
        if problem.kind not in self.kinds:
            return None
        needed_package()
        if reason := self._trouble(problem):
            return [Verdict("unscored", rung="gold", reason=reason) for _ in rollouts]
        schema = text_of(self._schema(problem))
        found = [find_json(rollout.response, self.max_chars) for rollout in rollouts]
        answers = {answer for answer, reason in found if not reason}
        asked = {text: self._workers.get().submit(schema, text, self.formats) for text in answers}
        return [
            Verdict("incorrect", None, "extract", reason) if reason else verdict_of(answer, asked[answer].result())
            for answer, reason in found
        ]

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        self._workers.close()

    def _schema(self, problem: Problem) -> Any:
        schema = problem.meta.get(self.column)
        return problem.answer if schema is None else schema  # a column of a table may be empty

    def _trouble(self, problem: Problem) -> str:
        schema = self._schema(problem)
        if schema is None or schema == "" or (isinstance(schema, str) and not schema.strip()):
            return f"the problem has no schema: expected JSON in its metadata {self.column!r} or as its gold answer"
        return trouble(text_of(schema))


def text_of(schema: Any) -> str:
    """A schema as JSON."""
    return schema if isinstance(schema, str) else json.dumps(schema)


def find_json(response: str, max_chars: int) -> tuple[str, str]:
    """Return the answer's text, and why there is none or ""."""
    answer = answer_part(response)
    if answer is None:
        return "", "a <think> is never closed"
    blocks = [block.text for block in fenced(answer) if block.language in ("", "json")]
    text = (blocks[-1] if blocks else answer).strip()
    if not text:
        return "", "there is no answer"
    return (text, "") if len(text) <= max_chars else ("", f"the answer is longer than {max_chars} characters")


def verdict_of(answer: str, result: Result) -> Verdict:
    """Read a worker's result: an answer that takes too much is wrong; a lost worker leaves it unscored."""
    if verdict := verdict_without_value(answer, result):
        return verdict
    rung, reason = result.value
    if rung == "gold":
        return Verdict("unscored", answer, rung, reason)
    return Verdict("incorrect" if reason else "correct", answer, rung, reason, None if reason else "valid")
