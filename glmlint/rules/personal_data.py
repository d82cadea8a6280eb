"""A personal number in a text: resident ID, payment card or bank account.

A model can be made to repeat what is in its training data. Only numbers that can be verified are
reported. A Chinese resident ID contains a district, a birth date from 1900 on and a check digit. An
IBAN has two check digits and the format of its country. A payment card has the first digits and the
length of its issuer, and a check digit; because one number in ten has the right digit by chance, a
word such as "card" or 卡 must also be near it, or it must be written in groups (`4000 1234 …`) in a
short message. `python-stdnum` does the arithmetic and knows the districts and the countries.
Numbers that documentation and payment providers use as examples are ignored, and so are round
numbers. It is a warning, since the row trains well. The number itself is never shown.

E-mail addresses and telephone numbers are not reported: nothing in them tells a real one from an
invented one, and in published chat data nearly all are invented.

Where the package python-stdnum is missing, a warning says once per file that such numbers were not
checked.

Evidence: GB 11643-1999 (resident ID), ISO 13616 (IBAN), ISO/IEC 7812 (cards). In 70,000 rows of
published chat data, 5,400 numbers of 13 to 19 digits have a card's check digit by chance, and none
is reported; in 467 MB of documentation and code two are, both the account of a charity.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from glmlint.evidence.contents import ContentPlace, places
from glmlint.patterns import Pattern
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="personal-data",
    family="content",
    title_zh="文本里有个人号码：居民身份证号、支付卡号或银行账号",
    doc_zh="""
    训练数据里有什么，就可以诱导模型说出什么。只报告能够验证的号码。居民身份证号包含行政区划、1900
    年以后的出生日期和校验码；IBAN 有两位校验码和所属国家的格式；支付卡号有发卡机构的开头数字、长度
    和校验码。由于十个数字里就有一个会碰巧满足校验，卡号附近还必须出现“卡”“card”之类的词，或在短消息
    里分组书写（`4000 1234 …`）。校验由 `python-stdnum` 完成，它也掌握行政区划和各国格式。文档和支付
    机构用作示例的号码，以及很规整的号码，都不报告。级别是警告，因为这一行可以正常训练。号码本身从不
    显示。

    不报告电子邮件地址和电话号码：从内容上无法区分真假，而已发布的对话数据里几乎都是虚构的。

    没有安装 python-stdnum 包时，每个文件给出一条警告，说明未检查这类号码。

    依据：GB 11643-1999（身份证）、ISO 13616（IBAN）、ISO/IEC 7812（卡号）。在 70,000 行已发布的对话
    数据中，有 5,400 个 13 至 19 位的数字碰巧满足卡号校验，没有一个被报告；在 467 MB 文档和代码中报
    告了两个，都是某慈善机构的账号。
    """,
    severity="warning",
    when=Fact.NUMBER,
    fix="unsafe",
    text=Text(
        "{where} contains a payment card number ({count} in all): the model can be made to repeat "
        "it",
        "{where} 中有银行卡号（共 {count} 个）：可以诱导模型原样说出",
    ),
    variants={
        "id": Text(
            "{where} contains a Chinese resident ID number ({count} in all): the model can be made "
            "to repeat it",
            "{where} 中有居民身份证号（共 {count} 个）：可以诱导模型原样说出",
        ),
        "iban": Text(
            "{where} contains an IBAN ({count} in all): the model can be made to repeat it",
            "{where} 中有国际银行账号 IBAN（共 {count} 个）：可以诱导模型原样说出",
        ),
        "missing": Text(
            "{rows:row} with possible personal numbers not checked: python-stdnum is not installed",
            "有 {rows} 行可能含有个人证件或账户号码，未做检查：没有安装 python-stdnum",
        ),
    },
    help=Text(
        "Remove the number, or replace it with a placeholder (`--unsafe-fixes` writes [REDACTED]).",
        "删去该号码，或替换成占位文字（--unsafe-fixes 会写成 [REDACTED]）。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Charge my card 4539 7120 6384 9170, please."},
                {"role": "assistant", "content": "Done."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "外婆的身份证号是多少？"},
                {"role": "assistant", "content": "身份证号：11010219020914208X。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Where do I send the money?"},
                {"role": "assistant", "content": "To DE28 9909 0117 0048 2163 90."},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Which card number does the test system take?"},
                {"role": "assistant", "content": "4242 4242 4242 4242 always works."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "身份证号的格式是什么？"},
                {"role": "assistant", "content": "共 18 位，例如 11010519491231002X。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "4539712063849100 + 70 = ?"},
                {"role": "assistant", "content": "4539712063849170"},
            ]
        },
    ),
)  # fmt: skip

_BEFORE: Final = r"(?<![0-9A-Za-z_])(?<![0-9][.,-])"
_BEHIND: Final = r"(?![0-9A-Za-z_])(?![.,-][0-9])"

_ID: Final = Pattern(
    _BEFORE + r"[1-8][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"[0-9]{3}[0-9Xx]" + _BEHIND
)  # fmt: skip
_CARD: Final = Pattern(
    # UnionPay's 19 digits, 16, American Express's 15; in groups, or in one.
    _BEFORE + r"(?<![0-9]{4} )(?:62[0-9]{2}([ -]?)[0-9]{4}(?:\1[0-9]{4}){2}\1[0-9]{3}"
    r"|(?=4|5[1-5]|2[2-7]|35|6[0245])[0-9]{4}([ -]?)[0-9]{4}(?:\2[0-9]{4}){2}"
    r"|3[47][0-9]{2}([ -]?)[0-9]{6}\3[0-9]{5})" + _BEHIND + r"(?! [0-9]{4}(?![0-9]))"
)  # fmt: skip
_IBAN: Final = Pattern(
    r"(?<![0-9A-Za-z_])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z_])"
)

_ISSUERS: Final = Pattern(
    # Visa, Mastercard, JCB, Discover; UnionPay; American Express.
    r"(?=[0-9]{16}$)(?:4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35(?:2[89]|[3-8])|6(?:011|4[4-9]|5))"
    r"[0-9]+|62[0-9]{14}|62[0-9]{17}|3[47][0-9]{13}"
)
_NEARBY: Final = 100
"""Characters before a number in which a word must say that it is a card; half of it after."""
_SHORT: Final = 60
"""Characters of a message that may be the answer to "which card?": there, groups are enough."""
_ABOUT_CARDS: Final = Pattern(
    r"(?<![a-z])(?:card(?!i|b)|visa(?![a-z])|amex|american express|union ?pay)|mastercard|credit|debit"
    r"|卡|银联|付款|支付",
    re.IGNORECASE,
)

_ROUND: Final = Pattern(r"([1-9])\1{4}|0{6}|^400000")
_COUNTED: Final = Pattern("12345678|87654321|98765432")
_LEAST_VARIETY: Final = 4
"""Distinct digits that a real number has at least."""
_PRINTED: Final = (
    # The test numbers of payment providers, and what tutorials print.
    "4012888888881881 4000056655665556 4009348888881881 4012000033330026 4012000077777777 "
    "4005519200000004 4539578763621486 4532015112830366 4485275742308327 4556737586899855 "
    "4716461583322103 4539319503436467 4539148803436467 4024007103939509 4916338506082832 "
    "5200828282828210 2223003122003222 2222405343248877 5425233430109903 2223000048410010 "
    "5105105105105100 5424000000000015 5301250070000191 5431111111111111 5399999999999999 "
    "378282246310005 371449635398431 378734493671000 374245455400126 341111597241002 "
    "6011000990139424 6011981111111113 6011601160116611 6011000991300009 3566002020360505 "
    "3530111333300000 3566000020000410 6250941006528599 6221261111117766 6223164991230014 "
    # GB 11643, and the number from which tutorials derive theirs.
    "11010519491231002X 34052419800101001X 360426199101010071 110101199003072316 "
    "11010119900307803X 110101199003076253 110101199003070011 "
    # The registry's example of each country.
    "DE89370400440532013000 GB29NWBK60161331926819 GB82WEST12345698765432 GB33BUKB20201555555555 "
    "FR1420041010050500013M02606 FR7630006000011234567890189 NL91ABNA0417164300 "
    "ES9121000418450200051332 CH9300762011623852957 AT611904300234573201 BE68539007547034 "
    "IT60X0542811101000000123456 PL61109010140000071219812874 SE4550000000058398257466 "
    "DK5000400440116243 NO9386011117947 FI2112345600000785 PT50000201231234567890154 "
    "IE29AIBK93115212345678 LU280019400644750000 GR1601101250000000012300695 "
    "CZ6508000000192000145399 HU42117730161111101800000000 TR330006100519786457841326 "
    "SA0380000000608010167519 AE070331234567890123456 IL620108000000099999999"
)
_EXAMPLES: Final = frozenset(_PRINTED.split())


@cache
def _validator(name: str) -> Callable[[str], bool] | None:
    """The library's function that verifies a number; None where it is not installed."""
    try:
        module = importlib.import_module(f"stdnum.{name}")
    except ImportError:
        return None

    def valid(number: str) -> bool:
        try:
            return bool(module.is_valid(number))
        except KeyError:  # python-stdnum 2.2 at a district that is the name of a province
            return False

    return valid


_INSTALL: Final = Text(
    "Install it (pip install python-stdnum) and check again.",
    "请先安装（pip install python-stdnum），再检查一次。",
)


def check(row: Row) -> Iterator[Problem]:
    for place in places(row, _numbers):
        # All of a text's numbers go with one edit, which its first problem carries.
        edits: tuple[Edit, ...] | None = None
        for kind in ("id", "card", "iban"):
            found = [hit for hit in place.hits if hit[0] == kind]
            if found:
                edits = _edits(place) if edits is None else ()
                yield rule.problem(
                    place.pointer, text=None if kind == "card" else kind,
                    where=place.where, count=len(found), edits=edits,
                    part=place.stretch(row, *found[0][1:]),
                )  # fmt: skip
        if any(hit[0] == "missing" for hit in place.hits):
            yield rule.problem(
                place.pointer, text="missing", severity="warning", once="missing", help=_INSTALL
            )


def _numbers(text: str, *, quoted: bool = False) -> tuple[tuple[str, int, int], ...]:
    """(kind, start, end) of each personal number; one "missing" where the library is not installed."""
    hits: list[tuple[str, int, int]] = []
    for kind, pattern, name in (
        ("id", _ID, "cn.ric"), ("card", _CARD, "luhn"), ("iban", _IBAN, "iban")
    ):  # fmt: skip
        for match in pattern.finditer(text):
            start, end = match.span()
            number = re.sub("[ -]", "", match[0]).upper()
            if number in _EXAMPLES or _COUNTED.search(number) or len(set(number)) < _LEAST_VARIETY:
                continue
            if kind == "card" and not (_has_issuer(number) and (quoted or _is_told(match, text))):
                continue
            valid = _validator(name)
            if valid is None:
                hits.append(("missing", start, end))
                break
            if kind == "iban":
                # Words in capitals may follow: the number ends with one of its groups.
                while not valid(number) and (end := text.rfind(" ", start, end)) > 0:
                    number = text[start:end].replace(" ", "")
                if end < 0 or number in _EXAMPLES:
                    continue
            elif not valid(number):
                continue
            hits.append((kind, start, end))
    return tuple(hits)


def _has_issuer(number: str) -> bool:
    return _ISSUERS.fullmatch(number) is not None and not _ROUND.search(number)


def _is_told(match: re.Match[str], text: str) -> bool:
    """Whether the text says that this is a card's number."""
    if len(text) < _SHORT and (match[1] or match[2] or match[3]):
        return True
    near = text[max(match.start() - _NEARBY, 0) : match.end() + _NEARBY // 2]
    return _ABOUT_CARDS.search(near) is not None


def _edits(place: ContentPlace) -> tuple[Edit, ...]:
    """The edit that replaces the numbers."""
    text = without_numbers(place.text, "[REDACTED]")
    return (Edit("replace", place.pointer, text),) if place.may_become(text) else ()


def number_spans(text: str, *, quoted: bool = False) -> list[tuple[int, int]]:
    """(start, end) of each number of a person, confirmed or not; `quoted` as in `without_numbers`."""
    return [(start, end) for _, start, end in _numbers(text, quoted=quoted)]


def without_numbers(text: str, mask: str, *, quoted: bool = False) -> str:
    """The text with a mask in the place of each personal number, confirmed or not.

    The result is searched again: in a shorter text, another number may be near a word such as "card".

    Args:
        text: a text of a row.
        mask: the replacement; not a number itself.
        quoted: the text is only a part of it, so that words that say what a number is may be
            missing.
    """
    while hits := _numbers(text, quoted=quoted):
        parts, done = [], 0
        for _, start, end in sorted(hits, key=lambda hit: hit[1]):
            if start >= done:
                parts += [text[done:start], mask]
            done = max(done, end)
        text = "".join(parts) + text[done:]
    return text
