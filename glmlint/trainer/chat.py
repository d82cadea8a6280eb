"""What transformers' `apply_chat_template` makes of a conversation, and the layout of the text.

Trainers that use a model's own chat template render a whole conversation and tokenize the one
string. Which message each part of it comes from, the template tells (`jinja_turns`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
)
from glmlint.trainer.template import ChatTemplate, Rendered
from glmlint.trainer.tokenizer import Ids

Span = tuple[int, int]
"""Start and stop in code points of a text."""

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
    stops = [stop for _, stop in labelled or ()]
    edges = sorted({*found[0], *(place for span in labelled or () for place in span)})

    def label(start: int, stop: int) -> int:
        if labelled is None:
            return SAME
        at = bisect_right(stops, start)
        return SAME if at < len(stops) and labelled[at][0] < stop else NONE

    layout = Layout([], [], [], [])
    for piece, at, stop in pieces_of(text, context):
        edge = bisect_right(edges, at)
        if isinstance(piece, int) or edge == len(edges) or edges[edge] >= stop:
            layout.add([piece], label(at, stop), owner_at(found, at))
        else:  # the text runs over several parts, and is encoded as one all the same
            ids = context.tokenizer.encode([piece])[0]
            starts, ends = token_places(piece, ids, context)
            kinds = [
                (label(at + start, at + end), owner_at(found, at + start))
                for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            ]
            _add_parts(layout, piece, ids, kinds, context)
    return layout


def with_labels(text: str, found: Borders, labels: Int32, context: Context) -> Layout:
    """The layout of a text of whose tokens it is known which carry loss.

    Args:
        text: as in `lay_out_text`.
        found: whose each part of it is.
        labels: of its tokens, each the token itself or `NONE`.
        context: whose tokenizer is meant.
    """
    layout = Layout([], [], [], [])
    edges = found[0]
    place = 0
    for piece, at, stop in pieces_of(text, context):
        owner = owner_at(found, at)
        if isinstance(piece, int):
            layout.add([piece], NONE if labels[place] == NONE else SAME, owner)
            place += 1
            continue
        ids = context.tokenizer.encode([piece])[0]
        own = np.where(labels[place : place + len(ids)] == NONE, NONE, SAME).tolist()
        place += len(ids)
        edge = bisect_right(edges, at)
        if edge == len(edges) or edges[edge] >= stop:
            owners = [owner] * len(ids)
        else:
            starts = token_places(piece, ids, context)[0]
            owners = [owner_at(found, at + start) for start in starts.tolist()]
        _add_parts(layout, piece, ids, list(zip(own, owners, strict=True)), context)
    return layout


def pieces_of(text: str, context: Context) -> Iterator[tuple[int | str, int, int]]:
    """The text cut at its control tokens, which become ids, and where each piece stands in it."""
    names = context.tokenizer.control_text
    at = 0
    for piece in context.tokenizer.split(text):
        stop = at + len(names[piece] if isinstance(piece, int) else piece)
        yield piece, at, stop
        at = stop


def _add_parts(
    layout: Layout, text: str, ids: Ids, kinds: list[tuple[int, int]], context: Context
) -> None:
    """Append a text in parts of tokens of one label and owner; a part that is encoded by itself to
    the same ids stays a text."""
    runs = _runs(kinds)
    if len(runs) == 1:
        layout.add([text], *kinds[0])
        return
    starts, stops = (places.tolist() for places in token_places(text, ids, context))
    parts = [text[starts[begin] : stops[end - 1]] for begin, end in runs]
    encoded, offsets = context.tokenizer.encode(parts)
    places = zip(runs, parts, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    for (begin, end), part, start, stop in places:
        same = np.array_equal(encoded[start:stop], ids[begin:end])
        layout.add([part if same else Encoded(ids[begin:end])], *kinds[begin])


def _runs(kinds: Sequence[object]) -> list[Span]:
    """Half-open ranges of equal neighbours."""
    edges = [0, *(i for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1]), len(kinds)]
    return list(pairwise(edges))


def token_places(
    text: str, ids: Ids, context: Context
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Start and stop of each token in code points; a token of a part of a character has the whole.

    Args:
        text: without control tokens.
        ids: of that text.
        context: whose tokenizer made them.
    """
    data = np.frombuffer(text.encode(), np.uint8)
    points = np.cumsum((data & 0xC0) != 0x80) - 1  # the code point of each byte
    sizes = [len(context.tokenizer.token_bytes(token)) for token in ids.tolist()]
    stops = np.cumsum(sizes)
    return points[stops - sizes], points[stops - 1] + 1
