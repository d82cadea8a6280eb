"""What `datasets` makes of the files of a run: the shapes of their parts, and how rows come back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, Protocol

from msgspec import UNSET, Raw, Struct, UnsetType, field

from glmlint.finding import Defect
from glmlint.loader import Load, Shapes
from glmlint.read.sample import Careful, Message, Sample, read
from glmlint.read.source import Chunk, InputFile, read_chunks, split_values
from glmlint.trainer.base import Context

NEWEST_PADDING: Final = "4.6.1"
OLDEST_JSON: Final = "4.7.0"
"""Where `datasets` has changed most: up to the first, objects that differ are padded with nulls;
from the second on they come back as written."""


class Seen(Protocol):
    """A row of a chunk, as far as its shape goes."""

    @property
    def line(self) -> int: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def value(self) -> Any:
        """The decoded row."""

    @property
    def shape(self) -> Hashable:
        """Stands for the shape but for the tool lists (see `Shapes.known`); None where nothing does."""

    @property
    def tools(self) -> tuple[bytes, ...]:
        """The tool lists."""

    @property
    def beside(self) -> dict[str, Any] | None:
        """Values beside the messages for whose types alone `shape` stands."""

    @property
    def defect(self) -> Defect | None: ...


class Decoded(Struct):
    """A row that was only decoded."""

    line: int
    raw: bytes
    value: Any
    defect: Defect | None
    shape: Hashable = None
    tools: tuple[bytes, ...] = ()
    beside: dict[str, Any] | None = None


class LoadedPart(Struct):
    """The shapes of a range of a file's bytes."""

    begin: int
    end: int
    shapes: Shapes
    broken: bool = False
    """Whether some row is none that a loader reads: then nothing of the file is loaded."""


class Parts(Struct):
    """The shapes of a file, as far as its parts are known. Merges in any order."""

    parts: list[LoadedPart] = field(default_factory=list)

    def add(self, part: LoadedPart | None) -> None:
        """Take in a part, which is used up; neighbours become one."""
        if part is None:
            return
        parts = self.parts
        at = bisect_left(parts, part.begin, key=attrgetter("begin"))
        parts.insert(at, part)
        for left in (at, at - 1):
            if 0 <= left < len(parts) - 1 and parts[left].end == parts[left + 1].begin:
                right = parts.pop(left + 1)
                shapes = parts[left].shapes.merge(right.shapes)
                broken = parts[left].broken or right.broken
                parts[left] = LoadedPart(parts[left].begin, right.end, shapes, broken)

    def merge(self, other: Parts) -> None:
        """Take in the parts of another one, which are used up."""
        for part in other.parts:
            self.add(part)

    @property
    def whole(self) -> Shapes | None:
        """The shapes of the whole file; None where it has not been seen from its beginning on."""
        one = len(self.parts) == 1 and self.parts[0].begin == 0
        return self.parts[0].shapes if one else None

    @property
    def broken(self) -> bool:
        """Whether some row ends the load, whatever the others are."""
        return any(part.broken for part in self.parts)


TOOLS: Final = ("messages", 0, "tools")


def part_of(chunk: Chunk, rows: Iterable[Seen], context: Context) -> LoadedPart | None:
    """The shapes of a chunk's rows; None where their file is not JSON.

    Args:
        rows: in order; several may stand on one line, where each line is a row at all.
        context: knows the tool lists of valid rows.
    """
    place = chunk.place
    if place is None:
        return None
    shapes = Shapes(
        [*place.borders, place.end],
        chunk=place.loader_bytes,
        bom=place.bom and place.begin == 0,
        form=place.form,
    )
    for line, offset in place.blanks:
        shapes.blank(line, offset)
    for line, offset in place.over_lines:
        shapes.over_lines(line, offset)
    shapes.cut(place.cuts, place.lost)
    broken = any(defect.rule == "not-utf8" for defect in chunk.file_defects)
    numbers, starts, stops = chunk.numbers, place.starts, place.stops
    on_lines = place.form.kind == "lines"
    at = -1
    for row in rows:
        line = row.line
        if on_lines and at >= 0 and numbers[at] == line:
            shapes.several(line, starts[at])
        else:
            at += 1
        start = starts[at]
        if row.defect is not None and row.defect.rule != "not-jsonl":
            broken = True
            continue
        length = stops[at] - start
        if row.shape is None:
            shapes.add(row.value, line, start, length)
        elif not shapes.known(row.shape, start, length):
            shapes.add(row.value, line, start, length, row.shape, row.beside is not None)
        else:
            if row.beside is not None:
                shapes.add_beside(row.beside, line)
            for tools in row.tools:
                if not shapes.known_below(tools):
                    shapes.add_below(TOOLS, context.tool_values(tools), line, tools)
    shapes.bound()
    return LoadedPart(place.begin, place.end, shapes, broken)


def learn(file: InputFile, context: Context, *, blanks: bool = True) -> None:
    """Read a file once, so that its rows can be laid out as its loader hands them over.

    Args:
        file: it is read to its end.
        context: keeps what is learned.
        blanks: whether blank lines count, which make some versions pad the rows.

    Raises:
        source.SourceError: the file can't be read.
    """
    context.loads.pop(file.path, None)
    if not context.trainer.through_table or file.loaded:
        return
    parts = Parts()
    for chunk in read_chunks(file):
        if chunk.place is not None and not blanks:
            chunk.place.blanks = []
        parts.add(part_of(chunk, decoded_rows(chunk), context))
    remember(file.path, parts, context)


def decoded_rows(chunk: Chunk) -> Iterator[Decoded]:
    """The rows of a chunk, as far as their shape goes."""
    for at, (line, raw) in enumerate(zip(chunk.numbers, chunk.lines, strict=True)):
        for found in values_of(raw):
            yield Decoded(line, raw, found.value, chunk.defects.get(at) or found.defect)


def loaded_sample(sample: Sample, load: Load, context: Context) -> Sample | None:
    """A valid row as the loader hands it over, for the recipe to lay out as one.

    A null that the trainer prints is the text that it prints. The row itself where the trainer
    can't tell the difference; None where it is no longer valid for the trainer.
    """
    added = load.added
    if added is None or not context.template.known:
        return None
    metadata = "None" if "metadata" in added and context.prints_nulls else UNSET
    cleans = context.trainer.cleans_properties
    messages = []
    same = True
    for message in sample.messages:
        tools: Raw | UnsetType = UNSET
        if message.tools is not UNSET:
            written = bytes(message.tools)
            known = context.loaded_tools(written, load)
            if known is None:
                return None
            same = same and known == written
            tools = Raw(known)
        elif "tools" in added and (message.role == "system" if cleans else context.prints_nulls):
            return None  # a null that the trainer goes through as a list
        printed = metadata if message.metadata is UNSET else message.metadata
        same = same and printed == message.metadata
        messages.append(Message(message.role, message.content, printed, tools))
    return sample if same else Sample(messages)


def values_of(raw: bytes) -> list[Careful]:
    """What a line holds: one value, or several."""
    found = read(raw)
    if found.defect is not None and (several := split_values(raw)):
        return [read(part) for part in several]
    return [found]


def remember(path: str, parts: Parts, context: Context, after: Shapes | None = None) -> Load | None:
    """Keep what the loader makes of a file's rows in the context, where it changes any.

    Args:
        path: the file.
        parts: the shapes of all its rows.
        context: the plan's version of `datasets` counts.
        after: the shapes of the split that is loaded before this one.
    """
    context.loads.pop(path, None)
    context.forget_loaded()
    load = load_of(parts, context, after)
    if load is not None:
        context.loads[path] = load
    return load


def load_of(parts: Parts, context: Context, after: Shapes | None = None) -> Load | None:
    """What the loader makes of a file's rows, where it changes any; arguments as of `remember`."""
    shapes = parts.whole
    if shapes is None or parts.broken:
        return None  # nothing is loaded, or it is not known what: rows are as written
    if context.trainer.through_datasets:
        load = shapes.load(context.plan.datasets, after, context.trainer.columns)
    else:
        load = shapes.table()
    return load if load is not None and load.changes else None
