"""`glmlint.encode`: rows as the trainer hands them to the model, ids and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, Unpack, overload

from glmlint.api.check import files_of
from glmlint.api.data import given
from glmlint.api.errors import GlmlintError, told_in
from glmlint.api.settings import PLAN, PlanSettings, known_flags, plan_of, spoken
from glmlint.engine.encode import EncodedRow, PackedSequence, encode_rows, packed_rows
from glmlint.reporters.words import say


@overload
def encode(
    data: Any = None,
    *,
    truncate: bool = True,
    packed: Literal[False] = False,
    name: str = "rows",
    **settings: Unpack[PlanSettings],
) -> Iterator[EncodedRow]: ...


@overload
def encode(
    data: Any = None,
    *,
    truncate: bool = True,
    packed: Literal[True],
    name: str = "rows",
    **settings: Unpack[PlanSettings],
) -> Iterator[EncodedRow | PackedSequence]: ...


def encode(
    data: Any = None,
    *,
    truncate: bool = True,
    packed: bool = False,
    name: str = "rows",
    **settings: Unpack[PlanSettings],
) -> Iterator[Any]:
    """Encode every row as the trainer does, in order.

    Args:
        data: as in `check`.
        truncate: cut at the budget, as the trainer does.
        packed: give the sequences that come out of the trainer's packer, where it packs rows.
        name: used as the path of rows in memory.
        settings: recipe, options, budget and so on, as in `check`.

    Returns:
        An iterator of `EncodedRow`: `input_ids` and `labels` as int32 arrays, -100 where a token is in
        no loss; or `error`, the exception with which the trainer ends at the row; or `dropped`, why
        it leaves the row out. With `packed` also `PackedSequence`. Where the trainer reads JSON
        through `datasets`, all rows are read once before the first one is given.

    Raises:
        GlmlintError: at once for a setting that can't be used, on the way for data that can't be read.
        TypeError: an unknown keyword; a row that can't be written as JSON.
    """
    known_flags(PLAN | {"truncate", "packed", "name"}, "encode", settings)
    with told_in(spoken(settings.get("lang"))):
        rows = given(data, name)
    plan, context = plan_of(settings, rows.paths)
    with told_in(plan.lang):
        files = files_of(rows, plan)
    if packed and not truncate:
        raise GlmlintError(say("packed-alone", plan.lang))
    if packed and not context.trainer.packs(context.options):
        raise GlmlintError(
            say("packed-none", plan.lang, trainer=context.trainer.called.say(plan.lang))
        )
    if packed:
        return _guarded(packed_rows(files, plan, context=context), plan.lang)
    return _guarded(encode_rows(files, plan, context=context, truncate=truncate), plan.lang)


def _guarded(rows: Iterable[Any], lang: str) -> Iterator[Any]:
    with told_in(lang):
        yield from rows
