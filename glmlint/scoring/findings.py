"""The rules of the family `score`, run over the scores of every file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from glmlint.engine.baseline import Matching
from glmlint.engine.ignores import covers
from glmlint.engine.redact import redacted
from glmlint.evidence.scores import FileScores, RowId
from glmlint.finding import Finding, fingerprint, json_pointer
from glmlint.rules.base import Placed, all_rules

Chosen = Callable[[str], Mapping[str, str]]
"""A file's path -> the rules that are on for it, with their severities."""


@cache
def _severities() -> Mapping[str, str]:
    return {
        name: loaded.rule.severity
        for name, loaded in all_rules().items()
        if loaded.check_scores is not None
    }


def every_rule(path: str) -> Mapping[str, str]:
    """All rules of the family with their own severities, for any file."""
    del path
    return _severities()


def find(
    files: Iterable[FileScores],
    chosen: Chosen = every_rule,
    lang: str = "en",
    ignores: Mapping[RowId, Sequence[str]] | None = None,
    matching: Matching | None = None,
) -> tuple[list[Finding], int]:
    """What the rules say, file by file: first of the file itself, then by line.

    Args:
        ignores: row -> what its own ignore key names.
        matching: takes away what a baseline holds.

    Returns:
        The findings, and how many more their rows silenced.
    """
    found: list[Finding] = []
    ignored = 0
    for file in files:
        on = chosen(file.path)
        told = [
            (placed, name)
            for name, loaded in all_rules().items()
            if loaded.check_scores is not None and on.get(name, "off") != "off"
            for placed in loaded.check_scores(file)
        ]
        if ignores:
            left = [pair for pair in told if not covers(_names(pair[0], ignores), pair[1])]
            ignored += len(told) - len(left)
            told = left
        told.sort(key=lambda pair: pair[0].line or 0)
        here = [_finding(placed, name, on[name], lang) for placed, name in told]
        if matching is not None:
            here = [one for one in here if not matching.holds(one.rule, one.fingerprint)]
        found += here
    return found, ignored


def _names(placed: Placed, ignores: Mapping[RowId, Sequence[str]]) -> Sequence[str]:
    if placed.line is None:
        return ()
    return ignores.get((placed.path, placed.line, bytes.fromhex(placed.content.decode())), ())


def _finding(placed: Placed, rule: str, severity: str, lang: str) -> Finding:
    problem = placed.problem
    pointer = None if problem.pointer is None else json_pointer(problem.pointer)
    return redacted(
        Finding(
            rule=rule,
            severity=severity,
            path=placed.path,
            line=placed.line,
            column=None,
            pointer=pointer,
            message=problem.text.say(lang, **problem.values),
            help=problem.help.say(lang, **problem.values),
            fixable=False,
            fingerprint=fingerprint(rule, pointer, placed.content),
        )
    )
