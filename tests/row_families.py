"""Rows of any number of parts, each family faulty in its own way: for tests of how work grows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": "查询", "parameters": parameters}
    return {"type": "function", "function": function}


def _say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def _talk(number: int) -> list[dict[str, Any]]:
    return [_say("user", f"question {number}"), _say("assistant", f"answer {number}.")]


def _repeat(number: int, make: Callable[[int], list[Any]], *before: Any) -> dict[str, Any]:
    messages = [*before]
    for index in range(number):
        messages += make(index)
    return {"messages": messages}


def _call(name: str, arguments: Any, index: int = 0) -> list[dict[str, Any]]:
    return [
        _say("user", f"weather {index}?"),
        _say("assistant", json.dumps(arguments), metadata=name),
        _say("observation", f"{index} degrees"),
        _say("assistant", f"It is {index} degrees."),
    ]


def _deep(levels: int, size: int) -> Any:
    """An object in an object, and a text in the innermost."""
    inside: Any = {"type": "x" * size}
    for _ in range(levels):
        inside = {"type": "object", "properties": {"a": inside}}
    return inside


_TOOLS = _say("system", "", tools=[_tool("weather", city={"type": "string"})])
_OPENAI_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _long(text: str) -> Callable[[int], Any]:
    return lambda n: {"messages": [_say("user", text * n), _say("assistant", text * n)]}


FAMILIES: dict[str, Callable[[int], Any]] = {
    "good turns": lambda n: _repeat(n, _talk),
    "the same turn": lambda n: _repeat(n, lambda _: _talk(0)),
    "null contents": lambda n: _repeat(n, lambda _: [_say("user", None), _say("assistant", None)]),
    "empty contents": lambda n: _repeat(n, lambda _: [_say("user", ""), _say("assistant", " ")]),
    "unknown roles": lambda n: _repeat(n, lambda i: [_say("boss", "x"), _say(f"r{i}", "y")]),
    "roles of others": lambda n: _repeat(n, lambda _: [_say("human", "x"), _say("gpt", "y")]),
    "no objects": lambda n: _repeat(n, lambda i: [i, "text", [], None]),
    "no roles": lambda n: _repeat(n, lambda _: [{"content": "x"}, {"role": 5}]),
    "parts for content": lambda n: _repeat(
        n, lambda _: [_say("user", [{"type": "text", "text": "x"}]), _say("assistant", {"a": 1})]
    ),
    "users alone": lambda n: _repeat(n, lambda i: [_say("user", f"x{i}")]),
    "systems": lambda n: _repeat(n, lambda i: [_say("system", f"x{i}"), *_talk(i)]),
    "observations": lambda n: _repeat(n, lambda i: [_say("observation", f"x{i}")], _TOOLS),
    "good calls": lambda n: _repeat(n, lambda i: _call("weather", {"city": f"c{i}"}, i), _TOOLS),
    "faulty calls": lambda n: _repeat(n, lambda i: _call("weather", {"town": i}, i), _TOOLS),
    "unknown tools": lambda n: _repeat(n, lambda i: _call(f"tool{i}", {}, i), _TOOLS),
    "calls without tools": lambda n: _repeat(n, lambda i: _call(f"tool{i}", {}, i)),
    "calls in a row": lambda n: _repeat(n, lambda i: _call("weather", {"city": "c"}, i)[1:2], _TOOLS),
    "tools again and again": lambda n: _repeat(n, lambda i: [_TOOLS, *_call(f"t{i}", {})]),
    "tools of their own": lambda n: _repeat(
        n, lambda i: [_say("system", "", tools=[_tool(f"t{i}")]), *_call(f"t{i}", {})]
    ),
    "tools on users": lambda n: _repeat(n, lambda _: [_say("user", "x", tools=[_tool("f")])]),
    "tools as text": lambda n: _repeat(n, lambda _: [_say("system", "x", tools='[{"name": "f"}]')]),
    "null tools": lambda n: _repeat(n, lambda i: [{**m, "tools": None} for m in _talk(i)]),
    "null metadata": lambda n: _repeat(n, lambda i: [{**m, "metadata": None} for m in _talk(i)]),
    "loss switches": lambda n: _repeat(n, lambda i: [{**m, "loss": i % 2} for m in _talk(i)]),
    "unread keys of messages": lambda n: _repeat(n, lambda i: [{**m, f"k{i}": 1} for m in _talk(i)]),
    "OpenAI calls": lambda n: _repeat(
        n,
        lambda i: [
            _say("user", f"q{i}"),
            _say("assistant", None, tool_calls=[_OPENAI_CALL]),
            _say("tool", "3", tool_call_id="1"),
            _say("assistant", "Done."),
        ],
    ),
    "many OpenAI calls at once": lambda n: _repeat(
        1, lambda _: [_say("user", "q"), _say("assistant", None, tool_calls=[_OPENAI_CALL] * n)]
    ),
    "ShareGPT": lambda n: {
        "conversations": [{"from": ("human", "gpt")[i % 2], "value": f"x{i}"} for i in range(2 * n)]
    },
    "histories": lambda n: {
        "instruction": "x", "output": "y", "history": [[f"q{i}", f"a{i}"] for i in range(n)]
    },
    "many tools": lambda n: _repeat(
        1, lambda _: _talk(0), _say("system", "", tools=[_tool(f"t{i}") for i in range(n)])
    ),
    "tools of one name": lambda n: _repeat(
        1, lambda _: _talk(0), _say("system", "", tools=[_tool("t")] * n)
    ),
    "misshapen tools": lambda n: _repeat(
        1, lambda _: _talk(0), _say("system", "", tools=[{"function": {"name": 5}}, 7] * n)
    ),
    "many tools, many calls": lambda n: _repeat(
        n, lambda i: _call(f"u{i}", {}), _say("system", "", tools=[_tool(f"t{i}") for i in range(n)])
    ),
    "many parameters": lambda n: _repeat(
        1,
        lambda _: _call("t", {f"p{i}": 1 for i in range(n)}),
        _say("system", "", tools=[_tool("t", **{f"p{i}": {"type": "string"} for i in range(n)})]),
    ),
    "unlisted arguments": lambda n: _repeat(
        1, lambda _: _call("weather", {f"z{i}": {"y": i} for i in range(n)}), _TOOLS
    ),
    "bad schemas": lambda n: _repeat(
        1,
        lambda _: _talk(0),
        _say("system", "", tools=[_tool("t", **{f"p{i}": {"type": "str"} for i in range(n)})]),
    ),
    "keys of the row": lambda n: {**_repeat(1, _talk), **{f"k{i}": i for i in range(n)}},
    "nulls of the row": lambda n: {**_repeat(1, _talk), **{f"k{i}": None for i in range(n)}},
    "one key for the file": lambda n: {f"id{i}": _repeat(1, _talk) for i in range(n)},
    "ignores": lambda n: {**_repeat(1, _talk), "glmlint": {"ignore": [f"x{i}" for i in range(n)]}},
    "a long list": lambda n: [*range(n)],
    "messages as text": lambda n: {"messages": "x" * n},
    "answers that go on": lambda n: _repeat(
        n, lambda i: [_say("user", f"q{i}"), _say("assistant", f"a\nUser: b{i}\nAssistant: c")]
    ),
    "fences in many": lambda n: _repeat(
        n, lambda i: [_say("user", "continue"), _say("assistant", f"```\nx{i}")]
    ),
    "languages": lambda n: _repeat(
        n, lambda i: [_say("user", "请解释一下这段代码的含义和作用" * 3),
                      _say("assistant", f"This is what it means in a few words, number {i}. " * 3)]
    ),
    "hidden in many": lambda n: _repeat(n, lambda i: [_say("user", f"a\u200b{i}"), _say("assistant", "\x0c")]),
    "thoughts in many": lambda n: _repeat(
        n, lambda i: [_say("user", "q"), _say("assistant", f"<think>{i}</think>a" * (i % 3))]
    ),
    "a deep schema": lambda n: _repeat(
        1, lambda _: _talk(0), _say("system", "", tools=[_tool("t", a=_deep(60, n))])
    ),
    "deep arguments": lambda n: _repeat(1, lambda _: _call("weather", {"a": _deep(60, n)}), _TOOLS),
    "deep contents": lambda n: _repeat(
        1, lambda _: [_say("user", _deep(60, n)), _say("assistant", "x")]
    ),
    "one text in a list": lambda n: _repeat(
        1, lambda _: [_say("user", [{"type": "text", "text": "x"}] * n), _say("assistant", "x")]
    ),
    "required, and none there": lambda n: _repeat(
        n, lambda _: _call("t", {}),
        _say("system", "", tools=[_tool("t", **{f"p{i}": {} for i in range(min(n, 50))})]),
    ),
    "enums": lambda n: _repeat(
        n, lambda i: _call("t", {"a": f"x{i}"}),
        _say("system", "", tools=[_tool("t", a={"type": "string", "enum": [f"y{i}" for i in range(50)]})]),
    ),
    "columns of others": lambda n: {"prompt": "x" * n, "response": "y" * n, "query": "z" * n},
    "ShareGPT calls": lambda n: {
        "conversations": [
            {"from": ("human", "function_call", "observation", "gpt")[i % 4],
             "value": json.dumps({"name": f"t{i}", "arguments": {}}) if i % 4 == 1 else f"x{i}"}
            for i in range(4 * n)
        ],
        "tools": json.dumps([_tool(f"t{i}") for i in range(n)]),
    },
    "a name for each": lambda n: {"messages": [{"from": "user", "value": f"x{i}"} for i in range(n)]},
    "fences": _long("```\nx\n"),
    "control tokens": _long("<|user|> [gMASK]<sop> "),
    "think tags": _long("<think>x</think>"),
    "placeholders": _long("{{ name }} <YOUR NAME> [answer here] "),
    "numbers": _long("4111 1111 1111 1111 / 11010519491231002X / DE89370400440532013000 "),
    "keys and tokens": _long("ghp_0123456789abcdefghijABCDEFGHIJ012345 AKIAIOSFODNN7EXAMPLE "),
    "invisible characters": _long("a\u200bb\u00adc\ufeffd\u202ee "),
    "calls in text": _long('<tool_call>{"name": "f", "arguments": {}}</tool_call>\n'),
    "ReAct": _long('Thought: x\nAction: f\nAction Input: {"a": 1}\nObservation: y\n'),
    "speakers": _long("User: hi\nAssistant: hello\n"),
    "a loop": _long("ha "),
    "brackets": _long("[{("),
    "quotes": _long("\"'\\`"),
    "line ends": _long("\r\n\t "),
    "one letter": _long("a"),
    "Chinese": _long("你好"),
    "emoji": _long("😀👍🏽"),
    "tables": _long("| a | b |\n|---|---|\n"),
    "links": _long("http://a.b/c?d=e&f=g user@example.com "),
    "line feeds": _long("\n"),
    "form feeds": _long("\n\x0c"),
    "blanks": _long(" "),
    "digits": _long("1"),
    "digits and blanks": _long("1 2-3 "),
    "letters and digits": _long("a1B2"),
    "hex": _long("deadbeef0123456789"),
    "backticks": _long("`"),
    "tildes and backticks": _long("```~~~"),
    "thoughts that never end": _long("<think>"),
    "ends of thoughts": _long("</think>"),
    "calls that never end": _long('<tool_call>{"name": "f", '),
    "arguments that never end": _long("<arg_key>a"),
    "actions that never end": _long("Action: f\n"),
    "quoted quotes": _long('"\\'),
    "JSON in text": _long('{"name": "f", "arguments": {"a": 1}}'),
    "objects that never end": _long('{"a": '),
    "lists that never end": _long("[1, "),
    "dollars": _long("$"),
    "formulas": _long("\\( x "),
    "angles": _long("<"),
    "angles and bars": _long("<|"),
    "asterisks": _long("*"),
    "headings": _long("# "),
    "labels": _long("User:"),
    "rounds": _long("[Round 1]\n\n问："),
    "underscores": _long("_"),
    "dots": _long("."),
    "at signs": _long("a@"),
    "colons": _long(":"),
    "slashes": _long("/"),
    "percents": _long("%%%s{0}"),
    "braces": _long("{{{"),
    "templates": _long("{% x %}{{"),
    "mojibake": _long("Ã©â€™"),
    "lost characters": _long("\ufffd"),
    "bidi": _long("\u202e\u05d0"),
    "joiners": _long("\u200d"),
    "combining": _long("a\u0301"),
    "surrogates": _long("\ud800"),
    "controls": _long("\x13\x1b["),
    "bytes for keys": _long("sk-"),
    "tokens of a web": _long("eyJ."),
    "URLs with words": _long("https://u:p@h/"),
    "word after word": lambda n: {
        "messages": [_say("user", "q"), _say("assistant", " ".join(f"w{i}" for i in range(n)))]
    },
    "sentence after sentence": lambda n: {
        "messages": [_say("user", "q"), _say("assistant", " ".join(f"This is number {i}." for i in range(n)))]
    },
    "the same, nearly": lambda n: {
        "messages": [_say("user", "q"), _say("assistant", "ab" * n + "c" + "ab" * n + "d")]
    },
    "longer and longer": lambda n: {
        "messages": [_say("user", "q"), _say("assistant", " ".join("a" * (i % 700) for i in range(n // 300 + 2)))]
    },
}  # fmt: skip
"""Family -> how its row of n parts is made."""


STRUCTURES: tuple[str, ...] = tuple(FAMILIES)[: tuple(FAMILIES).index("fences")]
"""Families of many messages, tools, calls or keys."""
TEXTS: tuple[str, ...] = tuple(FAMILIES)[tuple(FAMILIES).index("fences") :]
"""Families of one long text."""


def line_of(family: str, number: int) -> bytes:
    """The row of that many parts, as a line."""
    return (
        json.dumps(FAMILIES[family](number), ensure_ascii=family in ("surrogates",)).encode()
        + b"\n"
    )
