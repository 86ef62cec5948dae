"""The shapes in which requests come and answers go: our own, and those of other toolkits.

A shape reads the body of a request as groups to score, and writes scored groups as the body of the answer. What other
toolkits send and expect was read in their source code; none of them was run against this server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from justtinker_core import Group, PluginError, Scorer
from justtinker_plugins.bridges._http.fields import (
    Body,
    check,
    gold,
    is_count,
    is_text,
    is_truth,
    listed,
    need,
    only,
    text,
)  # fmt: skip
from justtinker_plugins.bridges._stack import check_alone, reward_names, total

Asked = Mapping[str, Any]
"""One group to score: arguments of `Scorer.score`."""
SCORE = ("question", "answer", "responses", "kind", "meta", "tokens", "truncated", "opened", "step")
END_TOKEN = re.compile(r"(?:<\|[^|<>\s]{1,40}\|>|</s>|<eos>|<end_of_turn>)\s?\Z")
"""What tokenizers write for the end of a turn, at the end of a text that was decoded with its special tokens."""
TAIL = 200
"""Of a prompt that was cut off at its begin, so many characters of the end are enough to find it in a query."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One endpoint."""

    path: str
    read: Callable[[Body], list[Asked]]
    """PluginError says what is wrong with the request."""
    answer: Callable[[Body, Sequence[Group], Scorer], Any]
    single: bool = False
    """It sends one response at a time."""

    def refusal(self, scorer: Scorer, asked: Sequence[Asked] = ()) -> str:
        """Say why this stack cannot serve the endpoint, or these groups; '' if it can."""
        if self.path == "/score":
            return ""  # it sees groups, and may say the step
        if self.single or any(len(each["responses"]) == 1 for each in asked):
            try:
                check_alone(scorer, self.path if self.single else f"{self.path} with one response to a prompt")
            except PluginError as error:
                return str(error)
        needed = scorer.step_needed
        return f"{self.path} knows no step, but the rewards depend on it ({needed})" if needed else ""


def read_score(body: Body) -> list[Asked]:
    """Read our own shape: the arguments of `Scorer.score`."""
    question, responses = need(body, "question"), need(body, "responses")
    answer = need(body, "answer")
    only(body, SCORE)
    asked = {
        "question": text("question", question),
        "answer": gold("answer", answer),
        "responses": listed("responses", responses, is_text, "text"),
    }
    given = {name: body[name] for name in SCORE[3:] if body.get(name) is not None}
    for name, fits, what in (("tokens", is_count, "a count"), ("truncated", is_truth, "true or false")):
        if name in given:
            listed(name, given[name], fits, what)
    for name in ("kind", "opened"):
        if name in given:
            text(name, given[name])
    if "meta" in given:
        check("meta", given["meta"], "an object", isinstance(given["meta"], dict))
    if "step" in given:
        check("step", given["step"], "a count", is_count(given["step"]))
    return [{**asked, **given}]


def answer_score(body: Body, groups: Sequence[Group], scorer: Scorer) -> dict[str, Any]:
    """Write verdicts, raw terms, their weights, and weighted totals, in the order of the responses."""
    (group,) = groups
    return {
        "verdicts": [
            {"outcome": v.outcome, "answer": v.answer, "rung": v.rung, "reason": v.reason} for v in group.verdicts
        ],
        "terms": [dict(reward.terms) for reward in group.rewards],
        "weights": dict(group.rewards[0].weights),
        "totals": [total(group, i) for i in range(len(group.rewards))],
    }


def paid(scorer: Scorer, group: Group, index: int) -> dict[str, float]:
    """Return what each reward plugin adds to one rollout's total; 0.0 where it does not apply.

    The same names for every rollout: other toolkits make arrays of them.
    """
    values = dict.fromkeys(reward_names(scorer), 0.0)
    for term, value in group.rewards[index].weighted.items():
        values[scorer.plugins.terms[term]] += value
    return values


def nemo_gym(gold_field: str, masked: bool) -> Shape:
    """NeMo-Gym's ``POST /verify``: the request comes back with `reward`, `reward_components` and the verdict.

    Its math servers have the gold in `expected_answer` and the question in `question`; without that, the last message
    of the user is the question. Thinking in items of type ``reasoning`` is put into ``<think>`` again. An unscored
    response has no reward (null), or, with `masked`, NeMo-Gym's own form: 0.0 with `mask_sample`.
    """

    def read(body: Body) -> list[Asked]:
        params, response = need(body, "responses_create_params"), need(body, "response")
        for name, value in (("responses_create_params", params), ("response", response)):
            check(name, value, "an object", isinstance(value, dict))
        answer = gold(gold_field, need(body, gold_field))
        question = text("question", body["question"]) if "question" in body else last_question(params)
        asked: dict[str, Any] = {"question": question, "answer": answer, "responses": [spoken(response)]}
        if body.get("kind") is not None:
            asked["kind"] = text("kind", body["kind"])
        if isinstance(meta := body.get("verifier_metadata"), dict):
            asked["meta"] = meta
        details, usage = response.get("incomplete_details"), response.get("usage")
        asked["truncated"] = [isinstance(details, dict) and details.get("reason") == "max_output_tokens"]
        if isinstance(usage, dict) and is_count(usage.get("output_tokens")):
            asked["tokens"] = [usage["output_tokens"]]
        return [asked]

    def answer(body: Body, groups: Sequence[Group], scorer: Scorer) -> dict[str, Any]:
        (group,) = groups
        (verdict,) = group.verdicts
        judged = {"outcome": verdict.outcome, "extracted_answer": verdict.answer, "reason": verdict.reason}
        parts: dict[str, float | None] = dict(paid(scorer, group, 0))
        if verdict.outcome != "unscored":
            return {**body, "reward": total(group, 0), "reward_components": parts, **judged}
        nothing = dict.fromkeys(parts, 0.0 if masked else None)
        failure = {"mask_sample": True, "failure_kind": "verifier_error", "failure_reason": verdict.reason}
        return {**body, "reward": 0.0 if masked else None, "reward_components": nothing, **judged, **failure}

    return Shape("/verify", read, answer, single=True)


def spoken(response: Body) -> str:
    """Return what the policy wrote in a response of OpenAI's Responses API."""
    output = need(response, "output", "response")
    parts = []
    for item in listed("response.output", output, lambda entry: isinstance(entry, dict), "an object"):
        if item.get("type") == "message":
            parts.append(text_parts(item.get("content"), "output_text"))
        elif item.get("type") == "reasoning":
            thoughts = text_parts(item.get("content"), "reasoning_text") or text_parts(
                item.get("summary"), "summary_text"
            )
            parts.append(f"<think>{thoughts}</think>" if thoughts else "")
    return "".join(parts)


def last_question(params: Body) -> str:
    """Return the last message of the user in the parameters of a request of the Responses API."""
    given = params.get("input")
    if isinstance(given, str):
        return given
    for message in reversed(given if isinstance(given, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            return text_parts(message.get("content"), "input_text")
    raise PluginError("there is no field 'question', and no message of the user in responses_create_params.input")


def text_parts(content: Any, kind: str) -> str:
    """Return a content's text: itself, or its parts of one type joined."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    found = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == kind]
    return "".join(part for part in found if isinstance(part, str))


def read_openrlhf(body: Body) -> list[Asked]:
    """Read OpenRLHF's ``{query, prompts, labels}``; equal prompts that stand together are a group."""
    columns = [listed(name, need(body, name), is_text, "text") for name in ("query", "prompts")]
    queries, prompts = columns
    labels = [gold(f"labels[{i}]", label) for i, label in enumerate(listed("labels", need(body, "labels"), any_, ""))]
    check("query", len(queries), "one or more texts", bool(queries))
    for name, column in (("prompts", prompts), ("labels", labels)):
        check(name, len(column), f"{len(queries)} entries, as many as in query", len(column) == len(queries))
    responses = [written(i, query, prompt) for i, (query, prompt) in enumerate(zip(queries, prompts, strict=True))]
    rows = zip(prompts, labels, responses, strict=True)
    return [
        {"question": prompt, "answer": label, "responses": [response for _, _, response in group]}
        for (prompt, label), group in groupby(rows, key=lambda row: row[:2])
    ]


def any_(value: Any) -> bool:
    """Take any entry: the caller looks at each."""
    return True


def written(place: int, query: str, prompt: str) -> str:
    """Return the response in a query, which holds prompt and response: without the prompt and end-of-turn tokens."""
    end = prompt if prompt in query else prompt[-TAIL:]
    start = query.find(end)
    if start < 0:
        raise PluginError(
            f"query[{place}]: expected its prompt and then a response, but the end of prompts[{place}] is not in it"
        )
    return without_end(query[start + len(end) :])


def without_end(text: str) -> str:
    """Return a text without the end-of-turn tokens at its end."""
    end = len(text)
    while found := END_TOKEN.search(text, max(0, end - 64), end):
        end = found.start()
    return text[:end]


def answer_openrlhf(body: Body, groups: Sequence[Group], scorer: Scorer) -> dict[str, Any]:
    """Write `rewards` (totals), `scores` (1.0 correct, 0.0 incorrect) and what each reward pays as `extra_logs`.

    An unscored response has neither reward nor score (null); OpenRLHF has no word for that.
    """
    rows = [(group, i) for group in groups for i in range(len(group.rollouts))]
    scores = {"correct": 1.0, "incorrect": 0.0, "unscored": None}
    payments = [paid(scorer, *row) for row in rows]
    return {
        "rewards": [total(*row) for row in rows],
        "scores": [scores[group.verdicts[i].outcome] for group, i in rows],
        "extra_logs": {
            **{name: [each[name] for each in payments] for name in reward_names(scorer)},
            "unscored": [float(group.verdicts[i].outcome == "unscored") for group, i in rows],
        },
    }


def read_slime(body: Body) -> list[Asked]:
    """Read slime's ``{prompt, response, label}``; the prompt is text or messages."""
    prompt = need(body, "prompt")
    question = prompt if isinstance(prompt, str) else last_question({"input": prompt})
    response = without_end(text("response", need(body, "response")))
    return [{"question": question, "answer": gold("label", need(body, "label")), "responses": [response]}]


def answer_slime(body: Body, groups: Sequence[Group], scorer: Scorer) -> float | None:
    """Write the total as a bare number, as slime's ``remote_rm`` expects; null if it is unscored."""
    return total(groups[0], 0)


def shapes(gold_field: str, masked: bool) -> tuple[Shape, ...]:
    """Return all endpoints that score."""
    return (
        Shape("/score", read_score, answer_score),
        nemo_gym(gold_field, masked),
        Shape("/get_reward", read_openrlhf, answer_openrlhf),
        Shape("/slime", read_slime, answer_slime, single=True),
    )
