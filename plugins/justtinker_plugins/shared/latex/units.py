"""The words that may follow a number without changing it: units of measure and names of counted things.

Nothing is converted: for a gold of ``5 m`` the answer ``5 cm`` is wrong, and so is ``500 cm``.
"""

from __future__ import annotations

import re

_MEASURES = {
    "cm": "cm centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "in": "in inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mi": "mi mile miles",
    "mph": "mph",
    "kph": "kph",
    "g": "g gram grams",
    "kg": "kg kilogram kilograms",
    "lb": "lb lbs pound pounds",
    "ton": "ton tons tonne tonnes",
    "oz": "oz ounce ounces",
    "l": "l L liter liters litre litres",
    "ml": "ml milliliter milliliters",
    "gal": "gallon gallons",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
    "dollar": "dollar dollars usd bucks",
    "cent": "cent cents",
    "euro": "euro euros",
    "degree": "degree degrees deg",
    "rad": "rad radian radians",
    "K": "K kelvin",
    "J": "J joule joules",
    "N": "N newton newtons",
    "W": "W watt watts",
    "V": "V volt volts",
    "Hz": "Hz hertz",
    "eV": "eV",
    "erg": "erg ergs",
    "pc": "pc parsec parsecs",
    "au": "au AU",
    "A": "A ampere amperes amps",
    "Pa": "Pa pascal pascals",
    "C": "C coulomb coulombs",
    "T": "T tesla teslas",
    "F": "F farad farads",
    "mol": "mol mole moles",
    "percent": "percent",
    "micro": "mu",
}
_COUNTED = frozenset(
    "cdot unit units per point points way ways student students people person persons "  # noqa: SIM905
    "child children boy boys girl girls man men woman women apple apples orange oranges ball balls marble marbles "
    "card cards coin coins penny pennies nickel nickels dime dimes book books page pages game games "
    "team teams player players car cars step steps turn turns time times item items object objects element elements "
    "number numbers integer integers solution solutions value values digit digits pair pairs triple triples triangle "
    "triangles rectangle rectangles circle circles side sides edge edges vertex vertices face faces "
    "diagonal diagonals block blocks tile tiles box boxes bag bags ticket tickets vote votes word words letter letters "
    "arrangement arrangements combination combinations permutation permutations outcome outcomes subset subsets "
    "function functions sequence sequences root roots zero zeros cup cups piece pieces slice slices pizza pizzas "
    "cookie cookies egg eggs dog dogs cat cats bird birds fish flower flowers tree trees seat seats room rooms "
    "round rounds match matches member members row rows column columns packet packets pencil pencils pen pens "
    "real lattice distinct different ordered possible positive total prime square squares cube cubes line lines plane "
    "planes region regions set sets term terms factor factors divisor divisors primes chord chords polygon polygons "
    "hexagon hexagons intersection intersections worker workers friend friends handshake handshakes question questions "
    "problem problems matching matchings polynomial polynomials string strings trip trips lap laps toss tosses flip "
    "flips roll rolls group groups house houses bottle bottles bus buses stamp stamps toy toys candy candies sheep "
    "path paths route routes committee committees color colors colour colours".split()
)
_PREFIXES = "f p n u mu m c k M G T"
_BASES = "m g s A K mol Hz N Pa J W C V F T eV pc erg L bar Ohm"
_PREFIXED = {prefix + base: prefix + base for prefix in _PREFIXES.split() for base in _BASES.split()}
_NAME = {alias: name for name, aliases in _MEASURES.items() for alias in aliases.split()}
_POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}
_WORD = re.compile(r"[A-Za-z]+")
_ONLY_UNITS = re.compile(r"[ .]*(?:\\?[A-Za-z]+(?:\^?\{?-?[1-4²³]\}?)?[ ./*·-]*)*")


def is_unit(text: str) -> bool:
    """Whether every word of a text is a unit or a counted thing. So is an empty text, but not a power alone."""
    words = _WORD.findall(text)
    if not _ONLY_UNITS.fullmatch(text) or (text.strip() and not words):
        return False
    if words and all(word.lower() in _POWERS or word.lower() == "per" for word in words):
        return False
    return all(_is_known(word) for word in words)


def _unit_of(word: str) -> str:
    """A word's unit in one spelling; empty if it is none. Abbreviations keep their case: ``5 M`` is not a length."""
    return _NAME.get(word) or _PREFIXED.get(word) or (_NAME.get(word.lower(), "") if len(word) > 2 else "")


def _is_known(word: str) -> bool:
    return bool(_unit_of(word)) or word.lower() in _COUNTED or word.lower() in _POWERS


_NUMBER_AND_WORDS = re.compile(r"(\$[^$]*\$|[-+]?[0-9][0-9.,/]*)[ \t]+([A-Za-z]{3,}(?: [A-Za-z]{3,})*)")


def with_words_as_text(question: str, gold: str, answer: str) -> str:
    r"""Write the units behind a number as words: ``$7$ apples`` is ``7\text{ apples}``, and no product of letters."""
    found = _NUMBER_AND_WORDS.fullmatch(answer)
    return rf"{found[1].strip('$')}\text{{ {found[2]}}}" if found and is_unit(found[2]) else answer


_PIECE = re.compile(r"(?P<word>[A-Za-z]+)|\^ *\{? *(?P<power>-?[0-9]{1,2})|(?P<sign>[²³/])")
_RATES = {"mph": ("mi", "h"), "kph": ("km", "h")}


def measure(text: str) -> str:
    """The unit of measure in one spelling: ``square inches`` and ``inches^2`` are ``in^2``, ``m/s`` is ``m s^-1``.

    It is "" for counted things. All that follows a slash or a "per" is in the denominator, as in ``kg/m s``.
    """
    powers: dict[str, int] = {}
    last, sign_of_power, next_power = "", 1, 1
    for piece in _PIECE.finditer(text):
        word, sign = (piece["word"] or "").lower(), piece["sign"] or ""
        if word == "per" or sign == "/":
            sign_of_power = -1
        elif word in _POWERS and not word.endswith("ed"):
            next_power = _POWERS[word]
        elif word and word not in _POWERS:
            last, below = _RATES.get(word, (_unit_of(piece["word"]), ""))
            powers[last] = powers.get(last, 0) + sign_of_power * next_power
            powers[below] = powers.get(below, 0) - sign_of_power
            next_power = 1
        else:  # the power of the word before
            power = int(piece["power"] or _POWERS.get(word, 0) or {"²": 2, "³": 3}[sign])
            powers[last] = powers.get(last, 0) + sign_of_power * (power - 1)
    return " ".join(f"{name}^{n}" if n != 1 else name for name, n in sorted(powers.items()) if name and n)
