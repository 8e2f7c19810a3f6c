"""Units as models spell them, and numbers as they write them; both exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

# What a unit measures: a length, an angle, a place in an image, or else.
MM, DEGREE, PIXEL, OTHER = "mm", "degree", "pixel", "other"
OF_IMAGES = (OTHER, PIXEL)  # percent among the others

_SPELLED = {  # measure, how much of it -> spellings, in small letters
    (MM, "1/1000"): "µm μm micrometer micrometers micrometre micrometres micron microns 微米",
    (MM, "1"): "mm mms millimeter millimeters millimetre millimetres millimètre millimètres "
    "milímetro milímetros millimetern millimetro millimetri миллиметр миллиметра миллиметров мм "
    "毫米 公厘 ミリメートル ミリ 밀리미터 밀리",
    (MM, "10"): "cm cms centimeter centimeters centimetre centimetres centimètre centimètres "
    "centímetro centímetros zentimeter zentimetern centimetro centimetri сантиметр сантиметра "
    "сантиметров см 厘米 公分 センチメートル センチ 센티미터 센티 센치",
    (MM, "100"): "dm decimeter decimeters decimetre decimetres décimètre décimètres dezimeter 分米",
    (MM, "1000"): "m mtr mtrs meter meters metre metres mètre mètres metro metros metern metri "
    "метр метра метров м 米 公尺 メートル メーター 미터",
    (MM, "1000000"): "km kms kilometer kilometers kilometre kilometres kilomètre kilomètres "
    "kilómetro kilómetros kilometern км 千米 公里 キロメートル キロ 킬로미터",
    (MM, "127/5"): "inch inches \" '' pouce pouces zoll pulgada pulgadas дюйм дюйма дюймов 英寸 "
    "インチ 인치",
    (MM, "1524/5"): "ft foot feet ' pied pieds fuß pie pies фут фута футов 英尺 フィート 피트",
    (MM, "4572/5"): "yd yds yard yards 码 ヤード 야드",
    (MM, "1609344"): "mi mile miles 英里 マイル 마일",
    (DEGREE, "1"): "deg degs degree degrees ° °s grad grado grados degré degrés graus "
    "градус градуса "
    "градусов 度 도",
    (DEGREE, "57.295779513082321"): "rad rads radian radians radián radianes радиан 弧度 "
    "ラジアン 라디안",
    (OTHER, "1"): "% ‰ percent pct kg g gram grams s sec secs second "
    "seconds msec ms "
    "min mins minute minutes h hr hrs hour hours fps hz times turns revolutions lux °c °f k "
    "秒 次 个 초 번 퍼센트",
    (PIXEL, "1"): "px pixel pixels 像素 ピクセル 픽셀",
}  # fmt: skip


UNITS: dict[str, tuple[str, Fraction]] = {
    name: (measure, Fraction(factor))
    for (measure, factor), names in _SPELLED.items()
    for name in names.split()
}
_IS_INCH = re.compile(  # "47 in", "47 in. (1.2 m)", "47 in long", but not "5 in all"
    r"\.|[ ]{0,3}(?:$|[^A-Za-z0-9\[`\s.]|\n|(?:long|wide|tall|high|deep|thick|apart|away|"
    r"while|with|at|or|"
    r"and)\b)"
)
_IS_PREPOSITION = re.compile(
    r"[ ]{0,3}(?:the|this|that|these|all|total|whole|an?|both|it|each|either|every|real|our|my|its|"
    r"terms|image|frame|picture|view|depth|height|length|width|front|millimet\w+|centimet\w+|"
    r"met(?:er|re)s?|mm|cm|m|deg\w*|units?|[xyz]|world|space|\[|`)(?![A-Za-z])", re.IGNORECASE,
)  # fmt: skip
UNSURE = "in?"  # "47 in" with another word behind it


def _any_of(names: list[str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


_EAST = re.compile("[\u2e80-\u9fff\u30a0-\u30ff\uac00-\ud7af]")
_WESTERN = _any_of([name for name in UNITS if name[0].isalpha() and not _EAST.match(name)])
EASTERN = _any_of([name for name in UNITS if _EAST.match(name)])
_LATIN = r"A-Za-z\u00b5\u00c0-\u024f\u0370-\u03bf\u03c1-\u03ff\u0400-\u04ff"  # pi is a number
WORD = re.compile(rf"([ ]{{0,2}})(-[ ]?)?([{_LATIN}]+)")
_SIGN = re.compile(r"[ ]?(\"|''|'(?![A-Za-z])|°[ ]?[CFcf]\b|°s?|%|‰)")
_EASTERN = re.compile(rf"[ ]?({EASTERN})")
_POWER = re.compile(
    r"\.?(?:[ ]?\^[ ]?-?[\d{]|(?<=[A-Za-z])[23](?![\d]|[ ]?[a-z])|[ ]?/[ ]?[a-z]|[ ]?per\b|"
    r"平方|立方)"
)
_UNLIKE = re.compile(r"(?:square|cubic|sq|cu)\b", re.IGNORECASE)
_PIXELS = "px|pixels?|percent|%|像素"
TOLD = re.compile(  # "in meters", "(mm)", "unit: cm", "depth_m: ", "以米为单位"
    rf"(?:(?<![A-Za-z])in (?:whole |integer |full )?|[(\[,] ?(?:in )?|\bunits?(?: is| are| of)?"
    rf"\s?[:=]?\s?(?:in )?|_|[单單]位\s?(?:是|为|為|は|:)?\s?|단위\s?(?:는|:)?\s?|以)"
    rf"(?P<unit>{_WESTERN}|{EASTERN}|{_PIXELS}|°)(?P<end>\s?[)\],;:]|(?![{_LATIN}\d]))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unit:
    """What a unit measures, how much of the asked unit it is, and where its spelling ends."""

    measure: str
    factor: Fraction
    end: int = 0


def unit_behind(text: str, start: int) -> Unit | str | None:
    """The unit right behind a number; the word there if it is none; None for no word at all."""
    if found := _SIGN.match(text, start):
        name = found[1].lower().replace(" ", "")
        if name == '"' and re.search(r'(?<!\d)"', text[max(0, start - 200) : start]):
            return name  # closes a quotation
        return _unit(name, text, found.end())
    if found := _EASTERN.match(text, start):
        return _unit(found[1], text, found.end())
    if not (found := WORD.match(text, start)):
        return None
    name = found[3].lower()
    if name == "in":
        if _IS_INCH.match(text, found.end()):
            return Unit(MM, Fraction("25.4"), found.end())
        return name if _IS_PREPOSITION.match(text, found.end()) else UNSURE
    if name in UNITS:
        return _unit(name, text, found.end())
    return Unit(OTHER, Fraction(1), found.end()) if _UNLIKE.match(name) else name


def _unit(name: str, text: str, end: int) -> Unit:
    measure, factor = UNITS[name]
    if measure != OTHER and _POWER.match(text, end):
        return Unit(OTHER, Fraction(1), end)
    return Unit(measure, factor, end)


def told_units(text: str) -> list[tuple[int, Unit]]:
    """Units that a text states apart from a number, and where."""
    found = []
    for told in TOLD.finditer(text):
        before, name = told[0][0], told["unit"].lower()
        closes = told["end"].strip()
        if (before in "([," and closes not in (")", "]")) or (before == "_" and closes != ":"):
            continue
        if name in ("s", "g", "h", "k", "min", "second", "in") or (name == "m" and before == ","):
            continue
        measure, factor = UNITS.get(name, (OTHER, Fraction(1)))
        found.append((told.start(), Unit(measure, factor)))
    return found


# ---- numbers -----------------------------------------------------------------------------------
MAX_DIGITS = 18
_TOKEN = (  # digits with what may group or divide them, a fraction, a power of ten
    r"(?P<digits>(?:\d+|\.\d+)(?:[.,]\d+|[ '_]\d{3}(?!\d))*)"
    r"(?P<fraction>(?:[ ]\d{1,3})?/\d{1,3}(?![\d/]))?"
    r"(?:[eE](?P<e>[-+]?\d{1,2})(?![\d.])|\s?[*xX]\s?10\s?(?:\^|\*\*)\s?(?P<ten>[-+]?\d{1,2})(?!\d)"
    r"|(?P<power>\^|\*\*)\s?(?P<exponent>[-+]?\d{1,2})(?!\d))?"
)
TOKEN = re.compile(r"(?<![A-Za-z0-9_.])" + _TOKEN)
GLUED_TOKEN = re.compile(_TOKEN)  # right behind a unit


@dataclass(frozen=True)
class Number:
    """An unsigned number; `step` is what its last digit counts. `comma`: of decimals, so that it
    is one only with a unit. `ambiguous`: 1.200 and 1,200 are not the same everywhere."""

    value: Fraction
    step: Fraction
    comma: bool = False
    ambiguous: str = ""


def read_number(token: re.Match[str]) -> Number | None:
    """The number that is written so, None where it can be none or two."""
    if token["fraction"]:
        return None if token["e"] or token["ten"] else _fraction(token)
    number = _digits(token["digits"])
    if number is None:
        return None
    if token["power"]:  # 10^3, and no other power
        return (
            Number(value := Fraction(10) ** int(token["exponent"]), value)
            if token["digits"] == "10"
            else None
        )
    if exponent := token["e"] or token["ten"]:
        scale = Fraction(10) ** int(exponent)
        return Number(number.value * scale, number.step * scale)
    return number


def _fraction(token: re.Match[str]) -> Number | None:
    found = re.fullmatch(r"(?:(\d{1,3}) )?(\d{1,3})/(\d{1,3})", token["digits"] + token["fraction"])
    if not found or not int(found[3]):
        return None
    value = Fraction(int(found[2]), int(found[3])) + int(found[1] or 0)
    return Number(value, Fraction(1, 100), comma=True)


def _digits(text: str) -> Number | None:
    """1234, 1,234.5, 1 234,5, 1'234, 1.234,5, 1,5: None for what is none of them, or too long."""
    if len(text) > 3 * MAX_DIGITS:
        return None
    grouped = r"[1-9]\d{0,2}(?:(?P<by>[ ,.'_])\d{3})(?:(?P=by)\d{3})*"
    found = re.fullmatch(rf"(?P<whole>{grouped}|\d*)(?:(?P<mark>[.,])(?P<decimals>\d+))?", text)
    if not found or (found["by"] and found["by"] == found["mark"]):
        return None
    if max(len(found["whole"]), len(found["decimals"] or "")) > MAX_DIGITS:
        return None
    by, mark, decimals = found["by"], found["mark"], found["decimals"] or ""
    if by == "." and mark is None:  # 1.234 is not grouped here, 1.234.567 is nothing
        if text.count(".") > 1:
            return None
        whole, decimals = text.split(".")
        return _number(whole, decimals, ambiguous="." if len(whole) < 3 else "")
    whole = re.sub(r"\D", "", found["whole"])
    ambiguous = "," if by == "," and mark is None and text.count(",") == 1 else ""
    return _number(whole, decimals, comma=mark == "," and by is None, ambiguous=ambiguous)


def _number(whole: str, decimals: str, comma: bool = False, ambiguous: str = "") -> Number:
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    return Number(value, Fraction(1, 10 ** len(decimals)), comma, ambiguous)


def is_only_quantities(text: str) -> bool:
    """Whether a text has no words but units."""
    text = re.sub(rf"{EASTERN}", " ", TOKEN.sub(" ", text))
    words = re.findall(r"[^\W\d_]+", text)
    return all(word.lower() in UNITS for word in words)
