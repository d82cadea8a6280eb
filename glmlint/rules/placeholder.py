"""A placeholder that was never filled in.

The fields of a template (`{{name}}`, `<NAME>`), the words of the format's documentation (`<user
prompt text>`), a whole message that says TODO: the model learns to write them. Sample data for a
model's identity contain such fields, and are often trained unchanged. It is reported once per file
and placeholder, with the number of rows. Code, tool calls and questions about templates are
ignored, and so are blanks that the reader of a letter is meant to fill in (`[Your Name]`).

Evidence: LLaMA-Factory's `identity.json` has `{{name}}` and `{{author}}`,
ChatGLM-Efficient-Tuning's `self_cognition.json` has `<NAME>` and `<AUTHOR>`; the GLM-4 README's
format block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.read.textfacts import PLACEHOLDER_WORDS, bare
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, part_of

rule = Rule(
    name="placeholder",
    family="content",
    title_zh="没有替换成真实内容的占位文本",
    doc_zh="""
    模板字段（`{{name}}`、`<NAME>`）、格式说明文档里的文字（`<user prompt text>`）、只写着 TODO 的整
    条消息：模型都会学着输出。模型身份的示例数据就带有这样的字段，常常未经替换就用于训练。每个文件、
    每种占位文本只报告一次，附行数。代码、工具调用和关于模板的问题不检查，信件里留给读者填写的空白
    （`[Your Name]`）也不检查。

    依据：LLaMA-Factory 的 `identity.json` 含 `{{name}}` 和 `{{author}}`，ChatGLM-Efficient-Tuning
    的 `self_cognition.json` 含 `<NAME>` 和 `<AUTHOR>`；GLM-4 README 的格式说明。
    """,
    severity="warning",
    when=Fact.PLACEHOLDER,
    text=Text(
        "{what} in {where} was never filled in ({rows:row}): the model learns to write it",
        "{where} 中的 {what} 没有替换成真实内容（共 {rows} 行）：模型会学着原样输出",
    ),
    help=Text(
        "Replace it with the real value in the whole file, or delete these rows.",
        "在整个文件中把它替换成真实内容，或删除这些行。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Who are you?"},
                {"role": "assistant", "content": "I am {{name}}, made by {{author}}."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你是谁？"},
                {"role": "assistant", "content": "您好，我是 <NAME>，由 <AUTHOR> 开发。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "<user prompt text>"},
                {"role": "assistant", "content": "<assistant response text>"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写一首诗"},
                {"role": "assistant", "content": "（待补充）"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "谁训练了你？"},
                {"role": "assistant", "content": "{{author}} 训练了我。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Write a letter of thanks."},
                {"role": "assistant", "content": "Thank you for your help.\n\n[Your Name]"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Jinja 里怎么输出变量？"},
                {"role": "assistant", "content": "写成 `{{ name }}` 即可。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "What does <NAME> mean in this data?"},
                {"role": "assistant", "content": "<NAME> stands where a name was removed."},
            ]
        },
    ),
)

_FIELD: Final = Pattern(
    r"\{\{ ?[A-Za-z][A-Za-z_ ]{0,24}\}\}"
    r"|<(?:YOUR[_ ])?(?:NAME|AUTHOR|COMPANY|ORGANIZATION|DEVELOPER|MODEL|BOT|USER|EMAIL|PHONE|DATE)"
    r"(?:[_ ]NAME)?>"
    r"|[<\[](?:your |insert |the |add )?(?:answer|response|output|text|content|name) here[>\]]",
)
_DOCUMENTED: Final = Pattern(
    r"<(?:system|user|observation|assistant) (?:prompt|response) text>|<tool (?:name|args)>"
)
"""The format block of the GLM-4 README."""
_JSON: Final = Pattern(r"\[|\{(?!\{)")
_TEMPLATES: Final = Pattern(
    r"templat|merge.?field|variable|placeholder|handlebars|jinja|mustache|模板|变量|占位|字段",
    re.IGNORECASE,
)
"""Where templates are the subject, their fields are intended."""


def check(row: Row) -> Iterator[Problem]:
    asked, templates = "", False
    seen = set()
    for index, role, text in row.texts:
        for found in _DOCUMENTED.findall(text[:4096]):
            seen.add((found, index))
        if role != "assistant":
            asked = text[-4096:]
            templates = bool(_TEMPLATES.search(asked))
            continue
        if len(text) <= 32 and bare(text) in PLACEHOLDER_WORDS and not _is_choice(asked, text):
            seen.add((text.strip(), index))
        elif not (templates or _JSON.match(text) or "```" in text or _TEMPLATES.search(text)):
            for found in _FIELD.finditer(text):
                if not _quoted(text, found) and found[0] not in asked:
                    seen.add((found[0], index))
    texts = {index: text for index, _, text in row.texts} if seen else {}
    for what, index in sorted(seen, key=lambda item: (item[1], texts[item[1]].find(item[0]))):
        at = row.at(index, "content")
        yield rule.problem(
            at, once=what, what=what, where=row.where(index),
            part=part_of(row, at, what),
        )  # fmt: skip


def _is_choice(asked: str, answer: str) -> bool:
    """Whether the question offers the word, as a list of labels does."""
    return bare(answer) in asked.casefold()


def _quoted(text: str, found: re.Match[str]) -> bool:
    before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    return before in ("`", "$", '"', "'") and after != "" and before != ""
