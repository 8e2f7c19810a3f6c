"""Where a text states its answer, in the order of how plainly it does (docs/answers.md).

Rank by rank, the first whose places hold an answer decides. What the writer marked as the answer
comes before what merely looks like one, and both before the running text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from spatial_engine.evaluation.answer_reading.plain_text import BOX, BOX_END, TAG, TAG_END

MAX_PLACES = 50  # of one rank; who states more answers states none
MAX_CLAUSE = 600  # characters behind an announcement
CONTEXT = 160  # characters of the line around a place, where its unit may be told


@dataclass(frozen=True)
class Place:
    """Text that states an answer, with what stands before and behind it in its line."""

    before: str
    text: str
    after: str
    rest: Callable[[], str]  # all that is behind it


@dataclass(frozen=True)
class Rank:
    """Places of one kind. `bare`: only those count that hold nothing but an answer; `opening`: and
    the first of them must. `closed`: if none of them can be read, there is no answer."""

    name: str
    places: list[Place]
    bare: bool = False
    opening: bool = False
    closed: bool = False


_MARKS = re.compile(f"[`{BOX}{BOX_END}{TAG}{TAG_END}]|\\*\\*")
_BOX = re.compile(f"{BOX}([^{BOX}{BOX_END}]*)(?:{BOX_END}|$)")
_TAG = re.compile(f"{TAG}([^{TAG}{TAG_END}]*)(?:{TAG_END}|$)")
_DOUBLE = re.compile(r"`{2,}(?:(?:json|text|txt|plaintext|python|markdown)\n)?(.+?)`{2,}", re.S)
_SINGLE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")

_QUALIFIER = (
    r"(?:[ ]?\([^()\n]{1,40}\)|,?[ ](?:in|to|for|of|here|therefore|thus)\b[^.,:=\n]{0,40},?)?"
)
_SIGNED = r"[ ][\d.]+[ ]?[a-z]{0,3}[,; ]+[-+]?[ ]?\d"  # - 1, 2, 3: a minus, or none
_LINK = (
    rf"{_QUALIFIER}(?:[ ]?,)?(?:[ ]?[:=]|[ ](?:is|are|was|would be|should be|must "
    rf"be)\b:?|[ ]→|[ ]-(?=[ ])(?!{_SIGNED})|[ ]{{0,3}}\n)\s*"
)
_NOUN = r"(?:answers?|choice|solution|result|verdict|ans|selection)"
_FINAL = re.compile(
    rf"\b(?:final|overall|definitive|ultimate)[\s_](?:{_NOUN}|estimate|guess|conclusion){_LINK}"
    r"|(?:最终|最后|最終|最後)的?(?:答案|结果|結果|回答)(?:应该?|應該?)?(?:是|为|為|は|:|=)\s*"
    r"|최종 ?(?:정답|답변?)(?:은|는|:|=)\s*",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    rf"(?<!\bto )(?<![A-Za-z]){_NOUN}{_LINK}"
    rf"|\bmy (?:best )?(?:estimate|guess)\b{_LINK}|\bconclusion\s?[:=]\s?"
    r"|\b(?:correct|right|best|matching) (?:option|letter|dot|point|match|direction|one)"
    r"(?: is|\s?[:=])\s?"
    r"|\bI(?:'d| would| will|'ll)? (?:choose|pick|select|go with|chose|opt for)\s"
    r"|(?:答案|选项|選項|结果|結果|回答|答え|正解|解答)(?:应该?|應該?)?(?:是|为|為|は|:|=)\s?"
    r"|[应應我故]该?(?:选择?|選擇?)\s?"
    r"|(?:정답|답변?|결과)(?:은|는|:|=)\s?"
    r"|\b(?:respuesta|réponse|antwort|resposta|risposta|lösung|ответ)(?:\s[^\W\d]{1,12})?"
    r"\s?(?:\bes\b|\best\b|\bist\b|\blautet\b|\bé\b|\bè\b|:|=)\s?",
    re.IGNORECASE,
)
_CONFIRMED = re.compile(  # told behind the answer: "B is correct"
    r"(?P<it>(?<![\w.])[^\s.,;]{1,20})\)? (?:is|must be|would be) (?:correct\b|the "
    r"(?:correct |right |best )?"
    r"(?:answer|match|option|choice|one)\b)"
    r"|(?P<east>(?<![A-Za-z0-9])[A-Z])(?:选项|項)?\s?(?:是正确|是正確|正确|正確|가 정답|이 "
    r"정답|が正解|が正しい)"
)
_ABBREVIATED = re.compile(r"\b(approx|ca|est|e\.g|i\.e|resp|cf|vs|esp)\.", re.IGNORECASE)
_REASON = (
    r"because|since|as|due to|given|based on|considering|which|where|so that|judging|while|"
    r"assuming|if|using|"
    r"whereas|although|though|and (?:the|it)|with (?:the|a)"
)
_CLAUSE_END = re.compile(
    rf"[.!](?=\s|$)|[。;:\n]|(?<=\S)\s?\((?!\w\)|or\b|maybe|perhaps|possibly)|\s-\s(?=[^\W\d])|(?<=\b[A-Z])\)(?=\s)"
    rf"|\b,?\s(?:{_REASON})\b|,\s?(?:for|so)\b|,?\s?(?:因为|因為|由于|なぜなら|왜냐하면)",
    re.IGNORECASE,
)
_LIST_END = re.compile(
    rf"[.!?](?=\s+[^\W\d]|\s*$)|。|\n[ ]*\n|(?<=[\])])\n|(?<=[\w\]). ])\n(?=(?:- "
    rf")?[^\W\d_]{2})|\b,?\s(?:{_REASON})\b"
    r"|,?\s?(?:因为|因為|由于|なぜなら|왜냐하면)",
    re.IGNORECASE,
)


_SET_END = re.compile(  # of letters: they may go on in further lines, one in each
    rf"[.!?](?=\s+[^\W\d]|\s*$)|。|\n[ ]*\n|\n(?=[ ]?(?:- )?[^\W\d_][^\W\d_])"
    rf"|\b,?\s(?:{_REASON})\b|,?\s?(?:因为|因為|由于|なぜなら|왜냐하면)",
    re.IGNORECASE,
)

_CLAUSE_START = re.compile(r"(?:^|(?<=[\n.;,!?。]))\s*(?=\S)(?!(?<=[.,])\S)")
_SENTENCE_START = re.compile(r"(?:^|(?<=[\n.;!?。]))\s*(?=\S)(?!(?<=[.])\S)")


def running_text(text: str) -> str:
    """The text without the marks that state something."""
    return _ABBREVIATED.sub(r"\1", _MARKS.sub("", text))


def ranks(text: str, several: bool, letters: bool = False) -> Iterator[Rank]:
    """The ranks of places in a plain text that have any, the plainest first.

    `several`: the answer has more than one number, so that a comma or line end does not end it;
    `letters`: the same of letters.
    """
    yield from _marked(text)
    plain = running_text(text)
    end = _SET_END if letters else _LIST_END if several else _CLAUSE_END
    yield from _announced(plain, end)
    if found := list(_BOLD.finditer(text)):
        yield _rank("bold", text, [f.span(1) for f in found], bare=True)
    yield from _lines(plain, end)


def _marked(text: str) -> Iterator[Rank]:
    for name, pattern, closed in (
        ("box", _BOX, True), ("tag", _TAG, True), ("double backticks", _DOUBLE, False),
    ):  # fmt: skip
        if found := [f.span(1) for f in pattern.finditer(text)]:
            yield _rank(name, text, found, closed=closed)
    outside = _DOUBLE.sub(" ", text)
    if found := [f.span(1) for f in _SINGLE.finditer(outside)]:
        yield _rank("single backticks", outside, found)


def _announced(plain: str, end: re.Pattern[str]) -> Iterator[Rank]:
    for name, pattern in (("final answer", _FINAL), ("announced", _ANNOUNCED)):
        starts = [found.end() for found in islice(pattern.finditer(plain), MAX_PLACES + 1)]
        spans = [(start, _stop(plain, start, start + MAX_CLAUSE, end)) for start in starts]
        if pattern is _ANNOUNCED:
            confirmed = islice(_CONFIRMED.finditer(plain), MAX_PLACES + 1)
            spans += [f.span("it" if f["it"] else "east") for f in confirmed]
        if spans:
            yield _rank(name, plain, sorted(spans))


def _lines(plain: str, end: re.Pattern[str]) -> Iterator[Rank]:
    """First and last line; then all clauses, of which the first must be an answer."""
    spans = [found.span() for found in re.finditer(r"[^\s][^\n]*", plain)]
    if not spans:
        return
    yield _rank("first or last line", plain, sorted({spans[0], spans[-1]}), bare=True)
    begin = _CLAUSE_START if end is _CLAUSE_END else _SENTENCE_START
    starts = [found.end() for found in islice(begin.finditer(plain), MAX_PLACES + 1)]
    heads = [(start, _stop(plain, start, start + MAX_CLAUSE, end)) for start in starts]
    yield _rank("first clause", plain, heads, bare=True, opening=True)


def _stop(text: str, start: int, limit: int, end: re.Pattern[str]) -> int:
    """Where the clause ends that starts there."""
    found = end.search(text, start, limit)
    return found.start() if found else min(limit, len(text))


def _rank(name: str, text: str, spans: list[tuple[int, int]], **kind: bool) -> Rank:
    return Rank(name, [_place(text, *span) for span in spans[: MAX_PLACES + 1]], **kind)


def _place(text: str, start: int, end: int) -> Place:
    before = text[max(0, start - CONTEXT) : start].rsplit("\n", 1)[-1]
    after = text[end : end + CONTEXT].lstrip(f"`*{BOX_END}{TAG_END}").split("\n", 1)[0]
    return Place(
        running_text(before), running_text(text[start:end]), running_text(after),
        partial(_rest, text, end),
    )  # fmt: skip


def _rest(text: str, end: int) -> str:
    return running_text(text[end:])
