"""A model's text made plain: thinking taken away, one spelling for what has many.

What comes out has plain blanks and minus signs, ASCII digits and letters, powers as `^3`, and of
LaTeX, HTML and Markdown nothing but what states an answer: boxes and answer tags between BOX and
TAG marks, bold between `**`, and backticks.
"""

from __future__ import annotations

import html
import re
import unicodedata

MAX_CHARACTERS = 100_000  # of a prediction; the end is kept, where answers stand
BOX, BOX_END, TAG, TAG_END = "\ue000\ue001\ue002\ue003"  # private characters: no text has them

_THINKING = (
    "think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|seed:think|cot|rationale"
)
_THOUGHT_TAG = re.compile(
    rf"(?P<open><\s?(?:{_THINKING})\s?>|◁think▷|\[think(?:ing)?\]|<\|(?:begin_of_thought|"
    rf"start_thinking|think(?:ing)?)\|>|<\|channel\|>\s?(?:analysis|commentary)|<unused94>|<channel>analysis)"
    rf"|(?P<final><\|channel\|>\s?final(?:<\|message\|>)?|assistantfinal"
    rf"|<\|begin_of_solution\|>)"
    rf"|<\s?/\s?(?:{_THINKING})\s?>|◁/think▷|\[/think(?:ing)?\]|<\|(?:end_of_thought|end_thinking"
    rf"|/think(?:ing)?)\|>|<unused95>",
    re.IGNORECASE,
)


def without_thinking(text: str) -> str | None:
    """The text without what the model thought aloud; None where that was cut off.

    Thinking that is closed but never opened began with the text: what is behind it counts.
    """
    kept: list[str] = []
    begin, inside = 0, bool(re.match(r"analysis(?=[A-Z])", text))  # a channel without its marks
    for tag in _THOUGHT_TAG.finditer(text):
        if tag["open"]:
            if not inside:
                kept.append(text[begin : tag.start()])
            inside = True
            continue
        if tag["final"] or not inside:
            kept.clear()
        inside, begin = False, tag.end()
    if inside:
        return None
    kept.append(text[begin:])
    return "\n".join(kept)


_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe58\ufe63\uff0d\u2796", "-")
_BLANKS = dict.fromkeys(
    "\t\x0b\x0c\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000", " "
)  # fmt: skip
_INVISIBLE = dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad\ue000\ue001\ue002\ue003")
_LETTERS = {
    "º": "°", "˚": "°", "″": '"', "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "′": "'",
    "‘": "'", "’": "'", "ʹ": "'", "`": "`", "×": "*", "✕": "*", "·": "*", "⋅": "*", "∙": "*",
    "⟨": "[", "⟩": "]", "〈": "[", "〉": "]", "【": "[", "】": "]", "「": '"', "」": '"', "『": '"',
    "』": '"', "〜": "~", "～": "~", "∼": "~", "、": ", ", "⁄": "/", "÷": "/", "\r": "\n",
    "\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\x1c": " ", "\x1d": " ", "\x1e": " ",
    "\x1f": " ",
}  # fmt: skip
_SPELLINGS = str.maketrans(_DASHES | _BLANKS | _INVISIBLE | _LETTERS)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_VULGAR = re.compile("(?<=[0-9])(?=[¼½¾⅐-⅞])")  # 1½ is not 11/2
_CIRCLED = re.compile("[①-⑳⑴-⒇⒈-⒛]")  # numbers of a list


def _one_spelling(text: str) -> str:
    """Unicode's many blanks, dashes, quotes, digits and letters as one of each."""
    if text.isascii():
        return text.replace("\t", " ").replace("\r", "\n")
    text = _CIRCLED.sub(" ", _VULGAR.sub(" ", text))
    text = _SUPERSCRIPT.sub(lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", text.translate(_SPELLINGS)).translate(_SPELLINGS)
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text
    )


_SETS_TEXT = (
    r"text(?:bf|rm|it|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|bb|cal|normal)|operatorname|boldsymbol|"
    r"mbox|hbox|bm|pmb|underline|overline|emph|vec|hat|ensuremath|tag|unit|si|displaystyle|bf|rm|it"
)
_MATRIX = r"\{(?:[bpvVB]?(?:small)?matrix|array|cases)\}(?:\{[lcr| ]{1,9}\})?"
_LATEX = [
    (re.compile(r"\{,\}"), ","),  # 1{,}200
    (re.compile(r"\\(?:SI|qty)\s?\{([^{}]{1,60})\}\s?\{([^{}]{1,60})\}"), r"\1 \2"),
    (re.compile(r"\\[dt]?frac\s?\{([^{}]{1,60})\}\s?\{([^{}]{1,60})\}"), r" \1/\2"),
    (re.compile(r"\\\\(?![A-Za-z])|(?<=[\d\s])&(?=[-\s\d])"), ", "),  # rows, columns
    (re.compile(r"\\begin\s?" + _MATRIX), "["),
    (re.compile(r"\\end\s?" + _MATRIX), "]"),
    (
        re.compile(
            r"\^\s?\{?\s?\\(?:circ|degree)(?![A-Za-z])\s?\}?|\\(?:degree|circ|textdegree)(?![A-Za-z])"
        ),
        "°",
    ),
    (re.compile(r"\^\s?\{\s?([-+]?\d{1,3})\s?\}"), r"^\1"),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\pm(?![A-Za-z])"), "±"),
    (re.compile(r"\\sqrt(?![A-Za-z])"), "√"),
    (re.compile(r"\\pi(?![A-Za-z])"), "π"),
    (re.compile(r"\\(?:approx|simeq|sim)(?![A-Za-z])"), " ~"),
    (re.compile(r"\\(?:leq?|lt)(?![A-Za-z])"), "<"),
    (re.compile(r"\\(?:geq?|gt)(?![A-Za-z])"), ">"),
    (re.compile(r"\\langle(?![A-Za-z])"), "["),
    (re.compile(r"\\rangle(?![A-Za-z])"), "]"),
    (re.compile(r"\\(?:metre|meter)(?![A-Za-z])"), " m"),
    (re.compile(r"\\(?:centi)\s?\\?(?:metre|meter)(?![A-Za-z])"), " cm"),
    (re.compile(r"\\(?:milli)\s?\\?(?:metre|meter)(?![A-Za-z])"), " mm"),
    (re.compile(rf"\\(?:{_SETS_TEXT}|left|right|[bB]igg?[lr]?|quad|qquad)(?![A-Za-z])"), ""),
    (re.compile(r"\\[,;:! ]|(?<=[\d{])~(?=\\?[A-Za-z{])"), " "),
    (re.compile(r"\\[()\[\]]|\$+"), " "),
    (re.compile(r"\\n(?![A-Za-z])"), "\n"),  # a line end that was printed
    (re.compile(r"\\(?=[%#&_{}*~`\"'-])"), ""),
    (re.compile(r"\\[A-Za-z]{1,30}"), " "),
]
_BOXED = re.compile(r"\\(?:f?boxed|fbox)\s?\{")


def _boxes(text: str) -> str:
    """`\\boxed{...}` between marks, its braces matched; a box that is never closed is empty."""
    parts, begin = [], 0
    while found := _BOXED.search(text, begin):
        depth, end = 1, found.end()
        for brace in re.finditer(r"[{}]", text[found.end() : found.end() + 400]):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                end = found.end() + brace.start()
                break
        inside = text[found.end() : end]
        parts += [text[begin : found.start()], BOX, _BOXED.sub("{", inside), BOX_END]
        begin = end + (depth == 0)
    return "".join([*parts, text[begin:]])


_TAGS = [
    (re.compile(r"<\|begin_of_box\|>", re.I), BOX),
    (re.compile(r"<\|end_of_box\|>", re.I), BOX_END),
    (re.compile(r"<\s?(?:final[_ -]?)?answer\s?>|\[answer\]|<\|answer\|>", re.I), TAG),
    (re.compile(r"<\s?/\s?(?:final[_ -]?)?answer\s?>|\[/answer\]|<\|/answer\|>", re.I), TAG_END),
    (re.compile(r"</?(?:b|strong)>", re.I), "**"),
    (re.compile(r"<(?:br|p|li|tr|div|h\d)\s?/?>", re.I), "\n"),
    (re.compile(r"<sup>\s?([-+]?\d{1,3})\s?</sup>", re.I), r"^\1"),
    (re.compile(r"<code>|</code>", re.I), "`"),
    (re.compile(r"<points?\s[^<>]{0,200}>", re.I), " "),  # Molmo's are percent of the image
    (re.compile(r"<\|?point(?:_start)?\|?>", re.I), "["),
    (re.compile(r"<\|?/?point(?:_end)?\|?>", re.I), "]"),
    (re.compile(r"<\|[^|<>]{1,40}\|>|</?[a-z][a-z0-9_]{0,20}(?:\s[^<>]{0,80})?/?>", re.I), " "),
]  # fmt: skip
_MARKDOWN = [
    (  # explanations in json are thinking
        re.compile(
            r"\"(?:reason|reasons|reasoning|explanation|rationale|justification|analysis|thoughts?|thinking)\""
            r"\s?:\s?\"(?:[^\"\\]|\\.){0,4000}\"\s?,?",
            re.IGNORECASE,
        ),
        "",
    ),
    (re.compile(r"(?<![<=-])--?>(?!\d*>)"), " → "),
    (re.compile(r"\.{3}(?=\d)"), "... "),
    (re.compile(r"\"{3}|'{3}"), " "),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), "^"),
    (re.compile(r"^[ ]{0,9}(?:#{1,6}|>(?![ ~]*\d))[ ]{1,4}", re.M), ""),  # headings, quotes
    (  # the name of a table's row
        re.compile(
            r"^[ ]{0,9}\|[ ]{0,9}([^|\n\d]{0,40}[^|\n\d ])[ ]{0,9}\|(?=[ ]{0,9}[-+~]?\d)", re.M
        ),
        r"\1: ",
    ),
    (re.compile(r"^[ ]{0,9}[*+•‣▪◦–][ ]{1,4}(?=\S)|^[ ]{0,9}-[ ]{1,4}(?=[^\d\s.])", re.M), ""),
    (re.compile(r"^[ ]{0,9}\|?[ ]{0,4}:?-{2,99}[-:| ]{0,999}$", re.MULTILINE), ""),  # of a table
    (re.compile(r"^[ ]{0,9}\||\|[ ]{0,9}$", re.MULTILINE), " "),
    (re.compile(r"[ ]{0,9}\|[ ]{0,9}"), " , "),
    (re.compile(r"(?<![\w_])__(?=\S)([^_\n]{1,200})__(?![\w_])"), r"**\1**"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]{1,200})_(?![\w_])"), r"\1"),
    (re.compile(r"(?<![\w*\d])\*\*\*(?=\S)([^*\n]{1,200})\*\*\*(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w* ])\*(?=[^\s*])([^*\n]{1,200})(?<=[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<= )\*(?=[^\s*])([^*\n]{1,200})(?<=[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w\"])\"([^\"\n]{0,300})\""), r"\1"),  # quotes; 47" has no opening one
    (re.compile(r"(?<![\w'])'([^'\n]{0,300})'(?!\w)"), r"\1"),
]


_LIST_NUMBER = re.compile(r"^[ ]{0,9}(\d{1,2})[.)][ ]{1,4}(?=\S)", re.MULTILINE)
_BLANK_RUN = re.compile("[ ]{2,}")
_BRACES = str.maketrans("{}", "  ")


def plain_text(text: str) -> str | None:
    """The text that an answer is looked for in; None where it is thinking that was cut off."""
    said = without_thinking(text)
    if said is None:
        return None
    said = _one_spelling(said[-MAX_CHARACTERS:])
    if "&" in said:
        said = _one_spelling(html.unescape(said))
    if "<" in said or "[" in said:
        for pattern, plain in _TAGS:
            said = pattern.sub(plain, said)
    if "\\" in said or "$" in said or "{" in said:
        said = _boxes(said)
        for pattern, plain in _LATEX:
            said = pattern.sub(plain, said)
    for pattern, plain in _MARKDOWN:
        said = pattern.sub(plain, said)
    return _BLANK_RUN.sub(" ", _without_list_numbers(said).translate(_BRACES))


def _without_list_numbers(text: str) -> str:
    """The text without the numbers 1, 2, ... that its lines begin with, if two or more do."""
    items = [int(number) for number in _LIST_NUMBER.findall(text)]
    if len(items) > 1 and items == list(range(1, len(items) + 1)):
        return _LIST_NUMBER.sub("", text)
    return text
