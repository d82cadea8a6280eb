"""`glmlint.convert`: rows of one trainer's form in another's, and what was lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal

from msgspec import Struct

from glmlint.api.data import given
from glmlint.api.errors import GlmlintError, told_in
from glmlint.api.printed import Printed, paragraph, table
from glmlint.api.settings import spoken
from glmlint.api.words import word
from glmlint.converters.base import Format, formats
from glmlint.converters.columns import mapped
from glmlint.converters.padding import surveyed
from glmlint.converters.run import ConvertOutcome, Count, convert_rows, writers
from glmlint.finding import json_pointer, place
from glmlint.output import put
from glmlint.read.source import InputFile, rereadable
from glmlint.reporters.base import ReporterOptions
from glmlint.text import listed, nearest


class Lost(Struct, frozen=True):
    """One kind of thing that rows could not carry over, or that was guessed."""

    kind: str
    what: str
    """The kind as a sentence."""
    times: int
    rows: int
    line: int
    """Number of the first row."""
    pointer: str
    """Where in that row: a JSON pointer."""


class RefusedRow(Struct, frozen=True):
    """A row that was not converted."""

    line: int
    kind: str
    pointer: str
    why: str


class ConvertedRows(Printed):
    """The converted rows, an iterator of dicts; what was lost is known when they have been taken."""

    __slots__ = ("_lang", "_outcome", "_rows", "to")

    def __init__(self, rows: Iterator[bytes], outcome: ConvertOutcome, to: str, lang: str) -> None:
        self._rows = rows
        self._outcome = outcome
        self._lang = lang
        self.to = to
        """The form of the rows."""

    def __iter__(self) -> ConvertedRows:
        return self

    def __next__(self) -> dict[str, Any]:
        with told_in(self._lang):
            row: dict[str, Any] = json.loads(next(self._rows))
        return row

    @property
    def read(self) -> int:
        """Rows read so far."""
        return self._outcome.rows

    @property
    def converted(self) -> int:
        """Rows converted so far."""
        return self._outcome.converted

    @property
    def formats(self) -> dict[str, int]:
        """What they were: name of the form -> rows."""
        return dict(self._outcome.formats)

    @property
    def losses(self) -> list[Lost]:
        """What was lost or guessed so far, by kind."""
        return [_lost(count, self._lang) for count in self._outcome.losses.values()]

    @property
    def refused(self) -> list[RefusedRow]:
        """Rows that were not converted so far, the first thousand of them."""
        return [
            RefusedRow(one.line, one.kind.name, json_pointer(one.pointer), one.say(self._lang))
            for one in self._outcome.refusals
        ]

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Print what became of the rows so far; the rows themselves are left to the caller."""
        del options
        for one in self.refused:
            put(out, f"{one.line}: {word('refused', self._lang)}: {one.why}")
        for lost in self.losses:
            put(out, f"{lost.line}: {lost.kind}: {lost.what} ({lost.times:,}, {lost.rows:,})")
        put(out, self._summary())

    def to_html(self) -> str:
        """The same as tables."""
        parts = [paragraph(self._summary())]
        if self.losses:
            heads = [word(key, self._lang) for key in ("kind", "times", "rows", "first", "what")]
            rows = [
                (one.kind, one.times, one.rows, f"{one.line} {one.pointer}".strip(), one.what)
                for one in self.losses
            ]
            parts.append(table(heads, rows, right=(1, 2)))
        if self.refused:
            heads = [word(key, self._lang) for key in ("row", "refused")]
            parts.append(table(heads, [(one.line, one.why) for one in self.refused[:20]]))
        return f"<div>{''.join(parts)}</div>"

    def _summary(self) -> str:
        return word(
            "converted", self._lang, converted=f"{self.converted:,}", rows=f"{self.read:,}",
            to=self.to,
        )  # fmt: skip


def _lost(count: Count, lang: str) -> Lost:
    what = count.kind.zh if lang == "zh" else count.kind.en
    at = f" [{place(count.pointer)}]" if count.pointer else ""
    return Lost(
        count.kind.name, what + at, count.times, count.rows, count.line, json_pointer(count.pointer)
    )


def convert(
    data: Any,
    *,
    to: str,
    from_: str = "auto",
    map: Mapping[str, str] | None = None,
    take: Literal["chosen"] | None = None,
    lang: Literal["en", "zh", "auto"] | None = None,
    name: str = "rows",
) -> ConvertedRows:
    """Convert rows between GLM messages and other trainers' forms, as `glmlint convert` does.

    Args:
        data: as in `check`.
        to: the form to write: "glm4", "sharegpt", "openai", "alpaca", …
        from_: what the rows are; "auto" looks at each.
        map: what columns of other names hold, such as `{"ask": "user", "reply": "assistant"}`.
        take: "chosen" takes that answer of preference rows.
        lang: language of sentences. Default: that of the environment.
        name: used in messages as the path of rows in memory.

    Returns:
        An iterator of the converted rows. Once they are taken, its `losses` say what was lost or
        guessed, and `refused` which rows were not converted and why.

    Raises:
        GlmlintError: a form that is not known, data that can't be read.
        TypeError: a row that can't be written as JSON.
    """
    told = spoken(lang)
    if to not in writers():
        raise GlmlintError(_unknown("to", to, list(writers()), told))
    source: Format | None = None
    if map is not None:
        if from_ != "auto":
            raise GlmlintError(word("map-and-from", told))
        with told_in(told):
            source = mapped(tuple(f"{column}={target}" for column, target in map.items()))
    elif from_ != "auto":
        if from_ not in formats():
            raise GlmlintError(_unknown("from_", from_, ["auto", *formats()], told))
        source = formats()[from_]
    outcome = ConvertOutcome()
    with told_in(told):
        handed = given(data, name)
        files = [*handed.memory, *(handed.files() if handed.paths else ())]
    return ConvertedRows(_converted(files, outcome, to, source, take), outcome, to, told)


def _converted(
    files: list[InputFile],
    outcome: ConvertOutcome,
    to: str,
    source: Format | None,
    take: str | None,
) -> Iterator[bytes]:
    for one in files:
        with rereadable(one) as file:
            survey, chunks = surveyed(file)
            yield from convert_rows(chunks, outcome, writers()[to], source, take, survey)


def _unknown(keyword: str, name: str, known: list[str], lang: str) -> str:
    near = nearest(name, known)
    if near:
        return word("unknown-near", lang, keyword=keyword, name=name, near=near)
    return word("unknown", lang, keyword=keyword, name=name, known=listed(sorted(known)))
