"""Every text of a row: contents, metadata, and those in its tool lists and calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from glmlint.finding import Pointer, place, value_at
from glmlint.read.sample import Sample, read
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.row import Fact, Row

Hits = tuple[Any, ...]
Look = Callable[[str], Hits]
"""What a rule finds in one text; () where there is nothing."""

_NAMES: Final = frozenset(("role", "metadata", "name", "type", "required"))
"""Keys whose values other places refer to: these texts are never rewritten."""


class ContentPlace(NamedTuple):
    """A text in which a rule found something."""

    pointer: Pointer
    text: str
    hits: Hits
    said: bool
    """The model learns to write it: content or metadata of an assistant message."""
    exact: bool = True
    """Whether the place holds just this text, so that it can be rewritten there."""

    @property
    def where(self) -> str:
        """As people write it: `messages[0].tools[1].function.description`; contents by message."""
        short = self.pointer[2:] in (("content",), ("value",))
        return place(self.pointer[:2] if short else self.pointer)

    def stretch(self, row: Row, start: int, stop: int) -> Callable[[], tuple[int, int] | None]:
        """Where some characters of the text stand in the row's text, where that is told exactly."""
        return lambda: row.positions.part(self.pointer, start, stop) if self.exact else None

    def may_become(self, text: str) -> bool:
        """Whether the text may be rewritten so: it is not a name, and JSON stays valid JSON."""
        if not self.exact:
            return False
        keys = [part for part in self.pointer if isinstance(part, str)]
        return keys[-1] not in _NAMES and (not _is_json(self.text) or _is_json(text))


def places(row: Row, look: Look) -> Iterator[ContentPlace]:
    """The texts of a row in which `look` finds something.

    Tool lists repeat from row to row: what is in one is found once and remembered by its bytes.
    """
    if row.conversation is not None:
        yield from _in_conversation(row, row.conversation, look)
        return
    if row.sample is not None and not row.facts & Fact.KEYS:
        yield from _in_sample(row.sample, look)
        return
    for index, message in row.good_messages:
        for key, value in message.items():
            if key == "role":
                continue
            said = message.get("role") == "assistant" and key in ("content", "metadata")
            for at, text, hits in _found(value, look):
                yield ContentPlace(("messages", index, key, *at), text, hits, said)
    if isinstance(row.value, dict):
        for at, text, hits in _found(row.value.get("tools"), look):
            yield ContentPlace(("tools", *at), text, hits, False)


def _in_conversation(row: Row, conversation: Conversation, look: Look) -> Iterator[ContentPlace]:
    """Texts, thoughts, calls and tools, at the places where they are written."""
    for turn in conversation.turns:
        said = turn.role == "assistant"
        for text, at in ((turn.text, turn.text_at), (turn.reasoning, turn.reasoning_at)):
            if text is not None and (hits := look(text)):
                yield ContentPlace(at or turn.at, text, hits, said, at is not None)
        for call in turn.calls:
            for _, text, hits in _found(call.arguments, look):
                yield ContentPlace(call.at, text, hits, said, False)
    at = conversation.tools_at
    if at is not None:
        written = value_at(row.value, at)
        whole = not isinstance(written, str)
        for inside, text, hits in _found(conversation.tools, look):
            yield ContentPlace((*at, *inside) if whole else at, text, hits, False, whole)


def _in_sample(sample: Sample, look: Look) -> Iterator[ContentPlace]:
    for index, message in enumerate(sample.messages):
        said = message.role == "assistant"
        if hits := look(message.content):
            yield ContentPlace(("messages", index, "content"), message.content, hits, said)
        if message.metadata is not UNSET and (hits := look(message.metadata)):
            yield ContentPlace(("messages", index, "metadata"), message.metadata, hits, said)
        if message.tools is not UNSET:
            for at, text, hits in _in_tools(bytes(message.tools), look):
                yield ContentPlace(("messages", index, "tools", *at), text, hits, False)


@lru_cache(maxsize=256)
def _in_tools(raw: bytes, look: Look) -> tuple[tuple[Pointer, str, Hits], ...]:
    return tuple(_found(read(raw).value, look))


def _found(value: Any, look: Look) -> Iterator[tuple[Pointer, str, Hits]]:
    """The strings of a JSON value that are not empty, in the order in which they are written."""
    if isinstance(value, str):
        if hits := look(value):
            yield (), value, hits
        return
    inner: Iterable[tuple[int | str, Any]] = ()
    if isinstance(value, list):
        inner = enumerate(value)
    elif isinstance(value, dict):
        inner = value.items()
    for key, item in inner:
        if isinstance(item, (str, list, dict)):
            for at, text, hits in _found(item, look):
                yield (key, *at), text, hits


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or list."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
