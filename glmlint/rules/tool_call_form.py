"""A tool call in a form that the model does not use, or calls of one file in several forms.

GLM-4 writes the name right after its role token, then a line break, then the arguments as JSON;
that is what a message with the name in `metadata` becomes. Two other forms are in use. With the
name on the first line of the content, a line break gets between the role token and the name. With
`{"name", "arguments"}` as content (the sample in the official README), the model learns to answer
with plain text that happens to be JSON, which no server parses as a call of GLM-4. A file that
mixes forms teaches the model to choose one at random.

Calls in other models' text forms are reported by `call-as-text`.

Evidence: GLM-4 #684; LLaMA-Factory #9772.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from msgspec import UNSET

from glmlint.evidence.call_spans import name_span
from glmlint.evidence.calls import Call, calls, foreign, holds_json
from glmlint.evidence.report import FileStats
from glmlint.finding import place
from glmlint.plan import Plan
from glmlint.read.spoken import spoken
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text

NOTE: Final = "tool-call-form:"

rule = Rule(
    name="tool-call-form",
    family="tools",
    form="glm",
    title_zh="模型不使用的工具调用写法，或同一个文件里混用多种写法",
    doc_zh="""
    GLM-4 在角色标记之后直接写工具名，然后换行，再以 JSON 写参数；名称放在 `metadata` 里的消息就会变
    成这样。另有两种写法也有人使用。把名称写在 content 第一行，角色标记与名称之间就多了一个换行。把
    `{"name", "arguments"}` 写成 content（官方 README 的示例），模型学到的是用碰巧是 JSON 的普通文本
    回答，没有任何服务端会把它解析成 GLM-4 的调用。混用多种形式的文件会教模型随机选择一种。

    以其他模型的文本形式写的调用由 `call-as-text` 报告。

    依据：GLM-4 #684；LLaMA-Factory #9772。
    """,
    severity="warning",
    when=Fact.CALLS | Fact.TOOLS,
    fix="safe",
    text=Text(
        '{place} holds the call of {name} as `{{"name", "arguments"}}`: the model learns to '
        "answer in JSON, not to call the tool",
        '{place} 以 `{{"name", "arguments"}}` 的形式写对 {name} 的调用：模型学到的是用 JSON 回答，'
        "而不是调用工具",
    ),
    variants={
        "first-line": Text(
            "{place} has the tool name {name} on its first line: this puts a line break before "
            "the name, where the model writes none",
            "{place} 把工具名 {name} 写在正文第一行：角色标记与工具名之间多了一个换行，而模型不会"
            "写这个换行",
        ),
        "list": Text(
            "{place} holds {count} calls as a JSON list: GLM-4 makes one call per message",
            "{place} 用一个 JSON 列表写了 {count} 个调用：GLM-4 每条消息只调用一次",
        ),
        "wrapped": Text(
            "{place} wraps the arguments in the name {name}: the model learns to pass `name` and "
            "`arguments` as arguments",
            "{place} 在参数外又包了一层 {name}：模型会学着把 `name` 和 `arguments` 当作参数传入",
        ),
        "mixed": Text(
            "tool calls in several forms: name in metadata {metadata}, on the first line {first}, "
            "in the content as JSON {content}; the model picks one at random",
            "工具调用混用了多种形式：名称在 metadata 中 {metadata} 次，在正文第一行 {first} 次，在"
            "正文 JSON 中 {content} 次；模型会随机选择",
        ),
    },
    help=Text(
        "Put the name into `metadata` and only the arguments into `content`; `--fix` does it.",
        "把工具名放进 `metadata`，`content` 里只留参数；`--fix` 会这样改写。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": '{"name": "weather", "arguments": {"city": "Rome"}}',
                },
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "content": 'weather\n{"city": "罗马"}'},
                {"role": "observation", "content": "22 度"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "observation", "content": "22 度"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Show me a call as JSON."},
                {
                    "role": "assistant",
                    "content": '{"name": "weather", "arguments": {"city": "Rome"}}',
                },
            ]
        },
    ),
)


def note(row: Row) -> Iterator[str]:
    """The form of every call."""
    if (found := calls(row)) and not foreign(row):
        for call in found:
            yield NOTE + call.form


def check(row: Row) -> Iterator[Problem]:
    told = -1
    for call in calls(row):
        if call.message == told or foreign(row):
            continue
        told = call.message
        if call.form == "metadata":
            if (inner := _wrapped(call)) is not None:
                yield rule.problem(
                    call.at, text="wrapped", edits=(Edit("replace", call.at, inner),),
                    place=place(call.at), name=call.name,
                )  # fmt: skip
        elif call.form == "name-arguments-list":
            count = sum(other.message == told for other in calls(row))
            edits = _in_metadata(row, call) if count == 1 else ()
            yield rule.problem(
                call.at, text="list", edits=edits, place=place(call.at), count=count
            )  # fmt: skip
        else:
            text = "first-line" if call.form == "first-line" else None
            yield rule.problem(
                call.at, text=text, edits=_in_metadata(row, call),
                place=place(call.at), name=call.name[:80],
                part=partial(name_span, row, call) if text else None,
            )  # fmt: skip


def _wrapped(call: Call) -> str | None:
    """The arguments inside a content that wraps them in the name again; None for all others."""
    outer = call.arguments
    if not isinstance(outer, dict) or outer.keys() != {"name", "arguments"}:
        return None
    if outer["name"] != call.name or (call.tool is not None and _takes_both(call)):
        return None
    return _inner(call.text)


def _takes_both(call: Call) -> bool:
    schema = call.tool.schema if call.tool is not None else None
    properties = schema.schema.get("properties") if schema is not None else None
    return isinstance(properties, dict) and {"name", "arguments"} <= properties.keys()


def _inner(text: str) -> str | None:
    """The arguments of the one call that a text is, as they are written.

    None where they are no object, or where the text says more than a name and arguments.
    """
    said = spoken(text)
    if said is None or said.before or len(said.calls) != 1:
        return None
    [call] = said.calls
    sure = call.whole and call.id is None and isinstance(holds_json(call.arguments), dict)
    return call.arguments if sure else None


def _in_metadata(row: Row, call: Call) -> tuple[Edit, ...]:
    text = call.text.lstrip("\r\n") if call.has_text else _inner(call.text)
    if text is None or not _unnamed(row, call.message):
        return ()
    return (
        Edit("add", ("messages", call.message, "metadata"), call.name),
        Edit("replace", call.at, text),
    )


def _unnamed(row: Row, index: int) -> bool:
    """Whether a name can be written to `metadata` without overwriting anything."""
    if row.sample is not None:
        return row.sample.messages[index].metadata in (UNSET, "")
    return row.messages[index].get("metadata") in (None, "")


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    metadata = file.notes[NOTE + "metadata"]
    first = file.notes[NOTE + "first-line"]
    content = file.notes[NOTE + "name-arguments"] + file.notes[NOTE + "name-arguments-list"]
    if (metadata > 0) + (first > 0) + (content > 0) > 1:
        yield rule.problem(None, text="mixed", metadata=metadata, first=first, content=content)
