"""What a report shows of secrets and of persons' numbers: that they are there.

A report goes where the data itself does not: into the logs of CI, to a code host, into a mail.
Rules quote a row where that helps, and the row may hold a key there, so all that is shown passes
through here, whatever rules are on and whatever libraries are installed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from msgspec import structs

from glmlint.finding import Excerpt, Finding
from glmlint.patterns import Pattern
from glmlint.rules.personal_data import number_spans, without_numbers
from glmlint.rules.secret import secret_spans, without_secrets

MASK: Final = "[HIDDEN]"
"""What is shown instead. Repairs write another word, so that a diff shows what they do."""

_SHORTEST: Final = 15
"""Characters of the shortest secret or number."""

_STRING: Final = Pattern(r'"(?:[^"\\]++|\\.)*+"?')
"""A string, and what begins as one and does not end: nothing in it would be one either."""


def redacted(finding: Finding) -> Finding:
    """The finding as it may be shown."""
    texts: dict[str, Any] = {}
    for name in ("message", "help", "pointer"):
        text = getattr(finding, name)
        if text and (shown := hidden(text)) != text:
            texts[name] = shown
    if finding.excerpt is not None and (excerpt := _shown(finding.excerpt)) != finding.excerpt:
        texts["excerpt"] = excerpt
    return structs.replace(finding, **texts) if texts else finding


def _shown(excerpt: Excerpt) -> Excerpt | None:
    """The excerpt as it may be shown; None where what it hides can't be told from the rest."""
    whole = excerpt.before + excerpt.text + excerpt.after
    if is_harmless(whole):
        return excerpt
    before, text, after = (
        hidden(_RUN.sub("…", part)) for part in (excerpt.before, excerpt.text, excerpt.after)
    )
    return Excerpt(before, text, after, excerpt.cut) if is_harmless(before + text + after) else None


def is_harmless(written: str) -> bool:
    """Whether there is nothing to hide in a piece of JSON, as it is written and as it is read."""
    return not _RUN.search(written) and not hidden_spans(written)


_RUN: Final = Pattern(r"[A-Za-z0-9+/=_.\\-]{100,}")
"""What may be a piece of a key: with its beginning out of sight, nobody can tell."""

_ESCAPE: Final = Pattern(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{match[0]}"'))
    except ValueError:
        return match[0]


def hidden(text: str) -> str:
    """A text that may quote a row, as it may be shown."""
    return _hidden(text, quoted=True)


_DEPTH: Final = 4
"""JSON in a text of JSON, and so on: how often escapes are read."""


def hidden_spans(text: str, *, quoted: bool = True) -> list[tuple[int, int]]:
    """(start, end) of what may not be shown of a text, in order; they may overlap.

    Texts of JSON are looked at as their readers get them too: an escape may stand where a key
    begins, or be a part of one.

    Args:
        text: of a row, with escapes of JSON or without.
        quoted: as in `without_numbers`.
    """
    spans = _spans(text, quoted)
    written = [text]
    for _ in range(_DEPTH):
        read = _ESCAPE.sub(_unescaped, written[-1]) if "\\" in written[-1] else written[-1]
        if read == written[-1]:
            break
        found = _spans(read, True)  # what is quoted in it is a part of a text
        for before in reversed(written if found else ()):
            places = _places(before)
            found = [(places[start], places[end]) for start, end in found]
        spans += found
        written.append(read)
    return sorted(spans)


def _spans(text: str, quoted: bool) -> list[tuple[int, int]]:
    return [*secret_spans(text), *number_spans(text, quoted=quoted)]


def _places(text: str) -> list[int]:
    """Where each character of the text, once its escapes are read, is written; and the end."""
    places: list[int] = []
    done = 0
    for match in _ESCAPE.finditer(text):
        places += range(done, match.start())
        places += [match.start()] * len(_unescaped(match))
        done = match.end()
    places += range(done, len(text) + 1)
    return places


def redacted_line(line: bytes) -> bytes:
    """A line of JSON, valid or not, as it may be shown. Nothing else of it changes."""
    text = line.decode("utf-8", "surrogateescape")
    shown = without_secrets(_STRING.sub(_redacted_string, text), MASK)
    return line if shown == text else shown.encode("utf-8", "surrogateescape")


def _redacted_string(match: re.Match[str]) -> str:
    """Looked at as a reader gets it: as it is written, an escape may hide where a number begins."""
    if len(match[0]) < _SHORTEST:
        return match[0]
    try:
        text = json.loads(match[0], strict=False)
    except ValueError:
        return match[0]
    shown = _hidden(text, quoted=False)
    return match[0] if shown == text else json.dumps(shown, ensure_ascii=match[0].isascii())


def _hidden(text: str, *, quoted: bool) -> str:
    text = without_numbers(without_secrets(text, MASK), MASK, quoted=quoted)
    if "\\" not in text:
        return text
    parts, done = [], 0
    for start, end in hidden_spans(text, quoted=quoted):
        if start >= done:
            parts += [text[done:start], MASK]
        done = max(done, end)
    return "".join(parts) + text[done:]
