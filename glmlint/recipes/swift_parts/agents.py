"""ms-swift's agent templates of GLM: how a tool list, calls and results are written.

Source: ms-swift 4.6.0, swift/agent_template/glm4.py and base.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from glmlint.recipes.swift_parts.python import RAISED, NoLiteral, parsed, refused, refuses
from glmlint.trainer.layout import END, TOOLS
from glmlint.trainer.owned import Owned, joined, owned
from glmlint.trainer.printed import require_printable

Texts = list[Owned]

_REACT: Final = ("Action:", "Action Input:")
_OBSERVATION: Final = "Observation:"

_GLM4_SYSTEM: Final = (
    "你是一个名为 GLM-4 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，"
    "你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n"
)
_GLM4_HEADING: Final = "# 可用工具\n\n"
_GLM4_NOTE: Final = "在调用上述函数时，请使用 Json 格式表示调用的参数。"
_XML_HEADING: Final = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_XML_NOTE: Final = (
    "</tools>\n\nFor each function call, output the function name and arguments within the "
    "following XML format:\n"
)


class AgentTurn(Struct):
    """A tool call or a tool result: what its message holds, and whose it is."""

    content: str
    owner: int


class Agent(Struct, frozen=True):
    """One agent template."""

    xml: bool
    """Calls as `<tool_call>` of GLM-4.5 and later, or as name and arguments on two lines."""
    lines: bool
    """Whether line feeds stand between the parts of a call and around a result."""
    preamble: str = ""
    """In front of the tool list."""
    unwraps: bool = True
    """Whether a tool is listed without its `type`."""

    @refuses("bad-tools")
    def tools(self, tools: Sequence[Any], system: Owned | Any) -> Owned:
        """The system text of a row that has tools."""
        return self._xml_tools(tools, system) if self.xml else self._glm4_tools(tools)

    def _glm4_tools(self, tools: Sequence[Any]) -> Owned:
        require_printable(tools)
        listed = []
        for tool in tools:
            tool = unwrapped(tool)
            name = tool.get("name_for_model") or tool.get("name")
            body = json.dumps(tool, ensure_ascii=False, indent=4)
            listed.append(f"## {name}\n\n{body}\n{_GLM4_NOTE}")
        return owned(self.preamble + _GLM4_HEADING + "\n".join(listed), TOOLS)

    def _xml_tools(self, tools: Sequence[Any], system: Owned | Any) -> Owned:
        listed = [
            json.dumps(unwrapped(tool) if self.unwraps else tool, ensure_ascii=False)
            for tool in tools
        ]
        gap = "\n" if self.lines else ""
        form = (
            f"<tool_call>{{function-name}}{gap}<arg_key>{{arg-key-1}}</arg_key>{gap}"
            f"<arg_value>{{arg-value-1}}</arg_value>{gap}<arg_key>{{arg-key-2}}</arg_key>{gap}"
            f"<arg_value>{{arg-value-2}}</arg_value>{gap}...{gap}</tool_call>"
        )
        text = owned("\n".join((_XML_HEADING, *listed, _XML_NOTE + form)), TOOLS)
        if system is not None and not isinstance(system, Owned):
            raise AttributeError(f"{type(system).__name__!r} object has no attribute 'strip'")
        if system is not None and system.text.strip():
            body = system.strip()
            return joined((text, owned("<|system|>\n", body.parts[0][1]), body))
        return text if self.lines else owned("\n", TOOLS) + text

    def calls(self, calls: Sequence[AgentTurn], following: int | None) -> Owned:
        """The answer that calls make.

        Args:
            calls: messages that follow each other.
            following: owner of the message after them; None at the end of the row.
        """
        written = [owned(self._call(call), call.owner) for call in calls]
        gap = "<|assistant|>" if not self.xml else "\n" if self.lines else ""
        parts = written[:1]
        for text, call in zip(written[1:], calls[1:], strict=True):
            parts += (owned(gap, call.owner), text)
        return joined((*parts, owned("<|observation|>", END if following is None else following)))

    def _call(self, call: AgentTurn) -> str:
        try:
            name, arguments = parsed_call(call.content)
            if not self.xml:
                return f"{name}\n{arguments}"
            parts = [f"<tool_call>{name}"]
            for key, value in arguments.items():
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                parts += (f"<arg_key>{key}</arg_key>", f"<arg_value>{text}</arg_value>")
            return ("\n" if self.lines else "").join((*parts, "</tool_call>"))
        except RAISED as error:
            raise refused("bad-call", error, call.owner) from None

    def results(
        self, answer: Owned | Any, results: Sequence[AgentTurn], following: int
    ) -> tuple[Any, Texts]:
        """The answer before tool results, and the parts in which the results are written.

        Args:
            answer: a text, the texts of several answers that follow each other, or token ids.
            results: messages that follow each other.
            following: owner of the role token after them.
        """
        if isinstance(answer, list):
            last, written = self.results(answer[-1], results, following)
            return [*answer[:-1], last], written
        if isinstance(answer, Owned) and all(word in answer.text for word in _REACT):
            return _react_results(answer, results)
        if isinstance(answer, int):
            raise NoLiteral("bad-message", "TypeError", "argument of type 'int' is not iterable")
        if not self.xml:
            written = [owned("\n", results[0].owner)]
            for place, result in enumerate(results):
                if place:
                    written.append(owned("<|observation|>\n", result.owner))
                written.append(owned(result.content, result.owner))
            return answer, [*written, owned("<|assistant|>\n", following)]
        written = [
            owned(_xml_result(result.content, self.lines), result.owner) for result in results
        ]
        gap = "\n" if self.lines else ""
        return answer, [*written, owned(f"<|assistant|>{gap}", following)]

    def results_alone(self, results: Sequence[AgentTurn]) -> Owned:
        """Results that follow no call: they become a part of the question before them."""
        if not self.xml:
            return joined(
                owned(f"<|observation|>\n{result.content}", result.owner) for result in results
            )
        head = owned("<|observation|>", results[0].owner)
        return joined(
            (
                head,
                *(owned(_xml_result(each.content, self.lines), each.owner) for each in results),
            )
        )


AGENTS: Final[dict[str, Agent]] = {
    "chatglm4": Agent(xml=False, lines=True, preamble=_GLM4_SYSTEM),
    "glm4": Agent(xml=False, lines=True),
    "glm4_5": Agent(xml=True, lines=True, unwraps=False),
    "glm4_7": Agent(xml=True, lines=False, unwraps=False),
    "glm5_1": Agent(xml=True, lines=False),
}
"""By the names of ms-swift's `agent_template_map`."""


def unwrapped(tool: Any) -> Any:
    """The function of an OpenAI tool. Raises AssertionError for what is not an object."""
    assert isinstance(tool, dict), f"tool: {tool}"
    return tool["function"] if "type" in tool and "function" in tool else tool


@refuses("bad-tools")
def wrapped(tool: Any) -> Any:
    """A tool in OpenAI's form."""
    assert isinstance(tool, dict), f"tool: {tool}"
    return tool if "type" in tool or "function" in tool else {"type": "function", "function": tool}


def parsed_call(content: str) -> tuple[Any, Any]:
    """Name and arguments of a call's message. Raises what Python raises where they are not there."""
    call = parsed(content)
    name = call["name"]
    arguments = call.get("arguments")
    if arguments is None:
        arguments = call.get("parameters")
    arguments = parsed(arguments)
    assert arguments is not None, f"content: {content}"
    return name, arguments


def _xml_result(content: str, lines: bool) -> str:
    if lines:
        return f"\n<tool_response>\n{content}\n</tool_response>"
    return f"<tool_response>{content}</tool_response>"


def _react_results(answer: Owned, results: Sequence[AgentTurn]) -> tuple[Owned, Texts]:
    """Results as ReAct writes them: the answer before them spells a call in ReAct's words."""
    owner = answer.parts[-1][1]
    if not answer.text.endswith(_OBSERVATION):
        gap = "" if answer.text.endswith("\n") else "\n"
        answer += owned(gap + _OBSERVATION, owner)
    written: Texts = []
    for place, result in enumerate(results):
        if place:
            written.append(owned(_OBSERVATION, result.owner))
        written.append(owned(result.content, result.owner))
        if not result.content.endswith("\n"):
            written.append(owned("\n", result.owner))
    return answer, written
