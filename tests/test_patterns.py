"""Patterns that are compiled late find what `re` finds."""

from __future__ import annotations

import re

import pytest

from glmlint.patterns import Pattern


@pytest.mark.parametrize(
    ("pattern", "flags", "text"),
    [
        (r"(?m)^(\w+): (\d+)$", 0, "一: 1\nb: 22\n"),
        (r"[aeiou]+", re.IGNORECASE, "AEon queUE"),
        (rb"\xe4.{2}|b", re.DOTALL, "一b丁".encode()),
        (r"", 0, "ab"),
    ],
)
def test_a_pattern_is_that_of_re(pattern: str | bytes, flags: int, text: str | bytes) -> None:
    late, known = Pattern(pattern, flags), re.compile(pattern, flags)  # type: ignore[type-var]
    for method in ("search", "match", "fullmatch"):
        for at in range(len(text)):
            one, other = getattr(late, method)(text, at), getattr(known, method)(text, at)
            assert (one and one.span()) == (other and other.span())
    assert [one.groups() for one in late.finditer(text)] == [
        one.groups() for one in known.finditer(text)
    ]
    assert late.findall(text) == known.findall(text)
    assert late.split(text) == known.split(text)
    assert late.sub(text[:1], text, 1) == known.sub(text[:1], text, 1)
    assert late.compiled.groupindex == known.groupindex


def test_a_wrong_pattern_is_found_when_it_is_used() -> None:
    late = Pattern("(")
    for _ in range(2):
        with pytest.raises(re.error):
            late.search("a")
