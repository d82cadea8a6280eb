"""A sentence in both languages of glmlint, and exceptions whose message is one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NamedTuple

from glmlint.patterns import Pattern


class _Number(int):
    """A number that can be told with its noun."""

    def __format__(self, noun: str) -> str:
        if len(noun) < 2 or not noun[0].isalpha():  # an ordinary format, such as "," or "d"
            return int(self).__format__(noun)
        if self == 1:
            return "once" if noun == "time" else f"1 {noun}"
        return f"{int(self):,} {noun}s"


NOUN: Final = Pattern(r"(\{\w+):([a-z][a-z ]+)\}")
"""A number with its noun in a sentence that is not filled in: group 1, then group 2."""


class Text(NamedTuple):
    """One sentence in both languages of the reports."""

    en: str
    zh: str

    def say(self, lang: str, **values: object) -> str:
        """The sentence of that language, its `{fields}` filled in.

        A number agrees with the noun behind its colon: `{rows:row}` is "1 row", "3 rows". A value
        that is itself a `Text` is said as it stands.
        """
        told = {name: _told(value, lang) for name, value in values.items()}
        return self.plain(lang).format(**told)

    def plain(self, lang: str) -> str:
        """The sentence of that language as it stands: nothing is filled in."""
        return self.zh if lang == "zh" else self.en


_CHINESE_PUNCTUATION: Final = frozenset("，。、；：？！（）《》「」“”‘’…—")


def unwrapped_zh(text: str) -> str:
    """A Chinese text that is indented and wrapped in the source, each paragraph on one line.

    Where two lines meet, a space comes between Chinese and a word or code, and nothing between
    Chinese characters or beside Chinese punctuation. An item (`- `) stays on its own line.
    """
    lines: list[str] = []
    for line in map(str.strip, text.strip().split("\n")):
        if line and lines and lines[-1] and not line.startswith("- "):
            lines[-1] += ("" if _meet(lines[-1][-1], line[0]) else " ") + line
        else:
            lines.append(line)
    return "\n".join(lines)


def _meet(before: str, after: str) -> bool:
    """Whether two characters stand side by side in a Chinese text, without a space."""
    if {before, after} & _CHINESE_PUNCTUATION:
        return True
    return all("\u3400" <= char <= "\u9fff" for char in (before, after))


def listed(names: Iterable[str]) -> Text:
    """Names in a row, as each language separates them."""
    names = list(names)
    return Text(", ".join(names), "、".join(names))


LONGEST_NAME: Final = 80
"""Characters of a name that is compared with others; a longer one is a typo of none."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant by a misspelled one; None where none clearly is.

    A wrong suggestion is worse than none. So a name is meant where it differs by a letter in every
    four (left out, put in, exchanged, or two of them swapped; at most three), case and `_` for `-`
    aside, or where it alone begins or ends with the word that was written. Where it has other
    digits it is another thing: glm4 is not meant by glm5.
    """
    written = _folded(name)
    digits = _digits(written)
    if not 3 <= len(written) <= LONGEST_NAME:
        return None
    names = {one: _folded(one) for one in known}
    limit = min(3, max(1, len(written) // 4))
    found = sorted(
        (distance, one)
        for one, folded in names.items()
        if abs(len(folded) - len(written)) <= limit
        and _digits(folded) == digits
        and (distance := _distance(written, folded, limit)) <= limit
    )
    if found:
        return found[0][1]
    parts = [
        one
        for one, folded in names.items()
        if len(written) > 4 and (folded.startswith(f"{written}-") or folded.endswith(f"-{written}"))
    ]
    return parts[0] if len(parts) == 1 else None


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _digits(name: str) -> list[str]:
    return [char for char in name if char.isdigit()]


def _distance(one: str, other: str, limit: int) -> int:
    """Letters left out, put in, exchanged or swapped with their neighbour; over the limit inexact."""
    far = limit + 1
    if abs(len(one) - len(other)) > limit:
        return far
    before: list[int] = []
    row: list[int] = [*range(min(len(other), limit) + 1), *[far] * (len(other) - limit)]
    for i, char in enumerate(one, 1):
        new = [far] * (len(other) + 1)
        if i <= limit:
            new[0] = i
        for j in range(max(1, i - limit), min(len(other), i + limit) + 1):
            against = other[j - 1]
            cost = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (char != against))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            new[j] = cost
        if min(new) > limit:
            return far
        before, row = row, new
    return row[-1]


def _told(value: object, lang: str) -> object:
    if type(value) is int:
        return _Number(value)
    return value.plain(lang) if isinstance(value, Text) else value


class Told(Exception):
    """A fault that is told to the user: a sentence in both languages and what fills its fields."""

    def __init__(self, text: Text, **values: object) -> None:
        self.text = text
        self.values = values
        super().__init__(self.say("en"))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.text, **self.values), (), self.__dict__

    def say(self, lang: str) -> str:
        """The sentence in that language, "en" or "zh"."""
        return self.text.say(lang, **self.values)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is such a folder; False for what can be no path."""
    return os.path.isdir(path)  # noqa: PTH112  # Path raises where a name is too long


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is such a file; False for what can be no path."""
    return os.path.isfile(path)  # noqa: PTH113  # Path raises where a name is too long


class RunStopped(BaseException):
    """The run can't go on at some row: one sentence for the user, exit code 2.

    No Exception, so that nothing takes it for one of the trainer's: those become findings.
    """

    def __init__(self, text: Text, **values: object) -> None:
        super().__init__(text.en)
        self.text = text
        self.values = values
        self.place: str | None = None
        """Where in the data, as "path:line"."""
        self.lang = "en"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.text, **self.values), (), self.__dict__

    def at(self, path: str, line: int, lang: str) -> RunStopped:
        """The same, with the row at which the run stopped (line 0: its file), and the run's language."""
        self.place, self.lang = f"{path}:{line}" if line else path, lang
        return self

    def say(self) -> str:
        """The sentence, in the language of the run."""
        told = self.text.say(self.lang, **self.values)
        return told if self.place is None else f"{self.place}: {told}"


_SYSTEM: Final = {
    errno.ENOENT: "文件或文件夹不存在",
    errno.ENOTDIR: "路径中有一部分不是文件夹",
    errno.EISDIR: "是文件夹，不是文件",
    errno.EACCES: "没有权限",
    errno.EPERM: "系统不允许此操作",
    errno.EROFS: "文件系统是只读的",
    errno.ENOSPC: "磁盘空间不足",
    errno.EDQUOT: "超出磁盘配额",
    errno.EEXIST: "已经存在",
    errno.ENAMETOOLONG: "文件名太长",
    errno.ELOOP: "符号链接的层数太多",
    errno.EMFILE: "打开的文件太多",
    errno.EIO: "磁盘读写出错",
}
"""What the system says of the errors that files have; Python tells them in English alone."""


def system_fault(error: OSError) -> Text:
    """Why the system refused, without the path: "Permission denied", "没有权限"."""
    told = error.strerror or str(error)
    return Text(told, _SYSTEM.get(error.errno or 0, told))
