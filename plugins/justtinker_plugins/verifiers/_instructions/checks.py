"""IFEval's instructions that can be checked by rule, with IFEval's names and arguments (arXiv:2311.07911).

Each check takes the answer and the instruction's arguments and says whether the answer follows it. Where IFEval's own
checks would pay for less than they ask for, these are stricter; docs/verifiers.md lists how. All are linear.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, validate_call

Check = Callable[..., bool]
Relation = Literal["less than", "at least"]
Number = Annotated[int, Field(ge=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]
Letter = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1)]

CHECKS: dict[str, Check] = {}
LEFT_OUT = {
    "language:response_language": "needs a detector of languages",
    "change_case:english_capital": "needs a detector of languages",
    "change_case:english_lowercase": "needs a detector of languages",
    "length_constraints:number_sentences": "needs a model of sentences (NLTK's punkt)",
}
"""IFEval's other instructions."""
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
QUOTES = "\"'\u201c\u201d\u2018\u2019"
COMMAS = ",\uff0c\u3001\ufe50\ufe51\u060c"


def check(name: str) -> Callable[[Check], Check]:
    """Register a check under IFEval's name; its arguments are validated at each call."""

    def register(function: Check) -> Check:
        CHECKS[name] = validate_call(config=ConfigDict(extra="forbid"))(function)
        return function

    return register


def compare(count: int, relation: Relation, number: int) -> bool:
    """Compare a count as IFEval words it."""
    return count < number if relation == "less than" else count >= number


def whole(word: str) -> re.Pattern[str]:
    """A pattern for a word or phrase that is no part of a longer word."""
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def filled(parts: list[str]) -> list[str]:
    """The parts of a text that are not blank."""
    return [part.strip() for part in parts if part.strip()]


@check("keywords:existence")
def has_keywords(text: str, *, keywords: Texts) -> bool:
    """Each keyword is in it."""
    return all(whole(word).search(text) for word in keywords)


@check("keywords:frequency")
def has_keyword_often(text: str, *, keyword: Text, frequency: Number, relation: Relation) -> bool:
    """A keyword is in it so many times."""
    return compare(len(whole(keyword).findall(text)), relation, frequency)


@check("keywords:forbidden_words")
def lacks_words(text: str, *, forbidden_words: Texts) -> bool:
    """None of the words is in it."""
    return not any(whole(word).search(text) for word in forbidden_words)


@check("keywords:letter_frequency")
def has_letter_often(text: str, *, letter: Letter, let_frequency: Number, let_relation: Relation) -> bool:
    """A letter, small or capital, is in it so many times."""
    return compare(text.lower().count(letter.lower()), let_relation, let_frequency)


@check("length_constraints:number_words")
def has_words(text: str, *, num_words: Number, relation: Relation) -> bool:
    """It has so many words: runs of letters and digits."""
    return compare(len(re.findall(r"\w+", text)), relation, num_words)


@check("length_constraints:number_paragraphs")
def has_paragraphs(text: str, *, num_paragraphs: Number) -> bool:
    """It has exactly so many paragraphs with ``***`` between them."""
    parts = text.split("***")
    return all(part.strip() for part in parts[1:-1]) and len(filled(parts)) == num_paragraphs


@check("length_constraints:nth_paragraph_first_word")
def begins_paragraph(text: str, *, num_paragraphs: Number, nth_paragraph: Number, first_word: Text) -> bool:
    """It has exactly so many paragraphs with empty lines between them, and one of them begins with a word."""
    paragraphs = filled(text.split("\n\n"))
    if len(paragraphs) != num_paragraphs or not 1 <= nth_paragraph <= num_paragraphs:
        return False
    word = paragraphs[nth_paragraph - 1].split()[0].lstrip(QUOTES)
    return re.split(rf"[.,?!{QUOTES}]", word)[0].lower() == first_word.lower()


@check("detectable_content:number_placeholders")
def has_placeholders(text: str, *, num_placeholders: Number) -> bool:
    """It has at least so many placeholders such as ``[name]``."""
    return len(filled(re.findall(r"\[([^\[\]\n]+)\]", text))) >= num_placeholders


@check("detectable_content:postscript")
def has_postscript(text: str, *, postscript_marker: Text) -> bool:
    """A line begins with the marker, such as ``P.S.``, and goes on."""
    letters = [re.escape(part) for part in postscript_marker.split(".") if part.strip()]
    marker = r"\.[ \t]?".join(letters) + r"\.?" if "." in postscript_marker else re.escape(postscript_marker)
    return re.search(rf"^[ \t]*[*_]*{marker}(?!\w)[^\w\n]*\w", text, re.IGNORECASE | re.MULTILINE) is not None


@check("detectable_format:number_bullet_lists")
def has_bullets(text: str, *, num_bullets: Number) -> bool:
    """Exactly so many lines are bullet points: a star or hyphen, a blank, a text."""
    return len(re.findall(r"^[ \t]*[*-][ \t]+[^\s*-]", text, re.MULTILINE)) == num_bullets


@check("detectable_format:constrained_response")
def chooses(text: str) -> bool:
    """It holds one of ``My answer is yes.``, ``… no.`` and ``… maybe.``, and only one."""
    return sum(option in text for option in OPTIONS) == 1


@check("detectable_format:number_highlighted_sections")
def has_highlights(text: str, *, num_highlights: Number) -> bool:
    """At least so many parts stand between stars, one or two."""
    found = re.findall(r"\*\*([^*\n]+)\*\*|\*([^*\n]+)\*", text)
    return len(filled([double or single for double, single in found])) >= num_highlights


@check("detectable_format:multiple_sections")
def has_sections(text: str, *, section_spliter: Text, num_sections: Number) -> bool:
    """At least so many sections, of different numbers, begin with a line such as ``Section 1``, and none is empty."""
    parts = re.split(rf"^[ \t]*[#*_]*[ \t]*{re.escape(section_spliter)}[ \t]?(\d+)", text, flags=re.MULTILINE)
    contents = zip(parts[1::2], parts[2::2], strict=True)
    return len({number.lstrip("0") for number, inside in contents if inside.strip(" \t\n*_#:.")}) >= num_sections


@check("detectable_format:json_format")
def is_json(text: str) -> bool:
    """All of it is a JSON object or array, in a fence or not."""
    if len(text) > 6 and text.startswith("```") and text.endswith("```"):
        language, _, text = text[3:-3].partition("\n")
        text = text if language.strip().lower() in ("", "json") else ""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


@check("detectable_format:title")
def has_title(text: str) -> bool:
    """It has a title in double angular brackets: ``<<title>>``."""
    return bool(filled(re.findall(r"<<([^<>\n]+)>>", text)))


@check("combination:two_responses")
def has_two_responses(text: str) -> bool:
    """It is two different responses with ``******`` between them."""
    parts = text.split("******")
    return all(part.strip() for part in parts[1:-1]) and len(filled(parts)) == 2 == len(set(filled(parts)))


@check("combination:repeat_prompt")
def repeats_prompt(text: str, *, prompt_to_repeat: Text) -> bool:
    """It begins with the prompt, and goes on."""
    return text.lower().startswith(prompt_to_repeat.lower()) and len(text) > len(prompt_to_repeat)


@check("startend:end_checker")
def ends_with(text: str, *, end_phrase: Text) -> bool:
    """It ends with the phrase."""
    return text.rstrip(QUOTES).lower().endswith(end_phrase.rstrip(QUOTES).lower())


@check("startend:quotation")
def is_quoted(text: str) -> bool:
    """It stands in double quotation marks."""
    return len(text) > 2 and text.startswith('"') and text.endswith('"')


@check("change_case:capital_word_frequency")
def has_capital_words(text: str, *, capital_frequency: Number, capital_relation: Relation) -> bool:
    """So many words are in capitals, such as ``NASA``; with a hyphen inside, it is one word."""
    return compare(sum(word.isupper() for word in re.findall(r"[\w.&-]+", text)), capital_relation, capital_frequency)


@check("punctuation:no_comma")
def has_no_comma(text: str) -> bool:
    """It has no comma, of whatever script."""
    return not any(comma in text for comma in COMMAS)
