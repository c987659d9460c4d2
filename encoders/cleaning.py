"""Cleaning of texts before words are counted: words alone, without stop words and special characters.

Chinese is cut into words by jieba (here rjieba, its port to Rust: MIT), with the Chinese stop words of
stopwords-iso (MIT). English goes by spaces, with the stop words of scikit-learn (BSD), since the English ones
of stopwords-iso have "new", "free" and "good", which sell; only its contractions ("don't") count. All have
negations. Traditional characters are cut, but have no stop words.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

from encoders.decoding import CannotDecode

NEEDS = ("rjieba", "stopwordsiso")
PIECE = re.compile(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+(?:['’][^\W_]+)?")
"""A stretch of Chinese, or a word or number of another script."""


class CannotClean(ImportError):
    """What cleaning needs is not installed; the message says how to get it."""


def check_installed() -> None:
    """Raise CannotClean unless all that cleaning needs is installed."""
    lacking = [name for name in NEEDS if find_spec(name) is None]
    if lacking:
        raise CannotClean(
            f"cleaning texts needs {' and '.join(lacking)}: pip install 'fusion-bench[cleaning]'"
        )


def versions() -> str:
    """What decides how a text is cleaned: dictionary and lists come with these versions."""
    return ", ".join(f"{name} {version(name)}" for name in (*NEEDS, "scikit-learn"))


def cleaned(text: str) -> str:
    """The words of a text in lower case that are no stop words, with single spaces between them.

    Raises CannotDecode if none is left, as in a text of emoji: that is a missing value.
    """
    words = [word for piece in PIECE.findall(text) for word in _words(piece)]
    kept = [word for word in words if word not in _stop_words()]
    if not kept:
        raise CannotDecode("the text has no word but stop words")
    return " ".join(kept)


def _words(piece: str) -> list[str]:
    """A stretch of Chinese cut into its words, or the one word that it is."""
    if not "\u3400" <= piece[0] <= "\u9fff":
        return [piece.lower().replace("’", "'")]
    import rjieba

    return list(rjieba.cut(piece))


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    from stopwordsiso import stopwords

    of_chinese = {word for word in stopwords("zh") if word.isalpha()}
    contractions = {word for word in stopwords("en") if "'" in word}
    return frozenset(of_chinese | contractions | ENGLISH_STOP_WORDS)
