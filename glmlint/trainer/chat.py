"""What transformers' `apply_chat_template` makes of a conversation, and the layout of the text.

Trainers that use a model's own chat template render a whole conversation and tokenize the one
string. Which message each part of it comes from, the template tells (`jinja_turns`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from glmlint.finding import Pointer
from glmlint.trainer.base import Context
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import (
    END,
    NONE,
    PREFIX,
    SAME,
    SYSTEM,
    TOOLS,
    Encoded,
    Int32,
    Layout,
    Piece,
    Tokens,
)
from glmlint.trainer.template import ChatTemplate, Rendered
from glmlint.trainer.tokenizer import Ids

Span = tuple[int, int]
"""Start and stop in code points of a text."""

Places = npt.NDArray[np.int64]

Borders = tuple[list[int], list[int]]
"""Places of a text in order, the first of them 0, and whose it is from each on, as in `Layout`."""

_ROLES: Final = frozenset(("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"))

_LONGEST_SEARCH: Final = 20_000_000
"""Code points that are rendered at most to find the messages of one row in a strange template."""


def render_chat(
    messages: Any,
    context: Context,
    template: ChatTemplate | None = None,
    /,
    *,
    tools: Any = None,
    **names: Any,
) -> Rendered:
    """The text of a conversation.

    Args:
        messages: of any type, as the trainer hands it over.
        context: whose template and version of transformers are meant.
        template: another one than the context's.
        tools: the tool list, as the trainer hands it over.
        names: other variables of the template.

    Raises:
        Exception: what transformers raises, or the template.
    """
    (found,) = render_chats((messages,), context, template, tools=tools, **names)
    return found


def render_chats(
    conversations: Iterable[Any],
    context: Context,
    template: ChatTemplate | None = None,
    /,
    *,
    tools: Any = None,
    **names: Any,
) -> list[Rendered]:
    """The texts of several conversations. Args and exceptions as `render_chat`; the first one is raised."""
    template = template or context.template
    checked = [_checked(messages, template) for messages in conversations]
    if tools is not None and not all(isinstance(tool, dict) for tool in tools):
        raise ValueError(
            "Tools should either be a JSON schema, or a callable function with type hints "
            "and a docstring suitable for auto-conversion to a schema."
        )
    documents = names.get("documents")
    if documents is not None and not all(isinstance(one, dict) for one in documents):
        raise TypeError("Documents should be a list of dicts with 'title' and 'text' keys!")
    rendered = []
    for found in template.rendered_each(checked, tools=tools, **names):
        if isinstance(found, Exception):
            raise found
        rendered.append(found)
    return rendered


def tokenizable(text: Any) -> Any:
    """The same, where a tokenizer of transformers takes it for a text or for a list of texts.

    Raises:
        ValueError: what transformers says of any other value.
    """
    if text is None:
        raise ValueError("You need to specify either `text` or `text_target`.")
    if not isinstance(text, str | list):
        raise ValueError(
            "text input must be of type `str` (single example), `list[str]` (batch or single "
            "pretokenized example) or `list[list[str]]` (batch of pretokenized examples) or "
            "`list[tuple[list[str], list[str]]]` (batch of pretokenized sequence pairs)."
        )
    return text


def _checked(messages: Any, template: ChatTemplate) -> Any:
    """The same, where transformers lets it through to the template."""
    have = template.version
    if have < (5, 13):
        if not messages:
            raise IndexError("list index out of range")
    elif messages == []:
        raise ValueError(
            "Cannot apply chat template to an empty conversation. Provide at least one message."
        )
    if have >= (5, 23):
        for message in messages:
            if not isinstance(message, dict):
                raise TypeError(
                    "Chat messages should be dicts, dataclasses or pydantic models, "
                    f"but got {message!r}."
                )
    return messages


def borders(
    rendered: Rendered, messages: Sequence[Any], context: Context, template: ChatTemplate | None
) -> Borders:
    """Whose each part of a rendered conversation is.

    Args:
        rendered: what `render_chat` made of the messages.
        messages: as they were rendered.
        context: whose tokenizer says what a control token is.
        template: as in `render_chat`.
    """
    text, tools = rendered.text, rendered.tools
    notes = [(0, -1), *rendered.turns]
    if not any(0 <= who < tools for _, who in notes):
        notes = sorted([*notes, *_by_prefixes(text, messages, template or context.template)])
    first = next((at for at, who in notes if 0 <= who < tools), len(text))
    starts, owners = _head(text[:first], messages, context, any(who == tools for _, who in notes))
    owner = owners[-1]
    for at, who in notes:
        if at >= first:
            if who >= 0:
                owner = TOOLS if who == tools else who
            _note(starts, owners, at, owner)
    if notes[-1][1] < 0 and notes[-1][0] >= first:  # after the last message
        _note(starts, owners, notes[-1][0], END)
    return starts, owners


def _note(starts: list[int], owners: list[int], at: int, owner: int) -> None:
    if starts and starts[-1] == at:
        owners[-1] = owner
    elif not owners or owners[-1] != owner:
        starts.append(at)
        owners.append(owner)


def _head(text: str, messages: Sequence[Any], context: Context, tools: bool) -> Borders:
    """Whose the text before the first message is: the template's own, the tools', or a system's."""
    pieces = takewhile(lambda found: found[1] not in _ROLES, context.tokenizer.find_control(text))
    at = 0
    for start, name in pieces:
        if start != at:
            break
        at += len(name)
    starts, owners = [0], [PREFIX]
    if at < len(text):
        _note(starts, owners, at, TOOLS if tools else SYSTEM)
        leader = messages[0] if messages else None
        said = leader.get("content") if isinstance(leader, dict) else None
        if not tools and isinstance(said, str) and said.strip() and said.strip() in text:
            _note(starts, owners, at, 0)
    return starts, owners


def _by_prefixes(
    text: str, messages: Sequence[Any], template: ChatTemplate
) -> list[tuple[int, int]]:
    """Where each message begins, for a template whose loops don't say it: by growing prefixes."""
    if len(text) * len(messages) > _LONGEST_SEARCH:
        return [(0, 0)]
    ends = [0]
    for index in range(len(messages)):
        try:
            part = template.render(messages[: index + 1])
        except Exception:  # a template may refuse a part of a conversation
            part = ""
        ends.append(max(ends[-1], common_length(text, part)))
    return [(start, index) for index, start in enumerate(ends[:-1]) if ends[index + 1] > start]


@contextmanager
def row_errors(place: Callable[[Exception], Pointer | None]) -> Iterator[None]:
    """Whatever a package, transformers or a template raises at a row becomes a TrainerError.

    Args:
        place: where in the row it was raised.
    """
    try:
        yield
    except (Dropped, TrainerError):
        raise
    except Exception as error:
        raise TrainerError(type(error).__name__, str(error), place(error)) from None


def place_of(error: Exception, at: Pointer) -> Pointer | None:
    """Where the message is written that a template was printing when it raised.

    Args:
        error: what it raised.
        at: where the list of messages is written.
    """
    turn = getattr(error, "turn", -1)
    return (*at, turn) if isinstance(turn, int) and turn >= 0 else None


def common_length(left: str, right: str) -> int:
    """How many code points two texts begin with in common."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def owner_at(found: Borders, place: int) -> int:
    """Whose the text at a place is."""
    starts, owners = found
    return owners[bisect_right(starts, place) - 1]


def lay_out_text(
    text: str, found: Borders, context: Context, labelled: Sequence[Span] | None = None
) -> Layout:
    """The layout of a text that is tokenized whole.

    Args:
        text: its control tokens become ids.
        found: whose each part of it is.
        context: whose tokenizer is meant.
        labelled: parts whose tokens carry loss, in order and apart from each other; a token that
            has a character in one carries loss. None: every token does.
    """
    if labelled is None and found[0] == [0]:  # all of it is of one owner
        pieces = context.split(text)
        labels = [SAME] * len(pieces)
        return Layout(pieces, labels, [*labels], found[1] * len(pieces))
    stops = [stop for _, stop in labelled or ()]
    edges = sorted({*found[0], *(place for span in labelled or () for place in span)})

    def label(start: int, stop: int) -> int:
        if labelled is None:
            return SAME
        at = bisect_right(stops, start)
        return SAME if at < len(stops) and labelled[at][0] < stop else NONE

    def parted(piece: int | str, at: int, stop: int) -> bool:
        """Whether a text runs over several parts: it is encoded as one all the same."""
        edge = bisect_right(edges, at)
        return isinstance(piece, str) and edge < len(edges) and edges[edge] < stop

    layout = Layout([], [], [], [])
    for piece, at, stop in pieces_of(text, context):
        if parted(piece, at, stop):
            break
        layout.add([piece], label(at, stop), owner_at(found, at))
    else:
        return layout
    tokenized = Tokenized(text, context)
    starts, lasts = tokenized.starts.tolist(), tokenized.stops.tolist()
    labels = []
    for (piece, at, stop), end in zip(tokenized.pieces, tokenized.ends, strict=True):
        begin = len(labels)
        if parted(piece, at, stop):
            labels += map(label, starts[begin:end], lasts[begin:end])
        else:
            labels += [label(at, stop)] * (end - begin)
    return with_labels(tokenized, found, np.array(labels, np.int32), context)


class Tokenized:
    """A text that is tokenized whole: its ids, and where each of them stands in it."""

    def __init__(self, text: str, context: Context) -> None:
        """Tokenize it.

        Args:
            text: its control tokens become ids.
            context: whose tokenizer is meant.
        """
        self.text = text
        self.pieces = [*pieces_of(text, context)]
        """As `pieces_of` gives them."""
        self.context = context
        encoded, offsets = context.tokenizer.encode(
            [piece for piece, _, _ in self.pieces if isinstance(piece, str)]
        )
        known, places = encoded.tolist(), offsets.tolist()
        self.listed: list[int] = []
        """The ids, as a list."""
        self.ends: list[int] = []
        """The number of tokens up to the end of each piece."""
        number = 0
        for piece, _, _ in self.pieces:
            if isinstance(piece, int):
                self.listed.append(piece)
            else:
                self.listed += known[places[number] : places[number + 1]]
                number += 1
            self.ends.append(len(self.listed))
        self.ids: Int32 = np.array(self.listed, np.int32)

    @property
    def starts(self) -> Places:
        """Where each token begins, in code points."""
        return self._places[0]

    @property
    def stops(self) -> Places:
        """Where each token ends, in code points."""
        return self._places[1]

    @cached_property
    def _places(self) -> tuple[Places, Places]:
        if not self.listed:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        data = self.text.encode()
        sizes = self.context.tokenizer.sizes(self.listed)
        if sizes.all() and sizes.sum() == len(data):
            found = _spread(data, sizes)
            if self._fits(*found):
                return found
        return self._by_pieces()

    def _fits(self, starts: Places, stops: Places) -> bool:
        """Whether each piece begins and ends with a token: none has more or fewer bytes than its ids."""
        begin = 0
        for (_, at, stop), end in zip(self.pieces, self.ends, strict=True):
            if begin == end or starts[begin] != at or stops[end - 1] != stop:
                return False
            begin = end
        return True

    def _by_pieces(self) -> tuple[Places, Places]:
        """The places where ids do not stand for the bytes of the text: each piece is taken for itself."""
        starts, stops = [], []
        begin = 0
        for (piece, at, stop), end in zip(self.pieces, self.ends, strict=True):
            if isinstance(piece, int):
                first, last = np.array([0]), np.array([stop - at])
            else:
                ids = self.ids[begin:end].view(np.uint32)
                first, last = token_places(piece, ids, self.context)
            starts.append(first + at)
            stops.append(last + at)
            begin = end
        return np.concatenate(starts), np.concatenate(stops)


def with_labels(tokenized: Tokenized, found: Borders, labels: Int32, context: Context) -> Layout:
    """The layout of a text of whose tokens it is known which carry loss.

    Args:
        tokenized: the text, as it is tokenized.
        found: whose each part of it is.
        labels: of its tokens, each `NONE` or anything else.
        context: whose tokenizer is meant.
    """
    trained = labels != NONE
    starts, stops = tokenized.starts, tokenized.stops
    owners = np.array(found[1], np.int32)[np.searchsorted(found[0], starts, "right") - 1]
    changes = (trained[1:] != trained[:-1]) | (owners[1:] != owners[:-1])
    edges = (np.flatnonzero(changes) + 1).tolist()
    ids = tokenized.ids
    layout = Layout([], [], [], [])
    runs: list[tuple[Piece, int, int, bool]] = []
    begin = edge = 0
    for (piece, _, _), end in zip(tokenized.pieces, tokenized.ends, strict=True):
        while edge < len(edges) and edges[edge] <= begin:
            edge += 1
        if edge == len(edges) or edges[edge] >= end:
            if begin < end:
                runs.append((piece, begin, end, True))
        else:
            last = edge
            while last < len(edges) and edges[last] < end:
                last += 1
            for first, after in pairwise((begin, *edges[edge:last], end)):
                said = tokenized.text[starts[first] : stops[after - 1]]
                runs.append((said, first, after, False))
        begin = end
    encoded, offsets = context.tokenizer.encode(
        [str(piece) for piece, _, _, whole in runs if not whole]
    )
    known, places = encoded.tolist(), offsets.tolist()
    number = 0
    for part, begin, end, whole in runs:
        if not whole:
            # A part that is encoded by itself to the same ids stays a text.
            if known[places[number] : places[number + 1]] != tokenized.listed[begin:end]:
                part = Encoded(ids[begin:end].view(np.uint32))
            number += 1
        layout.add([part], SAME if trained[begin] else NONE, int(owners[begin]))
    layout.tokens = Tokens(ids, np.where(trained, ids, np.int32(NONE)), owners)
    return layout


def pieces_of(text: str, context: Context) -> Iterator[tuple[int | str, int, int]]:
    """The text cut at its control tokens, which become ids, and where each piece stands in it."""
    names = context.tokenizer.control_text
    at = 0
    for piece in context.tokenizer.split(text):
        stop = at + len(names[piece] if isinstance(piece, int) else piece)
        yield piece, at, stop
        at = stop


def token_places(text: str, ids: Ids, context: Context) -> tuple[Places, Places]:
    """Start and stop of each token in code points; a token of a part of a character has the whole.

    Args:
        text: without control tokens.
        ids: of that text.
        context: whose tokenizer made them.
    """
    return _spread(text.encode(), context.tokenizer.sizes(ids.tolist()))


def _spread(data: bytes, sizes: Places) -> tuple[Places, Places]:
    """Start and stop in code points of each of the parts of a text of so many bytes."""
    points = np.cumsum((np.frombuffer(data, np.uint8) & 0xC0) != 0x80) - 1  # of each byte
    stops = np.cumsum(sizes)
    last = len(data) - 1  # pieces of some vocabularies do not add up to the text
    starts, ends = np.minimum(stops - sizes, last), np.minimum(stops - 1, last)
    return points[starts], points[ends] + 1
