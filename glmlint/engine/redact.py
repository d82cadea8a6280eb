"""What a report shows of secrets and of persons' numbers: that they are there.

A report goes where the data itself does not: into the logs of CI, to a code host, into a mail.
Rules quote a row where that helps, and the row may hold a key there, so all that is shown passes
through here, whatever rules are on and whatever libraries are installed.
"""

from __future__ import annotations

import json
import re
from typing import Final

from msgspec import structs

from glmlint.finding import Excerpt, Finding
from glmlint.rules.personal_data import without_numbers
from glmlint.rules.secret import without_secrets

MASK: Final = "[HIDDEN]"
"""What is shown instead. Repairs write another word, so that a diff shows what they do."""

_SHORTEST: Final = 15
"""Characters of the shortest secret or number."""

_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?')
"""A string, and what begins as one and does not end: nothing in it would be one either."""


def redacted(finding: Finding) -> Finding:
    """The finding as it may be shown."""
    texts = {
        name: hidden
        for name in ("message", "help", "pointer")
        if (text := getattr(finding, name)) and (hidden := _hidden(text, quoted=True)) != text
    }
    if finding.excerpt is not None and (shown := _shown(finding.excerpt)) != finding.excerpt:
        return structs.replace(finding, excerpt=shown, **texts)
    return structs.replace(finding, **texts) if texts else finding


def _shown(excerpt: Excerpt) -> Excerpt | None:
    """The excerpt as it may be shown; None where what it hides can't be told from the rest."""
    whole = excerpt.before + excerpt.text + excerpt.after
    if is_harmless(whole):
        return excerpt
    before, text, after = (
        _hidden(_RUN.sub("…", part), quoted=False)
        for part in (excerpt.before, excerpt.text, excerpt.after)
    )
    return Excerpt(before, text, after, excerpt.cut) if is_harmless(before + text + after) else None


def is_harmless(written: str) -> bool:
    """Whether there is nothing to hide in a piece of JSON, as it is written and as it is read."""
    read = _ESCAPE.sub(_unescaped, written)
    return not _RUN.search(written) and all(
        _hidden(text, quoted=False) == text for text in {written, read}
    )


_RUN: Final = re.compile(r"[A-Za-z0-9+/=_.\\-]{100,}")
"""What may be a piece of a key: with its beginning out of sight, nobody can tell."""

_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{match[0]}"'))
    except ValueError:
        return match[0]


def redacted_line(line: bytes) -> bytes:
    """A line of JSON, valid or not, as it may be shown. Nothing else of it changes."""
    text = line.decode("utf-8", "surrogateescape")
    hidden = without_secrets(_STRING.sub(_redacted_string, text), MASK)
    return line if hidden == text else hidden.encode("utf-8", "surrogateescape")


def _redacted_string(match: re.Match[str]) -> str:
    """Looked at as a reader gets it: as it is written, an escape may hide where a number begins."""
    if len(match[0]) < _SHORTEST:
        return match[0]
    try:
        text = json.loads(match[0], strict=False)
    except ValueError:
        return match[0]
    hidden = _hidden(text, quoted=False)
    return match[0] if hidden == text else json.dumps(hidden, ensure_ascii=match[0].isascii())


def _hidden(text: str, *, quoted: bool) -> str:
    return without_numbers(without_secrets(text, MASK), MASK, quoted=quoted)
