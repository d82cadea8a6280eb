"""One row as the rules see it: its bytes, its value, what the trainer makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from msgspec import UNSET

from glmlint.finding import Defect, Pointer, row_identity
from glmlint.plan import Plan
from glmlint.read.facts import Fact as Fact
from glmlint.read.formats import is_glm, recognise
from glmlint.read.sample import Sample, read
from glmlint.read.schema import Violation, violations
from glmlint.read.span import Positions
from glmlint.trainer.base import Context, Rendered, TrainerError
from glmlint.trainer.mask import TokenRow, sequence


class Row:
    """One row under check. What costs time is worked out when a rule asks for it."""

    def __init__(
        self,
        path: str,
        line: int,
        raw: bytes,
        context: Context,
        *,
        facts: int = 0,
        sample: Sample | None = None,
        value: Any = UNSET,
        defect: Defect | None = None,
        rendered: Rendered | None = None,
        error: TrainerError | None = None,
        dropped: str | None = None,
    ) -> None:
        self.path = path
        self.line = line
        """1-based line where the row starts."""
        self.raw = raw
        self.context = context
        self.facts = facts
        self.sample = sample
        """The typed row; None for one that breaks the schema."""
        self._value = value
        self.defect = defect
        """Why the bytes are no row; None when they are."""
        self.rendered = rendered
        """The trainer's layout; None when there is none."""
        self.error = error
        """The exception with which the trainer ends at this row."""
        self.dropped = dropped
        """Why the trainer leaves the row out."""
        self.tokens = self.supervised = self.kept = self.kept_supervised = 0
        """Counts as in `totals` of the report, for this row."""
        self.content = raw
        """What stands for the row in fingerprints: its bytes without its ignore key."""
        self.memo: dict[str, Any] = {}
        """What rules worked out and share, by a name of theirs."""
        self.named: list[Pointer] = []
        """Places of which a rule has already said something worse than an info."""

    @property
    def plan(self) -> Plan:
        return self.context.plan

    @property
    def value(self) -> Any:
        """The decoded JSON value; None when the bytes are not JSON."""
        if self._value is UNSET:
            self._value = read(self.raw).value
        return self._value

    @cached_property
    def messages(self) -> list[Any]:
        """The entries of `messages`, of any type; [] when there is no such list."""
        messages = self.value.get("messages") if isinstance(self.value, dict) else None
        return messages if isinstance(messages, list) else []

    @cached_property
    def good_messages(self) -> list[tuple[int, dict[str, Any]]]:
        """(index, message) of those messages that are objects."""
        return [(i, m) for i, m in enumerate(self.messages) if isinstance(m, dict)]

    @property
    def objects(self) -> Iterator[dict[str, Any]]:
        """The messages that are objects."""
        return (message for _, message in self.good_messages)

    @cached_property
    def violations(self) -> list[Violation]:
        """Where the row breaks the sample schema."""
        return violations(self.value) if self.facts & Fact.ODD else []

    @property
    def lost_supervised(self) -> int:
        """Supervised tokens that the budget cuts."""
        return self.supervised - self.kept_supervised

    @cached_property
    def printed(self) -> dict[int, bool]:
        """The messages that are in the sequence, and whether some of each carries loss."""
        known: dict[int, bool] = {}
        if self.rendered is not None:
            for owner, trained in zip(self.rendered.owners, self.rendered.trained, strict=True):
                known[owner] = known.get(owner, False) or trained
        return known

    @cached_property
    def identity(self) -> bytes:
        """Eight bytes that stand for `content`."""
        return row_identity(self.content)

    @cached_property
    def positions(self) -> Positions:
        """Where the row's values stand in its text."""
        return Positions(self.raw.decode("utf-8", "replace"))

    @cached_property
    def token_row(self) -> TokenRow:
        """Ids, labels and owners of every token, before truncation. Needs `rendered`."""
        assert self.rendered is not None
        return sequence(self.rendered, self.context)

    @cached_property
    def texts(self) -> list[tuple[int, str, str]]:
        """(index, role, content) of the messages that have text. None of a foreign row's."""
        if self.sample is not None:
            return [(i, m.role, m.content) for i, m in enumerate(self.sample.messages)]
        if self.foreign:
            return []
        return [
            (i, m["role"], m["content"])
            for i, m in self.good_messages
            if isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
        ]

    @cached_property
    def format(self) -> str | None:
        """The format that the row is in, as `formats.recognise` names it."""
        return recognise(self.value)

    @cached_property
    def foreign(self) -> str | None:
        """The format of another trainer that the whole row is in, as `formats.recognise` names it.

        None for GLM rows, for rows of no known format, and for GLM rows with a trace of OpenAI's or
        ms-swift's form in them. Rules about shape leave a foreign row to `other-format`.
        """
        if self.sample is not None and not self.facts & Fact.KEYS:
            return None  # all foreign formats have keys of their own, or another shape
        if self.format in (None, "glm"):
            return None
        if self.format in ("openai", "swift") and any(map(is_glm, self.objects)):
            return None
        return self.format
