"""Labels by markers, as unsloth has them: from what begins an answer to what begins a question.

Source: unsloth_zoo 2026.10.9, `unsloth_zoo/dataset_utils.py`: `train_on_responses_only`,
`get_chat_template_parts`, `_find_common_token_ids`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

Encode = Callable[[str], list[int]]
"""A text to its ids, control tokens in it as theirs."""

Render = Callable[[list[dict[str, Any]], bool], str]
"""A conversation to its text, with the header of an answer to come or without."""

EOS: Final = "<|endoftext|>"

QUESTION: Final = "\u2060USERPROBE7q\u2060"
ANSWER: Final = "\u2060ASSTPROBE4z\u2060"
"""Contents by which it finds what a template prints around them."""

_PROBES: Final = ("\\", "{", "a", "A", "1", "(", ".", "<", "}", ">")
"""What may touch a marker without its ids changing."""


class MarkerError(ValueError):
    """It refuses the markers, in its own words."""


class Marker(Struct):
    """A marker as tokens: what must be there, and what may stand before and after it."""

    core: list[int]
    left: list[int]
    right: list[int]


def _common_run(lists: Sequence[list[int]]) -> list[int]:
    """The longest run that all lists have."""
    found: list[int] = []
    low, high = 1, min(map(len, lists))
    while low <= high:
        middle = low + (high - low) // 2
        runs = _runs(lists[0], middle)
        for other in lists[1:]:
            kept: set[tuple[int, ...]] = set()
            for run in _ordered(other, middle):
                if run in runs:
                    kept.add(run)
            runs = kept
        if runs:
            found = list(runs.pop())
            low = middle + 1
        else:
            high = middle - 1
    return found


def _ordered(ids: list[int], size: int) -> Iterable[tuple[int, ...]]:
    return (tuple(ids[at : at + size]) for at in range(len(ids) - size + 1))


def _runs(ids: list[int], size: int) -> set[tuple[int, ...]]:
    runs: set[tuple[int, ...]] = set()
    for run in _ordered(ids, size):
        runs.add(run)
    return runs


def _spellings(text: str, exact: bool) -> list[str]:
    """The marker with more or less of the space that it begins and ends with."""
    if exact:
        return [text]
    begin = text[:1] if text.startswith((" ", "\n")) else ""
    end = text[-1:] if text.endswith((" ", "\n")) else ""
    core = text.strip()
    found = []
    for left in range(3):
        for right in range(3):
            found.append(left * begin + core + right * end)
            found.append(left * "\n" + core + right * "\n")
    return found


def marker(text: str, encode: Encode, control: Mapping[int, str], exact: bool) -> Marker:
    """The tokens of a marker; all empty where nothing of it is the same in every spelling.

    Args:
        text: the marker.
        encode: the tokenizer.
        control: its control tokens.
        exact: `force_match`: the marker's own spelling alone.
    """
    spelled = [encode(one) for one in _spellings(text, exact)]
    core = _common_run([[*ids, 0] for ids in spelled])
    if core == [0] and len(spelled[0]) == 1 and all(spelled[0][0] in ids for ids in spelled):
        core = spelled[0]
    if all(ids == spelled[0] for ids in spelled) and core == [*spelled[0], 0]:
        core = spelled[0]
    own = encode(text)
    at = next((i for i in range(len(own)) if own[i : i + len(core)] == core), None)
    if at is None:
        return Marker([], [], [])
    end = at + len(core)
    first, last = _stable(text, own, encode)
    first, last = max(at, first), min(end, last)
    # Edges that another text may swallow are optional, as long as a control token stays.
    if first < last and (first, last) != (at, end) and any(t in control for t in own[first:last]):
        at, end = first, last
    return Marker(own[at:end], own[:at], own[end:])


def _stable(text: str, ids: list[int], encode: Encode) -> tuple[int, int]:
    """The part of a marker's ids that stays the same whatever touches it."""
    size = len(ids)
    start, end = 0, size
    for char in _PROBES if size else ():
        end = min(end, _alike(ids, encode(text + char)))
        start = max(start, size - _alike(ids[::-1], encode(char + text)[::-1]))
    return start, end


def _alike(left: Sequence[Any], right: Sequence[Any]) -> int:
    """How many entries two sequences begin with in common."""
    size = min(len(left), len(right))
    return next((i for i in range(size) if left[i] != right[i]), size)


def find_markers(render: Render, encode: Encode, control: Mapping[int, str]) -> tuple[str, str]:
    """What the template prints in front of a question, and in front of an answer.

    Args:
        render: the template; raises where it refuses a conversation.
        encode: the tokenizer.
        control: its control tokens.

    Raises:
        MarkerError: it can't be told.
        Exception: what the template raises.
    """
    names = sorted(control.values(), key=len, reverse=True)
    wrap, full = _shape(render)
    turns = [_said("user", wrap[0](QUESTION)), _said("assistant", wrap[1](ANSWER))] * 3
    to_question = _usual(_between(full, ANSWER, QUESTION))
    to_answer = _usual(_between(full, QUESTION, ANSWER))

    waiting, done = render(turns[:-1], True), render(turns[:-1], False)
    behind = _tail(done)
    header = "" if waiting == done else _unshared(_tail(waiting), behind, names)[0]
    if header and to_answer.endswith(header) and header != to_answer:
        answer = header
        question = _without(to_question, to_answer[: -len(header)])
    elif header and header == to_answer:
        answer, question = _unshared(header, to_question, names)
        question = _without(question, " ", "\t", EOS)
    else:
        answer = _without(to_answer, " ", "\t", EOS)
        question = _without(to_question, " ", "\t", EOS)

    end = behind if _only_control(behind, names) else ""
    if end and answer.startswith(end) and answer != end:
        answer, question = _past_an_image(answer, question, end, render, wrap[1])
    answer = _without_thought(answer, render, wrap)
    answer = _shared_header(answer, to_question, to_answer, full, names)
    question, answer = (_without(one, " ", "\t").rstrip(" \t") for one in (question, answer))
    if not question or not answer:
        raise MarkerError(
            "Unsloth: Auto-detection produced an empty marker - pass instruction_part and "
            "response_part."
        )
    probe = encode(full)

    def count(text: str) -> int:
        core = marker(text, encode, control, True).core
        size = len(core)
        if not core:
            return 0
        return sum(probe[i : i + size] == core for i in range(len(probe) - size + 1))

    def reliable(text: str, name: str) -> str:
        counts = [(one, count(one)) for one in (text, " " + text, "\n" + text)]
        for one, number in counts:
            if number >= 2:
                return one
        for one, number in counts[:2]:
            if number:
                return one
        raise MarkerError(
            f"Unsloth: Could not reliably auto-detect {name} (detected {text!r}) - pass "
            "instruction_part and response_part."
        )

    return reliable(question, "instruction_part"), reliable(answer, "response_part")


Wrap = Callable[[str], Any]


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _shape(render: Render) -> tuple[tuple[Wrap, Wrap], str]:
    """How contents have to look so that the template prints them, and the text of three turns."""
    for wrap in ((str, str), (_parts, _parts), (_parts, str)):
        turns = [_said("user", wrap[0](QUESTION)), _said("assistant", wrap[1](ANSWER))] * 3
        with suppress(Exception):
            full = render(turns, False)
            if QUESTION in full and ANSWER in full:
                return wrap, full
    raise MarkerError(
        "Unsloth: Could not auto-detect chat template structure - pass instruction_part and "
        "response_part."
    )


def _between(full: str, left: str, right: str) -> list[str]:
    """The texts from the end of each `left` to the next `right`."""
    starts = [match.start() for match in re.finditer(re.escape(right), full)]
    found = []
    for match in re.finditer(re.escape(left), full):
        later = [start for start in starts if start >= match.end()]
        if later:
            found.append(full[match.end() : min(later)])
    return found


def _usual(texts: list[str]) -> str:
    return Counter(texts).most_common(1)[0][0] if texts else ""


def _tail(text: str) -> str:
    """What follows the last question."""
    return text[text.rfind(QUESTION) + len(QUESTION) :] if QUESTION in text else ""


def _without(text: str, *prefixes: str) -> str:
    """The text without any of these at its beginning, however often."""
    while found := next((one for one in prefixes if one and text.startswith(one)), None):
        text = text[len(found) :]
    return text


def _unshared(left: str, right: str, names: Sequence[str]) -> tuple[str, str]:
    """Both texts without the control tokens and spaces that they begin with in common."""
    while True:
        spaces = re.match(r"\s+", left), re.match(r"\s+", right)
        if spaces[0] and spaces[1] and spaces[0].group() == spaces[1].group():
            left, right = left[spaces[0].end() :], right[spaces[1].end() :]
            continue
        name = next((one for one in names if left.startswith(one)), None)
        if name is None or not right.startswith(name):
            return left, right
        left, right = left[len(name) :], right[len(name) :]


def _only_control(text: str, names: Sequence[str]) -> bool:
    """Whether there is nothing but control tokens and spaces."""
    while text:
        spaces = re.match(r"\s+", text)
        found = next(
            (one for one in names if text.startswith(one)), spaces.group() if spaces else ""
        )
        if not found:
            return False
        text = text[len(found) :]
    return True


def _past_an_image(
    answer: str, question: str, end: str, render: Render, wrap: Wrap
) -> tuple[str, str]:
    """Markers without the end of a question, for templates that put an image before it."""
    content = [{"type": "text", "text": QUESTION}, {"type": "image"}]
    with suppress(Exception):
        seen = render([_said("user", content), _said("assistant", wrap(ANSWER))], False)
        if answer not in seen and answer[len(end) :] in seen:
            return answer[len(end) :], _without(question, end)
    return answer, question


def _without_thought(answer: str, render: Render, wrap: tuple[Wrap, Wrap]) -> str:
    """The marker without the empty thought at its end, where an answer with one has another there."""
    found = re.search(r"<([^\s/>]+)>\s*</\1>\s*$", answer) or re.search(
        r"</([^\s/>]+)>\s*$", answer
    )
    if not found or not found.start():
        return answer
    tag, header = found[1], answer[: found.start()]
    thought = f"<{tag}>rZ9</{tag}>{ANSWER}"
    with suppress(Exception):
        text = render(
            [_said("user", wrap[0](QUESTION)), _said("assistant", wrap[1](thought))], False
        )
        at = text.rfind(header)
        if at != -1 and not text[at + len(header) :].startswith(answer[found.start() :]):
            return header
    return answer


def _shared_header(
    answer: str, to_question: str, to_answer: str, full: str, names: Sequence[str]
) -> str:
    """What the header of the last answer has in common with the others, where they differ."""
    gaps = _between(full, QUESTION, ANSWER)
    at = to_answer.find(answer) if answer else -1
    if not gaps or at == -1 or answer in gaps[-1] or not gaps[-1].startswith(to_answer[:at]):
        return answer
    usual, last = to_answer[at:], gaps[-1][at:]
    size = _alike(usual, last)
    while size and not usual[size - 1].isspace() and not usual[:size].endswith(tuple(names)):
        size -= 1
    shared = usual[:size]
    if shared.strip() and shared not in to_question and all(shared in gap for gap in gaps):
        return shared
    return answer


_REMEMBERED: Final = 100_000
"""Tokens of the longest row whose places are kept until the next one."""


class Labeller:
    """Which tokens of a row its answers are, by two markers."""

    def __init__(
        self,
        question: Marker,
        answer: Marker,
        special: Iterable[int],
        eos: int | None,
    ) -> None:
        self.answer = _widened(answer, question)
        self.question = _widened(question, self.answer)
        self.eos = eos
        shared = self.answer.core[: _alike(self.question.core, self.answer.core)]
        # A control token that opens every role ends an answer; a text could stand in one.
        self.opener = shared if shared and set(shared) <= set(special) else []
        self.borders = {self.answer.core[0], *self.opener[:1]}
        if eos is not None:
            self.borders.add(eos)
        self.stops = {*self.borders, self.question.core[0]}
        self._last: tuple[list[int], list[int], list[int]] = [], [], []

    def spans(self, ids: list[int]) -> list[tuple[int, int]]:
        """Half-open ranges of the answers of a row."""
        starts, seen = self._places(ids)
        if ids and (not seen or seen[-1] < len(ids) - 1):
            seen.append(len(ids) - 1)
        found = []
        at = 0
        for start in starts:
            if start < at:
                continue
            begin = self._ends(self.answer, ids, start)
            if begin is None:
                continue
            end, at = self._end(ids, begin, seen)
            if end is not None:
                found.append((begin, end))
        return found

    def _places(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """Where an answer's marker may begin, and where what may end an answer stands."""
        known, starts, seen = self._last
        size = len(ids)
        if known[:size] != ids:  # a row is asked for again as budgets cut it
            begins, stops = self.answer.core[0], self.stops
            starts = [at for at, token in enumerate(ids) if token == begins]
            seen = [at for at, token in enumerate(ids) if token in stops]
            self._last = (ids, starts, seen) if size <= _REMEMBERED else ([], [], [])
        return starts[: bisect_left(starts, size)], seen[: bisect_left(seen, size)]

    def _end(self, ids: list[int], begin: int, seen: list[int]) -> tuple[int | None, int]:
        """Where the answer that begins there ends, and where to look for the next one.

        None where the row ends with the marker. `seen` are the places of what may end an answer, in
        order, and the last place of the row.
        """
        question, answer = self.question, self.answer
        last = len(ids) - 1
        behind = begin  # the place behind the last thing that began as a question's marker does
        for at in seen[bisect_left(seen, begin) :]:
            token = ids[at]
            if token in self.borders:
                if token == self.eos:
                    return at + 1, at + 1
                if (self.opener and _at(self.opener, ids, at)) or _at(answer.core, ids, at):
                    return at, at
            if at < last:
                if token != question.core[0]:
                    continue
                behind = at + len(question.core)
                if not _at(question.core, ids, at):
                    continue
            start = _back(question.left, ids, at)
            if start == last:  # the last token is an answer's, even where it is a marker
                return len(ids), len(ids)
            return start, _forth(question.right, ids, behind)
        return None, len(ids)

    def _ends(self, found: Marker, ids: list[int], at: int) -> int | None:
        """The place behind a marker that begins here; None where it does not."""
        if ids[at] != found.core[0] or not _at(found.core, ids, at):
            return None
        return _forth(found.right, ids, at + len(found.core))


def _widened(one: Marker, other: Marker) -> Marker:
    """A marker that is the beginning of the other one takes what may stand after it."""
    if one.right and one.core == other.core[: len(one.core)]:
        return Marker([*one.core, *one.right], one.left, [])
    return one


def _at(wanted: list[int], ids: list[int], at: int) -> bool:
    return ids[at : at + len(wanted)] == wanted


def _back(left: list[int], ids: list[int], at: int) -> int:
    for token in reversed(left):
        if at < 1 or ids[at - 1] != token:
            break
        at -= 1
    return at


def _forth(right: list[int], ids: list[int], at: int) -> int:
    for token in right:
        if at >= len(ids) or ids[at] != token:
            break
        at += 1
    return at
