"""Marks by which other models' templates set off calls, results, turns and ends of texts.

Under the template of the run they are ordinary text, and a model that is trained on an answer with
one learns to write it. Sources: the chat templates that are published with the models, and the
parsers of vLLM (vllm/tool_parsers, 2026-10), whose names are beside the patterns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from glmlint.patterns import Pattern
from glmlint.trainer.base import Context
from glmlint.trainer.row import Row, per_row


class Mark(NamedTuple):
    """A mark as it is written in a text."""

    kind: str
    """"call", "result" or "end": what it sets off, or that a call's closing tag ends the answer."""
    mark: str
    at: int
    """Index of its first character in the text without code."""


class _Form(NamedTuple):
    """A form of marks: what they all hold, and the pattern, whose last group is the mark.

    Each pattern begins with a letter or is asked of few texts: `re` tries one that begins with
    alternatives at every place.
    """

    sign: str
    pattern: Pattern[str]


def _form(sign: str, pattern: str) -> _Form:
    return _Form(sign, Pattern(pattern, re.MULTILINE))


_CALL: Final = (
    _form("<", r"(<(?:\|?tool_call\|?>(?=\s*[\[{]|\s*[\w.-]{1,64}\s*(?:<arg_key>|\{)|\s*<function=)"  # hermes, glm45, granite
          r"|(?:tool_calls?>|TOOLCALL>|functioncall>|function_calls?>|tool_use>)(?=\s*[\[{<])"  # jamba, nemotron
          r"|function=(?=[\w.-]{1,64}>)"  # llama3.1, qwen3_coder
          r'|(?:antml:)?invoke name=(?=["\'])'  # minimax, Claude
          r"|\|python_tag\|>|\|action_start\|>|start_function_call>|\|tool_call_start\|>"  # llama3, internlm, functiongemma, lfm2
          r"|\|tool_calls_section_begin\|>|\|tool_call_begin\|>|minimax:tool_call>"  # kimi_k2, minimax_m2
          r"|[|｜]tool▁calls?▁begin[|｜]>|use_mcp_tool>"  # deepseek, cline
          r"|\|channel\|>commentary to=))"),  # openai (gpt-oss)
    _form("[TOOL_CALLS]", r"(\[TOOL_CALLS\])(?=\s*[\[{\w])"),  # mistral
    _form("✿FUNCTION✿", r"(✿FUNCTION✿)"),  # qwen (2023)
    _form("functools[", r"(functools)(?=\[\s*\{)"),  # phi4_mini_json
    # ReAct; as in the paper
    _form("Action", r"^[ \t>*]*(?:(Action)(?=(?:\*\*)? ?[:：] *\S[^\n]{0,200}\n+[ \t>*]*Action Input(?:\*\*)? ?[:：])"
          r"|(Action \d+)(?=(?:\*\*)?: *\w{2,30}\[))"),
    _form("动", r"^[ \t>*]*((?:行动|动作))(?=(?:\*\*)? ?[:：] *\S[^\n]{0,200}\n+[ \t>*]*(?:行动|动作)(?:输入|参数)(?:\*\*)? ?[:：])"),
)  # fmt: skip
_ALONE: Final = (_form("tool_call:", r"\A\W*(tool_call:) *[\w.-]+\s+arguments:"),)
"""A call as a whole answer."""
_RESULT: Final = (
    _form("<", r"(<(?:\|?(?:tool_response|tool_result|function_response)s?\|?>|function_results?>"
          r"|[|｜]tool▁outputs?▁begin[|｜]>))"),
    _form("[TOOL_RESULTS]", r"(\[TOOL_RESULTS\])"),
    _form("✿RESULT✿", r"(✿RESULT✿)"),
    _form("FUNCTION RESPONSE:", r"(\bFUNCTION RESPONSE:)"),
    _form("EXECUTION RESULT", r"(\bEXECUTION RESULT of \[)"),
)  # fmt: skip
_OBSERVED: Final = Pattern(
    r"^[ \t>*]*(Observation|观察|Result(?=: *[{\[]))(?: \d+)?(?:\*\*)? ?[:：]", re.MULTILINE
)
"""What ReAct writes before a result; an ordinary heading where no action comes before it."""
_CLOSED: Final = (
    _form("<", r"(<(?:/(?:tool_calls?|function(?:_calls?)?|(?:antml:)?invoke|functioncall|tool_use|TOOLCALL)>"
          r"|\|/?tool_calls?(?:_section)?_end\|>|[|｜]tool▁calls?▁end[|｜]>))\s*\Z"),
    _form("[/TOOL_CALLS]", r"(\[/TOOL_CALLS\])\s*\Z"),
)  # fmt: skip
"""The end of a call as the end of an answer."""

_CODE: Final = Pattern(
    r"^[ \t>]*+(?P<fence>`{3,}+|~{3,}+)[^\n]*+\n(?:[^\n]*+\n)*?(?:[ \t>]*+(?P=fence)[`~]*+[ \t]*+$|[^\n]*+\Z)"
    r"|(?<!`)`++[^`\n]{1,400}+`++",
    re.MULTILINE,
)


def without_code(text: str) -> str:
    """A text without its code blocks and the code in its lines, each of which leaves a space."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text


def part_beside_code(
    row: Row, index: int, piece: str, number: int = 0
) -> Callable[[], tuple[int, int] | None]:
    """Finds in the row's text what was found in a turn's text without its code.

    Args:
        row: the row.
        index: of the turn.
        piece: what was found.
        number: how often it stands before that, outside the code.
    """

    def find() -> tuple[int, int] | None:
        text = next((text for place, _, text in row.texts if place == index), "")
        at = _beside_code(text, piece, number) if row.writes(index) else -1
        if at < 0:
            return None
        return row.positions.part(row.at(index, "content"), at, at + len(piece))

    return find


def _beside_code(text: str, piece: str, number: int) -> int:
    code = [found.span() for found in _CODE.finditer(text)] if text != without_code(text) else []
    at = text.find(piece)
    while at >= 0:
        if not any(start <= at < stop for start, stop in code):
            if not number:
                break
            number -= 1
        at = text.find(piece, at + 1)
    return at


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
    result = _first(_RESULT, text, context)
    if call is not None:
        word = call[0].split(" ")[0]
        if word in ("Action", "行动", "动作", "tool_call:"):
            observed = _OBSERVED.search(text, call[1])
            if result is None and observed is not None:
                result = _with_colon(observed[1]), observed.start(1)
            call = _with_colon(word.rstrip(":")), call[1]
        yield Mark("call", *call)
    if result is not None:
        yield Mark("result", *result)
    if call is None and result is None and (end := _first(_CLOSED, text, context)) is not None:
        yield Mark("end", *end)


def _with_colon(word: str) -> str:
    return word + (":" if word.isascii() else "：")


def _first(forms: tuple[_Form, ...], text: str, context: Context) -> tuple[str, int] | None:
    """The first mark that the run's own template does not know, and where it is."""
    first: re.Match[str] | None = None
    for sign, pattern in forms:
        if sign not in text:
            continue
        for found in pattern.finditer(text):
            if first is not None and found.start() > first.start():
                break
            if not own(found[found.lastindex or 0], context):
                first = found
                break
    return (
        None if first is None else (first[first.lastindex or 0], first.start(first.lastindex or 0))
    )


_FOREIGN: Final = Pattern(
    r"<\|[A-Za-z][\w▁ -]{0,30}\|>|<｜[A-Za-z][\w▁ -]{0,30}｜>|</?s>|<[be]os>|<[BE]OS>|<eo[ahmt]>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<<SYS>>|<reserved_\d+>|<extra_id_\d+>|\[(?:[BE]OS|CLS|SEP)\]"
    r"|(?P<lost><(?:unk|UNK|pad|PAD)>|\[(?:UNK|PAD)\]|<0x[0-9A-F]{2}>)"
)
"""Control tokens in the vocabularies of Llama 2 and 3, Qwen, Mistral, Gemma, DeepSeek, InternLM,
Baichuan, T5 and BERT."""
_KNOWN: Final = frozenset(
    ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<|eot|>",
     "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|im_sep|>", "<|return|>",
     "<|endofprompt|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>")
)  # fmt: skip
"""Those between bars that are reported by name: of others there may be any number."""
_TOKENS_ASKED: Final = Pattern(
    r"token|vocab|\bBERT\b|template|\bHTML\b|strike|special (?:symbol|character)|标记|词表|分词|词元|特殊符号|模板|标签",
    re.IGNORECASE,
)


_MOST: Final = 1 << 14
_TOKENS: Final = 1000
"""Characters of a question that are looked through for a token; tokens of an answer looked at."""


def tokens_of_others(text: str, asked: str, context: Context) -> list[tuple[str, str, str]]:
    """("foreign" or "lost", kind of token, token) for control tokens in an answer that are not this run's.

    Args:
        text: the answer.
        asked: its question: nothing is found where one of the two is about tokens.
        context: what is a control token here is not among those found.
    """
    text = without_code(text).strip()
    found: dict[tuple[str, str], str] = {}
    for match in islice(_FOREIGN.finditer(text), _TOKENS):
        token = match[0]
        if own(token, context) or _is_strike(token, match, text) or _is_named(token, asked):
            continue
        # In the middle of a sentence it is what the sentence is about; `</s>` ends one, too.
        inside = match["lost"] is None and not _at_an_edge(match, text)
        if inside and (token != "</s>" or _is_a_word(match, text)):
            continue
        kind = "foreign" if match["lost"] is None else "lost"
        group = token
        if ("|" in token or "｜" in token) and token not in _KNOWN:
            group = "<|…|>"
        elif token.startswith(("<0x", "<reserved_", "<extra_id_")):
            group = token.rstrip("0123456789ABCDEF>")
        found.setdefault((kind, group), token)
    if found and (_TOKENS_ASKED.search(asked) or _TOKENS_ASKED.search(text)):
        return []
    if ("foreign", "<|…|>") in found and any(_marks(text, context)):
        del found["foreign", "<|…|>"]  # a token around a call or a result, which is reported
    return [(kind, group, token) for (kind, group), token in found.items()]


def _at_an_edge(match: re.Match[str], text: str) -> bool:
    """Whether a token is where control tokens are: at an end of a text or line, or beside another."""
    after = text[match.end() : match.end() + 2].lstrip(" ")
    before = text[max(match.start() - 2, 0) : match.start()].rstrip(" ")
    return after[:1] in ("", "\n", "<", "[") or before[-1:] in ("", "\n", ">", "]")


def _is_a_word(match: re.Match[str], text: str) -> bool:
    """Whether a token is a word in a sentence: between spaces, after another word."""
    before = text[max(match.start() - 40, 0) : match.start()]
    after = text[match.end() : match.end() + 2]
    return before.endswith(" ") and after[:1] == " " and before.rstrip()[-1:].isalnum()


def _is_named(token: str, asked: str) -> bool:
    """Whether a question is about a token, and does not merely end with it."""
    asked = asked[:_MOST]
    if token not in asked:
        return False
    return any(not _at_an_edge(match, asked) for match in re.finditer(re.escape(token), asked))


def _is_strike(token: str, match: re.Match[str], text: str) -> bool:
    """Whether `<s>` or `</s>` crosses text out, as in HTML, and is not an end token."""
    if token == "<s>":
        return match.start() > 0
    if token == "</s>":
        opened = text.rfind("<s>", max(match.start() - _MOST, 0), match.start())
        return opened > 0 or (opened == 0 and match.end() < len(text))
    return False
