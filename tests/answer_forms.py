"""Answers composed at random of what models print, with the answer that each of them gives.

`python tests/answer_forms.py SEED CASES` tries many, and prints those that are read as another
answer than the one given, which is never right; not to be read is (`test_answers.py`).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from spatial_engine.evaluation.answer_reading.answers import read_answer
from spatial_engine.utils.questions.tasks import TASKS, Task

LENGTH, ANGLE, VECTOR, POINT, LETTER, YAW, PITCH, DEPTH_WISE, LETTERS, COUNT, TURN, SIZE = (
    TASKS[name] for name in (
        "camera_total_distance", "camera_yaw_angle", "camera_displacement_vector",
        "correspondence_coor", "correspondence_multichoice", "camera_yaw_movement",
        "camera_pitch_movement", "camera_z_movement", "correspondence_seen_where",
        "object_count_distinct", "camera_net_turn", "object_joint_size",
    )
)  # fmt: skip
ROUNDED = Fraction(1, 100)  # of an answer in inches, feet or radians

LENGTH_UNITS = {  # mm in one -> spellings
    Fraction(1): ["mm", "MM", "millimeters", "millimetres", "毫米", "ミリメートル", "밀리미터",
                  r"\text{ mm}", r"\,\mathrm{mm}", "milímetros"],
    Fraction(10): ["cm", "CM", "centimeters", "centimetres", "厘米", "公分", "センチメートル",
                   "센티미터", r"\text{ cm}", r"~\mathrm{cm}"],
    Fraction(1000): ["m", "M", "meters", "metres", "meter", "米", "公尺", "メートル", "미터",
                     r"\text{ m}", r"\,\mathrm{m}", "mètres", "metros"],
    Fraction("25.4"): ["inches", "in.", '"', "inch", "英寸"],
    Fraction("304.8"): ["ft", "feet", "ft.", "英尺"],
}  # fmt: skip
ANGLE_UNITS = ["°", " °", "º", " degrees", " deg", " degree", "度", "도", r"^\circ", r"^{\circ}"]
ROTATIONS = {
    YAW: {"left": ["left", "leftward", "leftwards", "to the left", "左", "向左", "왼쪽"],
          "right": ["right", "rightward", "rightwards", "to the right", "右", "向右", "오른쪽"]},
    PITCH: {"up": ["up", "upward", "upwards", "向上", "위로"],
            "down": ["down", "downward", "downwards", "向下", "아래로"]},
    DEPTH_WISE: {"forward": ["forward", "forwards", "向前", "前进", "앞으로"],
                 "backward": ["backward", "backwards", "向后", "后退", "뒤로"]},
}  # fmt: skip

STATED = [  # whatever else is said
    r"\boxed{{{}}}", r"$\boxed{{\text{{{}}}}}$", r"So: \boxed{{{}}}", "<answer>{}</answer>",
    "<answer> {} </answer>", "``{}``", "`{}`", "It is `{}`.", "Answer: {}", "**Answer:** {}",
    "**Answer: {}**", "The answer is {}.", "Final answer: {}", "The final answer is **{}**.",
    "答案：{}", "答案是{}", "정답은 {}입니다", "答えは{}です", "### Answer\n{}", "Answer\n\n{}",
    '{{"answer": "{}"}}', '```json\n{{"answer": "{}"}}\n```', "ANSWER: {}", "respuesta: {}",
    "Die Antwort ist {}", "My answer: {}",
]  # fmt: skip
ALONE = ["{}", "{}.", "**{}**", "*{}*", "It is {}.", "({})", " {}\n", "“{}”", "It's {}!"]
THOUGHT = [
    "<think>{}</think>", "<thinking>{}</thinking>\n", "<reasoning>{}</reasoning>", "{}</think>\n\n",
    "[THINK]{}[/THINK]", "◁think▷{}◁/think▷", "<reflection>{}</reflection>",
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
]  # fmt: skip
CUT_OFF = [
    "<think>{}",
    "<thinking>{}",
    "[THINK]{}",
    "◁think▷{}",
    "<|channel|>analysis<|message|>{}",
]
CORRECTED = [
    " Wait, actually {}.",
    "\nCorrection: {}",
    " Hmm, no: {}.",
    "\n\nOn second thought, {}",
]


@dataclass
class Form:
    """A text, the task it answers, and the answer that it gives; None: it gives none."""

    task: Task
    text: str
    right: str | tuple[Fraction, ...] | None


def compose(rng: random.Random) -> Form:
    """A random form of a random kind of answer."""
    kind = rng.choice([
        _length, _length, _length, _angle, _vector, _point, _letter, _word, _set, _count, _turn,
        _size,
    ])  # fmt: skip
    task, said, right, others, asides = kind(rng)
    return Form(task, *_placed(rng, said, right, others, asides))


def _placed(rng, said, right, others: Callable[[], str], asides: list[str]):
    """The answer at a place where it is stated, or alone, or in a sentence, among distractors."""
    way = rng.random()
    if way < 0.04:
        return rng.choice(CUT_OFF).format(f"{others()} {said}"), None
    if way < 0.08:
        return rng.choice(STATED).format(said) + rng.choice(CORRECTED).format(others()), None
    if way < 0.6:
        text = rng.choice(STATED).format(said)
        if rng.random() < 0.5:
            text = f"{_sentence(rng, others())}\n{text}"
        if rng.random() < 0.5:
            text = f"{text}\n{_sentence(rng, others())}"
    elif way < 0.75:
        text = rng.choice(ALONE).format(said)
        if rng.random() < 0.5:
            text += "\n\n" + _sentence(rng, others())
    else:
        text = f"From Image-1 to Image-2, it is {said}{rng.choice(asides)}."
        if rng.random() < 0.3:
            text += " " + _sentence(rng, others())
    if rng.random() < 0.2:
        text = rng.choice(THOUGHT).format(_sentence(rng, others())) + text
    return text, right


def _sentence(rng, other: str) -> str:
    return rng.choice(
        ["Reason: {} was seen.", "Compare {}, which is elsewhere.", "- first {} was considered",
         "In Image-1 there is {} and in Image-2 as well.", "这里{}。"]
    ).format(other)  # fmt: skip


# ---- lengths and angles -------------------------------------------------------------------------
def _length(rng):
    value = rng.choice([rng.randint(20, 999), rng.randint(1000, 9999), rng.randint(10000, 30000)])
    said, right = length(rng, value)
    asides = [
        "", " while turning 30 degrees", " with a turn of 15°", " (error 50 mm)", " ± 7 mm",
        f" (about {value / 304.8:.3f} ft)", f" ({value / 10:.1f} cm)", " (95% sure)",
        ", seen with 2 eyes", " at [ 599 , 217 ]", " at (12, 800)",
    ]  # fmt: skip
    return (
        LENGTH,
        said,
        (right,),
        lambda: length(rng, value + rng.randint(500, 4000), plain=True)[0],
        asides,
    )


def length(rng: random.Random, value: int, plain: bool = False) -> tuple[str, Fraction]:
    """A length as models write it, and how much it is in millimetres; `plain`: nothing in bold."""
    factor = rng.choice(list(LENGTH_UNITS))
    unit = rng.choice(LENGTH_UNITS[factor])
    if rng.random() < 0.08 and value >= 1000:
        return rng.choice([
            f"{value // 1000} m {value % 1000 / 10:g} cm",
            f"{value // 1000}m{value % 1000 // 10}cm",
            f"{value // 1000}米{value % 1000 // 10}厘米",
        ]), Fraction(value)  # fmt: skip
    if factor in (Fraction("25.4"), Fraction("304.8")):
        return f"{float(value / factor):.3f} {unit}".replace(' "', '"'), Fraction(value)
    number = number_form(rng, value / factor, decimal_comma=True)
    joint = rng.choice(["", " ", " ", "\u2009", "\xa0"])
    if unit[0] == "\\" or unit[0] == "~":
        joint = ""
    if unit.isascii() and unit.isalpha() and not plain and rng.random() < 0.1:
        return rng.choice(
            [f"{number} ({unit})", f"**{number}** {unit}", f"{number}-{unit}"]
        ), Fraction(value)
    return number + joint + unit, Fraction(value)


def number_form(rng: random.Random, value: Fraction, decimal_comma: bool = False) -> str:
    """An unsigned number in one of many notations."""
    places = 0 if value.denominator == 1 else len(f"{float(value):.6f}".rstrip("0").split(".")[1])
    plain = f"{float(value):.{places}f}"
    whole, _, decimals = plain.partition(".")
    forms = [
        plain,
        plain,
        plain,
        plain.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
    ]
    if len(whole) > 3:
        tail = f".{decimals}" if decimals else ""
        marks = (",", " ", "\u2009", "\u202f", "'", "’", "{,}", r"\,", "_")
        forms += [f"{whole[:-3]}{mark}{whole[-3:]}{tail}" for mark in marks]
    power = len(whole) - 1
    short = f"{float(value) / 10**power:.8f}".rstrip("0").rstrip(".")
    if power and "e" not in short:
        forms += [short + form.format(power) for form in
                  (r" \times 10^{}", r" \times 10^{{{}}}", "*10^{}", "e{}", " x 10^{}", " × 10^{}",
                   "·10^{}")]  # fmt: skip
    if decimals and decimal_comma:
        forms.append(f"{whole},{decimals}")
    return rng.choice(forms)


def _angle(rng):
    value = rng.randint(2, 170)
    unit = rng.choice(ANGLE_UNITS)
    said = f"{value}{unit}"
    if rng.random() < 0.1:
        said = f"{value / 57.29578:.4f} {rng.choice(['rad', 'radians', '弧度'])}"
    asides = ["", " while moving 1.2 m", " and 300 mm", " ± 2°", f" ({value / 57.29578:.3f} rad)",
              " (error 2 degrees)", ", over 2 images"]  # fmt: skip
    others = lambda: f"{value + rng.randint(5, 100)}{rng.choice(ANGLE_UNITS)}"  # noqa: E731
    return ANGLE, said, (Fraction(value),), others, asides


# ---- vectors and points -------------------------------------------------------------------------
def _vector(rng):
    values = [rng.randint(10, 2999) * rng.choice([-1, 1]) for _ in range(3)]
    others = lambda: vector(rng, [v + rng.randint(500, 900) for v in values])  # noqa: E731
    return (
        VECTOR,
        vector(rng, values),
        tuple(map(Fraction, values)),
        others,
        ["", " while turning 15°"],
    )


def vector(rng: random.Random, values: list[int]) -> str:
    """A vector as models write it."""
    factor, unit = rng.choice([(1, ""), (1, " mm"), (10, " cm"), (1000, " m")])
    minus = rng.choice(["-", "−", "–", "- "])
    told = [
        (minus if v < 0 else "") + f"{abs(v) / factor:.4f}".rstrip("0").rstrip(".") for v in values
    ]
    each = [f"{entry}{unit}" for entry in told]
    named = list(zip("xyz", each, strict=True))
    words = [("right", "left"), ("down", "up"), ("forward", "backward")]
    directed = [
        (pair[value < 0], entry.lstrip(minus))
        for value, entry, pair in zip(values, each, words, strict=True)
    ]
    shuffled = rng.sample(named, 3)
    return rng.choice([
        f"[{', '.join(told)}]{unit}", f"({', '.join(told)}){unit}", f"[{', '.join(each)}]",
        f"[ {' , '.join(told)} ]{unit}", ", ".join(each), f"[{'; '.join(each)}]",
        f"[{','.join(told)}]{unit}", ", ".join(f"{name}: {entry}" for name, entry in shuffled),
        ", ".join(f"{name} = {entry}" for name, entry in shuffled),
        ", ".join(f"{entry} {way}" for way, entry in directed),
        ", ".join(f"{way} {entry}" for way, entry in rng.sample(directed, 3)),
        "{{" + ", ".join(f"'{name}': {entry}" for name, entry in shuffled) + "}}",
        r"\begin{bmatrix}" + r" \\ ".join(told) + r"\end{bmatrix}" + unit,
    ])  # fmt: skip


def _point(rng):
    x, y = rng.randint(0, 1000), rng.randint(0, 1000)
    others = lambda: point(rng, (x + 7) % 1000, rng.randint(0, 1000))  # noqa: E731
    return POINT, point(rng, x, y), (Fraction(x), Fraction(y)), others, [""]


def point(rng: random.Random, x: int, y: int) -> str:
    """Coordinates as models write them."""
    return rng.choice([
        f"[ {x} , {y} ]", f"[{x}, {y}]", f"({x},{y})", f"{x}, {y}", f"x={x}, y={y}",
        f"y: {y}, x: {x}", f"<point>{x} {y}</point>", f"<point>[{x}, {y}]</point>", f"({x}；{y})",
        f"（{x}，{y}）", f"[[{x}, {y}]]", f"[{x}.0, {y}.0]",
    ])  # fmt: skip


# ---- options ------------------------------------------------------------------------------------
def _letter(rng):
    letter, other = rng.sample("ABCD", 2)
    said = rng.choice(["{}", "({})", "Option {}", "Dot {}", "{}", "{}"]).format(letter)
    denied = ["neither {0} nor this", "dot {0} on the lamp", "{0}", "that {0} is hidden", "not {0}"]
    return LETTER, said, letter, lambda: rng.choice(denied).format(other), [
        "", f", not {other}", f" rather than {other}", f", as {other} is hidden",
    ]  # fmt: skip


def _word(rng):
    task = rng.choice(list(ROTATIONS))
    right, wrong = rng.sample(list(ROTATIONS[task]), 2)
    said = rng.choice(ROTATIONS[task][right])
    others = lambda: rng.choice(["not {}", "{}", "neither way but {}"]).format(  # noqa: E731
        rng.choice(ROTATIONS[task][wrong])
    )
    return task, said, right, others, ["", " by 30 degrees", f", not {wrong}", f" or {wrong}"]


# ---- of several frames --------------------------------------------------------------------------
def _set(rng):
    letters = rng.sample("ABCDE", rng.randint(1, 3))
    rest = [letter for letter in "ABCDE" if letter not in letters]
    by = rng.choice([", ", ",", " and ", "; ", " & ", ", and ", " "])
    said = rng.choice(["{}", "{}", "[{}]", "({})", "{}"]).format(by.join(letters))
    denied = ["neither {0} nor {1}", "dot {0} on the lamp", "{0}", "{0} and {1}", "that {0} is "
              "hidden", "not {0}", "{0}, {1}"]  # fmt: skip
    others = lambda: rng.choice(denied).format(*rng.sample(rest, 2))  # noqa: E731
    return LETTERS, said, ", ".join(sorted(letters)), others, [
        "", f", not {rest[0]}", f" rather than {rest[0]}", f", as {rest[0]} is hidden",
    ]  # fmt: skip


_NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]


def _count(rng):
    value = rng.randint(2, 9)
    number = rng.choice([str(value), str(value), _NUMBERS[value - 2]])
    said = rng.choice(["{}", "{}", "{} chairs", "{} different chairs"]).format(number)
    other = value + rng.randint(1, 5)
    aside = ["{} tables", "{} of them", "not {}", "at least {} chairs"]
    return COUNT, said, (Fraction(value),), lambda: rng.choice(aside).format(other), [
        "", " in all 3 images", " over 4 frames", " within 1.2 m", f", not {other}", " (error 1)",
    ]  # fmt: skip


def _turn(rng):
    value = rng.choice([-1, 1]) * rng.randint(15, 300)
    side = "left" if value > 0 else "right"
    clock = "counterclockwise" if value > 0 else "clockwise"
    unit, minus = rng.choice(ANGLE_UNITS[:6]), rng.choice(["-", "−", "–"])
    said = rng.choice([
        f"{minus if value < 0 else ''}{abs(value)}{unit}",
        f"{minus if value < 0 else '+'}{abs(value)}{unit}",
        f"{abs(value)}{unit} to the {side}", f"{abs(value)}{unit} {clock}",
        f"{side} {abs(value)}{unit}",
    ])  # fmt: skip
    asides = ["", " while moving 1.2 m", " ± 2°", " (left is positive)", " (error 2 degrees)"]
    others = lambda: f"{abs(value) + rng.randint(5, 100)}{rng.choice(ANGLE_UNITS)}"  # noqa: E731
    return TURN, said, (Fraction(value),), others, asides


def _size(rng):
    values = [rng.randint(60, 2999) for _ in range(3)]
    others = lambda: size(rng, [v + rng.randint(500, 900) for v in values])  # noqa: E731
    return SIZE, size(rng, values), tuple(map(Fraction, values)), others, ["", " on Image-2"]


def size(rng: random.Random, values: list[int]) -> str:
    """Height, length and width as models write them."""
    factor, unit = rng.choice([(1, ""), (1, " mm"), (10, " cm"), (1000, " m")])
    told = [f"{value / factor:.4f}".rstrip("0").rstrip(".") for value in values]
    each = [f"{entry}{unit}" for entry in told]
    named = list(zip(("height", "length", "width"), each, strict=True))
    adjectives = list(zip(("tall", "long", "wide"), each, strict=True))
    return rng.choice([
        f"[{', '.join(told)}]{unit}", f"[ {' , '.join(told)} ]{unit}", f"[{', '.join(each)}]",
        ", ".join(f"{name}: {entry}" for name, entry in rng.sample(named, 3)),
        ", ".join(f"{name} = {entry}" for name, entry in rng.sample(named, 3)),
        "; ".join(f"{name} {entry}" for name, entry in rng.sample(named, 3)),
        ", ".join(f"{entry} {name}" for name, entry in rng.sample(adjectives, 3)),
        "{{" + ", ".join(f"'{name}': {entry}" for name, entry in rng.sample(named, 3)) + "}}",
    ])  # fmt: skip


# ---- the check ----------------------------------------------------------------------------------
def is_right(found, right) -> bool:
    """Whether an answer is the one that was given, but for rounding in other units."""
    if not isinstance(found, tuple) or not isinstance(right, tuple):
        return found == right
    bound = ROUNDED * max(1, *(abs(value) for value in right))
    return len(found) == len(right) and all(
        abs(a - b) <= bound for a, b in zip(found, right, strict=True)
    )


def misread(seed: int, cases: int) -> Iterator[tuple[Form, object]]:
    """The forms that are not read as they are meant, with what is read; None for nothing."""
    rng = random.Random(seed)
    for _ in range(cases):
        form = compose(rng)
        found = read_answer(form.text, form.task)
        if not is_right(found, form.right):
            yield form, found


if __name__ == "__main__":
    lost = 0
    for form, found in misread(int(sys.argv[1]), int(sys.argv[2])):
        lost += found is None
        if found is not None or len(sys.argv) > 3:
            shown = found and (found if isinstance(found, str) else [*map(float, found)])
            print(
                form.task.name,
                repr(form.text),
                "->",
                shown,
                "given:",
                form.right and str(form.right),
            )
    print(f"{lost} of {sys.argv[2]} not read")
