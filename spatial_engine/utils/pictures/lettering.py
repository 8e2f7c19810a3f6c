"""Text drawn as lines: the same pixels with every version of OpenCV.

OpenCV 5 has other fonts than OpenCV 4, and a larger thickness no longer gives a letter an outline.
Its lines are unchanged.

The Hershey Fonts were originally created by Dr. A. V. Hershey while working at the U. S. National
Bureau of Standards. The format of the font data was originally created by James Hurt, Cognition,
Inc., 900 Technology Park Drive, Billerica, MA 01821 (mit-eddie!ci-dandelion!hurt). Two characters
are two numbers, counted from "R": first the left and right side of a glyph, then its points (x, y),
y downwards. " R" lifts the pen.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

CAPITAL_HEIGHT = 21.0  # pixels of a capital letter at scale 1
_BASELINE = 9  # y of the baseline in a glyph
_SHIFT = 16  # OpenCV draws at 1/65536 of a pixel

# Letters of one stroke: those that marks have.
SIMPLEX = {
    "A": r"I[RFJ[ RRFZ[ RMTWT",
    "B": r"G\KFK[ RKFTFWGXHYJYLXNWOTP RKPTPWQXRYTYWXYWZT[K[",
    "C": r"H]ZKYIWGUFQFOGMILKKNKSLVMXOZQ[U[WZYXZV",
    "D": r"G\KFK[ RKFRFUGWIXKYNYSXVWXUZR[K[",
}

# Letters of two strokes side by side: the characters that the sample scenes show.
DUPLEX = {
    " ": r"JZ",
    "'": r"NWSFRGRM RSGRM RSFTGRM",
    "+": r"F_RIRZSZ RRISISZ RJQ[Q[R RJQJR[R",
    "0": r"H\QFNGLJKOKRLWNZQ[S[VZXWYRYOXJVGSFQF ROGMJLOLRMWOZ RNYQZSZVY RUZWWXRXOWJUG RVHSGQGNH",
    "1": r"H\NJPISFS[ RNJNKPJRHR[S[",
    "3": (
        r"H\MFXFQO RMFMGWG RWFPO RQNSNVOXQYTYUXXVZS[P[MZLYKWLW RPOSOVPXS RTOWQXTXUWXTZ RXVVYSZ"
        r"PZMYLW ROZLX"
    ),
    ":": r"MXRMQNQORPSPTOTNSMRM RRNROSOSNRN RRXQYQZR[S[TZTYSXRX RRYRZSZSYRY",
    "=": r"F_JM[M[N RJMJN[N RJU[U[V RJUJV[V",
    "A": r"H\RFJ[ RRIK[J[ RRIY[Z[ RRFZ[ RMUWU RLVXV",
    "B": (
        r"H\LFL[ RMGMZ RLFTFWGXHYJYMXOWPTQ RMGTGWHXJXMWOTP RMPTPWQXRYTYWXYWZT[L[ RMQTQWRXTXWWY"
        r"TZMZ"
    ),
    "C": r"H]ZKYIWGUFQFOGMILKKNKSLVMXOZQ[U[WZYXZV RZKYKXIWHUGQGOHMKLNLSMVOYQZUZWYXXYVZV",
    "D": r"H]LFL[ RMGMZ RLFSFVGXIYKZNZSYVXXVZS[L[ RMGSGVHWIXKYNYSXVWXVYSZMZ",
    "E": r"I\MFM[ RNGNZ RMFYF RNGYGYF RNPTPTQ RNQTQ RNZYZY[ RM[Y[",
    "F": r"I[MFM[ RNGN[M[ RMFYF RNGYGYF RNPTPTQ RNQTQ",
    "G": (
        r"H]ZKYIWGUFQFOGMILKKNKSLVMXOZQ[U[WZYXZVZRUR RZKYKXIWHUGQGOHNIMKLNLSMVNXOYQZUZWYXXYVYS"
        r"USUR"
    ),
    "H": r"G]KFK[ RKFLFL[K[ RYFXFX[Y[ RYFY[ RLPXP RLQXQ",
    "I": r"NWRFR[S[ RRFSFS[",
    "J": r"J[VFVVUYSZQZOYNVMV RVFWFWVVYUZS[Q[OZNYMV",
    "K": r"H]LFL[M[ RLFMFM[ RZFYFMR RZFMS RPOY[Z[ RQOZ[",
    "L": r"IZMFM[ RMFNFNZ RNZYZY[ RM[Y[",
    "M": r"F^JFJ[ RKKK[J[ RKKR[ RJFRX RZFRX RYKR[ RYKY[Z[ RZFZ[",
    "N": r"G]KFK[ RLIL[K[ RLIY[ RKFXX RXFXX RXFYFY[",
    "O": r"G]PFNGLIKKJNJSKVLXNZP[T[VZXXYVZSZNYKXIVGTFPF RQGNHLKKNKSLVNYQZSZVYXVYSYNXKVHSGQG",
    "P": r"H\LFL[ RMGM[L[ RLFUFWGXHYJYMXOWPUQMQ RMGUGWHXJXMWOUPMP",
    "Q": (
        r"G]PFNGLIKKJNJSKVLXNZP[T[VZXXYVZSZNYKXIVGTFPF RQGNHLKKNKSLVNYQZSZVYXVYSYNXKVHSGQG RSX"
        r"X]Y] RSXTXY]"
    ),
    "R": r"H\LFL[ RMGM[L[ RLFTFWGXHYJYMXOWPTQMQ RMGTGWHXJXMWOTPMP RRQX[Y[ RSQY[",
    "S": r"H\YIWGTFPFMGKIKKLMMNOOTQVRWSXUXXWYTZPZNYMXKX RYIWIVHTGPGMHLILKMMONTPVQXSYUYXWZT[P[MZKX",
    "T": r"J[RGR[ RSGS[R[ RLFYFYG RLFLGYG",
    "U": r"G]KFKULXNZQ[S[VZXXYUYF RKFLFLUMXNYQZSZVYWXXUXFYF",
    "V": r"H\JFR[ RJFKFRX RZFYFRX RZFR[",
    "W": r"E_GFM[ RGFHFMX RRFMX RRIM[ RRIW[ RRFWX R]F\FWX R]FW[",
    "X": r"H\KFX[Y[ RKFLFY[ RYFXFK[ RYFL[K[",
    "Y": r"I\KFRPR[S[ RKFLFSP RZFYFRP RZFSPS[",
    "Z": r"H\XFK[ RYFL[ RKFYF RKFKGXG RLZYZY[ RK[Y[",
    "a": r"H\WMW[X[ RWMXMX[ RWPUNSMPMNNLPKSKULXNZP[S[UZWX RWPSNPNNOMPLSLUMXNYPZSZWX",
    "c": r"I[XPVNTMQMONMPLSLUMXOZQ[T[VZXX RXPWQVOTNQNOONPMSMUNXOYQZTZVYWWXX",
    "d": r"H\WFW[X[ RWFXFX[ RWPUNSMPMNNLPKSKULXNZP[S[UZWX RWPSNPNNOMPLSLUMXNYPZSZWX",
    "e": r"I[MTXTXQWOVNTMQMONMPLSLUMXOZQ[T[VZXX RMSWSWQVOTNQNOONPMSMUNXOYQZTZVYWWXX",
    "h": r"H\LFL[M[ RLFMFM[ RMQPNRMUMWNXQX[ RMQPORNTNVOWQW[X[",
    "i": r"NWRFQGQHRISITHTGSFRF RRGRHSHSGRG RRMR[S[ RRMSMS[",
    "k": r"H[LFL[M[ RLFMFM[ RXMWMMW RXMMX RPTV[X[ RQSX[",
    "l": r"NWRFR[S[ RRFSFS[",
    "m": r"CbGMG[H[ RGMHMH[ RHQKNMMPMRNSQS[ RHQKOMNONQORQR[S[ RSQVNXM[M]N^Q^[ RSQVOXNZN\O]Q][^[",
    "n": r"H\LML[M[ RLMMMM[ RMQPNRMUMWNXQX[ RMQPORNTNVOWQW[X[",
    "o": r"I\QMONMPLSLUMXOZQ[T[VZXXYUYSXPVNTMQM RQNOONPMSMUNXOYQZTZVYWXXUXSWPVOTNQN",
    "p": r"H\LMLbMb RLMMMMb RMPONQMTMVNXPYSYUXXVZT[Q[OZMX RMPQNTNVOWPXSXUWXVYTZQZMX",
    "s": (
        r"J[XPWNTMQMNNMPNRPSUUWV RVUWWWXVZ RWYTZQZNY ROZNXMX RXPWPVN RWOTNQNNO RONNPOR RNQPRUT"
        r"WUXWXXWZT[Q[NZMX"
    ),
    "t": r"MXRFR[S[ RRFSFS[ ROMVMVN ROMONVN",
    "v": r"JZLMR[ RLMMMRY RXMWMRY RXMR[",
    "w": r"F^IMN[ RIMJMNX RRMNX RRPN[ RRPV[ RRMVX R[MZMVX R[MV[",
    "x": r"I[LMW[X[ RLMMMX[ RXMWML[ RXMM[L[",
}


def draw_text(
    image: np.ndarray,
    text: str,
    place: tuple[int, int],
    font: dict[str, str],
    scale: float,
    color: tuple[float, ...],
    thickness: int,
) -> None:
    """Draw text into a (height, width, 3) image; edges are smooth in uint8 images, not in float32.

    `place` is the pixel (x, y) where the baseline of the text starts. Raises KeyError for a
    character that the font does not have.
    """
    unit = round(scale * 2**_SHIFT)
    x, y = place[0] << _SHIFT, (place[1] << _SHIFT) - _BASELINE * unit
    for code in (font[character] for character in text):
        left, right = _sides(code)
        x -= left * unit
        for stroke in filter(None, code[2:].split(" R")):
            points = _pairs(stroke) * unit + (x, y)
            cv2.polylines(
                image, [points.astype(np.int32)], False, color, thickness, cv2.LINE_AA, _SHIFT
            )
        x += right * unit


def text_size(text: str, font: dict[str, str], scale: float, thickness: int) -> tuple[int, int]:
    """(width, height) of a text in pixels, from the baseline to the top of capital letters."""
    width = sum(right - left for left, right in (_sides(font[character]) for character in text))
    height = CAPITAL_HEIGHT * scale + (thickness + 1) // 2
    return round(width * scale + thickness), round(height)


def _sides(code: str) -> tuple[int, int]:
    left, right = _pairs(code[:2])[0].tolist()
    return left, right


@cache
def _pairs(code: str) -> np.ndarray:
    """(n, 2) int64 numbers of a piece of font data, of which there are few; not to be changed."""
    return np.array([ord(character) - ord("R") for character in code], np.int64).reshape(-1, 2)
