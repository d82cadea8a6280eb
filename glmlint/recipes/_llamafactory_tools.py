"""LLaMA-Factory's tool formats: what a tool list and a call become, in the templates of GLM.

Source: llamafactory 0.9.5, data/tool_utils.py and data/formatter.py. The prompts are its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from glmlint.trainer.forms.base import between
from glmlint.trainer.printed import require_printable

_GLM4_INTRO: Final = (
    "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，"
    "你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具"
)
_GLM4_NOTE: Final = "在调用上述函数时，请使用 Json 格式表示调用的参数。"

_MOE_HEAD: Final = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_MOE_TAIL: Final = (
    "\n</tools>\n\nFor each function call, output the function name and arguments within the "
    "following XML format:\n<tool_call>{function-name}"
    "\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>"
    "\n<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>"
    "\n...\n</tool_call>\n"
)

_DEFAULT_TAIL: Final = (
    "Use the following format if using a tool:\n```\nAction: tool name (one of [{names}])\n"
    "Action Input: the input to the tool, in a JSON format representing the kwargs "
    '(e.g. ```{{"input": "hello world", "num_beams": 5}}```)\n```\n'
)

TOOL_CALL_WORDS: Final = ("<tool_call>", "</tool_call>")
"""What stands around a call in a text, in all templates of GLM."""

Call = tuple[Any, str]
"""Name, and arguments as JSON text."""


def dumps(value: Any) -> str:
    """`json.dumps` as the package calls it."""
    return json.dumps(value, ensure_ascii=False)


def _bare(tool: Any) -> Any:
    return tool.get("function", "") if tool.get("type") == "function" else tool


def _wrapped(tool: Any) -> Any:
    return tool if tool.get("type") == "function" else {"type": "function", "function": tool}


def _glm4_tools(tools: Any) -> str:
    require_printable(tools)
    parts = [_GLM4_INTRO]
    for tool in tools:
        tool = _bare(tool)
        body = json.dumps(tool, indent=4, ensure_ascii=False)
        parts.append(f"\n\n## {tool['name']}\n\n{body}\n{_GLM4_NOTE}")
    return "".join(parts)


def _glm4_calls(calls: list[Call]) -> str:
    if len(calls) > 1:
        raise ValueError("GLM-4 does not support parallel functions.")
    name, arguments = calls[0]
    return f"{name}\n{arguments}"


def _moe_tools(tools: Any) -> str:
    return _MOE_HEAD + "".join("\n" + dumps(_wrapped(tool)) for tool in tools) + _MOE_TAIL


def _moe_calls(calls: list[Call]) -> str:
    """The call stays open: the package writes no `</tool_call>`."""
    decoded = [(name, json.loads(arguments)) for name, arguments in calls]
    texts = []
    for name, arguments in decoded:
        text = "\n<tool_call>" + name
        for key, value in arguments.items():
            text += "\n<arg_key>" + key + "</arg_key>"
            text += "\n<arg_value>" + (value if isinstance(value, str) else dumps(value))
            text += "</arg_value>"
        texts.append(text)
    return "\n".join(texts)


def _default_tools(tools: Any) -> str:
    text, names = "You have access to the following tools:\n", []
    for tool in tools:
        tool = _bare(tool)
        arguments = ""
        for name, schema in tool["parameters"]["properties"].items():
            required = ", required" if name in tool["parameters"].get("required", []) else ""
            enum = items = ""
            if schema.get("enum", None):
                enum = f", should be one of [{', '.join(schema['enum'])}]"
            if schema.get("items", None):
                items = f", where each item should be {schema['items'].get('type', '')}"
            arguments += (
                f"  - {name} ({schema.get('type', '')}{required}): "
                f"{schema.get('description', '')}{enum}{items}\n"
            )
        text += f"> Tool Name: {tool['name']}\nTool Description: {tool.get('description', '')}\n"
        text += f"Tool Args:\n{arguments}\n"
        names.append(tool["name"])
    return text + _DEFAULT_TAIL.format(names=", ".join(names))


def _default_calls(calls: list[Call]) -> str:
    return "\n".join(f"Action: {name}\nAction Input: {arguments}" for name, arguments in calls)


@dataclass(frozen=True)
class ToolFormat:
    """How one `tool_format` writes tool lists and calls. Both raise what the package raises."""

    tools: Callable[[Any], str]
    calls: Callable[[list[Call]], str]


TOOL_FORMATS: Final = {
    "glm4": ToolFormat(_glm4_tools, _glm4_calls),
    "glm4_moe": ToolFormat(_moe_tools, _moe_calls),
    "default": ToolFormat(_default_tools, _default_calls),
}
"""The formats of GLM's templates, and the package's own default."""

OTHER_TOOL_FORMATS: Final = frozenset(
    ("gemma4", "llama3", "lfm2", "minimax1", "minimax2", "mistral", "qwen", "qwen3_5", "seed_oss",
     "ling")
)  # fmt: skip
"""Those of other models, which the package has and glmlint does not have."""


def tools_text(content: Any, form: ToolFormat) -> str:
    """What the tools of a row become, from the text (or whatever else stands there).

    Raises what the package raises: RuntimeError where the text is not valid JSON.
    """
    try:
        tools = json.loads(content)
        return form.tools(tools) if len(tools) != 0 else ""
    except json.JSONDecodeError:
        raise RuntimeError(f"Invalid JSON format in tool description: {[content]}.") from None


def calls_text(content: Any, form: ToolFormat, thought: tuple[str, str]) -> str:
    """What a turn of calls becomes, from its JSON text; a thought or other text stays in front.

    Raises what the package raises: RuntimeError where the text is not valid JSON.
    """
    if not isinstance(content, str):
        raise TypeError(f"expected string or bytes-like object, got {type(content).__name__!r}")
    found = between(content, *TOOL_CALL_WORDS)
    if found is not None:
        whole, inside = found
        return content.replace(whole, "") + form.calls(_calls(inside, content))
    found = between(content, *thought)
    if found is None:
        return form.calls(_calls(content, content))
    whole = found[0]
    return whole + form.calls(_calls(content.replace(whole, ""), content))


def _calls(text: str, content: str) -> list[Call]:
    try:
        calls = json.loads(text)
        if not isinstance(calls, list):
            calls = [calls]
        return [(call["name"], dumps(call["arguments"])) for call in calls]
    except json.JSONDecodeError:
        raise RuntimeError(f"Invalid JSON format in function message: {[content]}.") from None
