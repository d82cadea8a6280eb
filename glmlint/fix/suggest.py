"""What the safe repair of a finding would change, as an edit of the file: for reports that offer it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from string import ascii_letters
from typing import Final

from msgspec import structs

from glmlint.engine.baseline import problem_fingerprint
from glmlint.engine.finish import Result
from glmlint.engine.redact import is_harmless
from glmlint.finding import Finding, TextEdit
from glmlint.fix.edit import apply
from glmlint.fix.files import Unfixable, open_draft
from glmlint.fix.rows import Repair, problems_of, repair_of
from glmlint.read.source import InputFile, SourceError, read_chunks
from glmlint.rules.base import Edit, all_rules
from glmlint.trainer.chat import common_length
from glmlint.trainer.prepared import count_rows, prepared_rows
from glmlint.trainer.row import Row

MOST_EDITS: Final = 1000
"""Findings of a run whose repair is worked out; their rows are read a second time."""

LONGEST_EDIT: Final = 4000
"""Characters of what comes in: a longer piece of a row is no suggestion, it is data."""

_WORD: Final = 20

Key = tuple[int, str, str]
"""Line, rule and fingerprint: a finding, as a second look at its row finds it again."""


def with_edits(result: Result, most: int = MOST_EDITS) -> list[Finding]:
    """The findings of a run, those that can be repaired safely with the edit that does it.

    Findings that stand for several rows have none, nor have those in files that are packed or
    piped, nor those whose repair would put into a report what it hides.

    Args:
        result: a finished run; its files are read again as far as need be.
        most: for how many findings, the first ones, an edit is looked for.
    """
    wanted: dict[str, set[Key]] = {}
    for finding in result.findings:
        if most and _is_wanted(finding):
            assert finding.line is not None
            keys = wanted.setdefault(finding.path, set())
            keys.add((finding.line, finding.rule, finding.fingerprint))
            most -= 1
    if not wanted:
        return result.findings
    repair = repair_of(result.plan, result.context, unsafe=False)
    edits: dict[tuple[str, Key], TextEdit] = {}
    for path, keys in wanted.items():
        with contextlib.suppress(Unfixable, SourceError, OSError):  # then the report has no edits
            for key, edit in _edits(path, keys, repair):
                edits.setdefault((path, key), edit)
    return [_completed(finding, edits) for finding in result.findings]


def _is_wanted(finding: Finding) -> bool:
    loaded = all_rules().get(finding.rule)
    safe = loaded is not None and loaded.rule.fix == "safe"
    return safe and finding.fixable and finding.rows == 1 and finding.line is not None


def _completed(finding: Finding, edits: dict[tuple[str, Key], TextEdit]) -> Finding:
    if not finding.fixable or finding.line is None or finding.rows > 1:
        return finding
    key = finding.line, finding.rule, finding.fingerprint
    edit = edits.get((finding.path, key))
    return finding if edit is None else structs.replace(finding, edit=edit)


def _edits(path: str, keys: set[Key], repair: Repair) -> Iterator[tuple[Key, TextEdit]]:
    """What each of these findings of a file asks for."""
    draft = open_draft(path)
    repair = structs.replace(repair, survey=draft.survey)
    lines = {line for line, _, _ in keys}
    with draft.real.open("rb") as file:
        for chunk in read_chunks(InputFile(path, file)):
            if any(defect.rule == "not-utf8" for defect in chunk.file_defects):
                return
            part = chunk.only(lines)
            rows = list(prepared_rows(part, repair.checker.context))
            count_rows(rows, repair.checker.context)
            for row in rows:
                yield from _edits_of_row(row, keys, repair)
            if chunk.numbers and chunk.numbers[-1] >= max(lines):
                return


def _edits_of_row(row: Row, keys: set[Key], repair: Repair) -> Iterator[tuple[Key, TextEdit]]:
    """An edit for each finding that has one and is told apart from the others of its row."""
    found: dict[Key, list[tuple[Edit, ...]]] = {}
    for rule, problems in problems_of(row, repair, Counter()):
        for problem in problems:
            key = row.line, rule, problem_fingerprint(rule, problem, row)
            if key in keys and problem.edits not in found.setdefault(key, []):
                found[key].append(problem.edits)
    for key, edits in found.items():
        if len(edits) == 1 and (edit := _text_edit(row, edits[0])) is not None:
            yield key, edit


def _text_edit(row: Row, edits: tuple[Edit, ...]) -> TextEdit | None:
    """The smallest replacement in the row that does what these edits do."""
    if row.defect is not None or any(edit.op in ("drop-row", "rewrite") for edit in edits):
        return None
    before = row.raw.decode()
    after, applied = apply(before, [edits])
    if not applied or after == before:
        return None
    start = common_length(before, after)
    tail = common_length(before[start:][::-1], after[start:][::-1])
    # A word is replaced as a whole: "gpt" by "assistant", not "gp" by "assistan".
    start -= len(_word_at_end(before[max(start - _WORD, 0) : start]))
    tail -= len(_word_at_end(before[len(before) - tail :][:_WORD][::-1]))
    text = after[start : len(after) - tail]
    if len(text) > LONGEST_EDIT or not is_harmless(text):
        return None
    try:
        json.loads(after)
    except (ValueError, RecursionError):
        return None
    return TextEdit(row.positions.span(start, len(before) - tail, row.line), text)


def _word_at_end(text: str) -> str:
    return text[len(text.rstrip(ascii_letters)) :]
