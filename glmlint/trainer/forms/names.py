"""Which columns and tags a form has: those of LLaMA-Factory's `dataset_info.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

COLUMNS: Final = (
    *("prompt", "query", "response", "history", "messages", "system", "tools"),
    *("images", "videos", "audios", "kto_tag"),
)
"""Keys of `columns` that count in supervised fine-tuning."""

TAGS: Final = (
    *("role_tag", "content_tag"),
    *("user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag"),
)
"""Keys of `tags`."""


class Names(Struct, frozen=True):
    """Names of columns, of the keys of a turn, and of the roles; None where there is none.

    The defaults are those of the package (llamafactory 0.9.5, data/parser.py `DatasetAttr`).
    """

    prompt: str | None = "instruction"
    query: str | None = "input"
    response: str | None = "output"
    history: str | None = None
    messages: str | None = "conversations"
    system: str | None = None
    tools: str | None = None
    images: str | None = None
    videos: str | None = None
    audios: str | None = None
    kto_tag: str | None = None
    role_tag: str | None = "from"
    content_tag: str | None = "value"
    user_tag: str | None = "human"
    assistant_tag: str | None = "gpt"
    observation_tag: str | None = "observation"
    function_tag: str | None = "function_call"
    system_tag: str | None = "system"
    optional: frozenset[str] = frozenset()
    """Columns that a row may lack without a KeyError: those that are not named."""


def named(columns: Mapping[str, str | None] | None, tags: Mapping[str, str | None] | None) -> Names:
    """What the package makes of an entry of `dataset_info.json`: what it leaves out, there is not."""
    given: dict[str, str | None] = {}
    if columns is not None:
        given |= {name: columns.get(name) for name in COLUMNS}
    if tags is not None:
        given |= {name: tags.get(name) for name in TAGS}
    return replace(Names(), **given)
