"""Makes files of rows as trainers read them, every column of which the loader may change.

    python tests/loader_rows.py PYTHON VERSION [FILES] [SEED]
    python tests/loader_rows.py PYTHON VERSION FILE.jsonl

PYTHON is an interpreter that has that version of `datasets`; each difference is printed with its
seed. A file of lines `{"rows": [...]}` stands for many files. The tests use `make_rows` and a recorded
sample (`python tests/loader_rows.py PYTHON VERSION --record`).
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loader_cases import Server
from loader_forms import FormCase, difference, packed

RECORDED = 60

WORDS = [
    "北京",
    "hi",
    "ok\n",
    "2024-05-01",
    "2024-05-01T10:00:00Z",
    "5",
    "0.5",
    "true",
    "null",
    "",
    "{}",
]
NAMES = ["get_weather", "查天气", "f"]


def text(random_: random.Random) -> str:
    """A text, now and then one that is a date, a number or JSON."""
    return (
        random_.choice(WORDS) if random_.random() < 0.4 else random_.choice(["你好 ", "x y "]) * 3
    )


def scalar(random_: random.Random) -> Any:
    """An argument's or a schema's plain value."""
    return random_.choice([1, 2, 0.5, 2.0, 0.1, True, None, *([text(random_)] * 5), 2**53 + 1])


def arguments(random_: random.Random, dates: bool) -> dict[str, Any]:
    """What a call passes, as an object."""
    made: dict[str, Any] = {}
    for key in random_.sample(["city", "date", "n", "q", "flags"], random_.randint(0, 3)):
        pick = random_.random()
        if key == "date" and dates:
            made[key] = random_.choice(["2024-05-01", "2024-05-02", "2024-05-03 10:00:00"])
        elif key == "n":
            made[key] = random_.choice([1, 2, 0.5]) if pick < 0.95 else text(random_)
        elif key == "flags":
            made[key] = [text(random_) for _ in range(random_.randint(0, 3))]
        elif key == "q":
            made[key] = {"a": [1, 2.5], **({"b": None} if pick < 0.5 else {})}
        else:
            made[key] = text(random_) if pick < 0.95 else scalar(random_)
    return made


def tool(random_: random.Random) -> dict[str, Any]:
    """A tool, its schema varying."""
    schema: dict[str, Any] = {"type": random_.choice(["string", "integer"])}
    if random_.random() < 0.4:
        schema["description"] = text(random_)
    if random_.random() < 0.15:
        schema["enum"] = ["a", "b"]
    if random_.random() < 0.1:
        schema["default"] = scalar(random_)
    properties = dict.fromkeys(random_.sample(["city", "n", "q"], random_.randint(1, 2)), schema)
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return {
        "type": "function",
        "function": {
            "name": random_.choice(NAMES),
            "description": text(random_),
            "parameters": parameters,
        },
    }


def tools(random_: random.Random, written: bool) -> Any:
    """Tools as text, or as they are."""
    listed = [tool(random_)["function"] for _ in range(random_.randint(0, 2))]
    return json.dumps(listed, ensure_ascii=False) if written else listed


def sharegpt(random_: random.Random, written: bool, dates: bool) -> dict[str, Any]:
    """Turns of from and value; calls are texts."""
    turns = []
    for _ in range(random_.randint(0, 3)):
        turns.append({"from": "human", "value": text(random_)})
        if random_.random() < 0.3:
            called = {"name": random_.choice(NAMES), "arguments": arguments(random_, dates)}
            turns.append({"from": "function_call", "value": json.dumps(called)})
            turns.append({"from": "observation", "value": text(random_)})
        turns.append({"from": "gpt", "value": text(random_)})
    made: dict[str, Any] = {"conversations": turns}
    if random_.random() < 0.4:
        made["tools"] = tools(random_, written)
    if random_.random() < 0.3:
        made["system"] = random_.choice([None, text(random_)])
    if random_.random() < 0.2:
        made["images"] = random_.choice([[], ["a.png"], None])
    return made


def openai(random_: random.Random, written: bool, dates: bool) -> dict[str, Any]:
    """Messages with calls as objects."""
    messages: list[dict[str, Any]] = []
    if random_.random() < 0.3:
        messages.append({"role": "system", "content": text(random_)})
    for _ in range(random_.randint(0, 3)):
        messages.append({"role": "user", "content": text(random_)})
        if random_.random() < 0.4:
            calls = []
            for _ in range(random_.choice([1, 1, 1, 2])):
                passed: Any = arguments(random_, dates)
                if written:
                    passed = json.dumps(passed)
                function = {"name": random_.choice(NAMES), "arguments": passed}
                calls.append({"id": "c1", "type": "function", "function": function})
            content = random_.choice([None, "", text(random_)])
            messages.append({"role": "assistant", "content": content, "tool_calls": calls})
            messages.append({"role": "tool", "content": text(random_), "tool_call_id": "c1"})
        answer = {"role": "assistant", "content": text(random_)}
        if random_.random() < 0.2:
            answer["reasoning_content"] = text(random_)
        messages.append(answer)
    made: dict[str, Any] = {"messages": messages}
    if random_.random() < 0.5:
        made["tools"] = tools(random_, random_.random() < 0.9) if written else [tool(random_)]
    return made


def alpaca(random_: random.Random, _written: bool, _dates: bool) -> dict[str, Any]:
    """Flat rows with a history."""
    made: dict[str, Any] = {"instruction": text(random_), "output": text(random_)}
    if random_.random() < 0.6:
        made["input"] = random_.choice(["", None, text(random_)])
    if random_.random() < 0.4:
        pairs = [[text(random_), text(random_)] for _ in range(random_.randint(0, 2))]
        made["history"] = random_.choice([pairs, pairs, None, [["q"]]])
    if random_.random() < 0.2:
        made["system"] = text(random_)
    if random_.random() < 0.1:
        made["id"] = random_.choice([1, 2.5, "a"])
    return made


def make_rows(random_: random.Random) -> FormCase:
    """One file of one form, as lines or as an array."""
    make = random_.choice([sharegpt, openai, openai, alpaca])
    written, dates = random_.random() < 0.5, random_.random() < 0.3
    rows = [make(random_, written, dates) for _ in range(random_.choice([1, 2, 3, 5, 8, 20]))]
    array = random_.random() < 0.4
    chunk = None if array else random_.choice([None, None, None, 20_000])
    if random_.random() < 0.1:
        rows[random_.randrange(len(rows))]["note"] = "x" * random_.choice([20_000, 340_000])
    ascii_ = random_.random() < 0.5
    if array:
        indent = random_.choice([None, 2])
        return FormCase(json.dumps(rows, ensure_ascii=ascii_, indent=indent), chunk)
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_) for row in rows)
    return FormCase(lines, chunk, "rows.jsonl")


def files_of(path: Path) -> Iterator[FormCase]:
    """Files whose rows stand in the lines of another file."""
    for line in path.read_bytes().split(b"\n"):
        if line:
            rows = json.loads(line)["rows"]
            yield FormCase(
                "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
                name="rows.jsonl",
            )


def record(server: Server) -> None:
    """Print a sample of small files with the answers."""
    lines = []
    seed = 0
    while len(lines) < RECORDED:
        case = make_rows(random.Random(seed))
        seed += 1
        data = packed(case.data)
        if len(data) < 700 and len(case.data) < 2500:
            answer = server.ask_any(case.question())
            answer.pop("text", None)
            answer.pop("features", None)
            item = {"data": data, "chunk": case.chunk, "name": case.name, "answer": answer}
            lines.append(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
    print("[\n" + ",\n".join(lines) + "\n]")


def main() -> None:
    """Compare, or record."""
    python, version, *rest = sys.argv[1:]
    server = Server(python)
    if rest == ["--record"]:
        record(server)
        server.close()
        return
    cases: Iterator[tuple[Any, FormCase]]
    if rest and not rest[0].isdigit():
        cases = enumerate(files_of(Path(rest[0])), 1)
    else:
        first = int(rest[1]) if len(rest) > 1 else 0
        seeds = range(first, first + (int(rest[0]) if rest else 300))
        cases = ((seed, make_rows(random.Random(seed))) for seed in seeds)
    counts: Counter[str] = Counter()
    for seed, case in cases:
        answer = server.ask_any(case.question())
        counts["loads" if "errors" not in answer else "fails"] += 1
        counts["rows"] += len(answer.get("rows", ()))
        if told := difference(case, answer, version):
            counts["different"] += 1
            print(seed, len(case.data), case.chunk, case.name, told[:700], answer.get("text"))
    server.close()
    print(version, dict(counts))


if __name__ == "__main__":
    main()
