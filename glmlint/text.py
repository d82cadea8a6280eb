"""A sentence in both languages of glmlint, and exceptions whose message is one."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple


class _Number(int):
    """A number that can be told with its noun."""

    def __format__(self, noun: str) -> str:
        if len(noun) < 2 or not noun[0].isalpha():  # an ordinary format, such as "," or "d"
            return int(self).__format__(noun)
        if self == 1:
            return "once" if noun == "time" else f"1 {noun}"
        return f"{int(self):,} {noun}s"


NOUN: Final = re.compile(r"(\{\w+):([a-z][a-z ]+)\}")
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


_LONGEST_NAME: Final = 100


@lru_cache(4096)
def nearest(word: str, names: tuple[str, ...], cutoff: float) -> str | None:
    """The name that a word is most like, at least by that share; None for a word too long for one."""
    if len(word) > _LONGEST_NAME:
        return None
    from difflib import get_close_matches

    near = get_close_matches(word, names, 1, cutoff)
    return near[0] if near else None


def listed(names: Iterable[str]) -> Text:
    """Names in a row, as each language separates them."""
    names = list(names)
    return Text(", ".join(names), "、".join(names))


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

    def say(self, lang: str) -> str:
        """The sentence in that language, "en" or "zh"."""
        return self.text.say(lang, **self.values)


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
