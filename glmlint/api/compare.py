"""`glmlint.compare`: the same rows under several trainers, budgets or options."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import IO, Any, Unpack

from glmlint.api.check import files_of
from glmlint.api.data import given
from glmlint.api.errors import GlmlintError, WrongType, told_in
from glmlint.api.printed import Printed, paragraph, table
from glmlint.api.settings import PLAN, PlanSettings, known_flags, plan_of, spoken
from glmlint.app.compare import name_sides
from glmlint.comparison.json_report import write_comparison as write_json
from glmlint.comparison.rows import Comparison, DifferingRow, Pair, Side, compare_files
from glmlint.comparison.text_report import marked, write_comparison
from glmlint.comparison.words import NAMES, STATES, columns_of, sentences, state
from glmlint.read.source import InputFile
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.words import say
from glmlint.text import Text


class Compared(Printed):
    """What several trainers teach of the same rows, and where they differ."""

    __slots__ = ("_lang", "_result")

    def __init__(self, result: Comparison, lang: str) -> None:
        self._result = result
        self._lang = lang

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return self._result.rows

    @property
    def sides(self) -> list[Side]:
        """Counts of each side, in the order in which they were given."""
        return self._result.sides

    @property
    def pairs(self) -> dict[tuple[int, int], Pair]:
        """Numbers of two sides -> tokens that both teach, or only one of them."""
        return self._result.pairs

    @property
    def first(self) -> list[DifferingRow]:
        """The first rows that differ, with the ids and labels of each side."""
        return self._result.first

    @property
    def same(self) -> bool:
        """Whether all sides give the same ids and labels in every row."""
        return not any(pair.differ for pair in self._result.pairs.values())

    @property
    def differences(self) -> list[str]:
        """What differs, in words."""
        return [text.plain(self._lang) for text in sentences(self._result)]

    def to_dict(self) -> dict[str, Any]:
        """What `glmlint compare --format json` prints, as plain values."""
        out = io.StringIO()
        write_json(self._result, out)
        found: dict[str, Any] = json.loads(out.getvalue())
        return found

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Print what `glmlint compare` prints."""
        write_comparison(self._result, out, options, self._lang)

    def to_html(self) -> str:
        """What each side trains, how much, what differs in words, and the first rows that differ."""
        result, lang = self._result, self._lang
        columns = columns_of(result)
        keys = ("samples", "tokens", "supervised", "kept")
        heads = [say("compare-trainer", lang), *(NAMES[one].plain(lang) for one in columns)]
        rows = [
            (
                side.label,
                *(STATES[state(side, column)].plain(lang) for column in columns),
                f"{side.rows - side.dropped - side.errors:,}",
                f"{side.tokens:,}",
                f"{side.supervised:,}",
                f"{side.kept_supervised:,}",
            )
            for side in result.sides
        ]
        parts = [table([*heads, *(say(key, lang) for key in keys)], rows)]
        parts += [paragraph(f"• {told}") for told in self.differences]
        for one in result.first:
            parts.append(paragraph(f"{one.path}:{one.line}", "opacity:.7"))
            texts = [
                (side.label, entry.outcome if entry.tokens is None else marked(entry, side))
                for side, entry in zip(result.sides, one.sides, strict=True)
            ]
            parts.append(table(("", ""), texts))
        return f"<div>{''.join(parts)}</div>"


def compare(
    data: Any,
    *sides: str | Mapping[str, Any],
    rows: int = 1,
    name: str = "rows",
    **settings: Unpack[PlanSettings],
) -> Compared:
    """Compare what several trainers teach of the same rows.

    Args:
        data: as in `check`, but no iterator: each side reads the rows anew.
        sides: two or more: a recipe's name, or settings of that side as a dict, such as
            `{"recipe": "llamafactory", "max_length": 2048}`. With the key "data" a side has its own
            rows: the same ones in another form.
        rows: how many of the rows that differ are kept.
        name: used as the path of rows in memory.
        settings: of all sides that say nothing else, as in `check`.

    Returns:
        Counts of the sides, tokens that both of two teach, differences in words, the first rows.

    Raises:
        GlmlintError: a setting that can't be used, fewer than two sides, data that can't be read.
        TypeError: an unknown keyword; an iterator; a row that can't be written as JSON.
    """
    known_flags(PLAN | {"rows", "name"}, "compare", settings)
    made: list[Side] = []
    files: list[Sequence[InputFile]] = []
    lang = "en"
    for one in sides:
        own = {"recipe": one} if isinstance(one, str) else dict(one)
        known_flags(PLAN | {"data"}, "compare", own)
        found = own.pop("data", data)
        with told_in(spoken(settings.get("lang"))):
            handed = given(found, name)
        plan, context = plan_of({**settings, **own}, handed.paths)
        lang = plan.lang
        with told_in(lang):
            inputs = files_of(handed, plan)
            if any(file.memory is not None and file.memory.once for file in inputs):
                raise WrongType(_ONCE)
        made.append(Side(plan.recipe, context))
        files.append(inputs)
    if len(made) < 2:
        raise GlmlintError(say("compare-two", lang))
    name_sides(made)
    with told_in(lang):
        return Compared(compare_files(files, made, rows), lang)


_ONCE = Text(
    "an iterator can be read only once, but every side reads the rows: pass a list",
    "迭代器只能读取一次，而每一侧都要读取数据行：请传入列表",
)
