"""Make a seeded file of short rows that are all at fault, of many kinds in turn or of one alone.

    python bench/make_faulty_rows.py OUT.jsonl --rows 100000 [--kinds null-content,bad-json]

For memory: what is found in a row, or kept of it, must not add up. So texts, names and keys differ
from row to row wherever a run could be led to keep them. `python bench/scale.py --data` says what
a run takes; docs/scale.md has what was seen.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Made = Row | bytes
"""A row, or the bytes of its line."""


def _row(asked: str, answer: object, **beside: object) -> Row:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **beside}


def _null_content(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", None)


def _unknown_role(n: int, _: random.Random) -> Made:
    turns = [{"role": f"human{n}", "content": "hi"}, {"role": "assistant", "content": f"a {n}"}]
    return {"messages": turns}


def _bad_json(n: int, random_: random.Random) -> Made:
    line = json.dumps(_row(f"ask {n}", f"answer {n}")).encode()
    ways: tuple[Callable[[bytes], bytes], ...] = (
        lambda text: text[: random_.randrange(1, len(text))],
        lambda text: text.replace(b'"', b"'"),
        lambda text: text[:-1] + b",}",
        lambda text: text.replace(b"answer", b"an\x01swer"),
        lambda text: text[:-1] + b', "x": NaN}',
        lambda text: text + b" tail",
    )
    return ways[n % len(ways)](line)


def _not_utf8(n: int, _: random.Random) -> Made:
    return json.dumps(_row(f"ask {n}", "xx")).encode().replace(b"xx", b"\xff\xfe")


def _not_object(n: int, _: random.Random) -> Made:
    return (b"%d" % n, b'"text %d"' % n, b"[%d]" % n, b"null")[n % 4]


def _several(n: int, _: random.Random) -> Made:
    line = json.dumps(_row(f"ask {n}", f"answer {n}")).encode()
    return line + b" " + line


def _blank(n: int, _: random.Random) -> Made:
    return b"\n" + json.dumps(_row(f"ask {n}", f"answer {n}")).encode()


def _deep(n: int, _: random.Random) -> Made:
    return b'{"messages": %s%d%s}' % (b"[" * 300, n, b"]" * 300)


def _long_number(n: int, _: random.Random) -> Made:
    return b'{"messages": [], "n": %s%d}' % (b"9" * 30, n)


def _duplicate_key(n: int, _: random.Random) -> Made:
    line = json.dumps(_row(f"ask {n}", f"answer {n}"))
    return (line[:-1] + f', "k{n}": 1, "k{n}": 2}}').encode()


def _special_token(n: int, _: random.Random) -> Made:
    return _row(f"ask <|user|> {n}", f"answer {n}<|endoftext|><|mark{n}|>")


def _invisible(n: int, _: random.Random) -> Made:
    return _row(f"\u200bask {n}", f" answer {n}\u202e ")


def _surrogate(n: int, _: random.Random) -> Made:
    return _row(f"ask \ud800 {n}", f"answer {n}")


def _empty(n: int, _: random.Random) -> Made:
    if n % 3 == 0:
        return {"messages": [], "id": n}
    return _row(f"ask {n}", "") if n % 3 == 1 else {"id": n}


def _shape(n: int, _: random.Random) -> Made:
    return {"messages": [n, {"content": f"x {n}"}, {"role": "user"}, {"role": n, "content": {}}]}


def _order(n: int, _: random.Random) -> Made:
    roles = ("assistant", "user", "system", "user", "observation")
    return {"messages": [{"role": role, "content": f"{role} {n}"} for role in roles]}


def _tool(name: str, parameters: object, **more: object) -> Row:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


def _with_tools(tools: object, *turns: Row) -> Row:
    return {"messages": [{"role": "system", "content": "", "tools": tools}, *turns]}


def _schema(n: int, _: random.Random) -> Made:
    bad = {"type": f"strin{n}", "properties": {f"p{n}": {"type": "text"}}, "required": "p"}
    turns = _row(f"ask {n}", f"answer {n}")["messages"]
    return _with_tools([_tool(f"tool {n}", bad), _tool(f"t{n}", {}), _tool(f"t{n}", {})], *turns)


def _calls(n: int, _: random.Random) -> Made:
    properties = {f"city{n}": {"type": "integer"}}
    tools = [_tool(f"get{n}", {"type": "object", "properties": properties, "required": ["x"]})]
    return _with_tools(
        tools,
        {"role": "user", "content": f"ask {n}"},
        {"role": "assistant", "metadata": f"get{n}", "content": f'{{"city{n}": "x"}}'},
        {"role": "observation", "content": "1"},
        {"role": "assistant", "metadata": f"unknown{n}", "content": f"{{'a': {n}"},
        {"role": "observation", "content": "2"},
        {"role": "assistant", "content": f"done {n}"},
    )


def _openai_calls(n: int, _: random.Random) -> Made:
    call = {"id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": "{}"}}
    return {
        "messages": [
            {"role": "user", "content": f"ask {n}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": "1"},
            {"role": "assistant", "content": f"done {n}", "reasoning_content": f"so {n}"},
        ]
    }


def _call_as_text(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f'<tool_call>{{"name": "f{n}", "arguments": {{}}}}</tool_call><f{n}>')


def _float_in_tools(n: int, _: random.Random) -> Made:
    properties = {f"p{n}": {"type": "number", "default": 0.5, "minimum": n + 0.25}}
    tools = [_tool("t", {"type": "object", "properties": properties})]
    return _with_tools(tools, *_row(f"ask {n}", f"answer {n}")["messages"])


def _unread_key(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f"answer {n}", **{f"key{n}": {f"inner{n}": n}})


def _unread_in_message(n: int, _: random.Random) -> Made:
    row = _row(f"ask {n}", f"answer {n}")
    row["messages"][1][f"note{n}"] = f"x {n}"
    return row


def _type_conflict(n: int, _: random.Random) -> Made:
    values = (n, f"{n}", [n], {"a": n}, n + 0.5, True, None, 2**70)
    return _row(f"ask {n}", f"answer {n}", mixed=values[n % len(values)])


def _metadata(n: int, _: random.Random) -> Made:
    row = _row(f"ask {n}", f"answer {n}")
    row["messages"][1]["metadata"] = (n, None, [n], f"tool\n{n}")[n % 4]
    return row


def _loss(n: int, _: random.Random) -> Made:
    row = _row(f"ask {n}", f"answer {n}", loss=1)
    row["messages"][1]["loss"] = n % 2
    return row


def _foreign(n: int, _: random.Random) -> Made:
    turns = [{"from": "human", "value": f"ask {n}"}, {"from": "gpt", "value": f"answer {n}"}]
    rows: tuple[Row, ...] = (
        {"conversations": turns},
        {"instruction": f"ask {n}", "input": "", "output": f"answer {n}"},
        {"prompt": f"ask {n}", "completion": f"answer {n}"},
        {"text": f"ask {n} answer {n}"},
        {"prompt": f"ask {n}", "chosen": "a", "rejected": f"b {n}"},
    )
    return rows[n % len(rows)]


def _cut(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f"{n} " * 400)


def _nothing_kept(n: int, _: random.Random) -> Made:
    return _row(f"{n} " * 400, f"answer {n}")


def _ignored(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", None, glmlint={"ignore": ["ALL"]})


def _ignored_for_nothing(n: int, _: random.Random) -> Made:
    names = ["null-content", f"no-such-rule-{n}", "exact-duplicate"]
    return _row(f"ask {n}", f"answer {n}", glmlint={"ignore": names})


def _repeated(_: int, __: random.Random) -> Made:
    return _row("the same question in each of these rows, long enough to count", "the same")


def _twice(n: int, _: random.Random) -> Made:
    return _row(f"a question that two rows have, and no other one, as said {n // 2}", "the same")


def _conflict(n: int, _: random.Random) -> Made:
    asked = f"a question that ten rows have, each with an answer of its own {n // 10}"
    return _row(asked, f"answer {n}")


def _secret(n: int, random_: random.Random) -> Made:
    key = "".join(random_.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", k=36))
    return _row(f"ask {n}", f"use ghp_{key}, mail name{n}@company{n}.org or 13{n % 10**9:09d}")


def _placeholder(n: int, _: random.Random) -> Made:
    return _row(f"ask {{{{name{n}}}}}", f"TODO {n} [insert text {n}] <your answer {n}>")


def _thought(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f"<think>so {n}</think>answer {n}" if n % 2 else f"answer {n}</think>")


def _loop(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f"again {n} " * 60)


def _language(n: int, _: random.Random) -> Made:
    return _row(
        f"请问第{n}个问题的答案是什么，请用中文回答，谢谢", f"This is the answer number {n}."
    )


def _fence(n: int, _: random.Random) -> Made:
    return _row(f"ask {n}", f"```python\nprint({n})\n")


def _user_last(n: int, _: random.Random) -> Made:
    return {"messages": [{"role": "user", "content": f"ask {n}"}]}


KINDS: dict[str, Callable[[int, random.Random], Made]] = {
    make.__name__.removeprefix("_").replace("_", "-"): make
    for make in (
        _null_content, _unknown_role, _bad_json, _not_utf8, _not_object, _several, _blank, _deep,
        _long_number, _duplicate_key, _special_token, _invisible, _surrogate, _empty, _shape,
        _order, _schema, _calls, _openai_calls, _call_as_text, _float_in_tools, _unread_key,
        _unread_in_message, _type_conflict, _metadata, _loss, _foreign, _cut, _nothing_kept,
        _ignored, _ignored_for_nothing, _repeated, _twice, _conflict, _secret, _placeholder,
        _thought, _loop, _language, _fence, _user_last,
    )
}  # fmt: skip
"""Kind of fault -> a row of it, by its number."""


def lines(kinds: Iterable[str], seed: int = 1) -> Iterator[bytes]:
    """Lines without end, the kinds in turn."""
    random_ = random.Random(seed)
    makers = [KINDS[kind] for kind in kinds]
    number = 0
    while True:
        for make_ in makers:
            made = make_(number, random_)
            yield (made if isinstance(made, bytes) else json.dumps(made).encode()) + b"\n"
        number += 1


def make(path: Path, rows: int, kinds: Iterable[str] = tuple(KINDS), seed: int = 1) -> None:
    """Write so many lines."""
    with path.open("wb") as out:
        for _, line in zip(range(rows), lines(kinds, seed), strict=False):
            out.write(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kinds", default=",".join(KINDS), help="those that are made, in turn")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make(arguments.out, arguments.rows, arguments.kinds.split(","), arguments.seed)
