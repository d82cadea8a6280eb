"""Makes files whose rows do not stand one a line, around every border, and holds glmlint's word
against a version of `datasets`.

    python tests/loader_forms.py PYTHON VERSION [FILES] [SEED]

PYTHON is an interpreter that has the version; each difference is printed with its seed. The tests
use `FormCase`, `make_form` and `difference`, and a recorded sample (`python tests/loader_forms.py
PYTHON VERSION --record`).
"""

from __future__ import annotations

import base64
import json
import random
import sys
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loader_cases import Server, alike, by_column, chat, row, spelled

from glmlint.app.settings import resolve
from glmlint.loader import CHUNK
from glmlint.read.source import read_bytes
from glmlint.trainer.base import open_context
from glmlint.trainer.loaded import Decoded, Parts, part_of, values_of

NOT_ROW_BY_ROW = {"loads-garbled", "loads-reread"}
RECORDED = 110
HEAD = 1 << 20
"""How far glmlint looks into a file to tell how its rows stand."""


@dataclass
class FormCase:
    """One file of any form."""

    data: str
    chunk: int | None = None
    name: str = "rows.json"
    answer: dict[str, Any] = field(default_factory=dict)

    def question(self, rows: bool = True) -> dict[str, Any]:
        """What `loader_real.py` is asked."""
        return {"data": self.data, "chunk": self.chunk, "name": self.name, "rows": rows}


def parts_of(case: FormCase) -> Parts:
    """What glmlint sees of the file, through its own reader."""
    context = open_context(resolve({"config": None, "no_config": True}))
    parts = Parts()
    data = case.data.encode()
    for chunk in read_bytes(data, case.name.removesuffix(".gz"), loader_bytes=case.chunk or CHUNK):
        rows = [
            Decoded(line, raw, found.value, chunk.defects.get(at) or found.defect)
            for at, (line, raw) in enumerate(zip(chunk.numbers, chunk.lines, strict=True))
            for found in values_of(raw)
        ]
        parts.add(part_of(chunk, rows, context))
    return parts


def values(data: str) -> list[Any]:
    """The rows as they are written."""
    decoder = json.JSONDecoder()
    text, at, found = data.removeprefix("\ufeff"), 0, []
    while (at := len(text) - len(text[at:].lstrip(" \t\r\n"))) < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found


def difference(case: FormCase, answer: dict[str, Any], datasets: str) -> str:
    """In what glmlint's word differs from the real answer; empty where it does not."""
    parts = parts_of(case)
    shapes = parts.whole
    if shapes is None:
        return "no shapes"
    if parts.broken:
        # A value over lines that comes late is a broken line.
        late = len(case.data.encode()) > HEAD
        return "" if "errors" in answer or late else "a row is broken, and it loads"
    conflicts = shapes.conflicts(datasets)
    outcomes = {conflict.outcome for conflict in conflicts}
    if outcomes & NOT_ROW_BY_ROW or "OverflowError" in answer.get("errors", ()):
        return ""
    failing = [conflict for conflict in conflicts if conflict.fails]
    if "other-rows" in outcomes:
        return ""
    if ("errors" in answer) != bool(failing):
        return f"loads: {'errors' not in answer}, told: {failing}"
    if failing:
        # Where several things fail, any of them may come first.
        worst = failing[0]
        told = [worst.error, worst.cause] if worst.cause != worst.error else [worst.error]
        if len(failing) > 1 or not worst.cause or answer["errors"][:2] == told:
            return ""
        return f"raises {answer['errors']}, told {told}"
    if any(conflict.later for conflict in conflicts) or not isinstance(answer["rows"], list):
        return ""
    expected = [by_column(spelled(shapes.pad(value, datasets))) for value in values(case.data)]
    real = [by_column(value) for value in answer["rows"]]
    for index, (one, other) in enumerate(zip(expected, real, strict=True)):
        if one != other:
            return f"row {index}: told {one}, is {other}"
    return ""


def filler(random_: random.Random, size: int) -> dict[str, Any]:
    """A chat row of about so many bytes."""
    text = random_.choice(["x", "好", "a b ", "\\n"]) * (size // 3 + 1)
    return {"messages": [{"role": "user", "content": text[: max(size - 60, 1)]}]}


def written(random_: random.Random, value: Any, indent: Any) -> str:
    """A value as JSON over lines, or on one where the indent is None."""
    return json.dumps(value, ensure_ascii=random_.random() < 0.3, indent=indent)


def over_lines(random_: random.Random) -> FormCase:
    """Values one after the other, most of them over lines; some files end near a border."""
    chunk = random_.choice([None, 600_000, 200_000, 100_000, 40_000])
    block = max((chunk or CHUNK) // 32, 16 << 10)
    end = random_.choice(["\n", "\n", "\n", "\r\n", "\r"])
    indents = random_.choice([[2], [2], [4], ["\t"], [1, None], [None] * 3 + [2], [0], [None]])
    between = random_.choice(
        [[end], [end], [end], [end * 2], [end, end * 3], ["", end], [" ", end], [" " + end]]
    )
    borders = [block, block, 2 * block, 9 * block, 8 * block, *([chunk] if chunk else [])]
    goal = random_.choice(borders) + random_.randint(-400, 400)
    typical = random_.choice([200, 1000, 4000, block // 3])
    if end == "\r":
        # Past the head nobody sees how such a file is laid out.
        goal, typical = min(goal, 400_000), min(typical, 1000)
        between = [end]
    parts: list[str] = []
    size = 0
    odd = random_.random() < 0.25
    while size < goal:
        big = random_.random() < 0.02
        value: Any = filler(random_, random_.randint(60, typical * (40 if big else 1)))
        if odd and random_.random() < 0.1:
            value = chat(random_)
        text = written(random_, value, random_.choice(indents)).replace("\n", end)
        parts += [text, random_.choice(between)]
        size += sum(len(part.encode()) for part in parts[-2:])
    if random_.random() < 0.5:
        parts[-1] = ""
    lead = random_.choice(["", "", "", end, "\ufeff"])
    return FormCase(lead + "".join(parts), chunk, random_.choice(["rows.jsonl", "rows.json.gz"]))


def array(random_: random.Random) -> FormCase:
    """One array, of rows with small changes from row to row, or of something else."""
    count = random_.randint(1, 6)
    pick = random_.random()
    if pick < 0.3:
        rows: list[Any] = [row(random_) for _ in range(count)]
    elif pick < 0.55:
        model = row(random_)
        rows = [alike(random_, model) for _ in range(count)]
    elif pick < 0.9:
        rows = [chat(random_) for _ in range(count)]
    else:
        kinds = random_.choice(
            [[None, {"a": 1}, {}, []], [5, "x"], [["a"], ["b", "c"]], [{"a": 1}, 5]]
        )
        rows = [random_.choice([*kinds, kinds[0]]) for _ in range(count)]
    if random_.random() < 0.2:
        at = random_.randint(0, len(rows))
        size = random_.choice([330_000, 2_700_000])
        rows.insert(at, {**(rows[0] if isinstance(rows[0], dict) else {}), "pad": "x" * size})
    indent = random_.choice([None, None, 1, 2, "\t"])
    text = written(random_, rows, indent)
    lead = random_.choice(["", "", "", "", "", "", " ", "\n", "\ufeff"])
    if random_.random() < 0.03 and text.startswith("["):
        text = "[" + " " * 120 + text[1:]
    tail = random_.choice(["", "\n", "\n", " \n"])
    return FormCase(
        lead + text + tail, None, random_.choice(["rows.json", "rows.jsonl", "r.json.gz"])
    )


def make_form(random_: random.Random) -> FormCase:
    """One file."""
    return over_lines(random_) if random_.random() < 0.5 else array(random_)


def packed(text: str) -> str:
    """A text as it is recorded."""
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(text: str) -> str:
    """The text that was recorded."""
    return zlib.decompress(base64.b85decode(text)).decode()


def recorded(path: Path) -> list[FormCase]:
    """The recorded files, with the answers to them."""
    return [
        FormCase(unpacked(item.pop("data")), **item) for item in json.loads(path.read_text("utf-8"))
    ]


def record(server: Server) -> None:
    """Print a sample of small files with the answers."""
    lines = []
    seed = 0
    while len(lines) < RECORDED:
        case = make_form(random.Random(seed))
        seed += 1
        data = packed(case.data)
        if len(data) < 900:
            answer = server.ask_any(case.question(rows=len(case.data) < 3000))
            answer.pop("text", None)
            item = {"data": data, "chunk": case.chunk, "name": case.name, "answer": answer}
            lines.append(json.dumps(item, ensure_ascii=False))
    print("[\n" + ",\n".join(lines) + "\n]")


def main() -> None:
    """Compare, or record."""
    python, version, *rest = sys.argv[1:]
    server = Server(python)
    if rest == ["--record"]:
        record(server)
        server.close()
        return
    files = int(rest[0]) if rest else 300
    first = int(rest[1]) if len(rest) > 1 else 0
    counts: Counter[str] = Counter()
    for seed in range(first, first + files):
        case = make_form(random.Random(seed))
        answer = server.ask_any(case.question())
        counts["loads" if "errors" not in answer else "fails"] += 1
        if told := difference(case, answer, version):
            counts["different"] += 1
            print(seed, len(case.data), case.chunk, case.name, told[:600], answer.get("text"))
    server.close()
    print(version, dict(counts))


if __name__ == "__main__":
    main()
