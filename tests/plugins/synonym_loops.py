"""Loops that say one thing again and again in ever other words, and lists of cases: how many of each `flat` fines.

``JUSTTINKER_DATA=… python -m tests.plugins.synonym_loops`` prints the tables in docs/redundancy.md.
"""

from __future__ import annotations

import random

from justtinker_plugins.shared.redundancy import exact, flat
from tests.plugins.case_lists import KINDS as LISTS
from tests.plugins.case_lists import case_list
from tests.plugins.loop_disguises import HALF, hosts
from tests.plugins.reasoning_data import labelled

PLAIN = {
    "check": [
        "check",
        "verify",
        "confirm",
        "inspect",
        "examine",
        "review",
        "validate",
        "reconsider",
        "revisit",
        "reassess",
        "test",
        "audit",
    ],
    "result": [
        "result",
        "answer",
        "outcome",
        "value",
        "conclusion",
        "solution",
        "figure",
        "number",
        "total",
        "finding",
        "quantity",
    ],
    "sure": ["sure", "certain", "confident", "convinced", "satisfied", "positive", "comfortable", "secure"],
    "again": ["again", "once more", "a second time", "anew", "yet again", "afresh", "one more time", "over again"],
    "careful": [
        "careful",
        "thorough",
        "cautious",
        "diligent",
        "meticulous",
        "attentive",
        "rigorous",
        "precise",
        "exact",
    ],
    "step": ["step", "stage", "part", "piece", "portion", "line", "move", "phase", "element", "detail"],
    "right": ["right", "correct", "accurate", "valid", "sound", "proper", "fine", "true", "consistent", "justified"],
    "think": ["think", "believe", "suppose", "reckon", "guess", "feel", "assume", "gather", "expect", "imagine"],
    "so": ["so", "thus", "hence", "therefore", "consequently", "accordingly", "then", "now"],
    "before": ["before", "earlier", "above", "previously", "already", "beforehand"],
    "error": ["error", "mistake", "slip", "flaw", "fault", "oversight", "gap", "blunder", "problem"],
    "wait": ["wait", "hold on", "hmm", "well", "okay", "let me see", "actually", "one moment", "all right"],
    "look": ["look at", "go over", "return to", "walk through", "think about", "go back to", "study", "consider"],
    "should": ["should", "must", "ought to", "have to", "need to", "had better", "want to", "might"],
}
PLAIN_TEMPLATES = [
    "{wait}, I {should} {check} the {result} {again}.",
    "{so} it is worth being {careful} and {look} every {step} {again}.",
    "To be {sure}, let us {check} whether each {step} is {right}.",
    "I {think} the {result} found {before} is {right}, but we {should} stay {careful}.",
    "Perhaps an {error} hides in some {step}, {so} I {check} it.",
    "{wait}, is that {result} really {right}, or did we make an {error} {before}?",
    "Being {careful} never hurts, {so} the {step} from {before} gets a {careful} {check}.",
    "If there were an {error}, the {result} would not be {right}.",
    "My {result} seems {right}, yet I {should} {look} it {again} to be {sure}.",
    "Let me {look} the {step} and {check} that no {error} was made.",
    "{so} we {should} feel {sure} about this {result}, as every {step} looks {right}.",
    "One {should} {check} {again} before one can be {sure} that all is {right}.",
]
MATHS = {
    "gives": ["gives", "yields", "produces", "returns", "implies", "shows", "delivers", "means"],
    "expression": [
        "expression",
        "equation",
        "formula",
        "relation",
        "identity",
        "term",
        "function",
        "polynomial",
        "sum",
        "product",
    ],
    "substitute": ["substitute", "insert", "plug", "put", "place", "write", "use", "take"],
    "same": ["same", "identical", "equal", "matching", "unchanged", "equivalent", "known", "familiar"],
    "method": ["method", "approach", "way", "route", "technique", "idea", "strategy", "argument", "procedure"],
    "x": ["x", "y", "z", "n", "k", "m", "t", "a", "b"],
    "alternatively": [
        "alternatively",
        "instead",
        "on the other hand",
        "equally",
        "or else",
        "in another way",
        "by contrast",
    ],
    "note": ["note", "observe", "recall", "notice", "see", "remember", "recognise", "realise"],
    "simplify": ["simplify", "expand", "factor", "rewrite", "rearrange", "reduce", "transform", "evaluate"],
    "holds": ["holds", "is true", "works", "is satisfied", "stands", "is met", "remains valid", "checks out"],
    "try": ["try", "attempt", "explore", "pursue", "adopt", "test", "apply", "employ"],
    "also": ["also", "indeed", "likewise", "similarly", "still", "again", "moreover", "besides"],
}
MATHS_TEMPLATES = [
    "{alternatively}, we can {try} a different {method} and {simplify} the {expression} in ${x}$.",
    "{note} that the {expression} {gives} the {same} value of ${x}$ when we {substitute} it.",
    "If we {substitute} ${x}$ into this {expression}, it {also} {gives} what we had.",
    "This {method} {gives} the {same} {expression}, and {also} the condition {holds}.",
    "Let us {simplify} the {expression} once by another {method} to see whether it {holds}.",
    "With that {method}, the {expression} for ${x}$ is the {same} as the first one.",
    "We {note} the condition {holds}, because the {expression} {gives} ${x}$ {also}.",
    "{alternatively}, {try} to {substitute} first and {simplify} after that.",
    "Since the {expression} {holds} for ${x}$, every {method} {gives} the {same} thing.",
    "One may {also} {simplify} by this {method} until the {expression} {gives} ${x}$.",
]
KINDS = {"plain": (PLAIN_TEMPLATES, PLAIN), "maths": (MATHS_TEMPLATES, MATHS)}


def synonym_loop(draw: random.Random, characters: int, kind: str) -> str:
    """A loop of at least so many characters."""
    templates, words = KINDS[kind]
    sentences: list[str] = []
    size, last = 0, ""
    while size < characters:
        template = draw.choice([t for t in templates if t != last])
        filled = template.format_map({name: draw.choice(choices) for name, choices in words.items()})
        sentences.append(filled[0].upper() + filled[1:])
        size, last = size + len(filled) + 1, template
    return " ".join(sentences)


def fined(texts: list[str], vocabulary: bool = True) -> str:
    """The share that flat fines, for the table."""
    return f"{flat.fined_share(texts, flat.Coefficients(vocabulary=vocabulary)):.0%}"


def print_tables() -> None:
    """40 loops a row, half of each kind, also between the halves of a text; then 40 lists of cases a row."""
    healthy = hosts(*labelled("reasoning_texts"))
    print("| characters | exact | before | now | in a healthy text |\n|---|---|---|---|---|")
    for size in (500, 1000, 2000, 3000, 4000, 6000, 8000, 12_000):
        kinds = sorted(KINDS) * 20
        loops = [synonym_loop(random.Random(f"{size}{i}"), size, kind) for i, kind in enumerate(kinds)]
        inside = [f"{text[:HALF]}\n{loop}\n{text[HALF : 2 * HALF]}" for text, loop in zip(healthy, loops, strict=True)]
        exactly = (exact.score_batch(loops, chunks=False)["redundancy_score"] > 0.3).mean()
        print(f"| {size:,} | {exactly:.0%} | {fined(loops, False)} | {fined(loops)} | {fined(inside)} |")
    print("| list of cases | reasoning first | characters | before | now |\n|---|---|---|---|---|")
    for part in (0.3, 0.0):
        for kind in LISTS:
            for size in (1000, 2000, 4000, 8000):
                lists = [
                    case_list(random.Random(i), size, kind, text[: int(part * size)]) for i, text in enumerate(healthy)
                ]
                print(f"| {kind} | {part:.0%} | {size:,} | {fined(lists, False)} | {fined(lists)} |")


if __name__ == "__main__":
    print_tables()
