from __future__ import annotations

import pytest

from justtinker_plugins.shared.letters import Letter, is_choice, read_letter


@pytest.mark.parametrize("text", ["D", "(D)", "D.", r"\text{(D)}", r"\mathrm{D}", "$D$", "option D"])
def test_a_letter(text: str) -> None:
    assert read_letter(text) == Letter("D")
    assert is_choice(text)


@pytest.mark.parametrize("text", ["", "AD", "A, D", "7", "D = C", r"\delta", "(D) 7", "yes"])
def test_no_letter(text: str) -> None:
    assert read_letter(text) is None
    assert not is_choice(text)


@pytest.mark.parametrize("gold", ["d", "x", "F", "(N)"])
def test_other_letters_are_read_but_are_no_choice(gold: str) -> None:
    assert read_letter(gold) is not None
    assert not is_choice(gold)
