"""Makes small files for the loader's tests, and records what a version of `datasets` does to them.

    python tests/loader_cases.py PYTHON > tests/loader_cases.json

PYTHON is an interpreter that has the version, such as one of an environment made with
`pip install datasets==4.4.1`.
"""

from __future__ import annotations

import json
import random
import select
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from processes import LIMIT

REAL = Path(__file__).with_name("loader_real.py")
SEED = 20
CASES = 160

SCALARS: list[Any] = [
    *(None, None, True, False, 0, 1, 5, 0.5, 2.0, 0.3, 1e-12),
    *(2**53 + 1, 2**63, 2**64, -(2**63) - 1),
    *("x", "你好", "5", "true", "", "null", '{"q": 0.3}'),
    *("2020-01-01", "2020-01-01T10:00:00+02:00"),
]


@dataclass
class Case:
    """One file: its lines, and the bytes that the loader reads at a time (None: 10 MiB)."""

    lines: list[str]
    chunk: int | None
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """The file's text."""
        return "".join(line + "\n" for line in self.lines)


class Server:
    """A process that loads files with another interpreter's `datasets`."""

    def __init__(self, python: str) -> None:
        self.python = python
        self.process: subprocess.Popen[str] | None = None

    def ask(self, case: Case) -> dict[str, Any]:
        """What that version makes of the file; `{"errors": ["crash"]}` where it dies of it."""
        return self.ask_any({"data": case.data, "chunk": case.chunk})

    def ask_any(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question as `loader_real.py` takes it."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [self.python, str(REAL)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        assert select.select([self.process.stdout], [], [], LIMIT)[0], "no answer within the limit"
        if answer := self.process.stdout.readline():
            return dict(json.loads(answer))
        self.process.wait(LIMIT)
        return {"errors": ["crash"]}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.stdin.close()  # type: ignore[union-attr]
            self.process.wait(10)


def value(random_: random.Random, depth: int) -> Any:
    """Any JSON value."""
    pick = random_.random()
    if depth <= 0 or pick < 0.55:
        return random_.choice(SCALARS)
    if pick < 0.8:
        return row(random_, depth - 1)
    return [value(random_, depth - 1) for _ in range(random_.randint(0, 3))]


def row(random_: random.Random, depth: int = 3) -> dict[str, Any]:
    """An object of few keys."""
    keys = random_.sample("abc", random_.randint(0, 3))
    return {key: value(random_, depth) for key in keys}


def alike(random_: random.Random, model: Any) -> Any:
    """A value of much the same shape: now and then another type, a key less, a key more."""
    if random_.random() < 0.1:
        return value(random_, 1)
    if isinstance(model, dict):
        other = {k: alike(random_, v) for k, v in model.items() if random_.random() > 0.05}
        if random_.random() < 0.05:
            other[random_.choice("abcd")] = value(random_, 1)
        return other
    if isinstance(model, list):
        return [alike(random_, item) for item in model]
    if isinstance(model, bool):
        return not model
    if isinstance(model, int | float):
        return random_.choice([model, model, 7, 0.25])
    return random_.choice(["x", model]) if isinstance(model, str) else model


def chat(random_: random.Random) -> dict[str, Any]:
    """A row of messages, with the faults that such files have."""
    messages = []
    for _ in range(random_.randint(0, 3)):
        message: dict[str, Any] = {
            "role": random_.choice(["user", "assistant"]),
            "content": random_.choice(["hi", "好的", "2020-01-01"]),
        }
        if random_.random() < 0.15:
            message["metadata"] = random_.choice(["f", None])
        if random_.random() < 0.08:
            message["content"] = random_.choice([None, 5, 0.5, ["x"], [{"type": "text"}]])
        if random_.random() < 0.2:
            extra = [{}, {"minimum": 0}, {"minimum": 0.5}, {"default": "2020-01-01"}]
            schema = {"type": "number", **random_.choice(extra)}
            if random_.random() < 0.2:
                schema["enum"] = ["a", random_.choice(["b", 1])]
            parameters = {"type": "object", "properties": {random_.choice("pqr"): schema}}
            message["tools"] = [
                {"type": "function", "function": {"name": "f", "parameters": parameters}}
            ]
        messages.append(message)
    return {"messages": messages, **random_.choice([{}, {"id": 1}, {"id": "a"}])}


def make(random_: random.Random) -> Case:
    """One file of one to five rows."""
    count = random_.randint(1, 5)
    pick = random_.random()
    if pick < 0.25:
        rows: list[Any] = [row(random_) for _ in range(count)]
    elif pick < 0.6:
        model = row(random_)
        made = [alike(random_, model) for _ in range(count)]
        rows = [item if isinstance(item, dict) else model for item in made]
    else:
        rows = [chat(random_) for _ in range(count)]
    lines = [json.dumps(item, ensure_ascii=random_.random() < 0.5) for item in rows]
    if random_.random() < 0.03:
        lines.insert(random_.randint(0, len(lines)), random_.choice(["5", '"x"', "true"]))
    if random_.random() < 0.06:
        lines.insert(random_.randint(1, len(lines)), "")
    return Case(lines, random_.choice([None, None, 1, 1, 40]))


def spelled(value: Any) -> Any:
    """A row as `loader_real.py` spells it."""
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    return [spelled(item) for item in value] if isinstance(value, list) else value


def by_column(row: dict[str, Any]) -> list[tuple[str, str]]:
    """A row to compare: repr tells 1 from 1.0 and one order of keys from another."""
    return sorted((column, repr(item)) for column, item in row.items())


def main() -> None:
    """Print the cases with the answers of the interpreter that was named."""
    random_ = random.Random(SEED)
    server = Server(sys.argv[1])
    recorded = []
    for _ in range(CASES):
        case = make(random_)
        answer = server.ask(case)
        answer.pop("text", None)
        recorded.append(
            json.dumps(
                {"lines": case.lines, "chunk": case.chunk, "answer": answer}, ensure_ascii=False
            )
        )
    server.close()
    print("[\n" + ",\n".join(recorded) + "\n]")


if __name__ == "__main__":
    main()
