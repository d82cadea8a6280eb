"""Marks by which other models' templates set off calls, results, turns and ends of texts.

Under the template of the run they are ordinary text, and a model that is trained on an answer with
one learns to write it. Sources: the chat templates that are published with the models, and the
parsers of vLLM (vllm/tool_parsers, 2026-10), whose names stand beside the patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from glmlint.trainer.base import Context
from glmlint.trainer.row import Row, per_row


class Mark(NamedTuple):
    """A mark as it stands in a text."""

    kind: str
    """"call", "result" or "end": what it sets off, or that a call's closing tag ends the answer."""
    mark: str
    at: int
    """Index of its first character in the text without code."""


_CALL: Final = re.compile(
    r"(<\|?tool_call\|?>)(?=\s*[\[{]|\s*[\w.-]{1,64}\s*(?:<arg_key>|\{)|\s*<function=)"  # hermes, glm45, granite
    r"|(<tool_calls?>|<TOOLCALL>|<functioncall>|<function_calls?>|<tool_use>)(?=\s*[\[{<])"  # jamba, nemotron
    r"|(<function=)(?=[\w.-]{1,64}>)"  # llama3.1, qwen3_coder
    r'|(<(?:antml:)?invoke name=)(?=["\'])'  # minimax, Claude
    r"|(\[TOOL_CALLS\])(?=\s*[\[{\w])"  # mistral
    r"|(<\|python_tag\|>|<\|action_start\|>|<start_function_call>|<\|tool_call_start\|>"  # llama3, internlm, functiongemma, lfm2
    r"|<\|tool_calls_section_begin\|>|<\|tool_call_begin\|>|<minimax:tool_call>"  # kimi_k2, minimax_m2
    r"|<[|｜]tool▁calls?▁begin[|｜]>|<use_mcp_tool>|✿FUNCTION✿)"  # deepseek, cline, qwen (2023)
    r"|(functools)(?=\[\s*\{)"  # phi4_mini_json
    r"|(<\|channel\|>commentary to=)"  # openai (gpt-oss)
    r"|^[ \t>*]*(Action)(?=(?:\*\*)? ?[:：] *\S[^\n]{0,200}\n+[ \t>*]*Action Input(?:\*\*)? ?[:：])"  # ReAct
    r"|^[ \t>*]*(Action \d+)(?=(?:\*\*)?: *\w{2,30}\[)"  # ReAct, as in the paper
    r"|^[ \t>*]*((?:行动|动作))(?=(?:\*\*)? ?[:：] *\S[^\n]{0,200}\n+[ \t>*]*(?:行动|动作)(?:输入|参数)(?:\*\*)? ?[:：])",
    re.MULTILINE,
)  # fmt: skip
_ALONE: Final = re.compile(r"\A\W*(tool_call:) *[\w.-]+\s+arguments:")
"""A call as a whole answer."""
_RESULT: Final = re.compile(
    r"(<\|?(?:tool_response|tool_result|function_response)s?\|?>|<function_results?>|\[TOOL_RESULTS\]"
    r"|<[|｜]tool▁outputs?▁begin[|｜]>|✿RESULT✿|\bFUNCTION RESPONSE:|\bEXECUTION RESULT of \[)"
)
_OBSERVED: Final = re.compile(
    r"^[ \t>*]*((?:Observation|观察)(?: \d+)?)(?:\*\*)? ?[:：]", re.MULTILINE
)
"""What ReAct writes before a result; an ordinary heading where no action stands before it."""
_CLOSED: Final = re.compile(
    r"(</(?:tool_calls?|function(?:_calls?)?|(?:antml:)?invoke|functioncall|tool_use|TOOLCALL)>"
    r"|\[/TOOL_CALLS\]|<\|/?tool_calls?(?:_section)?_end\|>|<[|｜]tool▁calls?▁end[|｜]>)\s*\Z"
)
"""The end of a call as the end of an answer."""

_CODE: Final = re.compile(
    r"^[ \t>]*+(?P<fence>`{3,}+|~{3,}+)[^\n]*+\n(?:[^\n]*+\n)*?(?:[ \t>]*+(?P=fence)[`~]*+[ \t]*+$|[^\n]*+\Z)"
    r"|(?<!`)`++[^`\n]{1,400}+`++",
    re.MULTILINE,
)


def without_code(text: str) -> str:
    """A text without its code blocks and the code in its lines, each of which leaves a space."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text


def own(mark: str, context: Context) -> bool:
    """Whether the run's own template or vocabulary knows a mark: then it is in its place."""
    written = context.template.text
    return mark in context.tokenizer.control or (written is not None and mark in written)


@per_row
def answer_marks(row: Row) -> list[tuple[int, Mark]]:
    """(message, mark) of every call, result and closing tag in an assistant's text, one a kind."""
    return [
        (index, mark)
        for index, role, text in row.texts
        if role == "assistant"
        for mark in _marks(without_code(text), row.context)
    ]


def _marks(text: str, context: Context) -> Iterator[Mark]:
    call = _first(_CALL, text, context) or _first(_ALONE, text, context)
    if call is not None:
        yield Mark("call", *call)
    result = _first(_RESULT, text, context)
    if result is None and call is not None and call[0].startswith(("Action", "行动", "动作")):
        observed = _OBSERVED.search(text, call[1])
        result = None if observed is None else (observed[1], observed.start(1))
    if result is not None:
        yield Mark("result", *result)
    if call is None and result is None and (end := _first(_CLOSED, text, context)) is not None:
        yield Mark("end", *end)


def _first(pattern: re.Pattern[str], text: str, context: Context) -> tuple[str, int] | None:
    """The first mark that the run's own template does not know, and where it stands."""
    for found in pattern.finditer(text):
        mark = found[found.lastindex or 0]
        if not own(mark, context):
            return mark, found.start(found.lastindex or 0)
    return None
