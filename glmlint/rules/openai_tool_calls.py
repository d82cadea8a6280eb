"""Tool calls or results in OpenAI's form: `tool_calls`, `function_call`, role `tool`.

GLM-4's template reads none of these keys. The message of a call has no content, so it disappears
with its role token, and the model never sees a call. A result with the role `tool` is printed as
the plain text `<|tool|>`, not as the observation token, and the official script trains on it, since
it masks only system, user and observation.

A file that is entirely in OpenAI's form is reported once; convert it. In rows that are otherwise in
GLM's form, each place is reported and can be fixed.

Evidence: fw-ai/cookbook #394; the mask of finetune.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.calls import holds_json
from glmlint.evidence.turns import content_of, fate
from glmlint.finding import place
from glmlint.read.formats import role_in
from glmlint.read.spoken import of_value
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text
from glmlint.trainer.row import per_row

CALL_KEYS: Final = ("tool_calls", "function_call")
RESULT_ROLES: Final = ("tool", "function")

rule = Rule(
    name="openai-tool-calls",
    family="tools",
    form="glm",
    title_zh="OpenAI 形式的工具调用或结果：`tool_calls`、`function_call`、角色 `tool`",
    doc_zh="""
    GLM-4 的模板不读取这些键。调用消息没有 content，会连同角色标记一起消失，模型看不到任何调用。角色
    为 `tool` 的结果会输出为普通文本 `<|tool|>`，而不是 observation 标记；官方脚本还会训练它，因为它
    只屏蔽 system、user 和 observation。

    整个文件都是 OpenAI 格式时只报告一次，请转换它。其余部分是 GLM 格式的行会逐处报告，并且可以修
    复。

    依据：fw-ai/cookbook #394；finetune.py 的掩码。
    """,
    severity="error",
    when=Fact.KEYS | Fact.ODD,
    fix="safe",
    after=("other-format",),
    text=Text(
        "{place} is OpenAI's form of a call: the template ignores it, the model sees no call",
        "{place} 是 OpenAI 形式的调用：模板不会读取它，模型看不到这次调用",
    ),
    variants={
        "result": Text(
            "{place} is {role!r}, printed as plain text: GLM's role for tool results is "
            "observation",
            "{place} 为 {role!r}，会变成普通文本：GLM 中工具结果的角色是 observation",
        ),
        "trained": Text(
            "{place} is {role!r}, printed as plain text and trained: GLM's role is observation",
            "{place} 为 {role!r}，会变成普通文本并参与训练：GLM 中工具结果的角色是 observation",
        ),
        "raises": Text(
            "{place} is {role!r}, and the trainer raises {exception} here: GLM's role for tool "
            "results is observation",
            "{place} 为 {role!r}，训练框架在此抛出 {exception}：GLM 中工具结果的角色是 observation",
        ),
        "file": Text(
            "tool calls are in OpenAI's form ({rows:row}): the template reads none of them, "
            "the model sees no call",
            "工具调用是 OpenAI 形式（共 {rows} 行）：模板不会读取，模型看不到任何调用",
        ),
        "file-results": Text(
            "tool results have the role {role!r} ({rows:row}), printed as plain text: GLM's role "
            "for them is observation",
            "工具结果的角色为 {role!r}（共 {rows} 行），会变成普通文本：GLM 中应为 observation",
        ),
        "file-results-raise": Text(
            "tool results have the role {role!r} ({rows:row}), and the trainer raises "
            "{exception}: GLM's role for them is observation",
            "工具结果的角色为 {role!r}（共 {rows} 行），训练框架会抛出 {exception}：GLM 中应为 "
            "observation",
        ),
        "file-results-unseen": Text(
            "tool results have the role {role!r} ({rows:row}), and the template leaves them out: "
            "GLM's role for them is observation",
            "工具结果的角色为 {role!r}（共 {rows} 行），模板不会输出它们：GLM 中应为 observation",
        ),
        "unseen": Text(
            "{place} is {role!r}, and the template leaves it out: GLM's role for tool results is "
            "observation",
            "{place} 为 {role!r}，模板不会输出它：GLM 中工具结果的角色是 observation",
        ),
    },
    help=Text(
        "Write the name to `metadata`, the arguments to `content`, and the result as an "
        "`observation` message; `glmlint convert --to glm4` converts a whole file.",
        "把函数名写进 `metadata`，参数写进 `content`，结果写成 `observation` 消息；"
        "`glmlint convert --to glm4` 可以转换整个文件。",
    ),
    bad=(
        {
            "messages": [
                {"role": "system", "content": "", "tools": []},
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                        }
                    ],
                },
                {"role": "observation", "content": "22 degrees"},
                {"role": "assistant", "content": "It is 22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "罗马"}'},
                {"role": "tool", "content": "22 度", "tool_call_id": "call_1"},
                {"role": "assistant", "content": "22 度。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "罗马天气怎么样？"},
                {
                    "role": "assistant",
                    "content": None,
                    "function_call": {"name": "weather", "arguments": '{"city": "罗马"}'},
                },
                {"role": "function", "name": "weather", "content": "22 度"},
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
                {"role": "user", "content": "What is a tool call?"},
                {"role": "assistant", "content": "A function's name and JSON.", "tool_calls": []},
            ]
        },
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.beside is not None:
        return  # its messages have no key that says so
    found = [(i, m) for i, m in row.good_messages if _call_key(m) or _is_result(m)]
    if not found or row.foreign not in (None, "openai"):
        return
    if row.foreign == "openai":
        if () in row.said.places:
            return  # `other-format` has reported the whole file
        index, message = next((each for each in found if _call_key(each[1])), found[0])
        key = _call_key(message)
        text = "file" if key else "file-results"
        lot = None if key else fate(row, index)
        if lot == "raises":
            text = "file-results-raise"
        elif lot == "left out" and content_of(message):
            text = "file-results-unseen"
        at = ("messages", index, key or "role")
        yield rule.problem(
            at, text=text, once=text, raises=lot == "raises", role=message.get("role"),
            exception=row.error.exception if row.error else None,
        )  # fmt: skip
        return
    for index, message in reversed(found):  # from the last: a fix may put a message in
        if key := _call_key(message):
            at = ("messages", index, key)
            yield rule.problem(at, place=place(at), edits=_glm_call(index, message, key))
        if _is_result(message):
            yield _result(row, index, message)


def _call_key(message: dict[str, Any]) -> str | None:
    return next((key for key in CALL_KEYS if message.get(key)), None)


def _is_result(message: dict[str, Any]) -> bool:
    return message.get("role") in RESULT_ROLES and role_in(message) == "observation"


def _result(row: Row, index: int, message: dict[str, Any]) -> Problem:
    at = ("messages", index, "role")
    error = row.error
    text = "result"
    if error is not None and error.exception == "AssertionError" and error.at == at[:2]:
        text = "raises"
    elif fate(row, index) == "left out" and content_of(message):
        text = "unseen"
    elif row.context.trainer.trains_unknown_roles:
        text = "trained"
    edits = [Edit("replace", at, "observation")]
    edits += [Edit("remove", ("messages", index, key)) for key in _said_again(row, message)]
    return rule.problem(
        at, text=text, raises=text == "raises", trains=text == "trained", edits=tuple(edits),
        place=place(at), role=message["role"], exception=error.exception if error else None,
    )  # fmt: skip


def _said_again(row: Row, message: dict[str, Any]) -> Iterator[str]:
    """The keys of a result that repeat its call: GLM's form has no place for them."""
    if isinstance(message.get("tool_call_id"), str | None) and "tool_call_id" in message:
        yield "tool_call_id"
    name = message.get("name")
    if "name" in message and (name is None or (isinstance(name, str) and name in _called(row))):
        yield "name"


@per_row
def _called(row: Row) -> set[str]:
    """The names of the functions that the row calls."""
    names: list[Any] = []
    for _, message in row.good_messages:
        names.append(message.get("metadata"))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else [message.get("function_call")]:
            function = call.get("function", call) if isinstance(call, dict) else None
            names.append(function.get("name") if isinstance(function, dict) else None)
    return {name for name in names if isinstance(name, str)}


def _glm_call(index: int, message: dict[str, Any], key: str) -> tuple[Edit, ...]:
    """Edits that write one call in GLM's form; none for parallel calls and for odd ones.

    None either where something would be lost: a second call under the other key, or what a call
    has beside its name, its arguments and its id.
    """
    if message.get("role") != "assistant" or message.get("metadata") not in (None, ""):
        return ()
    if sum(bool(message.get(name)) for name in CALL_KEYS) > 1:
        return ()
    value = message[key]
    if key == "tool_calls":
        value = value[0] if isinstance(value, list) and len(value) == 1 else None
    call = of_value(value) if isinstance(value, dict) else None
    if call is None or not call.whole:
        return ()
    arguments = call.arguments or "{}"
    if not isinstance(holds_json(arguments), dict):
        return ()
    rest = {name: part for name, part in message.items() if name not in CALL_KEYS}
    spoken = rest.get("content")
    at = ("messages", index)
    made = {"role": "assistant", "metadata": call.name, "content": arguments}
    if spoken in (None, ""):
        return (Edit("replace", at, {**rest, **made}),)
    if not isinstance(spoken, str):
        return ()
    return (Edit("replace", at, rest), Edit("add", ("messages", index + 1), made))
