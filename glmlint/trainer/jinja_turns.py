"""Notes, while a chat template prints, which message it is printing.

A template says whose text it prints by its loops: what the body of `{% for m in messages %}` prints
is that message's, whatever the name of the variable and however the list was sliced or filtered. So
each loop is told to report its item before its body and its end behind it; items that are no message
count for nothing. Imports nothing of glmlint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment
from jinja2.nodes import (
    AssignBlock,
    Block,
    Call,
    CallBlock,
    Const,
    EnvironmentAttribute,
    ExprStmt,
    FilterBlock,
    For,
    Macro,
    Name,
    Node,
    Template,
)

NOBODY: Final = -1
"""What is printed for no item of a list that is watched."""

_BUFFERED: Final = (Macro, CallBlock, AssignBlock, FilterBlock, Block)
"""What they print is not in the text yet when it is printed."""

Note = tuple[int, int]
"""A place in the text, in code points, and whose the text is from there on."""


class Turns:
    """Which message is being printed, while one rendering goes on."""

    def __init__(self) -> None:
        self.size = 0
        """How much has been printed so far, in code points; for the renderer to keep."""
        self.notes: list[Note] = []
        self._items: Mapping[int, int] = {}
        self._stack: list[int] = []
        self._owner = NOBODY

    def watch(self, items: Mapping[int, int]) -> None:
        """Begin: `items` has the `id` of each object that is watched, and its number (0 or more)."""
        self.size = 0
        self.notes = []
        self._items = items
        self._stack = []
        self._owner = NOBODY

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
        if owner != self._owner:
            self._owner = owner
            self.notes.append((self.size, owner))


def instrument(template: Template, environment: Environment) -> None:
    """Let the loops of a parsed template report to `environment.turns`, a `Turns`."""
    _walk(template, 0)
    template.set_environment(environment)


def _walk(node: Node, depth: int) -> None:
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, field, _statements(value, depth))
        elif isinstance(value, Node):
            _walk(value, depth)


def _statements(nodes: Sequence[Any], depth: int) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        found.append(node)
        if isinstance(node, _BUFFERED):
            continue
        if not isinstance(node, For):
            if isinstance(node, Node):
                _walk(node, depth)
            continue
        _walk(node, depth + 1)
        if isinstance(node.target, Name):
            told = [Const(depth), Name(node.target.name, "load")]
            node.body.insert(0, _report("enter", told, node.lineno))
            found.append(_report("leave", [Const(depth)], node.lineno))
    return found


def _report(method: str, arguments: list[Any], line: int) -> Node:
    call = Call(EnvironmentAttribute(f"turns_{method}"), arguments, [], None, None)
    return ExprStmt(call).set_lineno(line)
