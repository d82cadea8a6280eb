"""Regular expressions that cost nothing until they are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, AnyStr, Generic

from glmlint.lazy import lazy


class Pattern(Generic[AnyStr]):
    """As `re.compile` gives it, but compiled when a method of it is first asked for.

    There are two hundred, of which a small file needs forty: to compile one takes up to 2 ms.
    """

    def __init__(self, pattern: AnyStr, flags: int = 0) -> None:
        self.pattern: AnyStr = pattern
        self.flags = flags

    @lazy
    def compiled(self) -> re.Pattern[AnyStr]:
        """The pattern itself, for whoever takes no other."""
        return re.compile(self.pattern, self.flags)

    @lazy
    def search(self) -> Callable[..., re.Match[AnyStr] | None]:
        """`re.Pattern.search`, and so are the others below."""
        return self.compiled.search

    @lazy
    def match(self) -> Callable[..., re.Match[AnyStr] | None]:
        """A match at the start."""
        return self.compiled.match

    @lazy
    def fullmatch(self) -> Callable[..., re.Match[AnyStr] | None]:
        """A match of all of it."""
        return self.compiled.fullmatch

    @lazy
    def finditer(self) -> Callable[..., Iterator[re.Match[AnyStr]]]:
        """All matches."""
        return self.compiled.finditer

    @lazy
    def findall(self) -> Callable[..., list[Any]]:
        """What the matches or their groups hold."""
        return self.compiled.findall

    @lazy
    def split(self) -> Callable[..., list[AnyStr]]:
        """What stands between the matches."""
        return self.compiled.split

    @lazy
    def sub(self) -> Callable[..., AnyStr]:
        """The text with something else in place of the matches."""
        return self.compiled.sub
