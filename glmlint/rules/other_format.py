"""The rows are in another trainer's format.

The official script reads `messages` with `role` and `content`. ShareGPT, Alpaca, and
prompt/response rows have no `messages`: the trainer raises KeyError at the first row. OpenAI rows
do have them, so they get through in part: tool calls are left out, tool results are trained as
text, lists of content parts are printed in Python syntax. It is reported once per file and format,
instead of once per row.

Evidence: LLaMA-Factory #2529, #2381; fw-ai/cookbook #394.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.printing import tools_unprinted
from glmlint.evidence.targets import target
from glmlint.evidence.teaching import reaches, whole_text
from glmlint.evidence.turns import content_of, fate, role_of, shown
from glmlint.finding import Pointer, value_at
from glmlint.patterns import Pattern
from glmlint.read.formats import TURN_KEYS, role_in
from glmlint.rules.base import Fact, Problem, Row, Rule, Text
from glmlint.trainer.base import all_trainers
from glmlint.trainer.errors import Dropped, TrainerError

_NAMES: Final = {
    "sharegpt": ("ShareGPT (from and value)", " ShareGPT（from 和 value）"),
    "alpaca": ("Alpaca (instruction, input, output)", " Alpaca（instruction、input、output）"),
    "chatglm3": ("ChatGLM3 (conversations)", " ChatGLM3（conversations）"),
    "xtuner": ("XTuner (input and output)", " XTuner（input 和 output）"),
    "pairs": ("turns of a question and an answer", "由一问一答组成的轮次"),
    "prompt-response": ("question and answer columns", "问题列加回答列"),
    "prompt-only": ("prompts without answers", "只有提示词、没有回答"),
    "preference": ("preference pairs (chosen and rejected)", "偏好数据（chosen 和 rejected）"),
    "glm": (
        "GLM messages (metadata, observation, tools of a message)",
        " GLM 的 messages（metadata、observation、消息级 tools）",
    ),
    "messages-list": ("bare lists of messages", "不带外层对象的消息列表"),
    "text": ("plain text", "纯文本"),
}
"""Format, as `formats.recognise` names it -> its name in a sentence; a space before a Latin name in a Chinese one."""

_RESULT_ROLES: Final = ("tool", "function")

_CONVERTED_ROLES: Final = ("tool_call", "tool_response", "function_call", "function_response")
"""Roles of ms-swift's own form, by either of its spellings."""

_CONVERT: Final = Text(
    "Convert the file with `glmlint convert` to the form that the trainer reads.",
    "用 `glmlint convert` 转换成训练框架能读取的格式。",
)

_NO_CALLS: Final = Text(
    "With this template {trainer} prints tool calls in no form; it reads the rest. ",
    "在当前模板下，{trainer}不会输出任何格式的工具调用；其余内容可以读取。",
)

_NO_FORM: Final = Text(
    "With this template, no form that `glmlint convert` writes can be read: name the model to "
    "train with --model.",
    "在当前模板下，`glmlint convert` 能写出的格式都无法读取：请用 --model 指明要训练的模型。",
)

_TAKE: Final = Text(
    "{trainer} learns one answer here. To take the chosen one, run: ",
    "{trainer}在这里只学习一个回答。要取被选中的回答，请运行：",
)


_GLM_HEAD: Final = Text(
    "not GLM messages but {en} ({rows:row})",
    "不是 GLM 的 messages，而是{zh}，共 {rows} 行",
)

_HEAD: Final = Text(
    "the rows are {en} ({rows:row}), which {trainer} does not read as intended",
    "数据是{zh}，共 {rows} 行，{trainer}无法正确读取",
)

_TAILS: Final = {
    "part": Text(": parts of them never reach the model", "：其中一部分内容不会进入训练"),
    "raises": Text(": the trainer raises {exception}", "：训练框架会抛出 {exception}"),
    "dropped": Text(": all of them are left out", "：这些行都会被丢弃"),
    "nothing": Text(": nothing in them is trained", "：没有任何内容参与训练"),
    "python": Text(
        ": the prompt contains lists of parts in Python syntax",
        "：提示词里会出现 Python 语法的分段列表",
    ),
    "wrong": Text(
        ": text that no assistant wrote is trained",
        "：并非 assistant 所写的文本会参与训练",
    ),
    "lost": Text(": {lost} never reach the model", "：{lost}不会进入训练"),
    "role": Text(": the role {lost} is printed as plain text", "：角色 {lost} 会当作普通文本输出"),
    "lists": Text(
        ": they have no columns, and the load or the trainer fails",
        "：它们没有列名，加载器或训练框架会报错",
    ),
}
"""What happens to such rows: the end of the sentence."""

_AND_LOST: Final = Text("; {lost} never reach the model", "；{lost}不会进入训练")

rule = Rule(
    name="other-format",
    family="structure",
    title_zh="数据是其他训练框架的格式",
    doc_zh="""
    官方脚本读取带有 `role` 和 `content` 的 `messages`。ShareGPT、Alpaca 以及 prompt/response 格式没
    有 `messages`：官方脚本在第一行就抛出 KeyError。OpenAI 格式有，因此能通过一部分：工具调用被跳
    过，工具结果作为文本参与训练，分段的 content 列表按 Python 语法输出。每个文件、每种格式只报告一
    次，而不是每行一次。

    依据：LLaMA-Factory #2529、#2381；fw-ai/cookbook #394。
    """,
    severity="error",
    when=Fact.ODD | Fact.KEYS | Fact.RAISES | Fact.FOREIGN,
    text=Text(
        "not GLM messages but {en} ({rows:row}): parts of them never reach the model",
        "不是 GLM 的 messages，而是{zh}，共 {rows} 行：其中一部分内容不会进入训练",
    ),
    help=_CONVERT,
    bad=(
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"instruction": "翻译成英文", "input": "你好", "output": "Hello"},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"prompt": "你好", "response": "你好！"},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "tool_call",
                    "content": '{"name": "weather", "arguments": {"city": "Rome"}}',
                },
                {"role": "tool_response", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "content": "Hello"},
            ]
        },
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
                {"role": "observation", "content": "22"},
                {"role": "assistant", "content": "22 degrees."},
            ]
        },
        {"massages": [{"role": "user", "content": "reported by missing-messages"}]},
    ),
)

_OTHER_HELP: Final = {
    "text": Text(
        "This trainer learns answers to questions; use a pre-training script for plain text.",
        "这个训练框架训练的是问答；纯文本请用预训练脚本。",
    ),
    "prompt-only": Text(
        "Rows without an answer cannot be trained: add the answers.",
        "没有回答的行无法训练：请补上回答。",
    ),
}


def check(row: Row) -> Iterator[Problem]:
    name = row.foreign
    if name is None:
        return
    glm = "glm" in row.context.trainer.reads
    raised = _stops_at_form(row)
    severity, fate_, lost = "warning", "part", Text("", "")
    if isinstance(row.value, list):
        severity, fate_ = "error", "lists"
    elif raised:
        severity, fate_ = "error", "raises"
    elif row.dropped is not None:
        severity, fate_ = "error", "dropped"
    elif row.error is None and row.supervised == 0:
        severity, fate_ = "error", "nothing"
    elif glm and any(_trains_wrong(row, index) for index in range(len(row.messages))):
        severity, fate_ = "error", "wrong"
    elif glm and any(isinstance(content_of(message), list) for message in row.messages):
        fate_ = "python"
    elif glm:
        pass
    elif row.layout is None:
        return  # `trainer-raises` says what it stops at
    elif missing := _lost(row):
        severity, fate_, lost = "error", "lost", _joined(missing)
    elif (role := _role_as_text(row)) is not None:
        fate_, lost = "role", Text(role, role)
    elif _leaves_text_out(row):
        fate_ = "part"
    else:
        return  # another form, which is read in full
    if name == "openai":
        en, zh = _openai_name(row)
    elif name == "swift":
        en, zh = _swift_name(row)
    else:
        en, zh = _NAMES.get(name, (name, name))
    head, tail = _GLM_HEAD if glm else _HEAD, _TAILS[fate_]
    partly = glm and name == "openai" and fate_ in ("wrong", "part", "python")
    if partly and row.layout is not None and (missing := _lost(row)):
        severity, lost = "error", _joined(missing)
        more = Text(tail.en + _AND_LOST.en, tail.zh + _AND_LOST.zh)
        tail = _TAILS["lost"] if fate_ == "part" else more
    yield rule.problem(
        text=Text(head.en + tail.en, head.zh + tail.zh),
        severity=severity,
        once=f"{name} {severity}",
        raises=raised or row.dropped is not None,
        trains=fate_ == "wrong",
        help=_OTHER_HELP.get(name) or cure(row, take_chosen=name == "preference"),
        en=en,
        zh=zh,
        exception=row.error.exception if row.error else "",
        lost=lost,
    )


def cure(row: Row, *, take_chosen: bool = False) -> Text:
    """What to do about a file in a form that this trainer does not read."""
    context = row.context
    note = Text("", "")
    # Other rows of the file may have calls: prefer a form that keeps them.
    found = target(context, with_calls=True)
    if found is None:
        found = target(context, with_calls=False)
        note = _NO_CALLS if _has_calls(row) else note
    if found is None:
        return _NO_FORM
    if note.en and row.foreign == found:
        return Text(note.en.strip(), note.zh.strip())  # it is in that form already
    options = ("--take chosen " if take_chosen else "") + f"--to {found}"
    command = (
        f"glmlint convert {quoted(row.path)} {options} -o {quoted(converted(row.path, found))}"
    )
    escaped = command.replace("{", "{{").replace("}", "}}")
    first = _TAKE if take_chosen else _readers(row) or Text("Run: ", "运行：")
    return Text(f"{note.en}{first.en}{escaped}", f"{note.zh}{first.zh}{escaped}")


def _readers(row: Row) -> Text | None:
    """How to name the trainers that read this form, where nobody has named one yet."""
    if row.context.plan.origins.get("recipe", "default") != "default":
        return None
    names = [name for name, trainer in all_trainers().items() if row.foreign in trainer.reads]
    if not names or row.foreign == "openai":  # which GLM rows with OpenAI's calls look like, too
        return None
    flags = [f"`--recipe {name}`" for name in names]
    return Text(
        f"Name your trainer if it reads this form ({', '.join(flags)}), or run: ",
        f"如果所用的训练框架能读取这种格式，请指明它（{'、'.join(flags)}），否则运行：",
    )


def converted(path: str, to: str = "glm4") -> str:
    """A name beside the file for its rows in another format."""
    if path == "-":
        return f"train.{to}.jsonl"
    stem = re.sub(r"(?i)(\.(jsonl|ndjson|json|parquet))?(\.(gz|zst))?$", "", path)
    return f"{stem}.{to}.jsonl"


def _stops_at_form(row: Row) -> bool:
    """Whether the trainer raises because of the form: it raises at the turns alone, too."""
    value, context = row.value, row.context
    if row.error is None:
        return False
    if row.foreign not in context.trainer.reads or not isinstance(value, dict):
        return True
    turns = {key: value[key] for key in TURN_KEYS if key in value}
    if not turns or len(turns) == len(value):
        return True
    try:
        context.trainer.lay_out(turns, context)
    except TrainerError:
        return True
    except Dropped:
        pass
    return False


def _has_calls(row: Row) -> bool:
    """Whether the row has calls, results or tools, in whatever form."""
    talk = row.conversation
    if talk is not None:
        return bool(talk.tools) or any(
            turn.calls or turn.role in (*_RESULT_ROLES, "observation") for turn in talk.turns
        )
    value = row.value
    turns = (
        [turn for key in TURN_KEYS for turn in turns_in(value.get(key))]
        if isinstance(value, dict)
        else []
    )
    return any(
        turn.get("tool_calls")
        or turn.get("function_call")
        or turn.get("tools")
        or turn.get("metadata")
        or role_in(turn) in ("call", "observation")
        for turn in turns
    ) or (isinstance(value, dict) and bool(value.get("tools") or value.get("functions")))


_CALLS: Final = Text("tool calls", "工具调用")
_RESULTS: Final = Text("tool results", "工具结果")
_TOOL_LISTS: Final = Text("tools", "工具列表")
_PARTS: Final = {
    "system": Text("system prompts", "系统提示词"),
    "user": Text("questions", "问题"),
    "assistant": Text("answers", "回答"),
    "call": _CALLS,
    "observation": _RESULTS,
}


def _lost(row: Row) -> list[Text]:
    """What is in the row but nowhere in what the trainer prints."""
    lost = set(_lost_in_conversation(row))
    turns = [
        ((key, index), turn)
        for key in TURN_KEYS
        if isinstance(row.value, dict) and isinstance(row.value.get(key), list)
        for index, turn in enumerate(row.value[key])
        if isinstance(turn, dict)
    ]
    printed = whole_text(row) if turns else ""
    for at, turn in turns:
        kind = role_in(turn) or ""
        key = "value" if "value" in turn else "content"
        text = turn.get(key)
        if kind not in _PARTS or not isinstance(text, str) or text.strip() in printed:
            continue
        if _is_lost(row, (*at, key), f"text of {kind}"):
            lost.add(_PARTS[kind])
    order = (*_PARTS.values(), _TOOL_LISTS)
    return [part for part in order if part in lost]


def _lost_in_conversation(row: Row) -> list[Text]:
    talk = row.conversation
    if talk is None:
        return []
    printed = whole_text(row)
    missing = []
    calls = [call for turn in talk.turns for call in turn.calls]
    if any(call.name not in printed or _call_is_lost(row, call.at) for call in calls):
        missing.append(_CALLS)
    results = [
        (index, turn.text)
        for index, turn in enumerate(talk.turns)
        if turn.role == "observation" and turn.text
    ]
    if any(
        text.strip() not in printed or _is_lost(row, row.at(index, "content"), "result")
        for index, text in results
    ):
        missing.append(_RESULTS)
    names = [name for tool in turns_in(talk.tools) if isinstance(name := _tool_name(tool), str)]
    if (
        any(name not in printed for name in names)
        or (names and _is_lost(row, ("tools", 0, "function", "name"), "tools"))
        or tools_unprinted(row)
    ):
        missing.append(_TOOL_LISTS)
    return missing


def _call_is_lost(row: Row, at: Pointer) -> bool:
    """Whether a call is nowhere in the input, though its name may be: among the tools, for one."""
    named = value_at(row.value, at)
    inner = isinstance(named, dict) and isinstance(named.get("function"), dict)
    return _is_lost(row, (*at, "function", "name") if inner else (*at, "name"), "call")


def _is_lost(row: Row, at: Pointer, what: str) -> bool:
    """Whether a text of the row is nowhere in the input."""
    turn = value_at(row.value, at[:2])
    role = (turn.get("role"), *turn) if isinstance(turn, dict) else ()
    shape = (what, at[0], *map(str, at[2:3]), *map(str, role))
    return reaches(row, at, shape) is False


_AS_TEXT: Final = Pattern(r"<\|([A-Za-z_]{1,40})\|>")


def _role_as_text(row: Row) -> str | None:
    """A role of the row that has no token in the vocabulary: it is printed as an ordinary word."""
    roles = {str(turn.get(key)) for turn in _all_turns(row.value) for key in ("role", "from")}
    control = row.context.tokenizer.control
    for found in _AS_TEXT.finditer(whole_text(row)):
        if found[1] in roles and found[0] not in control:
            return shown(found[1])
    return None


_SAID: Final = ("content", "value", "instruction", "input", "output", "query", "prompt", "response",
                "completion", "answer", "question", "text")  # fmt: skip
"""Keys under which the forms keep the text of a turn."""


def _leaves_text_out(row: Row) -> bool:
    """Whether some text of the row is printed nowhere."""
    printed = whole_text(row)
    rows = [*_all_turns(row.value), row.value if isinstance(row.value, dict) else {}]
    said = (text for entry in rows for key in _SAID if isinstance(text := entry.get(key), str))
    return any(text.strip() and text.strip() not in printed for text in said)


def _all_turns(value: Any) -> list[dict[str, Any]]:
    """The turns of a row, and the answers of a preference row."""
    if not isinstance(value, dict):
        return turns_in(value)
    return [
        turn
        for key in (*TURN_KEYS, "chosen", "rejected")
        for turn in (turns_in(value.get(key)) or turns_in([value.get(key)]))
    ]


def _tool_name(tool: dict[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else tool.get("name")


def _joined(parts: list[Text]) -> Text:
    *first, last = parts
    if not first:
        return last
    en, zh = ", ".join(part.en for part in first), "、".join(part.zh for part in first)
    return Text(f"{en} and {last.en}", f"{zh}和{last.zh}")


def quoted(path: str) -> str:
    """The path as a shell takes it for a file."""
    return shlex.quote(path if path == "-" or not path.startswith("-") else f"./{path}")


def _trains_wrong(row: Row, index: int) -> bool:
    """Whether the message is trained but is not an assistant's text."""
    message = row.messages[index]
    if fate(row, index) != "trained":
        return False
    return role_of(message) != "assistant" or isinstance(content_of(message), list | dict)


def _openai_name(row: Row) -> tuple[str, str]:
    """OpenAI's form, and the signs by which it was recognised in this row."""
    turns = [turn for key in TURN_KEYS for turn in turns_in(row.value.get(key))]
    signs = [
        (
            any(turn.get("tool_calls") or turn.get("function_call") for turn in turns),
            ("tool_calls", "tool_calls"),
        ),
        (
            any(turn.get("role") in _RESULT_ROLES for turn in turns),
            ("tool results", "tool 结果"),
        ),
        (
            any(isinstance(turn.get("content"), list) for turn in turns),
            ("content parts", "分段内容"),
        ),
        (
            bool(row.value.get("tools") or row.value.get("functions")),
            ("tools of the row", "行级 tools"),
        ),
    ]
    found = [words for holds, words in signs if holds]
    en = ", ".join(words[0] for words in found)
    zh = "、".join(words[1] for words in found)
    return (f"OpenAI ({en})", f" OpenAI（{zh}）") if found else ("OpenAI", " OpenAI")


def _swift_name(row: Row) -> tuple[str, str]:
    """ms-swift's form, and the roles by which it was recognised in this row."""
    turns = [turn for key in TURN_KEYS for turn in turns_in(row.value.get(key))]
    said = {str(turn.get("role")).lower(): turn for turn in turns}
    roles = [role for role in _CONVERTED_ROLES if role in said]
    if roles:
        return (f"ms-swift (roles {', '.join(roles)})", f" ms-swift（角色 {'、'.join(roles)}）")
    return (
        "LLaMA-Factory (role function for a tool call)",
        " LLaMA-Factory（用角色 function 表示工具调用）",
    )


def turns_in(value: Any) -> list[dict[str, Any]]:
    return [turn for turn in value if isinstance(turn, dict)] if isinstance(value, list) else []
