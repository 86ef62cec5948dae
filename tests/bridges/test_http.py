"""The shapes in which the server is asked and answers: our own, NeMo-Gym's, OpenRLHF's, slime's; limits and errors."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Scorer
from justtinker_plugins.bridges import _stack, http
from justtinker_plugins.bridges._http import shapes
from justtinker_plugins.bridges._http.desk import Desk
from justtinker_plugins.bridges._http.limits import Limits
from justtinker_plugins.commands._audit import bombs
from tests.bridges.pages import PAGE, write_examples
from tests.bridges.serving import PATIENCE, at_once, call, gated, gauge, served, wait_for

RIGHT, WRONG, BARE = "<think>one and one</think>\\boxed{2}", "<think>one</think>\\boxed{3}", "\\boxed{2}"
SUM = {"question": "1+1?", "answer": "2"}
MISSING = (
    "expected a field 'responses'; the request has: question, answer, response; 'response' is perhaps meant as 'res"
)
MISSPELT = (
    "expected a field 'responses'; the request has: question, answer, respones; 'respones' is perhaps meant as 'r"
)
GROUPED = {"plugins": {"enable": ["math_verify", "correct", "length"]}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(limits=Limits(max_bytes=20_000, max_texts=8)) as (address, _):
        yield address


FIELDS = [
    *shapes.SCORE,
    "response",
    "responses_create_params",
    "expected_answer",
    "query",
    "prompts",
    "labels",
    "prompt",
]


def verify(text: str, answer: Any = "2", **more: Any) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    params = {"input": [{"role": "user", "content": "1+1?"}]}
    return {"responses_create_params": params, "response": {"output": [message]}, "expected_answer": answer, **more}


def test_it_is_importable_without_its_packages() -> None:
    code = "import sys; from justtinker_plugins.bridges import http; from justtinker_plugins.commands import serve\n"
    code += "print({'starlette', 'uvicorn', 'prometheus_client', 'torch', 'datasets'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_our_own_shape_gives_what_the_scorer_gives(url: str) -> None:
    responses = [RIGHT, WRONG, BARE, *(f"\\boxed{{{bomb}}}" for bomb in bombs.ANSWERS[:3])]
    status, answer, _ = call(f"{url}/score", {**SUM, "responses": responses, "tokens": [9] * 6, "kind": "math"})
    group = _stack.scorer_of().score(question="1+1?", answer="2", responses=responses, tokens=[9] * 6)
    assert status == 200
    assert [v["outcome"] for v in answer["verdicts"]] == [v.outcome for v in group.verdicts]
    assert answer["terms"] == [dict(reward.terms) for reward in group.rewards]
    assert answer["weights"] == dict(group.rewards[0].weights)
    assert answer["totals"] == [_stack.total(group, i) for i in range(6)]
    wrong = group.verdicts[1]
    assert answer["verdicts"][1] == {
        "outcome": "incorrect", "answer": "3", "rung": wrong.rung, "reason": wrong.reason,
    }  # fmt: skip


def test_a_gold_may_be_a_number(url: str) -> None:
    for answer, right in ((2, "2"), (0.5, "0.5")):
        asked = {"question": "?", "answer": answer, "responses": [f"\\boxed{{{right}}}"]}
        assert call(f"{url}/score", asked)[1]["verdicts"][0]["outcome"] == "correct"


def test_what_could_not_be_graded_is_null_everywhere(url: str) -> None:
    assert call(f"{url}/score", {"question": "1+1?", "answer": None, "responses": [RIGHT]})[1]["totals"] == [None]
    answer = call(f"{url}/verify", verify(RIGHT, None))[1]
    assert answer["reward"] is None
    assert answer["mask_sample"] is True
    assert answer["failure_reason"] == "the problem has no gold"
    assert set(answer["reward_components"].values()) == {None}
    answer = call(f"{url}/get_reward", {"query": ["1+1?" + RIGHT], "prompts": ["1+1?"], "labels": [None]})[1]
    assert (answer["rewards"], answer["scores"], answer["extra_logs"]["unscored"]) == ([None], [None], [1.0])
    assert call(f"{url}/slime", {"prompt": "1+1?", "response": RIGHT, "label": None})[:2] == (200, None)
    with served(masked=True) as (masked, _):
        answer = call(f"{masked}/verify", verify(RIGHT, None))[1]
    assert (answer["reward"], answer["mask_sample"], answer["failure_kind"]) == (0.0, True, "verifier_error")


def test_nemo_gym_gets_its_request_back_with_the_reward(url: str) -> None:
    assert call(f"{url}/seed_session", {"anything": 1})[:2] == (200, {})
    asked = verify(BARE, agent_ref={"name": "a"})
    status, answer, _ = call(f"{url}/verify", asked)
    assert status == 200
    assert {name: answer[name] for name in asked} == asked
    assert answer["reward"] == 0.9
    assert answer["reward_components"] == {"correct": 1.0, "format": -0.1, "redundancy": 0.0}
    assert (answer["outcome"], answer["extracted_answer"]) == ("correct", "2")
    assert "mask_sample" not in answer


def test_nemo_gyms_reasoning_is_thinking(url: str) -> None:
    asked = verify("so \\boxed{2}")
    thoughts = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "one and one"}]}
    asked["response"]["output"] = [thoughts, {"type": "function_call", "name": "f"}, *asked["response"]["output"]]
    assert call(f"{url}/verify", asked)[1]["reward"] == 1.0  # with its format
    (read,) = shapes.nemo_gym("expected_answer", False).read(
        asked | {"question": "own?", "verifier_metadata": {"a": 1}}
    )
    assert read["responses"] == ["<think>one and one</think>so \\boxed{2}"]
    assert (read["question"], read["meta"]) == ("own?", {"a": 1})


def test_nemo_gym_says_what_was_cut_off_and_how_long_it_is() -> None:
    asked = verify(RIGHT)
    asked["response"] |= {"incomplete_details": {"reason": "max_output_tokens"}, "usage": {"output_tokens": 7}}
    (read,) = shapes.nemo_gym("expected_answer", False).read(asked)
    assert (read["truncated"], read["tokens"], read["question"]) == ([True], [7], "1+1?")


def test_the_gold_may_stand_in_another_field() -> None:
    with served(gold="ground_truth") as (url, _):
        asked = {**verify(RIGHT), "ground_truth": 2}
        assert call(f"{url}/verify", asked)[1]["reward"] == 1.0
        assert call(f"{url}/verify", verify(RIGHT))[1]["error"].startswith("expected a field 'ground_truth'; ")


def test_openrlhf_gets_rewards_scores_and_logs(url: str) -> None:
    prompt = "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    queries = [f"<s>{prompt}{RIGHT}<|im_end|>\n", f"{prompt}{WRONG}</s><pad>", f"{prompt}{BARE}"]
    status, answer, _ = call(f"{url}/get_reward", {"query": queries, "prompts": [prompt] * 3, "labels": ["2", 2, "2"]})
    assert status == 200
    assert answer == {
        "rewards": [1.0, 0.0, 0.9],
        "scores": [1.0, 0.0, 1.0],
        "extra_logs": {
            "correct": [1.0, 0.0, 1.0], "format": [0.0, 0.0, -0.1], "redundancy": [0.0] * 3, "unscored": [0.0] * 3,
        },
    }  # fmt: skip


def test_openrlhfs_equal_prompts_that_stand_together_are_a_group() -> None:
    texts, prompts = ["a", "b", "c", "d"], ["p", "p", "q", "p"]
    body = {"query": [p + t for p, t in zip(prompts, texts, strict=True)], "prompts": prompts, "labels": ["1"] * 4}
    assert [each["responses"] for each in shapes.read_openrlhf(body)] == [["a", "b"], ["c"], ["d"]]


def test_a_prompt_that_was_cut_off_at_its_begin_is_found_by_its_end() -> None:
    prompt = "x" * 500 + "the question?" + "y" * 150
    assert shapes.written(0, prompt[300:] + RIGHT, prompt) == RIGHT
    assert shapes.written(0, RIGHT, "") == RIGHT
    with pytest.raises(PluginError, match=r"query\[3\]: expected its prompt and then a response"):
        shapes.written(3, "something else", prompt)


@given(st.text("ab<|>/_ \n\u00e9"), st.sampled_from(["", "<|im_end|>", "</s>", "<|im_end|>\n", "<eos></s>"]))
def test_only_end_of_turn_tokens_are_taken_away(text: str, end: str) -> None:
    assert shapes.without_end(text + "." + end) == text + "."


def test_slime_gets_a_bare_number(url: str) -> None:
    asked = {"prompt": [{"role": "user", "content": "1+1?"}], "response": BARE + "<|im_end|>", "label": "2"}
    assert call(f"{url}/slime", asked)[:2] == (200, 0.9)


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/score", b'{"question": "1+1?", "ans', 400, "the body is no JSON: Unterminated string starting at"),
        ("/score", b"", 400, "the body is no JSON: Expecting value"),
        ("/score", b"\xff\xfe\x00", 400, "the body is no JSON: 'utf-16"),
        ("/score", b"[" * 15_000, 400, "the body is no JSON: "),
        ("/score", b'{"a": 1, "a": 2}', 400, "the body is no JSON: an object has the key 'a' twice"),
        ("/score", b'{"question": NaN}', 400, "the body is no JSON: NaN is not in JSON"),
        ("/score", b'{"question": -1e999}', 400, "the body is no JSON: the number -1e999 is too large"),
        ("/score", [1], 400, "the body: expected a JSON object, got [1]"),
        ("/score", {**SUM, "respones": [RIGHT]}, 422, MISSPELT),
        ("/score", {**SUM, "response": [RIGHT]}, 422, MISSING),
        ("/score", {}, 422, "expected a field 'question'; the request is empty"),
        (
            "/score",
            {**SUM, "responses": [RIGHT], "tokns": [1]},
            422,
            "the request takes no field 'tokns'; did you mean 'tokens'?",
        ),
        ("/score", {**SUM, "responses": RIGHT}, 422, 'responses: expected a list, each entry text, got "<think>one'),
        ("/score", {**SUM, "responses": [RIGHT, 2]}, 422, "responses[1]: expected text, got 2"),
        ("/score", {**SUM, "responses": []}, 422, "responses: expected a list of one or more texts, got []"),
        (
            "/score",
            {**SUM, "responses": [RIGHT], "answer": [2]},
            422,
            "answer: expected text, a number or null, got [2]",
        ),
        ("/score", {**SUM, "responses": [RIGHT], "tokens": [True]}, 422, "tokens[0]: expected a count, got true"),
        ("/score", {**SUM, "responses": [RIGHT], "tokens": [1, 2]}, 422, "tokens: expected 1 entries, one a response"),
        ("/score", {**SUM, "responses": [RIGHT], "meta": 1}, 422, "meta: expected an object, got 1"),
        ("/score", {**SUM, "responses": [RIGHT], "kind": "haiku"}, 422, "the rewards cannot score this: "),
        ("/score", {**SUM, "responses": [RIGHT] * 9}, 413, "expected at most 8 responses in a request, got 9"),
        (
            "/score",
            {**SUM, "responses": [RIGHT] * 2, "tokens": [1 << 23, (1 << 23) + 1]},
            413,
            "expected at most 16,777",
        ),
        ("/score", {**SUM, "responses": [RIGHT], "tokens": [10**15]}, 413, "expected at most 16,777,216 tokens in a"),
        (
            "/verify",
            {**verify(RIGHT), "response": {**verify(RIGHT)["response"], "usage": {"output_tokens": 10**15}}},
            413,
            "expected at most 16,777,216 tokens in a request, got 1,000,000,000,000,000",
        ),
        ("/score", b"x" * 20_001, 413, "the body is longer than 20,000 bytes, the server's limit"),
        ("/score", b"x" * 10_000_000, 413, "the body is longer than 20,000 bytes, the server's limit"),
        ("/verify", {"response": {}}, 422, "expected a field 'responses_create_params'; the request has: response"),
        ("/verify", {**verify(RIGHT), "response": {}}, 422, "expected a field 'output'; response is empty"),
        ("/verify", {**verify(RIGHT), "responses_create_params": {}}, 422, "there is no field 'question', and no mess"),
        ("/get_reward", {"query": ["a"], "prompts": ["a"], "labels": []}, 422, "labels: expected 1 entries, as many"),
        ("/get_reward", {"query": [], "prompts": [], "labels": []}, 422, "query: expected one or more texts, got 0"),
        ("/get_reward", {"query": ["ab"], "prompts": ["c"], "labels": ["1"]}, 422, "query[0]: expected its prompt"),
        ("/get_reward", {"query": ["ab"], "prompts": ["a"], "labels": [[1]]}, 422, "labels[0]: expected text, a numbe"),
        ("/slime", {"prompt": "a", "response": "b"}, 422, "expected a field 'label'; the request has: prompt, resp"),
        ("/scor", {}, 404, "there is no /scor; did you mean '/score'?"),
    ],
)
def test_a_bad_request_gets_a_sentence(url: str, path: str, body: Any, status: int, sentence: str) -> None:
    try:
        found, answer, _ = call(f"{url}{path}", body)
    except OSError:  # far beyond the limit, the server hangs up while the client still sends
        assert len(body) > 20_000 * http.DRAINED
        return
    assert (found, [*answer]) == (status, ["error"])
    assert answer["error"].startswith(sentence)


def test_the_wrong_method_gets_a_sentence(url: str) -> None:
    assert call(f"{url}/score")[:2] == (405, {"error": "/score takes POST, not GET"})


@settings(max_examples=60)
@given(
    st.sampled_from(["/score", "/verify", "/get_reward", "/slime"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab<>\x00\u00e9", max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*FIELDS, "label", "output"]),
                inner, max_size=6,
            )
        ),
        max_leaves=12,
    ),
)  # fmt: skip
def test_no_json_makes_the_server_fail(url: str, path: str, body: Any) -> None:
    status, answer, _ = call(f"{url}{path}", json.dumps(body).encode())
    assert status in (200, 400, 413, 422), answer


def test_hostile_texts_come_back_as_json(url: str) -> None:
    texts = ["\ud800 \x00 \u202e", "\\boxed{\ud800}", "", "{" * 4000]
    status, answer, _ = call(f"{url}/score", {**SUM, "responses": texts})
    assert (status, answer["totals"]) == (200, [0.0] * 4)
    assert call(f"{url}/verify", verify("\ud800\\boxed{2}"))[0] == 200


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_what_would_end_a_process_ends_no_server(ending: type[BaseException]) -> None:
    def job() -> None:
        raise ending

    with closing(Desk(1, 0)) as desk:
        future = desk.take(job)
        assert future is not None
        assert repr(future.exception(PATIENCE)) == f"RuntimeError('{ending.__name__}()')"


def test_endpoints_that_see_one_response_refuse_group_terms_by_name() -> None:
    with served(GROUPED) as (url, service):
        assert [*service.off] == ["/verify", "/slime"]
        for path, body, who in [
            ("/verify", verify(RIGHT), "/verify"),
            ("/slime", {"prompt": "p", "response": RIGHT, "label": "2"}, "/slime"),
            (
                "/get_reward", {"query": ["p" + RIGHT], "prompts": ["p"], "labels": ["2"]},
                "/get_reward with one response to a prompt",
            ),
        ]:  # fmt: skip
            status, answer, _ = call(f"{url}{path}", body)
            assert status == 409
            assert answer["error"].startswith(f"{who} sees one response at a time, but 'length' compares the responses")
        answer = call(f"{url}/score", {**SUM, "responses": [RIGHT, WRONG], "tokens": [5, 9]})[1]
        assert [terms["length"] for terms in answer["terms"]] == [0.5, -0.5]


def test_endpoints_without_a_step_refuse_schedules() -> None:
    with served(sets=["plugins.redundancy.weight={from=0.0, to=0.3, steps=10}"]) as (url, service):
        assert [*service.off] == ["/verify", "/get_reward", "/slime"]
        body = {"query": ["p" + RIGHT], "prompts": ["p"], "labels": ["2"]}
        assert "the weight schedule of redundancy" in call(f"{url}/get_reward", body)[1]["error"]
        assert call(f"{url}/score", {**SUM, "responses": [RIGHT]})[1]["error"].startswith("step: expected a number")
        assert call(f"{url}/score", {**SUM, "responses": [RIGHT], "step": 5})[1]["weights"]["redundancy"] == 0.15


def test_a_full_queue_says_when_to_try_again_and_loses_nothing(tmp_path: Path) -> None:
    with served(gated(tmp_path), limits=Limits(jobs=1, queue=2)) as (url, service):
        body = {"question": "?", "answer": "a", "responses": ["a"]}
        threads, results = at_once([lambda: call(f"{url}/score", body)] * 3)
        wait_for(lambda: gauge(url, "justtinker_in_flight") == 1 and gauge(url, "justtinker_queue_depth") == 2)
        status, answer, headers = call(f"{url}/score", body)
        assert (status, answer["error"]) == (503, "the queue is full: try again in a second")
        assert {name.lower(): value for name, value in headers.items()}["retry-after"] == "1"
        service.scorer.plugins.active["gate"].instance.open.set()
        for thread in threads:
            thread.join()
        assert [(status, answer["totals"]) for status, answer, _ in results] == [(200, [1.0])] * 3
        assert call(f"{url}/score", body)[0] == 200
        assert gauge(url, 'justtinker_requests_total{endpoint="/score",status="503"}') == 1
        assert gauge(url, 'justtinker_responses_total{outcome="correct"}') == 4
        assert gauge(url, 'justtinker_request_seconds_count{endpoint="/score"}') == 5


def test_what_takes_too_long_is_an_error_and_not_scored(tmp_path: Path) -> None:
    with served(gated(tmp_path), limits=Limits(jobs=1, seconds=0.2)) as (url, service):
        body = {"question": "?", "answer": "a", "responses": ["a"]}
        threads, results = at_once([lambda: call(f"{url}/score", body)] * 2)
        for thread in threads:
            thread.join()
        for status, answer, _ in results:  # one was being scored, one waited
            assert (status, answer["error"]) == (
                504, "not answered within 0.2 seconds, the server's limit; nothing of it is scored",
            )  # fmt: skip
        service.scorer.plugins.active["gate"].instance.open.set()
        wait_for(lambda: call(f"{url}/score", body)[0] == 200)


def test_a_body_that_never_ends_gives_its_connection_back() -> None:
    with served(limits=Limits(seconds=0.2)) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as client:
            client.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{")
            said = b"".join(iter(lambda: client.recv(1000), b""))
    assert said.startswith(b"HTTP/1.1 504")
    assert b"\r\nconnection: close\r\n" in said.lower()  # else who trickles on would keep it for ever


def test_a_plugin_that_fails_is_a_sentence_and_the_next_request_is_served(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from justtinker_core import hookimpl, plugin\n@plugin\nclass Bad:\n"
        "    @hookimpl\n    def score(self, group):\n"
        "        return {'bad': [1 / (len(r.text) - 1) for r in group.rollouts]}\n"
    )
    stack = {"plugins": {"enable": ["exact", "bad"]}, "local_plugins": {"bad": f"{tmp_path}/bad.py:Bad"}}
    with served(stack) as (url, _):
        status, answer, _ = call(f"{url}/score", {**SUM, "responses": ["a"]})
        assert status == 422
        assert "division by zero" in answer["error"]
        assert call(f"{url}/score", {**SUM, "responses": ["aaa"]})[1]["totals"] == [0.5]


def test_the_token_is_asked_for_everywhere_but_health() -> None:
    with served(token="s3cret") as (url, _):
        assert call(f"{url}/health")[:2] == (200, {"status": "ok"})
        for path, body in [("/score", {}), ("/verify", {}), ("/get_reward", {}), ("/slime", {}), ("/seed_session", {})]:
            for shown in ("", "wrong"):
                status, answer, headers = call(f"{url}{path}", body, shown)
                what = "a wrong token" if shown else "no token"
                sentence = f"expected the header 'Authorization: Bearer TOKEN', got {what}"
                assert (status, answer) == (401, {"error": sentence})
                assert {name.lower(): value for name, value in headers.items()}["www-authenticate"] == "Bearer"
        assert call(f"{url}/metrics")[0] == 401
        assert "s3cret" not in call(f"{url}/metrics", token="s3cret")[1]
        assert call(f"{url}/slime", {"prompt": "1+1?", "response": RIGHT, "label": "2"}, "s3cret")[:2] == (200, 1.0)


def test_the_pages_examples(tmp_path: Path) -> None:
    examples = {file.name: file for file in write_examples("HTTP: NeMo-Gym, OpenRLHF, anything", tmp_path)}
    assert {*examples} >= {"rewards.toml", "ask.py", "remote.toml"}
    page = PAGE.read_text(encoding="utf-8")
    with served(examples["rewards.toml"]) as (url, _):
        for name in ("ask.py", "remote.toml"):
            text = examples[name].read_text()
            assert "http://127.0.0.1:8000" in text
            examples[name].write_text(text.replace("http://127.0.0.1:8000", url))
        said = subprocess.check_output([sys.executable, str(examples["ask.py"])], text=True)
        assert f"```\n{said}```\n" in page
        with Scorer(examples["remote.toml"]) as scorer:
            group = scorer.score(question="1+1?", answer="2", responses=[RIGHT, BARE, WRONG])
        assert [reward.total for reward in group.rewards] == [1.0, 0.9, 0.0]
        if shutil.which("curl"):
            lines = re.findall(r"^curl [^']*'[^']*'", page, re.MULTILINE)
            shells = [["bash", "-c", line.replace("http://127.0.0.1:8000", url)] for line in lines]
            score, verify = [json.loads(subprocess.check_output(shell)) for shell in shells]
            assert score["totals"] == [0.9, 0.0]
            assert (verify["reward"], verify["outcome"], verify["expected_answer"]) == (0.9, "correct", "2")
            assert verify["reward_components"] == {"correct": 1.0, "format": -0.1, "redundancy": 0.0}
