"""The baseline: a JSON file of the fingerprints of old findings, with counts.

A fingerprint holds no line number and nothing of other rows, so that rows may be reordered, and
others edited, without an old finding coming back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.finding import file_identity, fingerprint, json_pointer
from glmlint.output import opened
from glmlint.rules.base import Placed, Problem, Row, all_rules
from glmlint.text import Text, Told, is_file, system_fault

BASELINE_VERSION: Final = 1


def once_fingerprint(rule: str, key: str, path: str) -> str:
    """Identity of what is told once a file: which row comes first is no part of it.

    Args:
        key: the problem's `once`.
        path: the file.
    """
    content = file_identity(path) + b"\0" + key.encode("utf-8", "surrogatepass")
    return fingerprint(rule, None, content)


def problem_fingerprint(rule: str, problem: Problem, row: Row) -> str:
    """Identity of a problem of one row, or of what it is told once a file with."""
    if problem.once is not None:
        return once_fingerprint(rule, problem.once, row.path)
    pointer = None if problem.pointer is None else json_pointer(problem.pointer)
    return fingerprint(rule, pointer, row.identity)


def placed_fingerprint(rule: str, placed: Placed) -> str:
    """Identity of what is known only when all rows are."""
    pointer = placed.problem.pointer
    return fingerprint(
        rule,
        None if pointer is None else json_pointer(pointer),
        placed.content if placed.group is None else placed.group,
    )


class BaselineError(Told):
    """A baseline that can't be used; the message is one sentence for the user."""


def _written(path: str) -> dict[str, Any]:
    """Rule -> fingerprints of a baseline that is there; nothing where there is none to be kept."""
    try:
        read_baseline(path)
        findings: dict[str, Any] = json.loads(Path(path).read_bytes())["findings"]
    except (BaselineError, OSError):
        return {}
    return findings


def _scored(rule: str) -> bool:
    loaded = all_rules().get(rule)
    return loaded is not None and loaded.rule.family == "score"


def read_baseline(path: str) -> dict[str, int]:
    """Fingerprint -> how many findings with it are old ones.

    Raises:
        BaselineError: there is no such file, or it is no baseline.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise BaselineError(
            Text(
                "no baseline {path}: --write-baseline writes it",
                "没有基线文件 {path}：可用 --write-baseline 生成",
            ),
            path=path,
        ) from None
    except OSError as error:
        raise BaselineError(
            Text("baseline {path} can't be read: {why}", "无法读取基线文件 {path}：{why}"),
            path=path,
            why=system_fault(error),
        ) from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(
            Text(
                "baseline {path} is not valid JSON: {error}",
                "基线文件 {path} 不是合法的 JSON：{error}",
            ),
            path=path,
            error=error,
        ) from None
    counts: dict[str, int] = {}
    try:
        if content["version"] != BASELINE_VERSION:
            raise BaselineError(
                Text(
                    "baseline {path} has version {found}; this glmlint reads version {known}",
                    "基线文件 {path} 的版本为 {found}；当前 glmlint 只能读取版本 {known}",
                ),
                path=path,
                found=content["version"],
                known=BASELINE_VERSION,
            )
        for fingerprints in content["findings"].values():
            for fingerprint, count in fingerprints.items():
                if not isinstance(count, int):
                    raise TypeError
                counts[fingerprint] = count
    except (KeyError, TypeError, AttributeError):
        raise BaselineError(
            Text("{path} is not a baseline of glmlint", "{path} 不是 glmlint 的基线文件"), path=path
        ) from None
    return counts


def write_baseline(path: str, found: Mapping[str, Mapping[str, int]], scores: bool = False) -> None:
    """Write rule -> fingerprint -> count, sorted, one fingerprint a line: it is read in diffs.

    What the other command has written stays: `check` and `score` may share a file.

    Args:
        scores: the findings are those of `score`, not of `check`.

    Raises:
        BaselineError: the file can't be written, or holds something else than a baseline.
    """
    if _holds_other(path):
        raise BaselineError(
            Text(
                "{path} is not a baseline of glmlint and is not overwritten",
                "{path} 不是 glmlint 的基线文件，不会被覆盖",
            ),
            path=path,
        )
    kept = {rule: known for rule, known in _written(path).items() if _scored(rule) != scores}
    content = {"version": BASELINE_VERSION, "findings": kept | dict(found)}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    try:
        with opened(path) as out:
            out.write(text)
    except OSError as error:
        raise BaselineError(
            Text("baseline {path} can't be written: {why}", "无法写入基线文件 {path}：{why}"),
            path=path,
            why=system_fault(error),
        ) from None


def _holds_other(path: str) -> bool:
    """Whether a file is there that no run has written as a baseline, of whatever version."""
    try:
        data = Path(path).read_bytes() if is_file(path) else b""
        content = json.loads(data) if data.strip() else {"version": 0, "findings": {}}
    except OSError:
        return False  # told where it is written
    except (ValueError, RecursionError):
        return True
    return not isinstance(content, dict) or content.keys() != {"version", "findings"}


class Matching:
    """What a baseline still allows: each old finding takes one of its fingerprint away.

    Where one is being written, every finding is an old one, and is counted.
    """

    def __init__(self, baseline: Mapping[str, int] | None, writing: bool = False) -> None:
        self.writing = writing
        self.number = 0
        """Findings that were held back."""
        self.found: dict[str, Counter[str]] = {}
        """What a new baseline holds: rule -> fingerprint -> count."""
        self._left = dict(baseline or {})
        self._seen: dict[tuple[str, bytes], bool] = {}

    def holds(self, rule: str, fingerprint: str, member: bytes | None = None) -> bool:
        """Whether a finding is an old one.

        Args:
            member: for findings about a group of rows, of which the first in order is not named:
                stands for the row. The same row counts once, so that the order does not matter.
        """
        if not self.writing and not self._left:
            return False
        if member is not None:
            known = self._seen.get((fingerprint, member))
            if known is None:
                known = self._seen[fingerprint, member] = self._take(rule, fingerprint)
            held = known
        else:
            held = self._take(rule, fingerprint)
        self.number += held
        return held

    def holds_placed(self, rule: str, placed: Placed) -> bool:
        """Whether a finding that compares rows is an old one."""
        member = None if placed.group is None else placed.content
        return self.holds(rule, placed_fingerprint(rule, placed), member)

    def _take(self, rule: str, fingerprint: str) -> bool:
        if self.writing:
            self.found.setdefault(rule, Counter())[fingerprint] += 1
            return True
        left = self._left.get(fingerprint, 0)
        if left > 0:
            self._left[fingerprint] = left - 1
        return left > 0

    def also(self, rule: str, fingerprint: str) -> None:
        """Put a fingerprint into a new baseline that would be found in another order of the rows."""
        if self.writing:
            counts = self.found.setdefault(rule, Counter())
            counts[fingerprint] = max(counts[fingerprint], 1)
