"""An answer that begins or ends with white space.

A leading space or line break is a token that the model learns to write first: under the Jinja
template a line break even merges with the one of the header into another token, which the model
never sees when it is asked to answer. A trailing one comes before the stop token, so the model
learns to end on it.

Evidence: measured with the official script: a content that begins with a line break merges with
the header's.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Edit, Problem, Row, Rule, Text, stretch_of

rule = Rule(
    name="edge-whitespace",
    family="content",
    title_zh="回答以空白字符开头或结尾",
    doc_zh="""
    开头的空格或换行是一个 token，模型会学着先输出它：在 Jinja 模板下，开头的换行还会与消息头
    的换行合并成另一个 token，而实际要求模型作答时，它从不会见到这个 token。结尾的空白位于停止
    符之前，模型会学着以它收尾。

    依据：用官方脚本实测：正文开头的换行会与消息头的换行合并。
    """,
    severity="info",
    fix="unsafe",
    text=Text(
        "{where} begins with white space ({shown}): the model learns to write it first",
        "{where} 以空白开头（{shown}）：模型会学着先输出空白",
    ),
    variants={
        "end": Text(
            "{where} ends with white space ({shown}): the model learns to write it before it stops",
            "{where} 以空白结尾（{shown}）：模型会学着在停止前输出空白",
        ),
    },
    help=Text("Strip it (`--unsafe-fixes` does).", "去掉首尾空白（`--unsafe-fixes` 会这样做）。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": " Hello"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！\n"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": " 你好\n"},
                {"role": "assistant", "content": "你好！\n\n很高兴见到你。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "   "},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    for index, role, text in row.texts:
        if role != "assistant" or not (text[:1].isspace() or text[-1:].isspace()):
            continue
        inner = text.strip()
        if not inner:  # `empty-content` reports it
            continue
        at = row.at(index, "content")
        edits = (Edit("replace", at, inner),) if row.writes(index) else ()
        if text[0].isspace():
            start, stop = 0, len(text) - len(text.lstrip())
            kind = None
        else:
            start, stop = len(text.rstrip()), len(text)
            kind = "end"
        yield rule.problem(
            at, text=kind, where=row.where(index), shown=_shown(text[start:stop]), edits=edits,
            part=stretch_of(row, index, start, stop),
        )  # fmt: skip


def _shown(blank: str) -> str:
    short = blank[:6].encode("unicode_escape").decode().replace(" ", "␠")
    return short if len(blank) <= 6 else short + "…"
