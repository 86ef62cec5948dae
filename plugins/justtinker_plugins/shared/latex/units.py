"""The words that may follow a number without changing it: units of measure and names of counted things.

English, Spanish and Chinese. Nothing is converted: for a gold of ``5 m`` the answer ``5 cm`` is wrong, and so is
``500 cm``. The list of counted things is short: `asked_words` takes more from the question.
"""

from __future__ import annotations

import re
from functools import lru_cache

CJK = "\u4e00-\u9fff"
LETTERS = rf"A-Za-z\u00c0-\u024f{CJK}"
"""The letters of unit words, for a character class."""

_MEASURES = {
    "cm": "cm centimeter centimeters centimetre centimetres centímetro centímetros centimetro centimetros 厘米 公分",
    "mm": "mm millimeter millimeters millimetre millimetres milímetro milímetros milimetro milimetros 毫米",
    "dm": "dm decimeter decimeters decimetre decimetres decímetro decímetros 分米",
    "m": "m meter meters metre metres metro metros 米 公尺",
    "km": "km kilometer kilometers kilometre kilometres kilómetro kilómetros kilometro kilometros 千米 公里",
    "in": "in inch inches pulgada pulgadas 英寸",
    "ft": "ft foot feet 英尺",
    "yd": "yd yard yards",
    "mi": "mi mile miles milla millas 英里",
    "mph": "mph",
    "kph": "kph",
    "g": "g gram grams gramo gramos 克",
    "kg": "kg kilogram kilograms kilo kilos kilogramo kilogramos 千克 公斤",
    "lb": "lb lbs",
    "pound": "pound pounds libra libras",
    "ton": "ton tons tonne tonnes tonelada toneladas 吨",
    "oz": "oz ounce ounces",
    "l": "l L liter liters litre litres litro litros 升",
    "ml": "ml mL milliliter milliliters mililitro mililitros 毫升",
    "gal": "gallon gallons",
    "s": "s sec secs second seconds segundo segundos 秒",
    "min": "min mins minute minutes minuto minutos 分钟",
    "h": "h hr hrs hour hours hora horas 小时",
    "day": "day days día días dia dias 天",
    "week": "week weeks semana semanas 周",
    "month": "month months mes meses 个月",
    "year": "year years yr yrs año años 年 岁",
    "dollar": "dollar dollars usd bucks dólar dólares dolar dolares 美元",
    "cent": "cent cents centavo centavos céntimo céntimos 美分",
    "euro": "euro euros eur 欧元",
    "gbp": "gbp sterling 英镑",
    "yuan": "yuan rmb 元 块钱",
    "jiao": "角",
    "yen": "yen 日元",
    "¥": "¥",
    "deg": "degree degrees deg grado grados 度",
    "celsius": "celsius 摄氏度",
    "fahrenheit": "fahrenheit 华氏度",
    "rad": "rad radian radians radianes 弧度",
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
    "pct": "percent",
    "micro": "mu",
}
THINGS = frozenset(
    "apple apples orange oranges ball balls marble marbles card cards coin coins penny pennies nickel nickels dime "  # noqa: SIM905
    "dimes book books page pages car cars block blocks box boxes bag bags ticket tickets vote votes cup cups piece "
    "pieces slice slices pizza pizzas cookie cookies egg eggs dog dogs cat cats bird birds fish flower flowers tree "
    "trees seat seats room rooms packet packets pencil pencils pen pens house houses bottle bottles bus buses stamp "
    "stamps toy toys candy candies sheep".split()
)
"""Counted things that nobody confuses: 5 oranges are not 5 apples."""
_COUNTED = THINGS | frozenset(
    "cdot unit units unidad unidades per por point points way ways people person persons time times item items object "  # noqa: SIM905
    "objects element elements number numbers integer integers solution solutions value values digit digits pair pairs "
    "triple triples triangle triangles rectangle rectangles circle circles side sides edge edges vertex vertices face "
    "faces diagonal diagonals arrangement arrangements combination combinations permutation permutations outcome "
    "outcomes subset subsets function functions sequence sequences root roots zero zeros real lattice distinct "
    "different ordered possible positive total prime square squares cube cubes line lines plane planes region regions "
    "set sets term terms factor factors divisor divisors primes chord chords polygon polygons hexagon hexagons "
    "intersection intersections matching matchings handshake handshakes polynomial polynomials string strings step "
    "steps turn turns move moves game games match matches path paths route routes case cases choice choices student "
    "students committee committees color colors colour colours group groups team teams row rows column columns tile "
    "tiles veces formas maneras personas puntos child children boy boys girl girls man men woman women player players "
    "word words letter letters round rounds 个 只 条 本 张 辆 人 名 位 次 种 棵 块 支 枝 件 台 朵 匹 头 页 间 把 杯 碗 "
    "道 题 分 倍 颗 根 粒 架 艘 口 套 面 "
    "member members worker workers friend friends question questions problem problems trip trips lap laps toss tosses "
    "flip flips roll rolls".split()
)
_PREFIXES = "f p n u mu m c k M G T"
_BASES = "m g s A K mol Hz N Pa J W C V F T eV pc erg L bar Ohm"
_PREFIXED = {prefix + base: prefix + base for prefix in _PREFIXES.split() for base in _BASES.split()}
_NAME = {alias: name for name, aliases in _MEASURES.items() for alias in aliases.split()}
_POWERS_BEFORE = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_AFTER = {
    "squared": 2, "cubed": 3, "cuadrado": 2, "cuadrados": 2, "cuadradas": 2, "cúbico": 3, "cúbicos": 3, "cubicos": 3,
}  # fmt: skip
_POWERS = _POWERS_BEFORE | _POWERS_AFTER
_PER = frozenset({"per", "por"})
_WORD = re.compile(rf"[{LETTERS}]+")
_ONLY_UNITS = re.compile(rf"[ .]*+(?:\\?[{LETTERS}]++(?:\^?\{{?-?[1-4²³]\}}?)?[ ./*·-]*+)*+")
_CHINESE_POWERS = (("平方", " square "), ("立方", " cubic "), ("每", " per "))
MONEY = frozenset({"dollar", "euro", "gbp", "yuan", "yen"})
_EITHER = {
    "pound": {"lb", "gbp"}, "¥": {"yuan", "yen"}, "deg": {"celsius", "fahrenheit"}, "Hz": {"s^-1"},
    "N": {"kg m s^-2"}, "J": {"N m", "kg m^2 s^-2"}, "W": {"J s^-1", "kg m^2 s^-3"}, "Pa": {"N m^-2", "kg m^-1 s^-2"},
}  # fmt: skip
"""What may mean one or the other, such as a pound of apples and a pound of money; or the same in base units."""

_SHORT = "cm|mm|km|kg|mph|USD|(?<= )(?:ft|in|lbs?|oz|mi|yd|hrs?|mins?|sec|ml|mL|deg)(?= *(?:$|[,;)}]))"
_LONG = sorted((w for w in [*_NAME, *_COUNTED, *_POWERS] if len(w) > 3 or w in ("way", "per")), key=len, reverse=True)
_RAW = rf"(?:{_SHORT}|(?i:{'|'.join(_LONG)}))(?![{LETTERS}])"
RAW_UNITS = rf"(?<=[0-9)}} ]){_RAW}(?: *[/ ] *{_RAW}|/(?:h|s|m)(?![{LETTERS}]))*+"
"""A pattern of unit words outside ``\\text``. Most words of three letters are products, such as ``5abc``."""


def is_unit(text: str) -> bool:
    """Whether every word of a text is a unit or a counted thing. So is an empty text, but not a power alone."""
    text = _spaced(text)
    words = _WORD.findall(text)
    if not _ONLY_UNITS.fullmatch(text) or (text.strip() and not words):
        return False
    if words and all(word.lower() in _POWERS or word.lower() in _PER for word in words):
        return False
    return all(map(is_unit_word, words))


def _spaced(text: str) -> str:
    """Write Chinese powers as words of their own: 平方米 is two of them."""
    for chinese, english in _CHINESE_POWERS if not text.isascii() else ():
        text = text.replace(chinese, english)
    return text


def _unit_of(word: str) -> str:
    """A word's unit in one spelling; empty if it is none. Abbreviations keep their case: ``5 M`` is not a length."""
    return _NAME.get(word) or _PREFIXED.get(word) or (_NAME.get(word.lower(), "") if len(word) > 2 else "")


def is_unit_word(word: str) -> bool:
    """Whether a single word can be part of a unit."""
    return bool(_unit_of(word)) or word.lower() in _COUNTED or word.lower() in _POWERS


_PIECE = re.compile(rf"(?P<word>[{LETTERS}]+|¥)|\^ *\{{? *(?P<power>-?[0-9]{{1,2}})|(?P<sign>[²³/])")
_RATES = {"mph": ("mi", "h"), "kph": ("km", "h")}


@lru_cache(maxsize=4096)
def measure(text: str) -> str:
    """The unit of measure in one spelling: ``square inches`` and ``inches^2`` are ``in^2``, ``m/s`` is ``m s^-1``.

    It is "" for counted things. All that follows a slash or a "per" is in the denominator, as in ``kg/m s``.
    """
    powers: dict[str, int] = {}
    last, sign_of_power, next_power = "", 1, 1
    for piece in _PIECE.finditer(_spaced(text)):
        word, sign = (piece["word"] or "").lower(), piece["sign"] or ""
        if word in _PER or sign == "/":
            sign_of_power = -1
        elif word in _POWERS_BEFORE:
            next_power = _POWERS[word]
        elif word and word not in _POWERS:
            last, below = _RATES.get(word, (_unit_of(piece["word"]), ""))
            powers[last] = powers.get(last, 0) + sign_of_power * next_power
            powers[below] = powers.get(below, 0) - sign_of_power
            next_power = 1
        else:  # the power of the word before
            power = int(piece["power"] or _POWERS.get(word, 0) or {"²": 2, "³": 3}[sign])
            powers[last] = powers.get(last, 0) + sign_of_power * (power - 1)
    if powers.keys() & {"celsius", "fahrenheit"}:
        powers.pop("deg", None)
    return " ".join(f"{name}^{n}" if n != 1 else name for name, n in sorted(powers.items()) if name and n)


def same_measure(one: str, other: str) -> bool:
    """Whether two measures, as `measure` spells them, can be the same; ``pound`` is a weight or money."""
    return one == other or other in _EITHER.get(one, ()) or one in _EITHER.get(other, ())
