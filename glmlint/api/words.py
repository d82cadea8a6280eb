"""What results say beside the reporters' own words, in both languages."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text

WORDS: Final = {
    "clean": Text("Clean", "无问题"),
    "more": Text("and {n} more", "另有 {n} 处"),
}


def word(key: str, lang: str, **values: object) -> str:
    """A word or sentence in that language, its fields filled in."""
    return WORDS[key].say(lang, **values)
