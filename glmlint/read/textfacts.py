"""What the texts of rows may hold, seen from their bytes: the first sieve of rules on content.

All rows of a chunk are looked at together, about 1 µs for a row of 1 KB: a table says which pairs
of neighbouring bytes belong to something that a rule looks for, and only in rows where such a pair
stands is a pattern searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from glmlint.patterns import Pattern
from glmlint.read.facts import EVERY, Fact
from glmlint.read.loops import SHORTEST_LOOP, looping, may_loop


def _pairs(*texts: bytes) -> list[int]:
    return [int.from_bytes(text, "little") for text in texts]


def _with(first: int, seconds: range | bytes) -> list[int]:
    return _pairs(*(bytes((first, second)) for second in seconds))


_SPEAKERS: Final = tuple(
    (name + after).encode()
    for name in (*("ssistant", "SSISTANT", "bot", "Bot", "BOT", "AI", "GPT", "GLM", "uman", "UMAN"),
                 *"手答理人类服生复")
    for after in ("", "**", ">", "]", "】")
)  # fmt: skip
"""Ends of names of those who answer, or who can only be users, maybe set off."""


def _speakers(colon: bytes) -> tuple[list[int], bytes, int]:
    """Speakers before a colon, as an entry of the sieve: `re` looks for the colon, which is rarer."""
    by_last: dict[bytes, list[bytes]] = {}
    for sign in _SPEAKERS:
        for text in (sign, sign + b" "):
            by_last.setdefault(text[-1:], []).append(b"(?<=%b%b)" % (re.escape(text), colon))
    found = (
        b"(?<=%b%b)(?:%b)" % (re.escape(last), colon, b"|".join(signs))
        for last, signs in by_last.items()
    )
    pairs = _pairs(colon[1:]) if len(colon) == 3 else _pairs(*(last + colon for last in by_last))
    before = b"".join(map(re.escape, by_last))
    pattern = b"%b(?<=[%b]%b)(?:%b)" % (colon, before, colon, b"|".join(found))
    return pairs, pattern, Fact.MARKS


_SIEVE: Final = (
    # (pairs of bytes, pattern, fact); a pattern is None where the pair says it all.
    # Typed control tokens and think tags.
    (_pairs(b"<|"), None, Fact.CONTROL | Fact.MARKS),
    (_pairs(b"K]"), rb"MASK\]", Fact.CONTROL),
    (_pairs(b"p>"), rb"op>", Fact.CONTROL),
    (_pairs(b"nk"), rb"think", Fact.THINK),
    # C1 controls and the soft hyphen; UTF-8 read as Latin-1; zero width and direction; U+FEFF,
    # U+FFF9 to U+FFFD; 锟斤, which is U+FFFD read as GBK; tags; DEL.
    (_with(0xC2, bytes((*range(0x80, 0xA0), 0xAD))), None, Fact.HIDDEN),
    (_with(0xC3, bytes((0x82, 0x83, *range(0xA1, 0xB1)))),
     rb"\xc3[\x82\x83\xa1-\xb0][\xc2\xc5\xc6\xcb\xe2]", Fact.HIDDEN),
    (_with(0xE2, b"\x80\x81"), rb"\xe2(?:\x80[\x8b\x8e\x8f\xaa-\xae]|\x81[\xa0-\xaf])", Fact.HIDDEN),
    (_with(0xEF, b"\xbb\xbf"), rb"\xef(?:\xbb\xbf|\xbf[\xb9-\xbd])", Fact.HIDDEN),
    (_with(0xE9, b"\x94"), rb"\xe9\x94\x9f\xe6\x96\xa4", Fact.HIDDEN),
    (_with(0xF3, b"\xa0"), None, Fact.HIDDEN),
    (_with(0x7F, range(256)), None, Fact.HIDDEN),
    # Keys and tokens.
    (_pairs(b"KI", b"SI"), rb"A[KS]IA[0-9A-Z]{16}", Fact.SECRET),
    (_pairs(b"p_", b"o_", b"u_", b"s_", b"r_"), rb"_(?<=gh[pousr]_)[0-9A-Za-z]{20}", Fact.SECRET),
    (_pairs(b"k_", b"m_"), rb"_(?:(?<=[rs]k_)live_|(?<=npm_))[0-9A-Za-z]{20}", Fact.SECRET),
    (_pairs(b"xo"), rb"xox[abposr]-[0-9]", Fact.SECRET),
    (_pairs(b"t-"), rb"-(?<=glpat-)[0-9A-Za-z_-]{20}", Fact.SECRET),
    (_pairs(b"gE"), rb"pypi-AgE", Fact.SECRET),
    (_pairs(b"yJ"), rb"eyJ[0-9A-Za-z_-]{8}", Fact.SECRET),
    (_pairs(b"3B"), rb"T3BlbkFJ", Fact.SECRET),
    (_pairs(b"EY"), rb"PRIVATE KEY", Fact.SECRET),
    (_pairs(b"tK"), rb"AccountKey=", Fact.SECRET),
    (_pairs(b"G."), rb"SG\.[0-9A-Za-z_-]{22}", Fact.SECRET),
    # Texts to be filled in, and code blocks.
    (_with(0x3C, range(0x41, 0x5B)), rb"<[A-Z][A-Z_ ]{2,20}>", Fact.PLACEHOLDER),
    (_pairs(b"t>", b"e>"), rb">(?<= (?:text|here|name)>)", Fact.PLACEHOLDER),
    (_pairs(b"e]"), rb"\](?<= here\])", Fact.PLACEHOLDER),
    (_pairs(b"{{"), rb"\{\{ ?[a-zA-Z]", Fact.PLACEHOLDER),
    (_pairs(b"``"), rb"```", Fact.FENCE),
    # Calls, results and control tokens of other models' templates.
    (_pairs(b"l:"), rb"tool_call:", Fact.MARKS),
    (_with(0x3C, b"tTfiasemuUpPbBE0rhg/\\"),
     rb"<\\?/?(?:tool_|TOOLCALL|func|invoke|antml:|start_|end_of|minimax:|use_mcp|s>|unk>|UNK>"
     rb"|pad>|PAD>|[be]os>|[BE]OS>|eo[ahmt]>|0x|reserved_|extra_id_|assistant>|user>|human>|bot>"
     rb"|gpt>)", Fact.MARKS),
    (_pairs(b"<\xef"), None, Fact.MARKS),
    (_pairs(b"[T", b"[/", b"[I", b"[U", b"[P", b"[C", b"[S", b"[E", b"[B", b"[\\"),
     rb"\[\\?/?(?:TOOL_|INST\]|(?:UNK|PAD|CLS|SEP|EOS|BOS)\])", Fact.MARKS),
    (_pairs(b"\x9c\xbf"), "✿".encode(), Fact.MARKS),
    (_pairs(b"Ac"), rb"Action (?:Input|[0-9])", Fact.MARKS),
    (_pairs("输".encode()[1:]), "输入(?<=动输入|作输入)".encode(), Fact.MARKS),
    (_pairs("参".encode()[1:]), "参数(?<=动参数|作参数)".encode(), Fact.MARKS),
    (_pairs(b"s[", b"LT", b"E:"), rb"functools\[|RESULT of|RESPONSE:", Fact.MARKS),
    # Speakers of a dialogue: those that answer, and names that only users have.
    _speakers(b":"),
    _speakers("：".encode()),
    (_pairs(b"##"), r"## ?(?:Instr|Resp|Human|Assis|User|指令|问题|回答|回复)".encode(), Fact.MARKS),
    (_pairs(b"[R"), rb"\[Round ", Fact.MARKS),
    # An escape may stand for any character at all.
    (_pairs(b"\\u"), rb"\\u00", Fact.CONTROL | Fact.THINK | Fact.CALLS),
    (_pairs(b"\\u"), rb"\\u(?:00|[fF]{2}(?:1[aA]|5[cC])|273[fF]|(?:8[fF]93|53[cC]2))|\\u[0-9a-fA-F]{4} ?:",
     Fact.MARKS),
    (_pairs(b"\\u", b"\\b", b"\\f"), rb"(?<!\\)(?:\\\\)*+\\[bfu]",
     Fact.HIDDEN | Fact.SECRET | Fact.PLACEHOLDER | Fact.FENCE),
    (_pairs(b"\\u"), rb"\\u00[2-5]", Fact.NUMBER),
)  # fmt: skip

_PATTERNS: Final = tuple(None if p is None else Pattern(p) for _, p, _ in _SIEVE)
_FACTS: Final = tuple(fact for _, _, fact in _SIEVE)


def _table() -> npt.NDArray[np.uint64]:
    table = np.zeros(1 << 16, np.uint64)
    for number, (pairs, _, _) in enumerate(_SIEVE):
        table[pairs] |= np.uint64(1 << number)
    return table


_MASKS: Final = _table()
"""Pair of bytes -> the patterns of the sieve that it may begin, one bit each."""
_MARKED: Final = _MASKS != 0

_DIGIT, _CAPITAL, _BLANK = 1, 5, 2
_KINDS: Final = np.zeros(256, np.uint8)
_KINDS[48:58], _KINDS[65:91], _KINDS[[32, 45]] = _DIGIT, _CAPITAL, _BLANK
"""Byte -> what it is in a long number; 0: it ends one."""
_AROUND: Final = np.array((*range(-1, -17, -1), *range(8, 24)))
"""Bytes before a word of eight and after it, from the word outwards."""
_COUNTS: Final = np.array([byte.bit_count() for byte in range(256)], np.uint8)
_ENOUGH: Final = _COUNTS >= 2
_APART: Final = np.array(
    [all(not byte & byte >> distance for distance in (1, 2, 3, 4, 6)) for byte in range(256)]
)
"""Where blanks and hyphens stand in eight bytes -> whether five or seven apart, unlike a date's."""
_NUMBER: Final = Pattern(
    rb"[0-9]{15}|[0-9]{4}[ -](?:[0-9]{4}[ -]){2}[0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}"
    rb"|[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11}"
)
"""What stands before it may be the last letter of an escape: the rule looks at that."""

PLACEHOLDER_WORDS: Final = frozenset(
    ("todo", "tbd", "fixme", "xxx", "placeholder", "lorem ipsum", "answer", "response", "output",
     "待补充", "待填写", "待定", "待完善", "占位", "占位符", "此处填写", "请填写", "答案", "回答")
)  # fmt: skip
"""Contents that count as empty."""

_LONGEST_WORD: Final = max(map(len, PLACEHOLDER_WORDS)) + 4


def line_facts(lines: list[bytes], wanted: int = EVERY) -> list[int]:
    """The facts of each row that follow from its bytes; of `COSTLY` ones those that are wanted."""
    facts = [0] * len(lines)
    if not lines:
        return []
    whole = b"\n".join(lines) + b"\n"
    ends = np.fromiter(accumulate(map(len, lines)), np.int64, len(lines)) + np.arange(len(lines))
    mask = np.zeros(len(lines), np.uint64)
    for offset in (0, 1):
        pairs = np.frombuffer(whole, "<u2", (len(whole) - offset) // 2, offset)
        for found in _found(pairs, _BLOCK, _marked):
            row = np.searchsorted(ends, 2 * found + offset)
            np.bitwise_or.at(mask, row, _MASKS[pairs[found]])
    for index in np.flatnonzero(mask).tolist():
        bits, line = int(mask[index]), lines[index]
        while bits:
            number = (bits & -bits).bit_length() - 1
            bits &= bits - 1
            pattern = _PATTERNS[number]
            if pattern is None or pattern.search(line):
                facts[index] |= _FACTS[number]
    looped = np.zeros(len(lines), np.bool_)
    for places in looping(whole) if wanted & Fact.LOOP else ():
        looped[np.searchsorted(ends, places)] = True
    for index in np.flatnonzero(looped).tolist():
        facts[index] |= Fact.LOOP
    words = np.frombuffer(whole, "<u8", len(whole) // 8)
    numbered = np.zeros(len(lines), np.bool_)
    for found in _found(words, _BLOCK // 4, _capital_words) if wanted & Fact.NUMBER else ():
        numbered[np.searchsorted(ends, _long_numbers(whole, words, found))] = True
    for index in np.flatnonzero(numbered).tolist():
        if _NUMBER.search(lines[index]):
            facts[index] |= Fact.NUMBER
    at = whole.find(b"null")
    while at >= 0:
        index = int(np.searchsorted(ends, at))
        facts[index] |= Fact.NULLS
        at = whole.find(b"null", int(ends[index]))
    return facts


_BLOCK: Final = 1 << 15
"""Pairs looked up at a time: what numpy makes of them on the way stays in the cache."""


_MOST: Final = 1 << 16
"""Places found that are looked at together: what hostile bytes mark may be much more than they are."""


def _found(
    whole: npt.NDArray[Any], block: int, look: Callable[[npt.NDArray[Any]], npt.NDArray[np.int64]]
) -> Iterator[npt.NDArray[np.int64]]:
    """Where in an array a function finds something, block by block, many places at a time."""
    held: list[npt.NDArray[np.int64]] = []
    size = 0
    for at in range(0, len(whole), block):
        found = look(whole[at : at + block])
        if len(found):
            held.append(found + at)
            size += len(found)
        if size > _MOST:
            yield np.concatenate(held)
            held, size = [], 0
    if held:
        yield np.concatenate(held)


def _marked(pairs: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Where among the pairs one stands that the sieve knows."""
    return np.flatnonzero(_MARKED.take(pairs.astype(np.intp), mode="wrap"))


def _long_numbers(
    whole: bytes, words: npt.NDArray[np.uint64], found: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where there may be 15 or more digits and capitals, with single blanks or hyphens.

    Such a run fills one of the words of eight bytes into which the chunk is cut, or all of it but
    two places. That is asked of all bytes first (`_capital_words`), the rest of the few words for
    which it is true.

    Args:
        found: the numbers of these words.
    """
    inside = _KINDS[words[found].view(np.uint8).reshape(-1, 8)]
    blanks = _bits(inside == _BLANK)
    fits = (_bits(inside == 0) == 0) & _ENOUGH[_bits(inside == _DIGIT)] & _APART[blanks]
    found, size = found[fits], 8 - _COUNTS[blanks[fits]]
    around = np.frombuffer(whole, np.uint8).take(8 * found[:, None] + _AROUND, mode="clip")
    kinds = _KINDS[around].reshape(-1, 16)
    # From the word outwards, one bit a byte: what ends the run takes all bits after it along.
    outside = ~np.packbits(kinds != 0, axis=1).view(">u2").astype(np.uint16)
    for step in (1, 2, 4, 8):
        outside |= outside >> step
    signs = np.packbits(kinds & 2 == 0, axis=1).view(">u2").astype(np.uint16) & ~outside
    size += _COUNTS[signs.view(np.uint8).reshape(-1, 4)].sum(1, dtype=np.uint8)
    places: npt.NDArray[np.int64] = 8 * found[size >= 15]
    return places


def _bits(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Eight flags a row -> one byte a row."""
    return np.packbits(flags, axis=1)[:, 0]


def _capital_words(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Which words have only bytes from 0x20 to 0x5F: digits, capitals, signs, blanks."""
    half = (words >> np.uint64(1)) & np.uint64(0x2020202020202020)
    return np.flatnonzero(
        (words ^ half) & np.uint64(0xA0A0A0A0A0A0A0A0) == np.uint64(0x2020202020202020)
    )


def answer_facts(answer: str, wanted: int = EVERY) -> int:
    """Facts of one assistant message; of `COSTLY` ones those that are wanted."""
    size = len(answer)
    if size >= SHORTEST_LOOP:
        return Fact.LOOP if wanted & Fact.LOOP and may_loop(answer) else 0
    if size <= _LONGEST_WORD and bare(answer) in PLACEHOLDER_WORDS:
        return Fact.PLACEHOLDER
    return 0


def bare(text: str) -> str:
    """A short text without white space, brackets and full stops around it, in lower case."""
    return text.strip(" \t\r\n.。…<>[](){}（）【】").casefold()


_PLAIN_TURNS: Final = Pattern(r"s?(?:u(?:ao)*a)+")


@lru_cache(4096)
def turn_facts(roles: tuple[str, ...]) -> int:
    """Facts that follow from who speaks in which order."""
    facts = 0
    if not _PLAIN_TURNS.fullmatch("".join(role[0] for role in roles)):
        facts |= Fact.ROLES
    if roles.count("assistant") > 1:
        facts |= Fact.HISTORY
    if "observation" in roles:
        facts |= Fact.CALLS
    return facts
