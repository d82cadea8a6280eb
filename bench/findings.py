"""A sample of findings over a folder of data, with their rows, for a reader who judges each one.

How many findings are right is no figure that a program can give: docs/precision.md holds what a
reader said of samples that this drew.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from glmlint.app.settings import resolve
from glmlint.converters.run import ConvertOutcome, as_lines, convert_rows, write_atomically, writers
from glmlint.engine.finish import finish
from glmlint.finding import SEVERITIES, Finding
from glmlint.read.source import InputFile, read_chunks
from glmlint.runners.local import check_files
from glmlint.trainer.base import Context, open_context

LONG = 128_000
"""A budget that cuts next to nothing."""

MANY = 8
"""Keys shown of a row; some files are one object with a key for each row."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="its .json and .jsonl files are checked")
    parser.add_argument("--number", type=int, default=100, help="findings of each severity")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", default="glm4")
    parser.add_argument("--severity", choices=SEVERITIES, action="append")
    parser.add_argument("--rule", action="append", default=[], help="only these rules")
    parser.add_argument("--width", type=int, default=300, help="characters shown of each text")
    parser.add_argument("--counts", action="store_true", help="how often each rule spoke, no more")
    arguments = parser.parse_args()
    found = list(all_findings(arguments.folder, arguments.recipe))
    if arguments.counts:
        print_counts(found)
        return
    for severity in arguments.severity or SEVERITIES:
        pool = [
            one
            for one in found
            if one.finding.severity == severity
            and (not arguments.rule or one.finding.rule in arguments.rule)
        ]
        drawn = draw(pool, arguments.number, arguments.seed)
        print(f"# {severity}: {len(drawn)} of {len(pool)}")
        for number, one in enumerate(drawn, 1):
            print(f"\n--- {severity} {number}")
            print(one.text(arguments.width))


class Found:
    """A finding and the row of its line."""

    def __init__(self, finding: Finding, name: str, row: bytes | None) -> None:
        self.finding = finding
        self.name = name
        """The file's path in the folder, and what was done to it."""
        self.row = row

    def text(self, width: int) -> str:
        """The finding, what stands at its pointer, and the row around it."""
        finding = self.finding
        lines = [
            f"{finding.rule} ({finding.severity})  {self.name}:{finding.line}:{finding.column}"
            f"  {finding.pointer or ''}  rows {finding.rows}",
            f"    says: {finding.message}",
        ]
        if self.row is None:
            return "\n".join(lines)
        try:
            value = json.loads(self.row)
        except ValueError:
            start = max(0, (finding.column or 1) - width // 2)
            return "\n".join([*lines, f"    raw: {self.row[start : start + width]!r}"])
        if finding.pointer:
            lines.append(f"    there: {cut(at(value, finding.pointer), 2 * width)}")
        lines += [f"    | {line}" for line in outline(value, width)]
        return "\n".join(lines)


def at(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer; "(none)" where there is none, as a missing key has none."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return "(none)"
    return value


def outline(value: Any, width: int) -> Iterator[str]:
    """A row as a reader wants it: one line a message, then the other keys."""
    if not isinstance(value, dict):
        yield cut(value, width)
        return
    turns = value.get("messages")
    for index, turn in enumerate(turns if isinstance(turns, list) else []):
        if not isinstance(turn, dict):
            yield f"[{index}] {cut(turn, width)}"
            continue
        others = {key: turn[key] for key in turn if key not in ("role", "content")}
        tail = f"  + {cut(others, 2 * width)}" if others else ""
        yield f"[{index}] {turn.get('role')}: {cut(turn.get('content'), width)}{tail}"
    keys = [key for key in value if key != "messages" or not isinstance(turns, list)]
    for key in keys[:MANY]:
        yield f"{key} = {cut(value[key], width)}"
    if len(keys) > MANY:
        yield f"and {len(keys) - MANY} more keys"


def cut(value: Any, width: int) -> str:
    """JSON text of a value; of a long one, its beginning and its end."""
    text = json.dumps(value, ensure_ascii=False)
    half = width // 2
    return text if len(text) <= width else f"{text[:half]} …{len(text) - 2 * half}… {text[-half:]}"


def all_findings(folder: Path, recipe: str) -> Iterator[Found]:
    """What all rules say of every file as it is, and of what convert makes of the foreign ones.

    Each is read under a long budget; what the default budget adds is there as well.
    """
    flags = {"config": None, "lang": "en", "select": ["ALL"], "near-duplicates": 0.9}
    flags["recipe"] = recipe
    long = replace(resolve({**flags, "max-length": LONG}), max_findings=10**6)
    default = replace(resolve(flags), max_findings=10**6)
    context = open_context(long)
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl"))
    with tempfile.TemporaryDirectory() as temporary:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            converted = Path(temporary) / name.replace("/", "__")
            versions = [(path, name)]
            if convert(path, converted.with_suffix(".jsonl")):
                versions.append((converted.with_suffix(".jsonl"), f"{name} (converted)"))
            for file, told in versions:
                rows = rows_of(file)
                said = set()
                for plan in (long, default):
                    plan = replace(plan, eval_files=validation_of(file))
                    once = Context(plan, context.tokenizer, context.template)
                    report = check_files([str(file)], plan, once)
                    for finding in finish(report, plan, once).findings:
                        place = (finding.rule, finding.line, finding.pointer, finding.message)
                        if finding.path == str(file) and place not in said:
                            said.add(place)
                            row = rows.get(finding.line) if finding.line else None
                            yield Found(finding, told, row)


def convert(path: Path, target: Path) -> bool:
    """Write the GLM form of a file; False where it is in that form already or cannot be."""
    outcome = ConvertOutcome()
    rows = convert_rows(
        read_chunks(InputFile(str(path))), outcome, writers()["glm4"], take="chosen"
    )
    if not write_atomically(target, as_lines(rows), lambda: outcome.converted > 0):
        return False
    return set(outcome.formats) != {"glm4"}


def validation_of(path: Path) -> tuple[str, ...]:
    """The validation file that stands beside a training file, if there is one."""
    names = (path.name.replace("train", "dev"), path.name.replace(".jsonl", ".eval.jsonl"))
    beside = [path.with_name(name) for name in names if name != path.name]
    return tuple(str(other) for other in beside if other.exists())


def rows_of(path: Path) -> dict[int, bytes]:
    """Line -> row."""
    return {
        number: row
        for chunk in read_chunks(InputFile(str(path)))
        for number, row in zip(chunk.numbers, chunk.lines, strict=True)
    }


def draw(found: list[Found], number: int, seed: int) -> list[Found]:
    """So many findings, the same for the same seed: rule by rule in turn, and file by file in each."""
    by_rule: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        by_rule[one.finding.rule][one.name].append(one)
    chance = random.Random(seed)
    queues = []
    for rule in sorted(by_rule):
        files = [by_rule[rule][name] for name in sorted(by_rule[rule])]
        for each in files:
            chance.shuffle(each)
        chance.shuffle(files)
        queues.append([one for turn in zip_longest(*files) for one in turn if one is not None])
    drawn = [one for turn in zip_longest(*queues) for one in turn if one is not None][:number]
    return sorted(drawn, key=lambda one: one.finding.rule)


def print_counts(found: list[Found]) -> None:
    """Severity, rule, findings, files."""
    groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        groups[one.finding.severity, one.finding.rule].append(one)
    for (severity, rule), members in sorted(groups.items()):
        files = len({one.name for one in members})
        print(f"{severity:8} {rule:28} {len(members):6} findings, {files:3} files")


if __name__ == "__main__":
    main()
