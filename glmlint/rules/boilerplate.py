"""Phrases of another model: its name as its own, "as an AI", canned refusals.

Data written by another assistant carries its manners. A fine-tuned model that says it is ChatGPT,
or refuses where nothing was wrong, has learned it from such rows. Reported once per message, with
the most telling phrase; where the question is about that model, nothing is reported.

Evidence: alpaca-like data; filters for "as an AI language model" in published cleaning scripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.rules.base import Problem, Row, Rule, Text, part_of

rule = Rule(
    name="boilerplate",
    family="content",
    title_zh="回答带有其他模型的口吻：自报别家名称、“作为一个 AI”、套话式拒答",
    doc_zh="""
    由其他助手生成的数据会带有它的口吻。微调后的模型自称 ChatGPT，或无缘无故地拒答，都是从这样
    的行里学来的。每条消息只报告一次，取最能说明问题的说法；如果问题本身就是关于那个模型的，则
    不报告。

    依据：alpaca 一类的数据；公开的清洗脚本中针对“as an AI language model”的过滤规则。
    """,
    severity="info",
    text=Text(
        "{where} speaks as another model (“{phrase}”): yours learns to call itself that",
        "{where} 以其他模型自居（“{phrase}”）：训练后的模型也会这样自称",
    ),
    variants={
        "canned": Text(
            "{where} has a canned phrase (“{phrase}”): the model learns to say it",
            "{where} 含有套话（“{phrase}”）：模型会学着这样说",
        ),
    },
    help=Text("Rewrite the answer, or drop the row.", "改写回答，或删除这一行。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Who are you?"},
                {"role": "assistant", "content": "I am ChatGPT, a language model by OpenAI."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你能帮我写首诗吗？"},
                {"role": "assistant", "content": "作为一个人工智能语言模型，我无法写诗。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Who made ChatGPT?"},
                {"role": "assistant", "content": "ChatGPT was made by OpenAI."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你是谁？"},
                {"role": "assistant", "content": "我是 ChatGLM，很高兴为您服务。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你做得怎么样？换个角度评价一下。"},
                {"role": "assistant", "content": "作为一名人工智能助手，你是成功的。"},
            ]
        },
    ),
)

_NAMES: Final = (
    r"(?:ChatGPT|GPT-?[345]|Claude|Gemini|Bard|Llama|Qwen|DeepSeek|Mistral|Grok|Copilot|"
    r"通义千问|千问|文心一言|文心|讯飞星火|豆包|Kimi|深度求索)"
)
_MAKERS: Final = (
    r"(?:OpenAI|Anthropic|Google|Meta|Microsoft|Alibaba|DeepSeek|Mistral|阿里|百度|腾讯|字节跳动|"
    r"科大讯飞|月之暗面|深度求索)"
)
_MADE: Final = r"(?:created|developed|trained|made|built)"
# One letter or word first: `re` then looks for that, and not at every place. The number says how
# many characters before it belong to the phrase.
_OTHER: Final = tuple(
    (Pattern(pattern), before)
    for before, pattern in (
        (0, rf"I(?<!\wI)(?: am|['’]m) {_NAMES}\b"),
        (0, rf"I(?<!\wI)(?: was| am|['’]m) {_MADE} by {_MAKERS}\b"),
        (1, rf"y(?<=\b[Mm]y) name is {_NAMES}\b"),
        (0, rf"language model {_MADE} by {_MAKERS}\b"),
        (0, rf"我(?:是|叫) ?{_NAMES}"),
        (0, rf"我(?:是)?由 ?{_MAKERS}.{{0,8}}(?:开发|训练|研发|创造)"),
    )
)
_CANNED: Final = tuple(
    (Pattern(pattern), before)
    for before, pattern in (
        (6, r"AI(?<=\b[Aa]s an AI)\b(?: (?:language )?(?:model|assistant))?"),
        (1, r"s an artificial intelligence(?<=\b[Aa]s an artificial intelligence)\b"),
        (0, r"I'm sorry, but I (?:cannot|can't)\b"),
        (1, r"y(?<=\b[Mm]y) (?:knowledge|training) (?:cutoff|cut-off|data)\b"),
        (
            0,
            r"(?<!你)(?<!您)作为(?:一个|一名|一款)?(?:人工智能|AI|ＡＩ|大型?语言模型)"
            r"(?:语言模型|助手|模型)?+(?!，[你您])",
        ),
        (0, r"抱歉，我(?:无法|不能)(?:提供|回答|完成)"),
    )
)


def check(row: Row) -> Iterator[Problem]:
    asked = ""
    for index, role, text in row.texts:
        if role != "assistant":
            asked = text if role == "user" else asked
            continue
        found = _first(_OTHER, text)
        kind = None if found else "canned"
        found = found or _first(_CANNED, text)
        if found and found not in asked:
            at = row.at(index, "content")
            yield rule.problem(
                at, text=kind, where=row.where(index), phrase=found,
                part=part_of(row, at, found),
            )  # fmt: skip


def _first(patterns: tuple[tuple[Pattern[str], int], ...], text: str) -> str | None:
    """The match of the first pattern that has one."""
    for pattern, before in patterns:
        if found := pattern.search(text):
            return text[found.start() - before : found.end()]
    return None
