"""Compiles and renders one chat template with Jinja, in the environment that transformers gives it.

This file is also a program: `worker` runs it as a process of its own for templates that glmlint does
not know, and it ends that process where a template takes too much. So it imports nothing of glmlint.
"""

from __future__ import annotations

import json
import marshal
import pickle
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, Final, NamedTuple

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.runtime import new_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

Span = tuple[int, int]
"""Start and stop, in code points of the rendered text."""

Note = tuple[int, int]
"""A place in the text, in code points, and whose the text is from there on."""

Printed = tuple[str, list[Span], list[Note]]
"""The text, where the bodies of `{% generation %}` stand in it, and whose each part of it is."""

NOBODY: Final = -1
"""Whose the text is that no loop over the messages or the tools prints."""


class Features(NamedTuple):
    """What the environment of a version of transformers has."""

    tojson: bool
    """Its own `tojson`, which sorts and escapes nothing (from 4.42)."""
    generation: bool
    """`{% generation %}` (from 4.43)."""
    controls: bool
    """`{% break %}`, `{% continue %}` and `strftime_now` (from 4.45)."""
    first_marked: bool
    """A `{% generation %}` before anything is printed is marked (from 5.4)."""


class TooLong(Exception):
    """The template prints more than it may."""


class _GenerationTag(Extension):
    """`{% generation %}`: prints its body, whose place in the text is noted."""

    tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("marked"), [], [], body).set_lineno(line)

    def marked(self, caller: Callable[[], str]) -> str:
        text = caller()
        note = getattr(self.environment, "note", None)
        if note is not None:
            note(len(text))
        return text


class Turns:
    """Which message is being printed, while one rendering goes on.

    A template says whose text it prints by its loops: what the body of `{% for m in messages %}`
    prints is that message's, whatever the name of the variable and however the list was sliced or
    filtered. So each loop reports its item before its body, and its end after it (`_instrument`);
    items that are not messages count for nothing.
    """

    def __init__(self) -> None:
        self.size = 0
        """How much has been printed so far, in code points; for the renderer to keep."""
        self.notes: list[Note] = []
        self.owner = NOBODY
        """Whose text is being printed."""
        self._items: Mapping[int, int] = {}
        self._stack: list[int] = []

    def watch(self, items: Mapping[int, int]) -> None:
        """Begin: `items` has the `id` of each object that is watched, and its number (0 or more)."""
        self.size = 0
        self.notes = []
        self.owner = NOBODY
        self._items = items
        self._stack = []

    def enter(self, depth: int, item: Any) -> None:
        """A loop, so many loops deep, begins its body for an item."""
        del self._stack[depth:]
        self._stack += [NOBODY] * (depth - len(self._stack))
        self._stack.append(self._items.get(id(item), NOBODY))
        self._note()

    def leave(self, depth: int) -> None:
        """A loop, so many loops deep, has ended."""
        del self._stack[depth:]
        self._note()

    def _note(self) -> None:
        owner = next((one for one in reversed(self._stack) if one != NOBODY), NOBODY)
        if owner != self.owner:
            self.owner = owner
            self.notes.append((self.size, owner))


_BUFFERED: Final = (
    nodes.Macro, nodes.CallBlock, nodes.AssignBlock, nodes.FilterBlock, nodes.Block,
)  # fmt: skip
"""What they print is not in the text yet when it is printed."""


def _instrument(node: Node, depth: int = 0) -> None:
    """Let the loops of a parsed template report to `Turns.enter` and `Turns.leave`."""
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, field, _reporting(value, depth))
        elif isinstance(value, Node):
            _instrument(value, depth)


def _reporting(statements: Sequence[Any], depth: int) -> list[Any]:
    found: list[Any] = []
    for node in statements:
        found.append(node)
        if not isinstance(node, Node) or isinstance(node, _BUFFERED):
            continue
        if not isinstance(node, nodes.For):
            _instrument(node, depth)
            continue
        _instrument(node, depth + 1)
        if isinstance(node.target, nodes.Name):
            level: list[Any] = [nodes.Const(depth)]
            item = nodes.Name(node.target.name, "load")
            node.body.insert(0, _report("enter", [*level, item], node.lineno))
            found.append(_report("leave", level, node.lineno))
    return found


def _report(method: str, arguments: list[Any], line: int) -> Node:
    call = nodes.Call(nodes.EnvironmentAttribute(f"turns_{method}"), arguments, [], None, None)
    return nodes.ExprStmt(call).set_lineno(line)


class Compiled:
    """A template, ready to render."""

    def __init__(self, text: str, features: Features, trusted: bool = False) -> None:
        """Compile it.

        Args:
            text: the template.
            features: what its environment has.
            trusted: it is one of glmlint's own, and needs no sandbox.

        Raises:
            Exception: whatever jinja2 and Python's compiler raise on this text.
        """
        extensions: list[type[Extension]] = []
        if features.generation:
            extensions.append(_GenerationTag)
        if features.controls:
            extensions.append(loopcontrols)
        kind = jinja2.Environment if trusted else ImmutableSandboxedEnvironment
        environment = kind(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
        environment.globals["raise_exception"] = _raise
        if features.tojson:
            environment.filters["tojson"] = _tojson
        if features.controls:
            environment.globals["strftime_now"] = _strftime_now
        self._first_marked = features.first_marked
        self._turns = turns = Turns()
        vars(environment).update(turns_enter=turns.enter, turns_leave=turns.leave)
        self._environment = environment
        tree = environment.parse(text)
        _instrument(tree)
        tree.set_environment(environment)
        self._template = environment.from_string(tree)
        self._globals = dict(self._template.globals)

    def render(self, names: dict[str, Any], limit: int) -> Printed:
        """What it prints.

        Args:
            names: the variables of the template. The items of `messages` are watched by their
                number, those of `tools` all by the number of messages.
            limit: how many code points it may print.

        Raises:
            TooLong: it prints more.
            Exception: whatever the template raises; its attribute `turn` is the number of the
                message that was being printed, or `NOBODY`.
        """
        pieces: list[str] = []
        spans: list[Span] = []
        turns = self._turns
        messages, tools = names["messages"], names.get("tools")
        numbers = {id(message): number for number, message in enumerate(messages)}
        if isinstance(tools, list):
            numbers |= dict.fromkeys(map(id, tools), len(messages))
        turns.watch(numbers)

        def note(length: int) -> None:
            # What stands before is what the template as a whole has printed by now.
            if pieces or spans or self._first_marked:
                spans.append((turns.size, turns.size + length))

        self._environment.note = note  # type: ignore[attr-defined]
        template = self._template
        try:
            context = new_context(
                self._environment, template.name, template.blocks, names, globals=self._globals
            )
            for piece in template.root_render_func(context):
                pieces.append(piece)
                turns.size += len(piece)
                if turns.size > limit:
                    raise TooLong
        except Exception as error:
            error.turn = turns.owner  # type: ignore[attr-defined]
            raise
        return "".join(pieces), spans, turns.notes


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


# --- the program: requests come in on standard input, answers go out on standard output ----------

BASE_CHARACTERS: Final = 1 << 20
CHARACTERS_PER_BYTE: Final = 32
"""What a template may print: so much, and so much more for each byte that it is handed."""

BASE_MEMORY: Final = 512 << 20
MEMORY_PER_BYTE: Final = 24
"""What its process may take, in the same way."""

BASE_SECONDS: Final = 3.0
SECONDS_PER_BYTE: Final = 5e-7
"""Processor time that compiling or one rendering may take, in the same way."""

LENGTH: Final = 8
"""Bytes of the number that stands before a request and before an answer."""

OUT_OF_MEMORY, TOO_LONG = "memory", "length"


def read_frame(stream: IO[bytes]) -> bytes:
    """The next request or answer; b"" at the end."""
    head = stream.read(LENGTH)
    return stream.read(int.from_bytes(head, "little")) if len(head) == LENGTH else b""


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Send a request or an answer."""
    stream.write(len(data).to_bytes(LENGTH, "little"))
    stream.write(data)
    stream.flush()


def characters_for(size: int) -> int:
    """How many code points may be printed for a request of that many bytes."""
    return BASE_CHARACTERS + CHARACTERS_PER_BYTE * size


def memory_for(size: int) -> int:
    """How many bytes the process may take for a request of that many bytes."""
    return BASE_MEMORY + MEMORY_PER_BYTE * size


def seconds_for(size: int) -> float:
    """How much processor time each rendering of a request of that many bytes may take."""
    return BASE_SECONDS + SECONDS_PER_BYTE * size


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY:
        size = min(size, most)
    resource.setrlimit(resource.RLIMIT_AS, (size, most))


def _clock(seconds: float) -> None:
    """End this process after so many seconds of its own time, in the middle of whatever it does."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _answer(known: dict[int, Compiled], data: bytes) -> Any:
    key, source, names, conversations = pickle.loads(data)
    limit = characters_for(len(data))
    try:
        if key not in known:
            known[key] = Compiled(*source)
        template = known[key]
    except MemoryError:
        return OUT_OF_MEMORY
    except jinja2.TemplateSyntaxError as error:
        module, name, text, turn = _told(error)
        return module, name, f"{text} (line {error.lineno})", turn
    except Exception as error:
        return _told(error)
    answers: list[tuple[Any, ...]] = []
    for messages in conversations:
        _clock(seconds_for(len(data)))
        try:
            printed = template.render({**names, "messages": messages}, limit)
        except MemoryError:
            return OUT_OF_MEMORY
        except TooLong:
            return TOO_LONG
        except Exception as error:
            answers.append(_told(error))
        else:
            limit -= len(printed[0])
            answers.append(printed)
    return answers


def _told(error: Exception) -> tuple[str, str, str, int]:
    turn = getattr(error, "turn", NOBODY)
    return type(error).__module__, type(error).__name__, str(error), turn


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more.

    A request is (number of the template, its text and `Features`, its variables, conversations). The
    answer is a list with a `Printed`, or an exception's (module, name, text, turn), for each
    conversation; or one such exception, where the template does not compile; or which bound was
    reached. Where it is that of time, this process ends with SIGPROF.

    Args:
        requests: pickled, in frames.
        answers: gets them marshalled, in frames.
    """
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGPROF,))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it sees to that
    known: dict[int, Compiled] = {}
    while data := read_frame(requests):
        _limit_memory(memory_for(len(data)))
        _clock(seconds_for(len(data)))
        try:
            answer = marshal.dumps(_answer(known, data))
        except MemoryError:
            answer = marshal.dumps(OUT_OF_MEMORY)
        _clock(0)
        write_frame(answers, answer)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
