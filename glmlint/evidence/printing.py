"""Which of a row's turns the trainer lays out at all: found in the layout, for any template."""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.teaching import text_of_layout, whole_text
from glmlint.trainer.base import Context
from glmlint.trainer.conversation import TurnCall
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.row import Row, per_row


@per_row
def unprinted_turns(row: Row) -> list[int]:
    """Turns that say something and of which nothing is laid out, in order.

    A trainer may put several results in a row into one turn, and a system text before all turns: these
    are looked for by their text, too.
    """
    talk, printed = row.conversation, row.printed
    if talk is None or row.layout is None or not printed:
        return []
    found = []
    for index, turn in enumerate(talk.turns):
        text = (turn.text or "").strip()
        if index in printed or not (text or turn.calls):
            continue
        beside = (index - 1, index + 1)
        joined = any(
            0 <= other < len(talk.turns)
            and talk.turns[other].role == turn.role
            and other in printed
            for other in beside
        )
        if (joined or turn.role == "system") and text in whole_text(row):
            continue
        found.append(index)
    return found


def unprinted_calls(row: Row) -> Iterator[TurnCall]:
    """Calls of turns of which something is laid out, but not the name of what is called."""
    talk = row.conversation
    if talk is None or row.layout is None:
        return
    for index, turn in enumerate(talk.turns):
        if not turn.calls or index not in row.printed:
            continue
        said = whole_text(row, index)
        yield from (call for call in turn.calls if call.name not in said)


def tools_unprinted(row: Row) -> bool:
    """Whether the row lists tools and the name of none of them is printed outside the answers."""
    talk = row.conversation
    if talk is None or row.layout is None or not isinstance(talk.tools, list):
        return False
    names = set()
    for tool in talk.tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and name:
            names.add(name)
    if not names:
        return False
    spoken = {
        index for index, turn in enumerate(talk.turns) if turn.role in ("assistant", "observation")
    }
    owners = dict.fromkeys(owner for owner in row.layout.owners if owner not in spoken)
    said = "\n".join(whole_text(row, owner) for owner in owners)
    return not any(name in said for name in names)


def prints_thoughts(key: str, context: Context) -> bool:
    """Whether a thought under a key of an answer is laid out where nothing follows it."""
    return context.remembered(("prints thoughts", key), lambda: _prints(key, context))


def _prints(key: str, context: Context) -> bool:
    answer = {"role": "assistant", "content": "probe answer", key: "probe thought"}
    question = {"role": "user", "content": "probe question"}
    try:
        layout = context.trainer.lay_out({"messages": [question, answer]}, context)
    except (TrainerError, Dropped):
        return False
    return "probe thought" in text_of_layout(layout, context)
