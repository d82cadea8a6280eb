"""What each token of a row is to its trainer: header, thought, call, text, stop, and so on."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.evidence.calls import calls
from glmlint.evidence.cut import kept_parts
from glmlint.evidence.turns import speakers
from glmlint.patterns import Pattern
from glmlint.trainer.layout import END, IGNORE_INDEX, PREFIX, SYSTEM, TOOLS, Tokens
from glmlint.trainer.row import Row

KINDS: Final = (
    "prefix", "system", "tools", "user", "result",
    "header", "empty-thought", "thought", "call", "call-end", "text", "stop", "call-stop", "end",
)  # fmt: skip
"""In the order of a conversation. "header": the role token of an answer and what belongs to it.
"empty-thought": one that the template puts in. "call-end": the tag that closes a call. "stop": the
token after an answer that is not the last; "call-stop": after a call; "end": after the last of them."""

GROUPS: Final = {
    "prompt": ("prefix", "system", "tools", "user", "result"),
    "header": ("header",),
    "thought": ("empty-thought", "thought"),
    "call": ("call", "call-end"),
    "text": ("text",),
    "stop": ("stop", "call-stop", "end"),
}
"""The kinds in few words, for a table: a group -> its kinds."""

_GROUP: Final = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
_CODE: Final = {name: code for code, name in enumerate(KINDS)}
_THOUGHT: Final = Pattern(rb"<think>.*?</think>\s?|</think>", re.DOTALL)
_CALL: Final = Pattern(rb"<tool_call>.*", re.DOTALL)
_HEADER: Final = Pattern(rb"(?:\[gMASK\]<sop>|<sop>)?(?:<\|assistant\|>)?\n?")
_OPEN: Final = b"<tool_call>"
_CLOSE: Final = b"</tool_call>"
_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>", "<|assistant|>", "<|system|>")
_ROLES: Final = {"system": "system", "user": "user", "observation": "result"}

Codes = npt.NDArray[np.uint8]


class Kinds(Struct):
    """Kinds of the tokens of one row, as places in `KINDS`."""

    codes: Codes
    """What each token is in the input."""
    taught: Codes
    """What each label teaches: the same, but for a token after an answer, which teaches its stop."""
    unclosed: int = 0
    """Calls whose tag is opened and not closed."""


def kinds_of(row: Row, tokens: Tokens) -> Kinds:
    """The kinds of a row's tokens.

    Args:
        tokens: of the row, or of a part of it.
    """
    owners = tokens.owners
    codes = np.full(len(owners), _CODE["text"], np.uint8)
    for owner, name in ((PREFIX, "prefix"), (END, "end"), (SYSTEM, "system"), (TOOLS, "tools")):
        codes[owners == owner] = _CODE[name]
    roles = speakers(row)
    calling = {call.message for call in calls(row)}
    written = {index: text for index, _, text in row.texts}
    edges = np.flatnonzero(np.diff(owners)) + 1
    runs = list(zip([0, *edges.tolist()], [*edges.tolist(), len(owners)], strict=True))
    for start, stop in runs:
        owner = int(owners[start]) if stop > start else END
        if not 0 <= owner < len(roles):
            continue
        role = roles[owner]
        if role != "assistant":
            codes[start:stop] = _CODE[_ROLES.get(role or "", "user")]
            continue
        codes[start:stop] = _of_answer(
            tokens.input_ids[start:stop], row, owner in calling, written.get(owner, "")
        )
    taught = codes.copy()
    stops = [row.context.tokenizer.control.get(name) for name in _STOPS]
    unclosed = 0
    for start, stop in runs:
        owner = int(owners[start]) if stop > start else END
        if not 0 <= owner < len(roles) or roles[owner] != "assistant":
            continue
        own = tokens.input_ids[start:stop]
        if owner in calling:
            unclosed += _unclosed(own, row)
        inside = stop - start > 1 and int(own[-1]) in stops
        place = stop - 1 if inside else stop
        if place == len(owners):
            continue
        last = place + 1 == len(owners) or int(owners[place]) == END
        name = "end" if last else "call-stop" if owner in calling else "stop"
        taught[place] = _CODE[name]
    return Kinds(codes, taught, unclosed)


def supervised_kinds(row: Row) -> tuple[Counter[str], Counter[str]]:
    """Group -> supervised tokens of the row, before and after its cut. Needs a layout."""
    tokens = row.all_tokens
    taught = kinds_of(row, tokens).taught
    labelled = tokens.labels != IGNORE_INDEX
    if len(labelled):
        labelled[0] = False  # the first token of a sequence is in no loss
    before = _grouped(taught[labelled])
    after: Counter[str] = Counter()
    for part in kept_parts(row):
        after.update(_grouped(taught[part.owners[1:]][part.labels[1:] != IGNORE_INDEX]))
    return before, after


def _grouped(codes: Codes) -> Counter[str]:
    found: Counter[str] = Counter()
    for code, number in enumerate(np.bincount(codes).tolist()):
        if number:
            found[_GROUP[KINDS[code]]] += number
    return found


def _unclosed(ids: npt.NDArray[np.int32], row: Row) -> int:
    spelled = b"".join(map(row.context.tokenizer.token_bytes, ids.tolist()))
    return max(spelled.count(_OPEN) - spelled.count(_CLOSE), 0)


def _of_answer(ids: npt.NDArray[np.int32], row: Row, calls_tool: bool, text: str) -> Codes:
    """Kinds of the tokens of one answer: header, thoughts, calls and text, by what they spell."""
    tokenizer = row.context.tokenizer
    pieces = [tokenizer.token_bytes(int(token)) for token in ids]
    starts = np.cumsum([0, *map(len, pieces)])[:-1]
    spelled = b"".join(pieces)
    codes = np.full(len(ids), _CODE["text"], np.uint8)
    header = _HEADER.match(spelled)
    head = header.end() if header else 0
    codes[starts < head] = _CODE["header"]
    # After the last `</think>` there is none, and each `<think>` would search for its end.
    last = spelled.rfind(b"</think>") + len(b"</think>") + 1
    thoughts = list(_THOUGHT.finditer(spelled, 0, last))
    template_thinks = b"<think>" not in text.encode("utf-8", "replace")
    for found in thoughts:
        inner = re.sub(rb"</?think>", b"", found.group()).strip()
        first, stop = np.searchsorted(starts, found.span())
        codes[first:stop] = _CODE["empty-thought" if template_thinks and not inner else "thought"]
    if calls_tool:
        tagged = _CALL.search(spelled)
        begin = tagged.start() if tagged else thoughts[-1].end() if thoughts else head
        said = text.encode("utf-8", "replace") if row.conversation is not None else b""
        if tagged is None and said and said in spelled:
            begin = spelled.index(said) + len(said)
        codes[starts >= begin] = _CODE["call"]
        closed = spelled.find(_CLOSE, begin)
        while closed >= 0:
            stop = closed + len(_CLOSE)
            codes[(starts >= closed) & (starts < stop)] = _CODE["call-end"]
            closed = spelled.find(_CLOSE, stop)
    return codes
