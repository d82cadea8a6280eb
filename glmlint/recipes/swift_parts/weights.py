"""ms-swift's loss scales: which parts of a row carry loss, and how much.

Source: ms-swift 4.6.0, swift/loss_scale (the tables are its JSON files).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from typing import Final, Literal

from msgspec import Struct

from glmlint.trainer.owned import Owned

Strategy = Literal["default", "last_round", "all"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("default", "last_round", "all")
"""Answers, the last answer, everything."""

Marks = Mapping[str, tuple[float, float]]
"""A mark in the text -> weight of the mark itself, and of what follows it up to the next mark."""


class Scale(Struct, frozen=True):
    """How one loss scale weighs a part: by marks or by patterns."""

    marks: Marks = {}
    patterns: Mapping[str, float] = {}
    """Regular expression -> weight of what it finds."""
    closing: str = ""
    """With what all that the patterns find ends: after the last one nothing is searched."""
    queries: Mapping[str, float] = {}
    """A text in the question -> weight of the whole answer."""
    binary: bool = True
    """Whether its weights are only 0 and 1, so that labels alone say it."""


_REACT: Final[Marks] = {
    "Action:": (2.0, 2.0),
    "Action Input:": (2.0, 2.0),
    "Thought:": (1.0, 1.0),
    "Final Answer:": (1.0, 1.0),
    "Observation:": (2.0, 0.0),
}

SCALES: Final[dict[str, Scale]] = {
    "base": Scale(),
    "ignore_empty_think": Scale(
        patterns={
            r"^<think>\s*</think>\s*": 0.0,
            r"^<seed:think><seed:cot_budget_reflect>The current thinking budget is 0, so I will "
            r"directly start answering the question.</seed:cot_budget_reflect>\n</seed:think>\s*": 0.0,
            r"^</think>\s*": 0.0,
            r"^<\|channel>thought\n<channel\|>": 0.0,
            r"^</mm:think>\s*": 0.0,
        }
    ),
    "ignore_think_prefix": Scale(patterns={r"^<think>\n?": 0.0}),
    "react": Scale(marks=_REACT, binary=False),
    "hermes": Scale(
        patterns={r"<tool_call>.+?</tool_call>": 2.0}, closing="</tool_call>", binary=False
    ),
    "qwen": Scale(
        marks={
            "✿FUNCTION✿:": (2.0, 2.0),
            "✿ARGS✿:": (2.0, 2.0),
            "✿RETURN✿:": (1.0, 1.0),
            "✿RESULT✿:": (2.0, 0.0),
        },
        binary=False,
    ),
    "agentflan": Scale(
        marks={
            **dict.fromkeys(
                (
                    *("Name:", "Action:", "ACTION:", "Tool:", "Command", "Arguments:"),
                    *("action input", "ACTION_INPUT:", "Action Input:"),
                ),
                (1.0, 3.0),
            ),
            "Thought:": (1.0, 1.0),
            "Final Answer:": (1.0, 1.0),
            "Observation:": (2.0, 0.0),
        },
        queries={
            "What is the tool you want to use": 3.0,
            "What are the required parameter names": 3.0,
            "What is the value of": 3.0,
            "What are the required parameter names for this tool": 3.0,
        },
        binary=False,
    ),
    "alpha_umi": Scale(marks={**_REACT, "Next:": (2.0, 2.0)}, binary=False),
}
"""By the names of ms-swift's `loss_scale_map`."""

Query = Owned | Sequence[Owned] | None
"""The question before an answer: a text, or the parts in which tool results are written."""


class LossScale(Struct, frozen=True):
    """What the option `loss_scale` says: a base strategy, and scales that multiply."""

    strategy: Strategy
    scales: tuple[Scale, ...]

    @property
    def binary(self) -> bool:
        """Whether all weights are 0 or 1."""
        return all(scale.binary for scale in self.scales)

    def weigh(self, text: Owned, query: Query) -> list[tuple[Owned, float]]:
        """A trained text in parts, each with its weight."""

        def refined(parts: list[tuple[Owned, float]], scale: Scale) -> list[tuple[Owned, float]]:
            return [
                (smaller, weight * factor)
                for part, weight in parts
                for smaller, factor in _weighed(part, query, scale)
            ]

        return reduce(refined, self.scales, [(text, 1.0)])


@cache
def loss_scale(option: str) -> LossScale:
    """The loss scale that an option spells: `last_round`, `hermes`, `default+react+…`.

    Raises:
        ValueError: a part of it is not a loss scale of ms-swift.
    """
    first, *others = option.split("+")
    strategy = next((name for name in STRATEGIES if name == first), None)
    names = (others or ["base"]) if strategy else [first, *others]
    for name in names:
        if name not in SCALES:
            known = ", ".join((*STRATEGIES, *SCALES))
            raise ValueError(f"no loss scale of ms-swift: {name!r} (it knows {known})")
    return LossScale(strategy or "default", tuple(SCALES[name] for name in names))


def _weighed(text: Owned, query: Query, scale: Scale) -> Iterator[tuple[Owned, float]]:
    found = _by_query(query, scale)
    if found is not None:
        yield text, found
    elif scale.marks:
        yield from _by_marks(text, scale.marks)
    elif scale.patterns:
        yield from _by_patterns(text, scale.patterns, scale.closing)
    else:
        yield text, 1.0


def _by_query(query: Query, scale: Scale) -> float | None:
    """The weight that the question gives its answer. Of tool results, a whole part has to agree."""
    if query is None:
        return None
    for asked, weight in scale.queries.items():
        if (
            asked in query.text
            if isinstance(query, Owned)
            else any(asked == part.text for part in query)
        ):
            return weight
    return None


def _by_marks(text: Owned, marks: Marks) -> Iterator[tuple[Owned, float]]:
    """Parts in order; one may be empty, as a mark's text is where the next mark follows at once."""
    matches = list(_pattern(tuple(map(re.escape, marks))).finditer(text.text))
    parts = text.cut(edge for match in matches for edge in match.span())
    weight = 1.0
    for place, part in enumerate(parts):
        if place % 2:
            own, weight = marks[part.text]
            yield part, own
        elif place or part.text:
            yield part, weight


def _by_patterns(
    text: Owned, patterns: Mapping[str, float], closing: str
) -> Iterator[tuple[Owned, float]]:
    """Parts in order, none empty.

    A part is weighed by the first pattern that fits at its own beginning, be it what that pattern
    found in the text or not.
    """
    end = text.text.rfind(closing) + len(closing) if closing else len(text.text)
    matches = _pattern(tuple(patterns)).finditer(text.text, 0, max(end, 0))
    for part in text.cut(edge for match in matches for edge in match.span()):
        if part.text:
            fits = (
                weight
                for pattern, weight in patterns.items()
                if re.match(pattern, part.text, re.DOTALL)
            )
            yield part, next(fits, 1.0)


@cache
def _pattern(alternatives: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in alternatives), re.DOTALL)
