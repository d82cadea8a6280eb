"""Turns of a question and an answer: `conversation` of human and assistant, or query and response, …"""

from __future__ import annotations

from typing import Any

from glmlint.converters import kinds
from glmlint.converters.base import Format, Notes, Refused
from glmlint.converters.chat import assemble, note_keys, note_marks, of_turns, pair, turns_of
from glmlint.converters.dialogue import Dialogue, Utterance
from glmlint.read.formats import TURN_KEYS, pair_of, speakers_of


def read(row: Any, notes: Notes) -> Dialogue:
    """Each entry is a question with its answer, or what one of the two says; or the bare list."""
    if isinstance(row, list):
        found = of_turns(_entries(row, (), notes))
        note_marks(found, notes)
        return found
    key, entries = turns_of(row, TURN_KEYS)
    return assemble(row, {key}, _entries(entries, (key,), notes), notes)


def _entries(entries: list[Any], at: tuple[str | int, ...], notes: Notes) -> list[Utterance]:
    turns: list[Utterance] = []
    for index, entry in enumerate(entries):
        here = (*at, index)
        if not isinstance(entry, dict):
            raise Refused(kinds.MESSAGE_NOT_OBJECT, *here)
        system = entry.get("system")
        if isinstance(system, str) and system:
            turns.append(Utterance("system", system, here, (*here, "system")))
        keys = pair_of(entry)
        if keys is not None:
            turns += pair([entry.get(key) for key in keys], here, keys)
            note_keys(entry, ("system", *keys), notes, *here)
            continue
        spoken = speakers_of(entry)
        if not spoken:
            raise Refused(kinds.NO_QUESTION, *here)
        turns += (
            Utterance(role, entry[key], here, (*here, key))
            for key, role in spoken
            if role != "system"
        )
        note_keys(entry, [key for key, _ in spoken], notes, *here)
    if all(turn.role != "assistant" for turn in turns):
        raise Refused(kinds.NO_ANSWER, *at)
    return turns


FORMAT = Format(
    name="pairs",
    recognised=("pairs",),
    about='`conversation` of `human` and `assistant`, of `query` and `response`, or of `question` and `answer`; `{"user": …}` and `{"assistant": …}` in turn',
    notes="under `messages` and `conversations` too, or as a bare list",
    read=read,
)
