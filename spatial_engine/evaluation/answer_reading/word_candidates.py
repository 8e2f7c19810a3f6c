"""Words and letters that a text names: what an answer that is one of given options may be."""

from __future__ import annotations

import re

from spatial_engine.evaluation.answer_reading.places import Place
from spatial_engine.utils.questions.tasks import LETTER, Task

UNCLEAR = ""  # a candidate that is named and denied

FORMS = {  # of a direction, alone or in a sentence
    "left": r"left|leftwards?|left-?hand|izquierda|gauche|links|sinistra|esquerda|влево|"
    r"налево|слева",
    "right": r"right|rightwards?|right-?hand|derecha|droite|rechts|destra|direita|вправо|направо|"
    r"справа",
    "up": r"up|upwards?|arriba|oben|aufwärts|вверх",
    "down": r"down|downwards?|abajo|unten|abwärts|вниз",
    "forward": r"forwards?|ahead|vorwärts|adelante|вперед|вперёд",
    "backward": r"backwards?|back|rearwards?|rückwärts|atrás|назад",
}
_EAST = {  # words of a sentence without blanks; one sign alone is an answer, but no word for sure
    "left": "左|왼쪽|좌측|좌회전|ひだり",
    "right": "右|오른쪽|우측|우회전|みぎ",
    "up": "[向往朝]上|上[升移方仰]|위로|위쪽|위를|上へ|上に|上向",
    "down": "[向往朝]下|下[降移方]|아래|下へ|下に|下向",
    "forward": "[向往朝]前|前[进進移方]|앞으로|앞쪽|전진|前へ|前に",
    "backward": "[向往朝][后後]|[后後][退移方进進]|뒤로|뒤쪽|후진|[后後]ろ",
}
_ALONE = {"up": "上|위|うえ", "down": "下|した", "forward": "前|앞|まえ", "backward": "后|後|뒤"}
_DIRECTIONS = {
    name: re.compile(rf"(?<![a-z\d])(?:{forms})(?![a-z\d])|{_EAST[name]}", re.IGNORECASE)
    for name, forms in FORMS.items()
}
_ALONE_FORMS = {
    name: re.compile(rf"(?:{FORMS[name]}|{_EAST[name]}|{_ALONE.get(name, 'left^')})", re.IGNORECASE)
    for name in FORMS
}
_IDIOMS = re.compile(  # left, right, up and back that are no directions of a motion
    r"\b(?:on|from|in|at|of|by) (?:the|its) (?:left|right)(?:(?:[ -]hand)?[ -]side)?\b|"
    r"(?<!\bto )(?<!\btoward )(?<!\btowards )\bthe (?:left|right) "
    r"(?!side|hand|direction|by|and|or|is|was|as|since|because|of)[a-z]{3,}|"
    r"\b(?:right[ -](?:angles?|now|away|here|there|after|before|answer|one|choice|option|"
    r"direction)|"
    r"(?:all|that's|that is|you're|is it|am I) right(?= *[.,!?]|$)|(?:the )?right answer|"
    r"left (?:over|out|behind|the (?:room|scene|frame|image))|(?:what's|what is|nothing|"
    r"something|anything) left(?= *[.?!]|$)|"
    r"(?:end|ends|ended|pick|picks|picked|set|sets|make|makes|made|show|shows|close|line|lines|lined|"
    r"sum|sums|add|adds|follow|back|look|looked|mix|mixed|get|give|come|comes)[ -]up(?! or| and)|"
    r"up[ -](?:to(?! the (?:left|right))|front)|close-?ups?|upside down|"
    r"(?:break|breaks|breaking|broken|settle|write|note|calm)[ -]down|look(?:ing|s)? forward to|"
    r"(?:straight|fast)[ -]forward|go(?:ing)? ahead|back(?:[ -]and[ -]forth| (?:to the|of|"
    r"in|wall|side|door))|"
    r"the back|go(?:ing)? back|come back|look(?:ing)? back|forward (?:axis|direction|pass)|"
    r"(?:left|right|up|down)[ -]most)\b|左右|上下|前后|前後",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|never|neither|nor|without|rather than|instead of|wrong|incorrect|cannot|except|"
    r"excluded?|excluding|eliminat\w+|rule[sd]? out|unlikely|impossible|mismatch\w*|no longer|"
    r"different|fails?|hidden|occluded)\b|n't\b|不|没|沒|非|错|錯|排除|除了|ではな|じゃな|ない|아니|아닙|아닌|않|제외|틀",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.,;:!?()\n。]|\bbut\b|\bso\b")
_LETTER = re.compile(r"(?<![A-Za-z0-9_'-])([A-Z])(?![A-Za-z0-9_'])(?!-[A-Za-z])")
ARTICLE = re.compile(  # opens a sentence: "A chair ...", but not "A is closer ..."
    r"(?:^|[.!?:\n])\s{0,3}A(?= [a-z])(?! (?:is|was|has|and|or|in|at|on|lies|appears|seems|looks|"
    r"matches|corresponds|because|since|as|than|would|must|fits|marks|shows|for|with|"
    r"to|through|vs|versus|nor|but|not|then|rather|instead|can|could|might|may|should|does)\b)"
)
_SPOKEN_OF = re.compile(  # small letters that are announced; "the point is a corner" does not
    r"(?i:\b(?:option|answer|choice|letter|point|dot)(?: is)?[\s:*(]{1,4})"
    r"([b-z]\b|a\b(?! [a-z]))"
)
_ENGLISH_FILLING = re.compile(
    r"\b(?:it|that|this|is|it's|that's|the|to|towards?|answer|my|dot|point|option|letter|choice|"
    r"moved?|moves|turned|turns|rotated|tilted|shifted|went|camera|direction|final|correct|i|choose|"
    r"side|hand|definitely|probably|likely|mostly|slightly|think|would|say|be|of|one|by|a|bit)\b|"
    r"答案|正解|정답|选项?|選項?|選択肢|入니다|입니다|이다|です|だ|是|は|은|는|向|往|朝|侧|側|边|邊|方|へ|に|으로|로|了|"
    r"相机|相機|カメラ|카메라|移动|移動|이동|转|轉|进|進|退|升|降|移",
    re.IGNORECASE,
)
_NO_LETTERS = re.compile(r"[^\W\d_]")
_NOT_APPLICABLE = re.compile(r"\bN/A\b", re.IGNORECASE)
_EDGE = " \t\r\n.,;:!?()[]{}<>'\"*#~-。"


def option_candidates(place: Place, task: Task) -> list[str]:
    """The options that a place names, each once; UNCLEAR for one that is denied."""
    text = _NOT_APPLICABLE.sub(" ", place.text)
    if (only := _alone(text, task)) is not None:
        return [only]
    found = []
    for clause in _CLAUSE.split(text if task.answer == LETTER else _IDIOMS.sub(" ", text)):
        named = _named(clause, task)
        found += [UNCLEAR] if named and DENIED.search(clause) else []
        found += named
    if task.answer == LETTER:
        found += _article_and_small(text, task, found)
    return list(dict.fromkeys(found))


def is_only_option(place: Place, task: Task) -> bool:
    """Whether a place holds nothing but an option, or several."""
    text = place.text.strip(_EDGE)
    if _alone(text, task) is not None:
        return True
    if task.answer == LETTER:
        rest = _LETTER.sub(" ", text)
        return rest != text and not _NO_LETTERS.search(_filled(rest))
    rest = text
    for name in task.options:
        rest = _DIRECTIONS[name].sub(" ", rest)
    return rest != text and not _NO_LETTERS.search(_filled(rest))


def _filled(text: str) -> str:
    return re.sub(r"\b(?:or|and|either)\b|或|和", " ", _ENGLISH_FILLING.sub(" ", text), flags=re.I)


def _alone(text: str, task: Task) -> str | None:
    """The option that a text is, whatever its case and punctuation."""
    bare = text.strip(_EDGE)
    if task.answer == LETTER:
        return bare.upper() if bare.upper() in task.options else None
    for name in task.options:
        if _ALONE_FORMS[name].fullmatch(bare):
            return name
    return None


def _named(clause: str, task: Task) -> list[str]:
    if task.answer == LETTER:
        letters = set(_LETTER.findall(clause)) - {"A"}
        return [letter for letter in task.options if letter in letters]
    return [name for name in task.options if _DIRECTIONS[name].search(clause)]


def _article_and_small(text: str, task: Task, found: list[str]) -> list[str]:
    """Letters that depend on what is around: A, an article or not, and announced small ones."""
    without = ARTICLE.sub(" ", text)
    named = ["A"] if "A" in _LETTER.findall(without) else []
    if named and any(
        "A" in _LETTER.findall(part) and DENIED.search(part) for part in _CLAUSE.split(without)
    ):
        named.append(UNCLEAR)
    named += [letter.upper() for letter in _SPOKEN_OF.findall(text)]
    return [letter for letter in named if letter == UNCLEAR or letter in task.options]


def direction_pattern(name: str) -> re.Pattern[str]:
    """How a direction is named in a sentence."""
    return _DIRECTIONS[name]
