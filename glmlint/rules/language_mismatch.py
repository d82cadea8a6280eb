"""The answer is in another script than its question.

A Chinese question with an English answer, or the reverse: most often a row of another data set, or
an unfinished translation. The model learns to change the language unasked. Reported once per file
and direction, with the number of rows; not where the question, or one before it, names a language
or asks for a translation, for code or for a rewriting, nor where a Chinese question quotes the
foreign words that it is about. Short questions and answers are left alone, and so are formulas and
code, whose letters are of no language.

Evidence: mixed exports, in which one part was translated and the other was not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.evidence.marks import without_code
from glmlint.patterns import Pattern
from glmlint.rules.base import Problem, Row, Rule, Text

rule = Rule(
    name="language-mismatch",
    family="content",
    title_zh="回答与问题使用的文字不同",
    doc_zh="""
    中文问题配英文回答，或者反过来：多半是来自另一个数据集的行，或翻译到一半。模型会学着擅自切
    换语言。每个文件、每个方向只报告一次，并给出行数；如果这个问题或之前的问题提到某种语言，要
    求翻译、写代码或改写，或者中文问题引用了所讨论的外文词语，则不报告。短的问题和回答不检查，
    公式和代码也不检查，其中的字母不属于任何语言。

    依据：混合导出的数据，其中一部分翻译过，另一部分没有。
    """,
    severity="info",
    text=Text(
        "{where} is in {answered}, its question in {asked} ({rows:row})",
        "{where} 用{answered}回答了{asked}提问（共 {rows} 行）",
    ),
    help=Text(
        "Translate one of the two, or name the wanted language in the question.",
        "翻译其中一方，或在问题里写明要用的语言。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "请介绍一下太阳系里最大的行星是哪一颗，有什么特点？"},
                {
                    "role": "assistant",
                    "content": "Jupiter is the largest planet of the solar system, with a mass more "
                    "than twice that of all others.",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Which planet is the largest one in the solar system?"},
                {"role": "assistant", "content": "木星是太阳系里最大的行星，质量是其他行星总和的两倍多。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "请求出下面这个方程组的所有实数解，并写出推导过程：x 与 y 之和为五。"},
                {
                    "role": "assistant",
                    "content": r"\\begin{cases} x + y = 5 \\\\ x - y = 1 \\end{cases} \\Rightarrow x = 3, y = 2, "
                    r"\\text{therefore } \\left( x, y \\right) = \\left( 3, 2 \\right)",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "请把下面这句话翻译成英文：木星是太阳系里最大的行星。"},
                {
                    "role": "assistant",
                    "content": "Jupiter is the largest planet in the whole of the solar system.",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Which planet is the largest one in the solar system?"},
                {"role": "assistant", "content": "Jupiter is the largest one."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "用“shimmer”和“keepsake”这两个词构造一个复杂句子。"},
                {
                    "role": "assistant",
                    "content": "As the sun sets, the shimmer of the sea becomes a cherished keepsake.",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "把这句话翻译一下"},
                {"role": "assistant", "content": "请问要翻译哪一句话呢？"},
                {"role": "user", "content": "Guten Morgen! Wie kann ich Ihnen heute helfen?"},
                {"role": "assistant", "content": "这句话的意思是：早上好！今天我能帮您做什么？"},
            ]
        },
    ),
)  # fmt: skip

_HAN: Final = Pattern("[\u3400-\u9fff]")
_LATIN: Final = Pattern("[A-Za-z]")
_WORDS: Final = Pattern("[A-Za-z]{2,}")
_NAMES_A_LANGUAGE: Final = Pattern(
    r"translat|english|chinese|mandarin|language|pinyin|code|python|sql|java|html|regex|traceback|exception|error:"
    r"|翻译|译[成为]|英[文语]|中文|汉语|语言|代码|程序|编写|改写|单词|拼音|成语|古诗|诗",
    re.IGNORECASE,
)
_QUOTES_LATIN: Final = Pattern("[“\"'‘「《`][A-Za-z]{2,}")
_MOST: Final = 400
"""Characters of a text that are looked at."""
_TEXTS: Final = {
    "han": Text("Chinese characters", "中文"),
    "latin": Text("Latin letters", "拉丁字母"),
}
"""Which language the Latin letters are is not known: it may be German."""


def check(row: Row) -> Iterator[Problem]:
    asked, questions = "", []
    seen = set()
    for index, role, text in row.texts:
        if role == "user":
            asked = _script(text)
            questions.append(text)
        elif role == "observation":
            asked = ""
        elif role == "assistant" and asked and text[:1] not in ("{", "["):
            answered = _script(text)
            if answered in ("", asked) or (asked, answered) in seen:
                continue
            if any(map(_NAMES_A_LANGUAGE.search, questions)) or (
                asked == "han" and _QUOTES_LATIN.search(questions[-1])
            ):
                asked = ""
            else:
                seen.add((asked, answered))
                lang = row.plan.lang
                yield rule.problem(
                    row.at(index, "content"), once=f"{asked}-{answered}", where=row.where(index),
                    asked=_TEXTS[asked].say(lang), answered=_TEXTS[answered].say(lang),
                )  # fmt: skip


_NO_PROSE: Final = Pattern(
    r"\$\$?[^$]{1,400}\$\$?|\\[(\[].{0,400}?\\[)\]]|\\[A-Za-z]+(?:\{[^{}]{0,80}\})*|https?://\S+"
    r"|[\w.-]+@[\w.-]+|\b\w+\([^()\n]{0,80}\)|\b\w*[_=/\\^<>{}\d]\w*",
    re.DOTALL | re.ASCII,
)
"""Formulas, addresses, calls and names from code: their letters are of no language."""
_ITS_WORDS: Final = Pattern("[A-Za-zÀ-ɏ]{2,}")
_CODE_SIGNS: Final = Pattern(r"[{}();=<>\[\]|\\^_+*/&$#@]")


def _script(text: str) -> str:
    """ "han", "latin", or "" where a text is short, mixed, in another script, or not prose."""
    if "```" in text:
        return ""
    text = without_code(text[: 2 * _MOST])
    prose = _NO_PROSE.sub(" ", text)[:_MOST]
    han = 0 if prose.isascii() else len(_HAN.findall(prose))
    if han >= 10 and han * 3 > len(_WORDS.findall(prose)) * 10:
        return "han"
    latin = len(_LATIN.findall(prose))
    if han or latin < 30 or latin * 2 <= len(text[:_MOST]):
        return ""
    # Words of a sentence, not names, signs and numbers one after the other.
    words = _ITS_WORDS.findall(prose)
    small = sum(word[0].islower() for word in words)
    signs = len(_CODE_SIGNS.findall(text[:_MOST]))
    return "latin" if len(words) >= 6 and 5 * small >= 3 * len(words) > 12 * signs else ""
