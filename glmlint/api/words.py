"""What results say beside the reporters' own words, in both languages."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text

WORDS: Final = {
    "clean": Text("Clean", "无问题"),
    "more": Text("and {n} more", "另有 {n} 处"),
    "converted": Text(
        "{converted} of {rows} rows converted to {to} so far",
        "目前 {rows} 行中有 {converted} 行已转换为 {to}",
    ),
    "refused": Text("not converted", "未转换"),
    "kind": Text("kind", "类别"),
    "times": Text("times", "次数"),
    "rows": Text("rows", "行数"),
    "row": Text("row", "行"),
    "first": Text("first", "首次出现"),
    "what": Text("what was lost or guessed", "丢失或推测的内容"),
    "map-and-from": Text(
        "map says what the columns hold: leave from_ out beside it",
        "map 已说明各列的内容：请不要同时使用 from_",
    ),
    "unknown-near": Text(
        "{keyword}: there is no form {name}; did you mean {near}?",
        "{keyword}：没有 {name} 这种格式；是否应为 {near}？",
    ),
    "unknown": Text(
        "{keyword}: there is no form {name}; it is one of {known}",
        "{keyword}：没有 {name} 这种格式；可用的有 {known}",
    ),
}


def word(key: str, lang: str, **values: object) -> str:
    """A word or sentence in that language, its fields filled in."""
    return WORDS[key].say(lang, **values)
