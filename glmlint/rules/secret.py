"""A key or token in a text of the conversation, in a call or in a tool list.

A model can be made to repeat what is in its training data: a key in an answer is learned as text to
write, one in a question or a tool result is in every copy of the data. Only unambiguous forms are
reported (AWS, GitHub, GitLab, OpenAI, Slack, Stripe, SendGrid, PyPI, npm, Azure storage, private
keys with their body, signed JSON Web Tokens), and `detect-secrets` must agree; examples from
documentation (`AKIA…EXAMPLE`, runs of x) are ignored. It is an error in an answer, and a warning
elsewhere (questions, results, tool lists) and for JSON Web Tokens, which expire. The secret itself
is never shown.

Where the package detect-secrets is missing, a warning says once per file that secrets were not
checked.

Evidence: keys in published chat data; detect-secrets 1.5.0 (Yelp) for the forms.
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
    name="secret",
    family="content",
    title_zh="对话文本、工具调用或工具列表里有密钥或令牌",
    doc_zh="""
    训练数据里有什么，就可以诱导模型说出什么：回答里的密钥会作为要输出的文本被学到，问题或工具结果里
    的密钥则存在于数据的每一份副本中。只报告不会误认的形式（AWS、GitHub、GitLab、OpenAI、Slack、
    Stripe、SendGrid、PyPI、npm、Azure 存储、带正文的私钥、已签名的 JSON Web Token），并且须经
    `detect-secrets` 确认；文档中的示例（`AKIA…EXAMPLE`、连续的 x）不报告。出现在回答里是错误；出现
    在其他位置（问题、工具结果、工具列表）以及会过期的 JSON Web Token 是警告。密钥本身从不显示。

    没有安装 detect-secrets 包时，每个文件给出一条警告，说明未检查密钥。

    依据：已发布的对话数据中出现的密钥；各种形式取自 detect-secrets 1.5.0（Yelp）。
    """,
    severity="error",
    when=Fact.SECRET,
    fix="unsafe",
    text=Text(
        "{where} contains a secret ({kind}, {size} characters): the model learns to write it",
        "{where} 中有密钥（{kind}，{size} 个字符）：模型会学着原样输出",
    ),
    variants={
        "context": Text(
            "{where} contains a secret ({kind}, {size} characters): whoever has the data has the "
            "key",
            "{where} 中有密钥（{kind}，{size} 个字符）：拿到数据的人就拿到了密钥",
        ),
        "missing": Text(
            "{rows:row} with possible secrets not checked: detect-secrets is not installed",
            "有 {rows} 行的文本形似密钥，未做检查：没有安装 detect-secrets",
        ),
    },
    help=Text(
        "Revoke the key, then replace it with a placeholder (`--unsafe-fixes` writes [REDACTED]).",
        "先吊销该密钥，再替换成占位文字（--unsafe-fixes 会写成 [REDACTED]）。",
    ),
    help_alone=Text(
        "Revoke the key, then replace it with a placeholder.",
        "先吊销该密钥，再替换成占位文字。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Which key do we use?"},
                {"role": "assistant", "content": "AKIA" + "Q3EGRLK7W2ZVX5TN"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "我的令牌是 ghp_" + "9fK2mQx7LpR4tVb8NcY3wZ6sHd1jGa5eTu0o"},
                {"role": "assistant", "content": "请立刻吊销它。"},
            ]
        },
        {
            "messages": [
                {
                    "role": "system",
                    "content": "",
                    "tools": [
                        {
                            "type": "function",
                            "function": {
                                "name": "upload",
                                "description": "Uploads a file with AKIA" + "Q3EGRLK7W2ZVX5TN",
                                "parameters": {"type": "object", "properties": {}},
                            },
                        }
                    ],
                },
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello!"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "What does an AWS key look like?"},
                {"role": "assistant", "content": "AKIAIOSFODNN7EXAMPLE"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "GitHub 令牌是什么样子？"},
                {"role": "assistant", "content": "ghp_" + "x" * 36 + "，以 ghp_ 开头。"},
            ]
        },
    ),
)  # fmt: skip

# Each begins at the edge of a word and takes all it can: work grows with the text only. The first
# letter stands before the look behind, so that `re` looks for it and not at every place.
_FORMS: Final = (
    # (what it looks like, module and class of detect-secrets)
    (r"A(?<![0-9A-Za-z]A)[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])", "aws.AWSKeyDetector"),
    (r"g(?<![0-9A-Za-z_]g)h[pousr]_[0-9A-Za-z]{36}(?![0-9A-Za-z])", "github_token.GitHubTokenDetector"),
    (r"g(?<![\w-]g)lpat-[\w-]{20,50}+(?![\w-])", "gitlab_token.GitLabTokenDetector"),
    (r"s(?<![\w-]s)k-[\w-]{40,250}+(?![\w-])", "openai.OpenAIDetector"),
    (r"x(?<![\w-]x)ox[abposr]-[\w-]{20,250}+", "slack.SlackDetector"),
    (r"(?<![0-9A-Za-z])[rs]k_live_[0-9A-Za-z]{24,128}+", "stripe.StripeDetector"),
    (r"S(?<![\w.-]S)G\.[\w-]{22}\.[\w-]{43}(?![\w-])", "sendgrid.SendGridDetector"),
    (r"p(?<![\w-]p)ypi-AgE[\w-]{80,400}+", "pypi_token.PypiTokenDetector"),
    (r"//[\w.-]{3,100}/:_authToken=npm_[0-9A-Za-z]{36}", "npm.NpmDetector"),
    (r"AccountKey=[0-9A-Za-z+/=]{88}", "azure_storage_key.AzureStorageKeyDetector"),
    (r"e(?<![\w.-]e)yJ[\w-]{12,1024}+\.eyJ[\w-]{8,4096}+\.[\w-]{20,1024}+", "jwt.JwtTokenDetector"),
    (r"-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
     r"(?:(?:\s|\\[rn]){1,8}[0-9A-Za-z+/=]{20,100}+){2,200}", "private_key.PrivateKeyDetector"),
)  # fmt: skip
_PATTERNS: Final = tuple((Pattern(form, re.ASCII), detector) for form, detector in _FORMS)
_EXAMPLE: Final = Pattern(
    r"EXAMPLE|example|(?i:your|dummy|fake|xxxx|test)|12345678|abcdefgh|eyJzdWIiOiIxMjM0NTY3ODkw"
)
_LEAST_VARIETY: Final = 10
"""Distinct characters that a real key has at least."""


@cache
def _detector(name: str) -> Callable[[str], Iterator[str]] | None:
    """The library's function that finds secrets in a string; None where it is not installed."""
    module, _, attribute = name.partition(".")
    try:
        plugin = importlib.import_module(f"detect_secrets.plugins.{module}")
    except ImportError:
        return None
    found: Callable[[str], Iterator[str]] = getattr(plugin, attribute)().analyze_string
    return found


_INSTALL: Final = Text(
    "Install it (pip install detect-secrets) and check again.",
    "请先安装（pip install detect-secrets），再检查一次。",
)


def check(row: Row) -> Iterator[Problem]:
    for place in places(row, _secrets):
        # All of a text's secrets go with one edit, which its first problem carries.
        edits: tuple[Edit, ...] | None = None
        for name, start, size in place.hits:
            if not size:
                yield rule.problem(
                    place.pointer, text="missing", severity="warning", once="missing", help=_INSTALL
                )
                continue
            edits = _edits(place) if edits is None else ()
            yield rule.problem(
                place.pointer,
                text=None if place.said else "context",
                severity="warning" if not place.said or name.startswith("jwt") else None,
                where=place.where, kind=_kind(name), size=size, edits=edits,
                part=place.stretch(row, start, start + size),
            )  # fmt: skip


def _secrets(text: str) -> tuple[tuple[str, int, int], ...]:
    """(detector, place and length of the first) of each kind; no length where the library is not
    installed."""
    hits = []
    for pattern, name in _PATTERNS:
        for match in pattern.finditer(text):
            secret = match[0]
            if len(set(secret)) < _LEAST_VARIETY or _EXAMPLE.search(secret):
                continue
            find = _detector(name)
            if find is None or any(find(secret)):
                hits.append((name, match.start(), 0 if find is None else len(secret)))
                break
    return tuple(hits)


@cache
def _kind(name: str) -> str:
    module, _, attribute = name.partition(".")
    plugin = importlib.import_module(f"detect_secrets.plugins.{module}")
    return str(getattr(plugin, attribute).secret_type)


def _edits(place: ContentPlace) -> tuple[Edit, ...]:
    """The edit that replaces everything in a text that looks like a secret."""
    text = without_secrets(place.text, "[REDACTED]")
    return (Edit("replace", place.pointer, text),) if place.may_become(text) else ()


def secret_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each secret in the text, also where no library can confirm it."""
    return [match.span() for pattern, _ in _PATTERNS for match in pattern.finditer(text)]


def without_secrets(text: str, mask: str) -> str:
    """The text with a mask in the place of each secret, also where no library can confirm it."""
    for pattern, _ in _PATTERNS:
        text = pattern.sub(mask, text)
    return text
