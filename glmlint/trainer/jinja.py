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
from collections.abc import Callable
from datetime import datetime
from typing import IO, Any, Final, NamedTuple

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

Span = tuple[int, int]
"""Start and stop, in code points of the rendered text."""


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


class _Generation(Extension):
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


class Compiled:
    """A template, ready to render."""

    def __init__(self, text: str, features: Features) -> None:
        """Compile it.

        Raises:
            Exception: whatever jinja2 and Python's compiler raise on this text.
        """
        extensions: list[type[Extension]] = []
        if features.generation:
            extensions.append(_Generation)
        if features.controls:
            extensions.append(loopcontrols)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=extensions
        )
        environment.globals["raise_exception"] = _raise
        if features.tojson:
            environment.filters["tojson"] = _tojson
        if features.controls:
            environment.globals["strftime_now"] = _strftime_now
        self._environment = environment
        self._first_marked = features.first_marked
        self._template = environment.from_string(text)

    def render(
        self, names: dict[str, Any], limit: int, marked: bool = False
    ) -> tuple[str, list[Span]]:
        """The text, and where the bodies of `{% generation %}` stand in it, as transformers notes it.

        Args:
            names: the variables of the template.
            limit: how many code points it may print.
            marked: whether the places are wanted; else the list is empty.

        Raises:
            TooLong: it prints more.
            Exception: whatever the template raises.
        """
        pieces: list[str] = []
        spans: list[Span] = []
        size = 0

        def note(length: int) -> None:
            # What stands before is what the template as a whole has printed by now.
            if pieces or spans or self._first_marked:
                spans.append((size, size + length))

        self._environment.note = note if marked else None  # type: ignore[attr-defined]
        template = self._template
        for piece in template.root_render_func(template.new_context(names)):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise TooLong
        return "".join(pieces), spans


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
    key, source, names, conversations, marked = pickle.loads(data)
    limit = characters_for(len(data))
    try:
        if key not in known:
            known[key] = Compiled(*source)
        template = known[key]
    except MemoryError:
        return OUT_OF_MEMORY
    except jinja2.TemplateSyntaxError as error:
        module, name, text = _told(error)
        return module, name, f"{text} (line {error.lineno})"
    except Exception as error:
        return _told(error)
    answers: list[tuple[Any, ...]] = []
    for messages in conversations:
        _clock(seconds_for(len(data)))
        try:
            text, spans = template.render({**names, "messages": messages}, limit, marked)
        except MemoryError:
            return OUT_OF_MEMORY
        except TooLong:
            return TOO_LONG
        except Exception as error:
            answers.append(_told(error))
        else:
            limit -= len(text)
            answers.append((text, spans))
    return answers


def _told(error: Exception) -> tuple[str, str, str]:
    return type(error).__module__, type(error).__name__, str(error)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more.

    A request is (number of the template, its text and `Features`, its variables, conversations,
    whether marked). The answer is a list with
    a (text, spans) or an exception's (module, name, text) for each conversation; or one such
    exception, where the template does not compile; or which bound was reached. Where it is that of
    time, this process ends with SIGPROF.

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
