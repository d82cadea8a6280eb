"""ChatGLM3: `conversations` of role and content, a tool's call and result in one entry."""

from __future__ import annotations

from typing import Any

from glmlint.convert import kinds
from glmlint.convert.base import Format, GlmRow, Notes, Refused
from glmlint.convert.chat import assemble, read_chat, read_columns, read_turns


def read(row: Any, notes: Notes) -> GlmRow:
    """The official script's form, or ssbuild's `paragraph` of role, q and a."""
    if isinstance(row, dict) and isinstance(row.get("paragraph"), list):
        return _read_paragraph(row, row["paragraph"], notes)
    return read_chat(row, ("conversations",), notes)


def _read_paragraph(row: dict[str, Any], entries: list[Any], notes: Notes) -> GlmRow:
    turns = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, "paragraph", index)
        turns.append({"role": entry.get("role", "user"), "content": entry.get("q")})
        if entry.get("a") or turns[-1]["role"] != "system":
            turns.append({"role": "assistant", "content": entry.get("a")})
    messages = read_turns(turns, ("paragraph",), notes)
    if not messages:
        raise Refused(kinds.NO_MESSAGES, "paragraph")
    consumed = {"paragraph", *read_columns(row, messages, notes)}
    return assemble(row, consumed, messages, notes)


FORMAT = Format(
    name="chatglm3",
    recognised=("chatglm3",),
    about="conversations of role and content, tools beside them",
    read=read,
)
