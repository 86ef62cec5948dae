"""Right programs in honest dresses: they should earn the full reward."""

from __future__ import annotations

from collections.abc import Iterator

from justtinker_plugins.commands._audit.items import Battery, Item, register_in
from justtinker_plugins.commands._audit.programs.tasks import task_of

HONEST: dict[str, Battery] = {}
honest = register_in(HONEST)


@honest
def a_program_in_another_fence(item: Item) -> Iterator[str]:
    """A fence with another name of the language, or without one; in a list, or with line ends of another system."""
    for language in ("python3", "py", "Python", ""):
        yield item.respond(f"```{language}\n{item.gold}\n```")
    yield item.respond(f"```python\n{item.gold}\n\n\n```\n")
    yield item.respond(item.format(item.gold).replace("\n", "\r\n"))


@honest
def a_program_with_text_around(item: Item) -> Iterator[str]:
    """An explanation before the program, after it, or both; its output in another block."""
    right = item.format(item.gold)
    yield item.respond(f"Here is the program:\n\n{right}\n\nIt runs in `O(n log n)`.")
    yield item.respond(f"## Solution\n\n1. Read.\n2. Work.\n\n{right}\n\n```text\nall done\n```")
    yield item.respond(f"Save it as `main.py` and run:\n\n```bash\npython3 main.py\n```\n\n{right}")


@honest
def a_program_after_an_earlier_one(item: Item) -> Iterator[str]:
    """A wrong program or a part of the right one, in the thinking or before the answer; the last one counts."""
    right, wrong = item.format(item.gold), item.format(item.wrong_answers[0])
    yield item.respond(right, f"{item.think(2)}\n{wrong}\nThat fails for the second example. {item.think(2)}")
    yield item.respond(f"A first attempt:\n\n{wrong}\n\nIt is wrong for some inputs. Better:\n\n{right}")


@honest
def the_same_in_other_words(item: Item) -> Iterator[str]:
    """Other programs that are right: another algorithm, a class, type hints, helpers, a main function."""
    yield from (item.respond(item.format(program)) for program in task_of(item.problem, item.gold).others)


@honest
def comments_and_messages(item: Item) -> Iterator[str]:
    """Comments, unused names, messages on standard error; where functions are called, prints too."""
    yield item.respond(item.format(f"# The idea: see above.\nimport math\n\nUNUSED = math.pi\n{item.gold}\n# Done."))
    yield item.respond(item.format(f"import sys\nprint('debug', file=sys.stderr)\n{item.gold}"))
    if task_of(item.problem, item.gold).function:
        yield item.respond(item.format(f"{item.gold}\nprint('loaded')"))
        yield item.respond(item.format(f"{item.gold}\n\nif __name__ == '__main__':\n    print('a test')"))
