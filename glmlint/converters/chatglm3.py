"""ChatGLM3: `conversations` of role and content, a tool's call and result in one entry."""

from __future__ import annotations

from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, read_chat, read_turns
from glmlint.converters.dialogue import Dialogue


def read(row: Any, notes: Notes) -> Dialogue:
    """The official script's form, or ssbuild's `paragraph` of role, q and a."""
    if isinstance(row, dict) and isinstance(row.get("paragraph"), list):
        return _read_paragraph(row, row["paragraph"], notes)
    return read_chat(row, ("conversations",), notes)


def _read_paragraph(row: dict[str, Any], entries: list[Any], notes: Notes) -> Dialogue:
    items = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, "paragraph", index)
        items.append({"role": entry.get("role", "user"), "content": entry.get("q")})
        if entry.get("a") or items[-1]["role"] != "system":
            items.append({"role": "assistant", "content": entry.get("a")})
    turns = read_turns(items, ("paragraph",), notes)
    if not turns:
        raise Refused(kinds.NO_MESSAGES, "paragraph")
    return assemble(row, {"paragraph"}, turns, notes)


FORMAT = Format(
    name="chatglm3",
    recognised=("chatglm3",),
    about="`conversations` of `role`/`content`; role `tool` with `name`, `parameters`, `observation`; `paragraph` of `role`, `q`, `a`",
    read=read,
)
