"""What a row of any format says, between the reader of one format and the writer of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

from glmlint.trainer.conversation import Speech, TurnCall

Message = dict[str, Any]

OPENS, CLOSES = "<think>\n", "\n</think>\n\n"
"""What stands around a thought in front of an answer: as LLaMA-Factory's template glm4_moe has it."""

NEXT_RESULT: Final = "\n</tool_response>\n<tool_response>\n"
"""What LLaMA-Factory's converter of OpenAI rows puts between results that follow one another."""


class Utterance(Speech):
    """One turn, with what formats keep of it beside its words."""

    kept: Message = field(default_factory=dict)
    """Its loss keys, as they are written."""
    rest: Message = field(default_factory=dict)
    """Its other keys that have a value."""
    answers: Any = None
    """Of a tool's result: the id of its call."""
    metadata: str | None = None
    """GLM's `metadata` where it makes no call."""
    tools: list[Any] | None = None
    """Tools on a message that does not open the conversation; None where the key is not there."""
    whole: str | None = None
    """Thought and text in one, where one string of the row holds both."""
    in_front: bool = False
    """Whether its text stands in front of its calls in one string."""

    def words(self) -> str:
        """What is said, with the thought where the row has it in the same string."""
        return (self.text or "") if self.whole is None else self.whole


class Dialogue(Struct):
    """A row: its turns, and what stands beside them."""

    turns: list[Utterance]
    tools: list[Any] = []
    """The tool list, as GLM's messages have it."""
    before: Message = {}
    """Columns in front of the turns, which no reader reads."""
    after: Message = {}
    """Those behind the turns."""
    apart: bool = False
    """Whether the format keeps a text and the calls behind it in messages of their own."""
    glm: Message | None = None
    """The row, where it is one of GLM's in order."""


class Round(Struct):
    """A turn, the calls that are made at once with it, and the results behind them."""

    turn: Utterance
    calls: list[tuple[Utterance, TurnCall]]
    results: list[Utterance]

    def everybody(self) -> list[Utterance]:
        """Every turn of it once, in order."""
        turns = (self.turn, *(turn for turn, _ in self.calls), *self.results)
        return list({id(turn): turn for turn in turns}.values())


def rounds(turns: list[Utterance]) -> Iterator[Round]:
    """The turns in order. Calls in a row, before any result, were made at once."""
    index = 0
    while index < len(turns):
        turn = turns[index]
        index += 1
        calls = [(turn, call) for call in turn.calls]
        while calls and index < len(turns) and _goes_on(turns[index]):
            calls += [(turns[index], call) for call in turns[index].calls]
            index += 1
        end = index
        while calls and end < len(turns) and turns[end].role == "observation":
            end += 1
        yield Round(turn, calls, turns[index:end])
        index = end


def _goes_on(turn: Utterance) -> bool:
    return bool(turn.calls) and not turn.text and turn.reasoning is None


def in_order_of(calls: list[TurnCall], results: list[Utterance]) -> list[list[Utterance]] | None:
    """The results of each of several calls; None where ids and order do not tell them."""
    ids = [call.id for call in calls]
    waiting: dict[str, list[Utterance]] = {}
    for result in results:
        waiting.setdefault(str(result.answers), []).append(result)
    named = len(set(ids)) == len(ids) and None not in ids
    if named and all(key in ids and len(found) == 1 for key, found in waiting.items()):
        return [waiting.get(str(key), []) for key in ids]
    if len(results) == len(calls) and all(result.answers is None for result in results):
        return [[result] for result in results]
    return None


def without_thought(text: str) -> tuple[str, str] | None:
    """The thought in front of a text, and the text; None where none stands there, or an empty one."""
    end = text.find(CLOSES, len(OPENS)) if text.startswith(OPENS) else -1
    return None if end <= len(OPENS) else (text[len(OPENS) : end], text[end + len(CLOSES) :])


def only_for_tools(dialogue: Dialogue) -> bool:
    """Whether the first turn is there for the tools alone: a reader makes it again.

    Not where another system message follows, on which a reader would put the tools.
    """
    turns = dialogue.turns
    first = turns[0] if turns else None
    if first is None or first.role != "system" or first.text or not dialogue.tools:
        return False
    if first.kept or first.rest or first.metadata is not None:
        return False
    return len(turns) < 2 or turns[1].role != "system"
