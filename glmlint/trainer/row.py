"""One row: its bytes, its value, what the trainer makes of it, and what rules have said of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar

from msgspec import UNSET, Struct, field

from glmlint.finding import Defect, Pointer, place, row_identity
from glmlint.lazy import lazy
from glmlint.plan import Plan
from glmlint.read.facts import Fact as Fact
from glmlint.read.formats import is_glm, recognise
from glmlint.read.sample import Sample, decode_any, read
from glmlint.read.scan import NO_ROWS, Ahead
from glmlint.read.schema import Violation, violations
from glmlint.read.span import Positions
from glmlint.read.survey import Survey
from glmlint.trainer.base import Context
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.forms.base import all_forms
from glmlint.trainer.layout import Layout, Tokens
from glmlint.trainer.mask import sequence

T = TypeVar("T")


class Said(Struct):
    """What rules have said of a row so far: for those that speak only where no other one did."""

    raises: bool = False
    """A sentence has said why the row does not get through: the exception that the trainer raises,
    or why it is left out."""
    trains: set[Pointer] = field(default_factory=set)
    """Places of which an error has said that they are trained, though no assistant wrote them."""
    places: list[Pointer] = field(default_factory=list)
    """Places of which something worse than an info has been said."""


class Row:
    """One row under check. What costs time is worked out when a rule asks for it."""

    # Most rows never need more than these: `prepare` fills them in, and `count_rows` the counts.
    value_: Any = UNSET
    sample: Sample | None = None
    """The typed row; None for one that breaks the schema."""
    typed: Any = None
    """The typed row of another form than GLM's; None where there is none."""
    defect: Defect | None = None
    """Why the bytes are not a row; None when they are."""
    layout: Layout | None = None
    """The trainer's layout; None when there is none."""
    error: TrainerError | None = None
    """The exception with which the trainer ends at this row."""
    dropped: Dropped | None = None
    """Why the trainer leaves the row out."""
    tokens = supervised = kept = kept_supervised = 0
    """Counts as in `totals` of the report, for this row."""
    conversation_bytes: bytes | None = None
    """The row's messages, encoded in a fixed form; None where that is not at hand."""
    answers: dict[Callable[[Row], Any], Any] | None = None
    """What functions of the row (`per_row`) have answered."""
    shape: Hashable = None
    """What stands for the row's shape (see `loader.Shapes.known`), its tool lists apart; None where
    nothing does, and the value has to be looked at."""
    tools: tuple[bytes, ...] = ()
    """The bytes of the row's tool lists, for which `shape` does not stand."""
    beside: dict[str, Any] | None = None
    """The values of the row's keys but `messages`, where there are some and `value` is not needed
    to know them. `shape` stands for their types alone."""
    hides_nothing = False
    """Whether it is known that no reader stumbles at the bytes: a quick one gives the same value."""
    loaded: dict[str, Any] | None = None
    """The row as the loader hands it to the trainer, where that differs from the written one."""
    loaded_sample: Sample | None = None
    """The same, where it still is valid."""
    ahead: Ahead = (0, 0, 0)
    """What stands before the row in its line."""
    may_change = True
    """Whether the loader may hand the row over otherwise though messages keep their keys."""
    survey: Callable[[], Survey] | None = None
    """What the whole file is like, where a repair asks; None while the file is still being read."""

    def __init__(self, path: str, line: int, raw: bytes, context: Context, facts: int = 0) -> None:
        self.path = path
        self.line = line
        """1-based line where the row starts."""
        self.raw = raw
        self.context = context
        self.facts = facts
        self.content = raw
        """What stands for the row in fingerprints: its bytes without its ignore key."""

    @lazy
    def said(self) -> Said:
        """What rules have said of the row."""
        return Said()

    @property
    def plan(self) -> Plan:
        return self.context.plan

    @property
    def value(self) -> Any:
        """The decoded JSON value; None when the bytes are not JSON."""
        if self.value_ is UNSET:
            self.value_ = decode_any(self.raw) if self.hides_nothing else read(self.raw).value
        return self.value_

    @property
    def decoded(self) -> bool:
        """Whether `value` is at hand without reading the bytes again."""
        return self.value_ is not UNSET

    @property
    def plain(self) -> bool:
        """Whether the typed row and `beside`, which holds no tools, are all that there is of it."""
        return self.sample is not None and (self.beside is not None or not self.facts & Fact.KEYS)

    @lazy
    def messages(self) -> list[Any]:
        """The entries of `messages`, of any type, where the trainer reads GLM messages."""
        if "glm" not in self.context.trainer.reads:
            return []
        messages = self.value.get("messages") if isinstance(self.value, dict) else None
        return messages if isinstance(messages, list) else []

    @lazy
    def good_messages(self) -> list[tuple[int, dict[str, Any]]]:
        """(index, message) of those messages that are objects."""
        return [(i, m) for i, m in enumerate(self.messages) if isinstance(m, dict)]

    @lazy
    def conversation(self) -> Conversation | None:
        """What the row says, with the places where it is written.

        None where the turns are the row's `messages`: the trainer reads GLM messages, and the row
        is not known to be in another form. None, too, for a form that nothing here reads.
        """
        trainer = self.context.trainer
        glm = "glm" in trainer.reads
        if glm and self.foreign is None:
            return None
        value = self.value
        if not isinstance(value, dict):
            return None
        if not glm and self.foreign is None:
            return trainer.conversation(value, self.context)
        form = all_forms().get(self.foreign or "")
        return None if form is None else form.read(value, form.names)

    def at(self, index: int, *inside: str | int) -> Pointer:
        """Where a turn is written, or something in it: `at(2, "content")` is its text.

        Of a row in another form than GLM's, the narrowest place that holds it.
        """
        if self.conversation is None:
            return ("messages", index, *inside)
        turn = self.conversation.turns[index]
        if inside[:1] == ("content",) and turn.text_at is not None:
            return (*turn.text_at, *inside[1:])
        return turn.at

    @property
    def turns_at(self) -> Pointer:
        """Where the turns are written: the list that holds them, or the row."""
        if self.conversation is None:
            return ("messages",)
        places = {turn.at[:-1] for turn in self.conversation.turns}
        return places.pop() if len(places) == 1 else ()

    def where(self, index: int, *inside: str | int) -> str:
        """The same place as a sentence names it: `messages[2].content`."""
        return place(self.at(index, *inside))

    def writes(self, index: int) -> bool:
        """Whether one string of the row holds the turn's text as it is, so that it can be edited."""
        return self.conversation is None or self.conversation.turns[index].text_at is not None

    @lazy
    def violations(self) -> list[Violation]:
        """Where the row breaks the sample schema."""
        return violations(self.value) if self.facts & Fact.ODD else []

    @property
    def is_sample(self) -> bool:
        """False for what stands around the rows of an array, such as the lack of its `]`."""
        defect = self.defect
        return defect is None or defect.values.get("reason") not in NO_ROWS

    @property
    def unreadable(self) -> bool:
        """Whether the run ends at this row: the loader can't read it, or the trainer raises."""
        return self.dropped is None and (self.layout is None or self.error is not None)

    @property
    def lost_supervised(self) -> int:
        """Supervised tokens that the budget cuts."""
        return self.supervised - self.kept_supervised

    @lazy
    def printed(self) -> dict[int, bool]:
        """The turns that are in the sequence, and whether some of each carries loss."""
        return {} if self.layout is None else self.layout.trained

    @lazy
    def identity(self) -> bytes:
        """Eight bytes that stand for `content`."""
        return row_identity(self.content)

    @lazy
    def positions(self) -> Positions:
        """Where the row's values stand in its text."""
        return Positions(self.raw.decode("utf-8", "replace"), self.ahead)

    @lazy
    def all_tokens(self) -> Tokens:
        """Ids, labels and owners of every token, before truncation. Needs `layout`."""
        assert self.layout is not None
        return sequence(self.layout, self.context)

    @lazy
    def texts(self) -> list[tuple[int, str, str]]:
        """(index, role, text) of the turns that have text."""
        if self.sample is not None and "glm" in self.context.trainer.reads:
            return [(i, m.role, m.content) for i, m in enumerate(self.sample.messages)]
        if self.conversation is not None:
            turns = enumerate(self.conversation.turns)
            return [(i, turn.role, turn.text) for i, turn in turns if turn.text is not None]
        return [
            (i, m["role"], m["content"])
            for i, m in self.good_messages
            if isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
        ]

    @lazy
    def format(self) -> str | None:
        """The format that the row is in, as `formats.recognise` names it."""
        if self.beside is not None and not any(
            key == "functions" or key.startswith(("chosen", "rejected")) for key in self.beside
        ):
            return "glm"  # messages in good shape, and nothing that another format has beside them
        return recognise(self.value)

    @lazy
    def foreign(self) -> str | None:
        """The form of another trainer that the whole row is in, as `formats.recognise` names it.

        None for a row in a form that this trainer reads, for one of no known form, and for GLM
        messages with a trace of OpenAI's or ms-swift's form in them. Rules about shape leave a
        foreign row to `other-format`.
        """
        trainer = self.context.trainer
        glm = "glm" in trainer.reads
        if glm and self.sample is not None and not self.facts & Fact.KEYS:
            return None  # all foreign formats have keys of their own, or another shape
        if self.format is None or (glm and self.format == "glm"):
            return None
        if trainer.reads_row(self.format, self.value, self.context):
            return None
        mixed = glm and self.format in ("openai", "swift")
        if mixed and any(is_glm(message) for _, message in self.good_messages):
            return None
        return self.format


def per_row(work: Callable[[Row], T]) -> Callable[[Row], T]:
    """A function of a row whose answer is remembered with the row."""

    @wraps(work)
    def known(row: Row) -> T:
        answers = row.answers
        if answers is None:
            answers = row.answers = {}
        try:
            return answers[work]  # type: ignore[no-any-return]
        except KeyError:
            pass
        found = answers[work] = work(row)
        return found

    return known
