"""How long a tool list is when printed with indents: a deep one becomes a thousand times its size."""

from __future__ import annotations

from typing import Any, Final

from glmlint.text import RunStopped, Text

MOST: Final = 64 << 20
"""Characters of the longest tool list that is printed."""
_INDENT: Final = 4

_TOO_LONG: Final = Text(
    "printed with indents, as the trainer prints it, the tool list takes more than {most:,} characters",
    "按训练框架的缩进方式输出时，工具列表超过 {most:,} 个字符",
)


def require_printable(tools: Any) -> None:
    """Raise RunStopped for a tool list that is too long to be printed by `json.dumps(…, indent=4)`."""
    size = depth = 0
    level = [tools]
    while level:
        inside: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inside += value.values()
                size += sum(map(len, map(str, value))) + len(value) * (_INDENT * depth + 4)
            elif isinstance(value, list | tuple):
                inside += value
                size += len(value) * (_INDENT * depth + 2)
            else:
                size += len(value) if isinstance(value, str) else 4
        if size > MOST:
            raise RunStopped(_TOO_LONG, most=MOST)
        level, depth = inside, depth + 1
