"""Chat formats, token for token: five families' templates through real tokenizers that are made on the spot.

The templates have the shapes of the families' own, with what matters here: special tokens, what opens and ends a turn,
thinking, dates and effort left out. Where the package `renderers` knows a family, it is the second witness.
"""

# ruff: noqa: RUF001
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from justtinker_core import Datum, PluginError, Policy, Problem, Prompt, Rollout, hookimpl
from justtinker_core.rollouts import collect, fill_prompt
from justtinker_core.sampling import Settings, datum_of
from justtinker_core.testing._backend import ScriptedSampler
from justtinker_core.types import Sample, SampleRequest
from justtinker_plugins.algorithms.sft import Sft
from justtinker_plugins.backends._data import decode, encode
from justtinker_plugins.backends._prompts import Prompts, start_tokens
from justtinker_plugins.prompts.chat_template import ChatTemplate
from justtinker_plugins.prompts.few_shot import FewShot
from justtinker_plugins.text import answer_part, in_channels
from tests.core.conftest import Correct, Judge, ScriptedBackend, plugins_of

pytest.importorskip("transformers", reason="chat templates need the 'local' extra")

CHATML_TURNS = """\
{%- for m in messages %}
{%- if m.role == 'assistant' and loop.index0 < last.user %}
{{- '<|im_start|>assistant\n' + m.content.split('</think>')[-1].lstrip('\n') + '<|im_end|>\n' }}
{%- else %}
{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endif %}
{%- endfor %}"""
QWEN35 = f"""\
{{%- set last = namespace(user=0) %}}
{{%- for m in messages %}}{{%- if m.role == 'user' %}}{{%- set last.user = loop.index0 %}}{{%- endif %}}{{%- endfor %}}
{CHATML_TURNS}
{{%- if add_generation_prompt %}}
{{{{- '<|im_start|>assistant\n' }}}}
{{%- if enable_thinking is defined and enable_thinking is false %}}
{{{{- '<think>\n\n</think>\n\n' }}}}
{{%- else %}}
{{{{- '<think>\n' }}}}
{{%- endif %}}
{{%- endif %}}"""
LLAMA3 = """\
{{- bos_token }}
{{- '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n' }}
{{- 'Today Date: 26 Jul 2024\n\n' }}
{%- if messages[0].role == 'system' %}
{{- messages[0].content | trim }}{%- set messages = messages[1:] %}
{%- endif %}
{{- '<|eot_id|>' }}
{%- for m in messages %}
{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"""
R1 = """\
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{- messages[0].content }}{%- set messages = messages[1:] %}{%- endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{- '<｜User｜>' + m.content }}{%- else %}
{{- '<｜Assistant｜>' + m.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<｜Assistant｜><think>\n' }}{%- endif %}"""
HARMONY = """\
{{- '<|start|>system<|message|>You are ChatGPT.\n\nReasoning: ' + reasoning_effort | default('medium') + '<|end|>' }}
{%- if messages[0].role == 'system' %}
{{- '<|start|>developer<|message|># Instructions\n\n' + messages[0].content + '<|end|>' }}
{%- set messages = messages[1:] %}
{%- endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{- '<|start|>user<|message|>' + m.content + '<|end|>' }}
{%- else %}
{%- if loop.last and m.thinking %}
{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}
{%- endif %}
{{- '<|start|>assistant<|channel|>final<|message|>' + m.content }}
{{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"""
GEMMA = """\
{{- bos_token }}
{%- if messages[0].role == 'system' %}{%- set before = messages[0].content + '\n\n' %}{%- set messages = messages[1:] %}
{%- endif %}
{%- for m in messages %}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}
{{- (before if loop.first and before else '') + m.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}"""


@dataclass(frozen=True)
class Family:
    """A chat format: its template and tokens, and what must come of it."""

    template: str
    specials: tuple[str, ...]
    eos: str
    ends: tuple[str, ...]
    """What ends the model's turn: what the template writes, then the tokenizer's end token."""
    opened: str = ""
    bos: str | None = None
    """What the tokenizer puts before every text."""
    plain: tuple[str, ...] = ("<think>", "</think>")
    """Added tokens that are not special."""
    renderer: str = ""
    """The family's name in the package `renderers`."""
    variables: dict[str, Any] = field(default_factory=dict)


QWEN_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>",
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
QWEN_PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
LLAMA_TOKENS = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|start_header_id|>", "<|end_header_id|>",
)  # fmt: skip
R1_TOKENS = (
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
    "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
)  # fmt: skip
HARMONY_TOKENS = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|endoftext|>")
GEMMA_TOKENS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")

FAMILIES = {
    "qwen3.5": Family(
        QWEN35, QWEN_TOKENS, "<|im_end|>", ("<|im_end|>",), "<think>\n", plain=QWEN_PLAIN, renderer="qwen3.5"
    ),
    "qwen3.5 without thinking": Family(
        QWEN35, QWEN_TOKENS, "<|im_end|>", ("<|im_end|>",), "<think>\n\n</think>\n\n", plain=QWEN_PLAIN,
        renderer="qwen3.5", variables={"enable_thinking": False},
    ),
    "qwen3.5 base": Family(
        QWEN35, QWEN_TOKENS, "<|endoftext|>", ("<|im_end|>", "<|endoftext|>"), "<think>\n", plain=QWEN_PLAIN,
        renderer="qwen3.5",
    ),
    "llama 3": Family(
        LLAMA3, LLAMA_TOKENS, "<|eot_id|>", ("<|eot_id|>",), bos="<|begin_of_text|>", renderer="llama-3"
    ),
    "llama 3, its other end token": Family(
        LLAMA3, LLAMA_TOKENS, "<|end_of_text|>", ("<|eot_id|>", "<|end_of_text|>"), bos="<|begin_of_text|>",
        renderer="llama-3",
    ),
    "deepseek-r1": Family(
        R1, R1_TOKENS, "<｜end▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",), "<think>\n", bos="<｜begin▁of▁sentence｜>",
        renderer="deepseek-r1",
    ),
    "gpt-oss": Family(HARMONY, HARMONY_TOKENS, "<|return|>", ("<|return|>",), variables={"reasoning_effort": "low"}),
    "gemma": Family(GEMMA, GEMMA_TOKENS, "<eos>", ("<end_of_turn>", "<eos>"), bos="<bos>"),
}  # fmt: skip

CORPUS = [
    "What is 47+38? 47+38=85. The answer is \\boxed{85}.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
    "<think>7+8=15, 4+3+1=8</think> user assistant system model developer final analysis",
    "You are ChatGPT. Reasoning: low medium high. Cutting Knowledge Date: December 2023. Today Date: 26 Jul 2024",
]


@cache
def tokenizer_of(name: str) -> Any:
    """A byte-level BPE tokenizer with the family's tokens, template and habits."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=450, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(CORPUS * 3, trainer)
    made.add_special_tokens([AddedToken(token, normalized=False) for token in family.specials])
    made.add_tokens([AddedToken(token, normalized=False) for token in family.plain])
    if family.bos:
        pieces = [processors.ByteLevel(trim_offsets=False)]
        pieces.append(
            processors.TemplateProcessing(
                single=f"{family.bos} $A", special_tokens=[(family.bos, made.token_to_id(family.bos))]
            )
        )
        made.post_processor = processors.Sequence(pieces)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=family.eos, bos_token=family.bos, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = family.template
    return tokenizer


class FamilyBackend(ScriptedBackend):
    """A family's tokenizer and prompts, as both real backends make them. A script gives the samples, as tokens."""

    def __init__(self, name: str, samples: Callable[[SampleRequest, int], Sequence[int]] | None = None) -> None:
        super().__init__()
        self.tokenizer = tokenizer_of(name)
        self.end_token = self.tokenizer.eos_token
        self.prompts = Prompts(self.tokenizer)
        self.samples = samples

    def encode(self, text: str) -> list[int]:
        return encode(self.tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        return decode(self.tokenizer, tokens)

    def render(self, prompt: Any, **template: Any) -> Prompt:
        return self.prompts(prompt, template)

    def sampler(self) -> ScriptedSampler:
        return FamilySampler(self, 0.0)


class FamilySampler(ScriptedSampler):
    """Samples the script's tokens."""

    def sample_one(self, request: SampleRequest, index: int) -> Sample:
        backend = self._backend
        assert isinstance(backend, FamilyBackend)
        assert backend.samples is not None
        tokens = tuple(backend.samples(request, index))
        return Sample(tokens, tuple(-0.5 - i / 8 for i in range(len(tokens))), True)


ONE = Settings("sample", 1, 1000, 1.0, 1.0, 42)
each_family = pytest.mark.parametrize("name", FAMILIES)
PROBLEM = Problem("1", "What is 47+38?", "85", demonstration="<think>7+8=15, 4+3+1=8</think>\\boxed{85}")


def prompt_of(name: str, problem: Problem = PROBLEM, **options: Any) -> Prompt:
    plugin = ChatTemplate(template=FAMILIES[name].variables, **options)
    return fill_prompt(problem, plugins_of(plugin), FamilyBackend(name))


def served(name: str, messages: Any, *, generate: bool = True) -> tuple[int, ...]:
    """The tokens that a server makes of a conversation with the model's template."""
    tokenizer = tokenizer_of(name)
    made = tokenizer.apply_chat_template(
        [dict(m) for m in messages], add_generation_prompt=generate, return_dict=False, **FAMILIES[name].variables
    )
    return tuple(made)


# -- prompts ---------------------------------------------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_a_prompt_is_what_a_server_makes_of_the_conversation(name: str, system: str | None) -> None:
    prompt = prompt_of(name, system=system)
    assert prompt.tokens == served(name, prompt.messages)
    assert decode(tokenizer_of(name), prompt.tokens) == prompt.text
    assert prompt.opened == FAMILIES[name].opened


@each_family
def test_what_ends_a_turn_is_read_off_the_template(name: str) -> None:
    assert prompt_of(name).stop == FAMILIES[name].ends
    assert all(len(encode(tokenizer_of(name), stop)) == 1 for stop in FAMILIES[name].ends)


@each_family
def test_no_prompt_begins_twice(name: str) -> None:
    bos = FAMILIES[name].bos
    start = [] if bos is None else encode(tokenizer_of(name), bos)
    assert start_tokens(tokenizer_of(name)) == start
    few_shot = fill_prompt(PROBLEM, plugins_of(FewShot()), FamilyBackend(name))
    again = FamilyBackend(name).render(few_shot.text)
    for prompt in (prompt_of(name), few_shot, again):
        if bos is not None:
            assert prompt.tokens[: len(start)] == tuple(start)
            assert prompt.tokens.count(start[0]) == prompt.text.count(bos) == 1
    whole = tuple(tokenizer_of(name)(few_shot.text.removeprefix(bos or ""))["input_ids"])
    assert few_shot.tokens == again.tokens == whole, "a base model sees what its tokenizer makes of a text"
    assert few_shot.stop == ("\n\nProblem:",)


def test_what_also_ends_the_thinking_does_not_end_the_turn() -> None:
    tokenizer = tokenizer_of("gpt-oss")
    before = tokenizer.chat_template
    tokenizer.chat_template = (
        "{% for m in messages %}<|start|>{{ m.role }}<|message|>"
        "{% if m.role == 'assistant' %}{{ m.reasoning_content }}<|end|>{% endif %}{{ m.content }}<|end|>"
        "{% if m.role == 'assistant' %}<|return|>{% endif %}{% endfor %}"
    )
    try:
        assert Prompts(tokenizer)([{"role": "user", "content": "1"}], {}).stop == ("<|return|>",)
    finally:
        tokenizer.chat_template = before


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (  # as GLM does it
            "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}",
            ("<|im_start|>", "<|endoftext|>"),
        ),
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", ("<|endoftext|>",)),
        (
            "{% if messages[1:] %}{{ raise_exception('no answers') }}{% endif %}{{ messages[0].content }}",
            ("<|endoftext|>",),
        ),
    ],
)
def test_templates_without_an_end_of_their_own(template: str, ends: tuple[str, ...]) -> None:
    tokenizer = tokenizer_of("qwen3.5 base")
    before = tokenizer.chat_template
    tokenizer.chat_template = template
    try:
        assert Prompts(tokenizer)([{"role": "user", "content": "1"}], {}).stop == ends
    finally:
        tokenizer.chat_template = before


# -- training --------------------------------------------------------------------------------------------------------


@each_family
def test_rl_trains_the_prompt_and_the_sampled_tokens_as_they_are(name: str) -> None:
    """Also where encoding the response again would give other tokens."""
    tokenizer = tokenizer_of(name)
    said = [
        *(encode(tokenizer, c)[0] for c in "The answer is \\boxed{85}."),
        *encode(tokenizer, FAMILIES[name].ends[0]),
    ]
    assert encode(tokenizer, decode(tokenizer, said)) != said
    backend = FamilyBackend(name, lambda request, index: said)
    plugins = plugins_of(ChatTemplate(template=FAMILIES[name].variables), Judge(), Correct())
    [group] = collect([PROBLEM], 1, plugins, backend, backend.sampler(), replace(ONE, samples=2))
    sent = backend.requests[0][0]
    for rollout in group.rollouts:
        datum = datum_of(group.prompt, rollout, 1.0)
        assert (*datum.inputs, datum.targets[-1]) == (*served(name, group.prompt.messages), *said)
        assert datum.targets == (*datum.inputs[1:], said[-1])
        assert rollout.text == "The answer is \\boxed{85}.", "without the token that ended it"
    assert sent.tokens == served(name, group.prompt.messages)
    assert sent.stop == FAMILIES[name].ends


class Ready:
    """What `sft` asks of a run."""

    def __init__(self, name: str) -> None:
        self.backend, self.name = FamilyBackend(name), name

    def prompt(self, problem: Problem) -> Prompt:
        return prompt_of(self.name, problem)


@each_family
def test_sft_trains_what_the_model_is_to_say_after_the_prompt(name: str) -> None:
    family, tokenizer = FAMILIES[name], tokenizer_of(name)
    off = "</think>" in family.opened
    shown = "\\boxed{85}" if off else "<think>\n7+8=15, 4+3+1=8</think>\\boxed{85}"
    problem = Problem("1", "What is 47+38?", "85", demonstration=shown)
    datum = Sft(require_thinking=not off).encode(problem, Ready(name))  # type: ignore[arg-type]
    assert isinstance(datum, Datum)
    assert datum.weights is not None
    trained = tuple(t for t, weight in zip(datum.targets, datum.weights, strict=True) if weight)
    assert (*datum.inputs, datum.targets[-1]) == (*served(name, prompt_of(name).messages), *trained)
    text = decode(tokenizer, trained).removesuffix(family.ends[0])
    if name == "gpt-oss":
        assert text == (
            "<|channel|>analysis<|message|>7+8=15, 4+3+1=8<|end|>"
            "<|start|>assistant<|channel|>final<|message|>\\boxed{85}"
        )
    else:
        assert text == shown.removeprefix("" if off else family.opened)
    assert trained[-1:] == tuple(encode(tokenizer, family.ends[0]))


HEAD, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (f"{HEAD}1+1<|end|><|start|>assistant{FINAL}\\boxed{{2}}", "<think>1+1</think>\\boxed{2}"),
        (f"{HEAD}1+1, so \\boxed{{2}}", "<think>1+1, so \\boxed{2}"),
        (f"{FINAL}\\boxed{{2}}", "\\boxed{2}"),
        (f"{HEAD}1+1<|end|><|start|>assistant{HEAD}so 2<|end|><|start|>assistant{FINAL}2", "<think>1+1\nso 2</think>2"),
        (
            f"{HEAD}1<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{{}}",
            None,
        ),
        (f"Not in channels{FINAL}", f"Not in channels{FINAL}"),
        ("<|channel|>", "<|channel|>"),
    ],
)
def test_the_channels_of_gpt_oss_read_as_a_thinking_block(said: str, read: str | None) -> None:
    response = Rollout((), (), (), said).response
    assert response == read if read is not None else answer_part(response) is None


@given(st.text("12+= \n<>").map(str.strip), st.text("12+= \n<>").map(str.strip))
def test_what_sft_writes_in_channels_reads_back(thinking: str, answer: str) -> None:
    whole = f"<think>{thinking}</think>{answer}"
    assert Rollout((), (), (), in_channels(whole)).response == whole
    assert Rollout((), (), (), in_channels(answer)).response == answer


# -- several turns ---------------------------------------------------------------------------------------------------


class Again:
    """Sends the policy the same message after each of its turns."""

    def __init__(self, *, turns: int = 2, stop: tuple[str, ...] = (), observe: Sequence[str] = ()) -> None:
        self.turns, self.stop, self.observed = turns, stop, observe

    @hookimpl
    def rollout(self, policy: Policy) -> Rollout:
        for turn in range(self.turns):
            policy.generate(self.stop)
            if turn < len(self.observed):
                policy.observe(self.observed[turn])
            elif not self.observed and turn + 1 < self.turns:
                policy.reply({"role": "user", "content": "Try again."})
        return policy.rollout()


def played(name: str, player: Again, turns: Sequence[Sequence[int]]) -> tuple[Prompt, Rollout, list[tuple[int, ...]]]:
    """The prompt, the rollout, and what was sent for each turn."""
    backend = FamilyBackend(name)
    backend.samples = lambda request, index: turns[len(backend.requests) - 1]
    plugins = plugins_of(ChatTemplate(template=FAMILIES[name].variables), Judge(), Correct(), player)
    [group] = collect([PROBLEM], 1, plugins, backend, backend.sampler(), ONE)
    return group.prompt, group.rollouts[0], [requests[0].tokens for requests in backend.requests]


NEXT = {
    "qwen3.5": "<|im_end|>\n<|im_start|>user\nTry again.<|im_end|>\n<|im_start|>assistant\n<think>\n",
    "qwen3.5 without thinking": "<|im_end|>\n<|im_start|>user\nTry again.<|im_end|>\n<|im_start|>assistant\n"
    "<think>\n\n</think>\n\n",
    "qwen3.5 base": "<|im_end|>\n<|im_start|>user\nTry again.<|im_end|>\n<|im_start|>assistant\n<think>\n",
    "llama 3": "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nTry again.<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama 3, its other end token": "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nTry again.<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "deepseek-r1": "<｜end▁of▁sentence｜><｜User｜>Try again.<｜Assistant｜><think>\n",
    "gpt-oss": "<|end|><|start|>user<|message|>Try again.<|end|><|start|>assistant",
    "gemma": "<end_of_turn>\n<start_of_turn>user\nTry again.<end_of_turn>\n<start_of_turn>model\n",
}
"""What each format writes between two turns of the model, the end of the first included."""


@each_family
@pytest.mark.parametrize("ended", [True, False])
def test_a_reply_is_what_the_format_writes_between_two_turns(name: str, ended: bool) -> None:
    tokenizer, end = tokenizer_of(name), FAMILIES[name].ends[0]
    said = encode(tokenizer, "It is 84" + (end if ended else "?"))
    prompt, rollout, sent = played(name, Again(stop=("?",)), [said, said])
    between = NEXT[name].partition(">")[2] if ended else NEXT[name]
    assert sent == [prompt.tokens, (*prompt.tokens, *said, *encode(tokenizer, between))]
    assert rollout.tokens == (*said, *encode(tokenizer, between), *said)
    assert rollout.mask == (True,) * len(said) + (False,) * len(encode(tokenizer, between)) + (True,) * len(said)


@pytest.mark.parametrize("name", ["llama 3", "gemma"])
def test_where_a_format_keeps_earlier_turns_the_conversation_is_what_a_server_sees(name: str) -> None:
    said = encode(tokenizer_of(name), "It is 84." + FAMILIES[name].ends[0])
    prompt, _, sent = played(name, Again(turns=3), [said] * 3)
    answer, user = {"role": "assistant", "content": "It is 84."}, {"role": "user", "content": "Try again."}
    assert sent[2] == served(name, [*prompt.messages, answer, user, answer, user])


WORDS = st.sampled_from(
    ["The", " answer", " is", "47+38", "=", "85", ".\n", "<calc>", "an", "s", "wer", " ", "é", "ab"]
)
SAMPLED = st.lists(st.integers(0, 449), min_size=1, max_size=12)
TURNS = st.lists(st.tuples(SAMPLED, st.lists(WORDS, max_size=6)), min_size=1, max_size=4)


@given(turns=TURNS)
@example(turns=[([64, 77, 82, 86, 68, 81], ["an", "s", "wer"]), ([82], ["wer"])])
@settings(max_examples=30, deadline=None)
def test_several_turns_are_sent_and_trained_as_they_were_sampled(turns: list[tuple[list[int], list[str]]]) -> None:
    name, sampled = "qwen3.5", [tokens for tokens, _ in turns]
    texts = ["".join(words) for _, words in turns[:-1]]
    prompt, rollout, sent = played(name, Again(turns=len(turns), observe=texts or [""]), sampled)
    tokens, wrote = list(prompt.tokens), [False] * len(prompt.tokens)
    for turn, said in enumerate(sampled):
        assert sent[turn] == tuple(tokens), "each turn follows what was sampled, not what its text encodes to"
        seen = encode(tokenizer_of(name), texts[turn]) if turn < len(texts) else []
        tokens += [*said, *seen]
        wrote += [True] * len(said) + [False] * len(seen)
    datum = datum_of(prompt, rollout, 2.0)
    assert (*datum.inputs, datum.targets[-1]) == tuple(tokens)
    assert datum.advantages == tuple(2.0 * mine for mine in wrote[1:])


def test_the_turns_above_would_change_if_they_were_encoded_again() -> None:
    tokenizer = tokenizer_of("qwen3.5")
    said, seen = [64, 77, 82, 86, 68, 81], encode(tokenizer, "answer")
    assert decode(tokenizer, said) == "answer"
    assert encode(tokenizer, "answer") != said
    assert encode(tokenizer, "ans") + encode(tokenizer, "wer") != seen


# -- the package `renderers` -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.renderer])
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_renderers_agrees_with_the_templates(name: str, system: str | None) -> None:
    pytest.importorskip("renderers", reason="needs the 'renderers' extra")
    rendered = prompt_of(name, system=system, renderer=FAMILIES[name].renderer)
    templated = prompt_of(name, system=system)
    assert (rendered.text, rendered.tokens) == (templated.text, templated.tokens)
    assert rendered.opened == templated.opened
    assert rendered.stop[0] == templated.stop[0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"renderer": "qwen35"}, "renderer = 'qwen35': the package renderers has no such renderer; did you mean 'qwen"),
        ({"renderer": "auto"}, "renderer = 'auto': the package renderers knows no ''; name one: deepseek-r1, "),
        ({"renderer": "llama-3"}, "the renderer 'llama-3' cannot render the messages: Special token '<|begin_of_te"),
        (
            {"renderer": "qwen3.5", "template": {"reasoning_effort": "low"}},
            "the renderer 'qwen3.5' cannot render the messages: Unsupported chat_template_kwargs for 'qwen3.5': "
            "['reasoning_effort']. Allowed: ",
        ),
    ],
)  # fmt: skip
def test_what_renderers_cannot_do_is_said(options: dict[str, Any], complaint: str) -> None:
    pytest.importorskip("renderers", reason="needs the 'renderers' extra")
    plugin = ChatTemplate(**options)
    with pytest.raises(PluginError) as error:
        fill_prompt(PROBLEM, plugins_of(plugin), FamilyBackend("qwen3.5"))
    assert complaint in str(error.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "renderers", None)
    with pytest.raises(PluginError, match=r"renderer = 'qwen3\.5': pip install 'justtinker\[renderers\]'"):
        fill_prompt(PROBLEM, plugins_of(ChatTemplate(renderer="qwen3.5")), FamilyBackend("qwen3.5"))
