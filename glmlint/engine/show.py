"""`glmlint show`: one sample with all that its trainer makes of it, token by token."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

from glmlint.engine.check import Checker, check_chunk
from glmlint.engine.finish import finish
from glmlint.evidence.cut import kept_places
from glmlint.evidence.kinds import KINDS, kinds_of
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.source import Chunk, InputFile, SourceError, as_input, read_chunks, rereadable
from glmlint.rules.base import all_rules
from glmlint.text import Text, Told
from glmlint.trainer.base import Context
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import IGNORE_INDEX
from glmlint.trainer.loaded import learn
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import LOADER_ERROR, count_rows, prepared_rows
from glmlint.trainer.row import Row

PREFIX: Final = -1
"""The owner of tokens that stand in no message."""


class ShowError(Told):
    """There is no such sample; the message is one sentence for the user."""


Bytes = bytes
"""For annotations beside a field of that name."""


class Token(Struct, frozen=True):
    """One token of the sample, as the trainer hands it to the model."""

    id: int
    label: int
    """Its label; -100 where the token is in no loss."""
    owner: int
    """Index of its message; -1 for the prefix and the appended end."""
    supervised: bool
    """In the loss, if the budget keeps it: labelled, and not the first token of the row."""
    kept: bool
    bytes: bytes
    kind: str = "text"
    """One of `kinds.KINDS`: what the token is in the input."""
    teaches: Bytes | None = None
    """What the label stands for, where it is another token than this one."""


REASONS: Final = ("prompt", "header", "empty-thought", "history", "unlabelled", "end")
"""Why a token carries no loss: it is a part of the prompt; the header of an answer; a thought that
the template puts in; an earlier answer; an answer that the trainer leaves out; the appended end."""


MOST_TOKENS: Final = 200_000
"""Tokens of the longest row that is shown: each is an object and a line."""


class MessageCount(Struct):
    """The tokens of one message."""

    index: int
    """-1 for the prefix and the appended end."""
    role: str
    tokens: int
    supervised: int
    """Before truncation."""
    lost: int
    """Supervised tokens that the budget cuts."""
    untrained: dict[str, int] = field(default_factory=dict)
    """Why tokens of the message carry no loss: a reason of `REASONS` -> how many."""


class ShownSample(Struct, frozen=True):
    """One row, read, laid out, encoded and checked."""

    path: str
    line: int
    tokens: list[Token]
    messages: list[MessageCount]
    findings: list[Finding]
    error: TrainerError | None
    """What the trainer raises; there are no tokens then."""
    unread: bool
    """The bytes are no row."""
    dropped: str | None
    """Why the trainer leaves the row out."""


def look(
    file: str | InputFile, line: int | None, plan: Plan, context: Context
) -> list[ShownSample]:
    """The samples that start at a line; several only where one line holds several values.

    Args:
        file: a path, "-" for standard input; or rows in memory.
        line: 1-based, that of a sample's start or any other of its lines, as findings name them;
            None for the first sample.

    Raises:
        ShowError: no such file, or no sample has that line.
    """
    return samples_of(_find(as_input(file), line, context), plan, context)


def samples_of(chunk: Chunk, plan: Plan, context: Context) -> list[ShownSample]:
    """The samples of one row's bytes. Raises ShowError where there are too many tokens to show."""
    findings = _findings(chunk, plan, context, Checker(plan, context))
    return [sample_of(chunk.path, row, findings, context) for row in prepared_rows(chunk, context)]


def _find(source: InputFile, line: int | None, context: Context) -> Chunk:
    """A chunk with nothing but the wanted row."""
    before: tuple[Chunk, int, int] | None = None
    path = source.path
    try:
        with rereadable(source) as file:
            learn(file, context)
            for chunk in read_chunks(file):
                for place, number in enumerate(chunk.numbers):
                    if line in (None, number):
                        return _only(chunk, place)
                    if line is not None and number > line:
                        return _holding(path, line, before, number)
                    before = chunk, place, number
    except SourceError as error:
        raise ShowError(
            Text("{path}: {why}", "{path}: {why}"),
            path=path,
            why=Text(error.say("en"), error.say("zh")),
        ) from None
    return _holding(path, line, before, None)


def _only(chunk: Chunk, place: int) -> Chunk:
    """A chunk with one row of another."""
    defect = chunk.defects.get(place)
    return Chunk(
        chunk.path, [chunk.lines[place]], [chunk.numbers[place]], {0: defect} if defect else {}
    )


def _holding(
    path: str, line: int | None, before: tuple[Chunk, int, int] | None, after: int | None
) -> Chunk:
    """The row that starts before a line and holds it. Raises ShowError where none does."""
    if before is not None and line is not None:
        chunk, place, start = before
        if line <= start + chunk.lines[place].rstrip().count(b"\n"):
            return _only(chunk, place)
    raise _no_such_line(path, line, before and before[2], after)


def _no_such_line(path: str, line: int | None, before: int | None, after: int | None) -> ShowError:
    if before is None and after is None:
        text = Text("{path} holds no sample", "{path} 中没有样本")
    elif after is None:
        text = Text(
            "{path} has no line {line}: its last sample starts at line {before}",
            "{path} 没有第 {line} 行：最后一个样本从第 {before} 行开始",
        )
    elif before is None:
        text = Text(
            "no sample of {path} stands at line {line}: the first starts at line {after}",
            "{path} 的第 {line} 行没有样本：第一个样本从第 {after} 行开始",
        )
    else:
        text = Text(
            "no sample of {path} stands at line {line}: the one before starts at line {before}, "
            "the next at line {after}",
            "{path} 的第 {line} 行没有样本：上一个从第 {before} 行开始，下一个从第 {after} 行开始",
        )
    return ShowError(text, path=path, line=line, before=before, after=after)


def _findings(chunk: Chunk, plan: Plan, context: Context, checker: Checker) -> list[Finding]:
    report = Report()
    report.file(chunk.path).merge(check_chunk(chunk, checker), plan.max_findings)
    found = finish(report, plan, context).findings
    # What a rule says of whole files means nothing for a part of one.
    return [finding for finding in found if all_rules()[finding.rule].check is not None]


def sample_of(path: str, row: Row, findings: list[Finding], context: Context) -> ShownSample:
    """A row with all that its trainer makes of it.

    Args:
        path: its file.
        row: read and laid out, without its counts.
        findings: what was found in it.

    Raises:
        ShowError: it is too long to be shown.
    """
    tokens: list[Token] = []
    error, dropped = row.error, row.dropped
    if row.layout is not None:
        count_rows([row], context)
        if row.tokens > MOST_TOKENS:
            raise ShowError(
                Text(
                    "{path}:{line}: the row has {tokens:,} tokens, and no more than {most:,} are shown; "
                    "glmlint encode prints the ids of any row",
                    "{path}:{line}: 这一行有 {tokens:,} 个 token，最多只能显示 {most:,} 个；"
                    "glmlint encode 可以输出任意一行的 id",
                ),
                path=path, line=row.line, tokens=row.tokens, most=MOST_TOKENS,
            )  # fmt: skip
        encoded = sequence(row.layout, context)
        error, dropped = row.error, row.dropped
        kept = set(kept_places(row).tolist())
        columns = zip(encoded.input_ids, encoded.labels, encoded.owners, strict=True)
        kinds = kinds_of(row, encoded).codes.tolist()
        text_of = context.tokenizer.token_bytes
        tokens = [
            Token(
                id=int(token),
                label=int(label),
                owner=max(int(owner), PREFIX),
                supervised=bool(label != IGNORE_INDEX) and place > 0,
                kept=place in kept,
                bytes=text_of(int(token)),
                kind=KINDS[kinds[place]],
                teaches=None if label in (IGNORE_INDEX, token) else text_of(int(label)),
            )
            for place, (token, label, owner) in enumerate(columns)
        ]
    unread = row.layout is None and error is None and dropped is None
    if unread:
        error = TrainerError(LOADER_ERROR, "the bytes are no row")
    reason = None if dropped is None else dropped.say(row.plan.lang)
    return ShownSample(
        path, row.line, tokens, _count(tokens, _roles(row)), findings, error, unread, reason
    )


def _roles(row: Row) -> list[str]:
    if row.conversation is not None:
        return [turn.role for turn in row.conversation.turns]
    if row.decoded:
        messages: Any = row.value.get("messages") if isinstance(row.value, dict) else None
        entries = messages if isinstance(messages, list) else []
        return [str(entry.get("role")) if isinstance(entry, dict) else "?" for entry in entries]
    return [message.role for message in row.sample.messages] if row.sample else []


def _count(tokens: list[Token], roles: list[str]) -> list[MessageCount]:
    """Counts of the prefix and the end, then of every message, also of those without tokens."""
    if not tokens:
        return []
    counts = {
        index: MessageCount(index, roles[index] if index >= 0 else "", 0, 0, 0, {})
        for index in range(PREFIX, len(roles))
    }
    trained = {token.owner for token in tokens if token.supervised and token.kind in _ANSWER}
    for token in tokens:
        count = counts[token.owner]
        count.tokens += 1
        count.supervised += token.supervised
        count.lost += token.supervised and not token.kept
        if not token.supervised:
            why = _reason(token, trained)
            count.untrained[why] = count.untrained.get(why, 0) + 1
    return list(counts.values())


_ANSWER: Final = ("thought", "call", "call-end", "text", "empty-thought")


def _reason(token: Token, trained: set[int]) -> str:
    """Why a token carries no loss, one of `REASONS`."""
    if token.kind in ("header", "empty-thought"):
        return token.kind
    if token.kind in _ANSWER:
        return "unlabelled" if token.owner in trained else "history" if trained else "unlabelled"
    return "end" if token.kind == "end" else "prompt"
