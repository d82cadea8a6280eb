r"""Characters that nobody sees, or that a wrong decoding left behind.

Zero-width and control characters become their own tokens: they split words, make equal texts
unequal, and the model learns to write them. Direction marks can hide what code does. U+FFFD and
mojibake (`Ã©`, `ä½ å¥½`, `锟斤拷`) are where the real text was lost or misread. A form feed or a
backspace before letters is what is left of LaTeX that was put into JSON without escaping it:
`\frac` has become a form feed and `rac`.

Left alone: joiners (ZWJ, ZWNJ), which scripts and emoji need; direction marks beside Hebrew or
Arabic letters; zero-width spaces in Thai, Khmer, Burmese and Lao, where they separate words; tags
of flag emoji; tabs and line ends.

Evidence: U+FFFD occurs in published demo data (6 of 300 rows of one file); mojibake is proved by
undoing it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.rules.base import Edit, Fact, Pointer, Problem, Row, Rule, Text, part_of
from glmlint.trainer.row import per_row

rule = Rule(
    name="invisible-character",
    family="content",
    title_zh="看不见的字符，或解码错误留下的字符",
    doc_zh=r"""
    零宽字符和控制字符会成为单独的 token：它们拆开单词，让相同的文本变得不同，模型还会学着写出
    它们。方向标记能掩盖代码的真实行为。U+FFFD 和乱码（`Ã©`、`ä½ å¥½`、`锟斤拷`）说明原文已经
    丢失或被误读。字母之前的换页符或退格符，是 LaTeX 写进 JSON 时没有转义留下的：`\frac` 变成
    了换页符加 `rac`。

    以下不报告：文字和 emoji 需要的连接符（ZWJ、ZWNJ）；希伯来字母或阿拉伯字母旁的方向标记；泰
    语、高棉语、缅甸语和老挝语中用来分词的零宽空格；旗帜 emoji 的标签字符；制表符和换行符。

    依据：公开的示例数据中有 U+FFFD（某个文件的 300 行中有 6 行）；乱码通过还原来证实。
    """,
    severity="warning",
    when=Fact.HIDDEN,
    fix="safe",
    text=Text(
        "{where} has {name} ({count:time}): nobody sees it, but the model learns it",
        "{where} 中有 {name}（这类字符共 {count} 个）：人看不见，模型却会学到",
    ),
    variants={
        "lost": Text(
            "{where} has U+FFFD ({count:time}): "
            "bytes were lost when the text was decoded",
            "{where} 中有 U+FFFD（共 {count} 个）：文本解码时丢失了字节",
        ),
        "misread": Text(
            "{where} has “{name}” where “{meant}” was meant ({count:time}): "
            "UTF-8 was read as another encoding",
            "{where} 中的“{name}”本应是“{meant}”（共 {count} 处）：UTF-8 被当成了别的编码",
        ),
        "latex": Text(
            "{where} has {name} before “{meant}” ({count:time}): "
            "a LaTeX command whose backslash was not escaped in JSON",
            "{where} 中“{meant}”之前是 {name}（共 {count} 处）：LaTeX 命令的反斜杠没有在 JSON 中转义",
        ),
    },
    help=Text(
        "Remove it (`--fix` does); damaged text has to be exported or decoded again.",
        "删除它（`--fix` 会删除）；损坏的文本需要重新导出或解码。",
    ),
    help_alone=Text(
        "Remove it; damaged text has to be exported or decoded again.",
        "删除它；损坏的文本需要重新导出或解码。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hello\u200b world"},
                {"role": "assistant", "content": "Hi."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你\ufeff好！\u202e"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "介绍一下自己"},
                {"role": "assistant", "content": "我是锟斤拷锟斤拷"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "What is a cafÃ©?"},
                {"role": "assistant", "content": "A place for coffee \ufffd and cake."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Half as a fraction?"},
                {"role": "assistant", "content": "$\frac{1}{2}$"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "一家人的表情？"},
                {"role": "assistant", "content": "👨\u200d👩\u200d👧，🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f\t没问题\r\n"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Dites « café » à Noël – déjà vu : 25 °C, ÀÉ"},
                {"role": "assistant", "content": "שלום\u200f می\u200cخواهم"},
            ]
        },
    ),
)  # fmt: skip

_HIDDEN: Final = Pattern(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb]|(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]+"
)
_EATEN: Final = Pattern("([\x08\x0c])([a-z]{1,12})")
_MISREAD: Final = Pattern(
    # What is left of 2, 3 and 4 bytes of UTF-8 in Latin-1 or Windows-1252.
    r"(?:[ÂÃ][\xa1-\xba\xbc-\xbf]|Â\xa0|[á-ï][{c}]{{2}}|ð[{c}]{{3}}|锟斤拷?)+".format(
        c="\x80-\xbf–—‘’‚“”„†‡•…‰‹›€™ŒœŠšŽžŸƒˆ˜"
    )
)
_C1: Final = Pattern("[\x80-\x9f]")
_RIGHT_TO_LEFT: Final = Pattern("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_WITHOUT_SPACES: Final = Pattern("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_DIRECTION: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS: Final = Pattern("(?:(?<!\n)\n++)?[\x0b\x0c]++\n*+")
_COLOUR: Final = Pattern("\x1b\\[[0-9;?]{0,24}[A-Za-z]")

_CUT_QUOTES: Final = frozenset("\x13\x14\x18\x19\x1c\x1d")
"""The low bytes of – — ‘ ’ “ ”."""
_ENCODING: Final = Pattern(r"encod|utf-?8|mojibake|unicode|编码|乱码", re.IGNORECASE)

_NAMES: Final = {0x7F: "DELETE", 0x1B: "ESCAPE", 0x00: "NULL", 0x08: "BACKSPACE", 0x0C: "FORM FEED",
                 0x0B: "VERTICAL TAB"}  # fmt: skip


def check(row: Row) -> Iterator[Problem]:
    for index, _, text in row.texts:
        if text.isascii() and not _HIDDEN.search(text):
            continue
        at = row.at(index, "content")
        if eaten := _EATEN.findall(text):
            char, letters = eaten[0]
            yield rule.problem(
                at,
                text="latex",
                where=row.where(index),
                count=len(eaten),
                name=_name(char),
                meant=letters,
                part=part_of(row, at, char + letters),
            )
        elif found := _hidden(text):
            yield rule.problem(
                at, where=row.where(index), name=_name(found[0]), count=len(found),
                edits=_removal(at, text, set(found)) if row.writes(index) else (),
                part=part_of(row, at, found[0]),
            )  # fmt: skip
        if lost := text.count("\ufffd"):
            yield rule.problem(
                at,
                text="lost",
                where=row.where(index),
                count=lost,
                part=part_of(row, at, "\ufffd"),
            )
        if (misread := _misread(text)) and not _about_encodings(row):
            name, meant = misread[0]
            odd = name if name in text else _C1.findall(text)[0]
            yield rule.problem(
                at, text="misread", where=row.where(index), count=len(misread), name=name[:20], meant=meant[:20],
                part=part_of(row, at, odd),
            )  # fmt: skip


@per_row
def _about_encodings(row: Row) -> bool:
    """Whether the conversation is about encodings: there, mojibake is quoted on purpose."""
    return any(_ENCODING.search(text) for _, _, text in row.texts)


def _hidden(text: str) -> list[str]:
    """The characters to report, in order."""
    found = [char for part in _HIDDEN.findall(text) for char in part]
    if found and _RIGHT_TO_LEFT.search(text):
        found = [char for char in found if char not in _DIRECTION]
    if "\u200b" in found and _WITHOUT_SPACES.search(text):
        found = [char for char in found if char != "\u200b"]
    return found


def _removal(at: Pointer, text: str, chars: set[str]) -> tuple[Edit, ...]:
    """The edit that removes these characters; page breaks become line breaks.

    None where a control character is what is left of a dash or a quotation mark.
    """
    if chars & _CUT_QUOTES:
        return ()
    chars = {char for char in chars if not "\U000e0020" <= char <= "\U000e007e"}  # hidden letters
    if not chars:
        return ()
    text = _BREAKS.sub("\n", _COLOUR.sub("", text))
    return (Edit("replace", at, text.translate(dict.fromkeys(map(ord, chars)))),)


def _misread(text: str) -> list[tuple[str, str]]:
    """(text, what it was) of each place where UTF-8 was decoded as something else."""
    found = []
    for match in _MISREAD.finditer(text):
        part = match[0]
        if "锟" in part:
            found.append((part, "\ufffd"))
            continue
        try:
            meant = b"".join(map(_byte, part)).decode()
        except UnicodeError:
            continue
        # Two letters that happen to be UTF-8 prove nothing; a quotation mark or a word does.
        if meant.isprintable() or "\xa0" in meant or "\ufeff" in meant:
            found.append((part, meant))
    if not found and (odd := _C1.findall(text)):
        # Where C1 has controls, Windows-1252 has quotation marks and dashes.
        found = [(f"U+{ord(c):04X}", c.encode("latin-1").decode("cp1252", "replace")) for c in odd]
    return found


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")


def _name(char: str) -> str:
    code = ord(char)
    name = _NAMES.get(code) or unicodedata.name(char, "a control character")
    return f"U+{code:04X} {name}"
