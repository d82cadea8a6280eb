"""Phrases of another model: its name as its own, "as an AI", canned refusals.

Data written by another assistant carry its manners. A fine-tuned model that says it is ChatGPT, or
refuses where nothing was wrong, has learned it from such rows. Told once for each message, the
most telling phrase first; where the question speaks of that model, nothing is told.

Evidence: alpaca-like data; filters for "as an AI language model" in published cleaning scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.rules.base import Problem, Row, Rule, Text

rule = Rule(
    name="boilerplate",
    family="content",
    severity="info",
    text=Text(
        "messages[{index}] speaks as another model (“{phrase}”): yours learns to call itself so",
        "messages[{index}] 以别的模型自居（“{phrase}”）：您的模型会学到这样自称",
    ),
    variants={
        "canned": Text(
            "messages[{index}] has a canned phrase (“{phrase}”): the model learns to say it",
            "messages[{index}] 含有套话（“{phrase}”）：模型会学到照说",
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
_OTHER: Final = re.compile(
    rf"(?:\bI am|\bI'm|\bI’m|\b[Mm]y name is|我是|我叫|作为) ?{_NAMES}\b"
    rf"|(?:\bI was|\bI am|\bI'm|assistant|model) (?:created|developed|trained|made|built) by {_MAKERS}\b"
    rf"|我(?:是)?由 ?{_MAKERS}.{{0,8}}(?:开发|训练|研发|创造)"
)
_CANNED: Final = re.compile(
    r"\b[Aa]s an (?:AI|artificial intelligence)\b(?: (?:language )?(?:model|assistant))?"
    r"|\bI'm sorry, but I (?:cannot|can't)\b"
    r"|\b[Mm]y (?:knowledge|training) (?:cutoff|cut-off|data)\b"
    r"|作为(?:一个|一名|一款)?(?:人工智能|AI|ＡＩ|大型?语言模型)(?:语言模型|助手|模型)?"
    r"|抱歉，我(?:无法|不能)(?:提供|回答|完成)"
)


def check(row: Row) -> Iterator[Problem]:
    asked = ""
    for index, role, text in row.texts:
        if role != "assistant":
            asked = text if role == "user" else asked
            continue
        found = _OTHER.search(text)
        kind = None if found else "canned"
        found = found or _CANNED.search(text)
        if found and found[0] not in asked:
            yield rule.problem(
                ("messages", index, "content"), text=kind, index=index, phrase=found[0]
            )
