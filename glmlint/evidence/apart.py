"""Where a trainer that joins messages gives the model another input than the template prints."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

from msgspec import Struct

from glmlint.trainer.apart import same_ids
from glmlint.trainer.chat import common_length
from glmlint.trainer.mask import input_ids
from glmlint.trainer.row import Row, per_row

STRUCTURE: Final = frozenset(
    ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
)
"""Control tokens that make a conversation of a text."""

_BEFORE: Final = 24
_SHOWN: Final = 72
"""Characters before the first difference, and in all, that are shown of each."""


class Difference(Struct):
    """How the two differ."""

    kind: Literal["lost", "added", "text"]
    """Some of the template's tokens are missing; all are there, with further tokens of `STRUCTURE`
    among them; or with further text."""
    names: tuple[str, ...]
    """Tokens of `STRUCTURE` that are missing, or too many."""
    whole: str
    """What the template prints around the first difference, line feeds as they are."""
    joined: str
    """What the trainer has there."""


@per_row
def difference(row: Row) -> Difference | None:
    """How the input as it is trained differs from the template's; None where it does not."""
    trainer = row.context.trainer
    if trainer.joins is None or not isinstance(row.value, dict):
        return None
    value = row.value if row.loaded is None else row.loaded
    found = trainer.input_by_two_ways(value, row.layout, row.context)
    if found is None or same_ids(*found, row.context):
        return None
    whole, joined = (ids.tolist() for ids in input_ids(found, row.context))
    tokenizer = row.context.tokenizer
    names = tokenizer.control_text
    lost, added = Counter(whole), Counter(joined)
    lost, added = lost - added, added - lost
    texts = [tokenizer.bytes_of(ids).decode("utf-8", "replace") for ids in (whole, joined)]
    kind: Literal["lost", "added", "text"] = "text"
    marks = _structure(lost, names)
    if marks or not _runs_through(*texts):
        kind = "lost"
    elif marks := _structure(added, names):
        kind = "added"
    return Difference(kind, marks, *_around(*texts))


def _structure(tokens: Counter[int], names: dict[int, str]) -> tuple[str, ...]:
    told = [names.get(token, "") for token in tokens]
    return tuple(sorted(name for name in told if name in STRUCTURE))


def _runs_through(whole: str, joined: str) -> bool:
    """Whether all characters of the first are in the second, in their order."""
    if len(whole) > len(joined):
        return False
    rest = iter(joined)
    return all(character in rest for character in whole)


def _around(whole: str, joined: str) -> tuple[str, str]:
    """Both texts from a little before their first difference on."""
    start = max(common_length(whole, joined) - _BEFORE, 0)

    def shown(text: str) -> str:
        part = text[start : start + _SHOWN]
        before = "…" if start else ""
        return before + part + ("…" if len(text) > start + _SHOWN else "")

    return shown(whole), shown(joined)
