"""The words that may follow a number without changing it: units of measure and things that are counted.

What it does not: convert. ``5 cm`` for a gold of ``5 m`` is wrong, and ``50 cm`` for ``0.5 m`` is not worked out.
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
    """Whether every word of a text is a unit or something that is counted; an empty text is, a lone power is not."""
    words = _WORD.findall(text)
    if not _ONLY_UNITS.fullmatch(text) or (text.strip() and not words):
        return False
    if words and all(word.lower() in _POWERS or word.lower() == "per" for word in words):
        return False
    return all(_known(word) for word in words)


def _named(word: str) -> str:
    """A word's unit in one spelling. Abbreviations keep their case: ``5 M`` is no length."""
    return _NAME.get(word) or _PREFIXED.get(word) or (_NAME.get(word.lower(), "") if len(word) > 2 else "")


def _known(word: str) -> bool:
    return bool(_named(word)) or word.lower() in _COUNTED or word.lower() in _POWERS


_PIECE = re.compile(r"(?P<word>[A-Za-z]+)|\^ *\{? *(?P<power>-?[0-9]{1,2})|(?P<sign>[²³/])")
_RATES = {"mph": ("mi", "h"), "kph": ("km", "h")}


def measure(text: str) -> str:
    """The unit of measure in one spelling: ``square inches`` and ``inches^2`` are ``in^2``, ``m/s`` is ``m s^-1``.

    Counted things are ""; after a slash or a "per" all is below the bar, as in ``kg/m s``.
    """
    powers: dict[str, int] = {}
    last, above, coming = "", 1, 1
    for piece in _PIECE.finditer(text):
        word, sign = (piece["word"] or "").lower(), piece["sign"] or ""
        if word == "per" or sign == "/":
            above = -1
        elif word in _POWERS and not word.endswith("ed"):
            coming = _POWERS[word]
        elif word and word not in _POWERS:
            last, below = _RATES.get(word, (_named(piece["word"]), ""))
            powers[last] = powers.get(last, 0) + above * coming
            powers[below] = powers.get(below, 0) - above
            coming = 1
        else:  # a power of what stands before it
            power = int(piece["power"] or _POWERS.get(word, 0) or {"²": 2, "³": 3}[sign])
            powers[last] = powers.get(last, 0) + above * (power - 1)
    return " ".join(f"{name}^{n}" if n != 1 else name for name, n in sorted(powers.items()) if name and n)
