"""`glmlint.collate_check`: what is trained in a batch that a trainer's own collator built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.api.batch_expect import BatchDifference, differences_of
from glmlint.api.encode import encode
from glmlint.api.errors import GlmlintError, WrongType, told_in
from glmlint.api.printed import Printed, paragraph, table
from glmlint.api.settings import PLAN, known_flags, spoken
from glmlint.api.words import WORDS, word
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.words import percent
from glmlint.trainer.layout import IGNORE_INDEX
from glmlint.trainer.tokenizer import load_tokenizer
from glmlint.visible import visible

Ids = npt.NDArray[np.int64]

STOPS: Final = {"<|endoftext|>": 151329, "<|user|>": 151336, "<|observation|>": 151338}
"""Tokens at which GLM-4 to GLM-4.7 stop, with their ids; they count where no tokenizer is given."""

_OTHER_STOPS: Final = ("<|im_end|>", "<|eot_id|>", "</s>")
"""The same of other models, which a tokenizer may have."""

_DECODED: Final = 200
"""Tokens of a span that are decoded."""

_LISTED: Final = 8
"""Rows that a sentence names."""

_LENGTHS: Final = ("cu_seq_lens_q", "cu_seqlens", "cu_seq_lens")
"""Keys under which collators without padding say where sequences begin."""


class BatchRow(Struct, frozen=True):
    """One sequence of a batch: a row without its padding, or one of those packed into a row."""

    row: int
    """0-based number of the row in the batch."""
    sequence: int
    """0-based number of the sequence in its row: 0 where nothing is packed."""
    start: int
    """Place of the first token in the row."""
    tokens: int
    supervised: int
    """Tokens in the loss: labelled, and not the first of the row, which the shift takes away."""
    spans: list[tuple[int, int]]
    """Runs of labelled tokens, as positions in the row: (first, last + 1)."""
    first_labelled: bool
    """The first token has a label: lost to the shift, or in a packed row predicted from the previous sequence."""
    stop: bool | None
    """Whether a stop token is trained at the end of the last span; None without spans."""
    stop_follows: bool
    """A stop token follows the last span, but is not trained."""
    other_labels: int
    """Labels that are neither -100 nor the token's own id."""
    first_text: str | None = None
    """The first span as text, where a tokenizer was given."""
    last_text: str | None = None

    @property
    def trainable_ratio(self) -> float | None:
        """Share of the tokens that is in the loss."""
        return self.supervised / self.tokens if self.tokens else None


@dataclass(frozen=True, eq=False, repr=False)
class BatchCheck(Printed):
    """What a batch trains. `print(found)` shows a line a row; `assert_trains` stops a bad run."""

    rows: list[BatchRow]
    """Every sequence, in order."""
    size: int
    """Rows of the batch; more sequences than that where they are packed."""
    padding: int
    """Tokens of padding, which are in no other count."""
    labels_on_padding: int
    """Labels other than -100 on padding: it is trained."""
    shifted: bool
    """Whether each label is the id of the next token: the model shifts them again."""
    differences: list[BatchDifference] | None
    """Sequences that differ from `expect`; None where nothing was expected."""
    lang: str
    """Language of the sentences, "en" or "zh"."""

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return sum(row.tokens for row in self.rows)

    @property
    def supervised_tokens(self) -> int:
        """Tokens in the loss."""
        return sum(row.supervised for row in self.rows)

    @property
    def trainable_ratio(self) -> float | None:
        """Share of the tokens that is in the loss; None without tokens."""
        return self.supervised_tokens / self.tokens if self.tokens else None

    @property
    def other_labels(self) -> int:
        """Labels that are neither -100 nor the token's own id."""
        return sum(row.other_labels for row in self.rows)

    @property
    def untrained(self) -> list[BatchRow]:
        """Sequences in which nothing is trained."""
        return [row for row in self.rows if not row.supervised]

    @property
    def matches(self) -> bool | None:
        """Whether every sequence is what `encode` gives for a row of `expect`; None without one."""
        return None if self.differences is None else not self.differences

    def problems(
        self,
        *,
        min_ratio: float = 0.0,
        max_ratio: float = 1.0,
        stop: bool | float = True,
        every_row: bool = True,
    ) -> list[str]:
        """What is wrong with such batches, a sentence each; empty where nothing is.

        Args:
            min_ratio, max_ratio: bounds of the share of tokens that is trained.
            stop: the share of the trained sequences in which a stop token has to be trained: True
                for all, False for any.
            every_row: whether every sequence has to train something.
        """
        lang, found = self.lang, []
        ratio = self.trainable_ratio
        if not self.supervised_tokens:
            found.append(word("batch-nothing", lang))
        elif every_row and self.untrained:
            found.append(_told("batch-untrained", self.untrained, lang))
        if self.labels_on_padding:
            found.append(word("batch-padding", lang, n=f"{self.labels_on_padding:,}"))
        if self.shifted:
            found.append(word("batch-shifted", lang))
        if ratio is not None and not min_ratio <= ratio <= max_ratio and self.supervised_tokens:
            key = "batch-low" if ratio < min_ratio else "batch-high"
            bound = percent(min_ratio if ratio < min_ratio else max_ratio)
            found.append(word(key, lang, share=percent(ratio), bound=bound))
        trained = [row for row in self.rows if row.supervised]
        without = [row for row in trained if not row.stop]
        if without and stop and len(trained) - len(without) < float(stop) * len(trained):
            key = "batch-stop-masked" if any(row.stop_follows for row in without) else "batch-stop"
            found.append(_told(key, without, lang))
        found += [one.say(lang) for one in (self.differences or ())[:_LISTED]]
        return found

    def assert_trains(
        self,
        min_ratio: float = 0.0,
        *,
        max_ratio: float = 1.0,
        stop: bool | float = True,
        every_row: bool = True,
    ) -> None:
        """Raise if the batch does not train what it should; the arguments are those of `problems`.

        Raises:
            AssertionError: with one sentence for each problem.
        """
        found = self.problems(
            min_ratio=min_ratio, max_ratio=max_ratio, stop=stop, every_row=every_row
        )
        if found:
            raise AssertionError("\n".join(found))

    def _summary(self) -> str:
        return word(
            "batch-summary", self.lang, rows=self.size, sequences=len(self.rows),
            tokens=self.tokens, padding=self.padding, supervised=self.supervised_tokens,
            ratio=percent(self.trainable_ratio),
        )  # fmt: skip

    def _columns(self) -> list[str]:
        keys = ("row", "batch-tokens", "batch-trained", "batch-share", "batch-first", "batch-last",
                "batch-stops")  # fmt: skip
        return [word(key, self.lang) for key in keys]

    def _name(self, row: BatchRow) -> str:
        return f"{row.row}.{row.sequence}" if len(self.rows) > self.size else f"{row.row}"

    def _cells(self) -> list[list[str]]:
        return [
            [
                self._name(row),
                f"{row.tokens:,}",
                f"{row.supervised:,}",
                percent(row.trainable_ratio),
                _span(row.spans[0]) if row.spans else "–",
                _span(row.spans[-1]) if row.spans else "–",
                {None: "–", True: "✓", False: "✗"}[row.stop],
            ]
            for row in self.rows
        ]

    def _texts(self) -> list[tuple[str, str]]:
        """Row and text of its last span, where a tokenizer was given."""
        return [(self._name(row), row.last_text) for row in self.rows if row.last_text is not None]

    def _notes(self) -> list[str]:
        notes = self.problems()
        lang = self.lang
        early = [row for row in self.rows if row.first_labelled]
        if early:
            notes.append(_told("batch-early", early, lang))
        if self.other_labels and not self.shifted:
            notes.append(word("batch-other", lang, n=f"{self.other_labels:,}"))
        return notes

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Print a summary, a line for each sequence, what is trained of it, and what is wrong."""
        from glmlint.reporters.tables import console_for, plain_table, print_wrapped

        with console_for(out, options.width, options.color) as console:
            print_wrapped(console, self._summary(), "bold")
            lines = plain_table()
            for number, name in enumerate(self._columns()):
                lines.add_column(name, justify="right" if 0 < number < 4 else "left")
            for cells in self._cells():
                lines.add_row(*cells)
            console.print(lines)
            for row, text in self._texts():
                shown = visible(text)
                room = max(console.width - 6, 20)
                cut = "…" if len(shown) > room else ""
                print_wrapped(console, f"{row}: {cut}{shown[-room:]}", "dim")
            problems = set(self.problems())
            for note in self._notes():
                print_wrapped(console, note, "bold red" if note in problems else "yellow", indent=2)
            if self.matches:
                print_wrapped(console, word("batch-matches", self.lang), "green", indent=2)

    def to_html(self) -> str:
        """The same as tables."""
        parts = [paragraph(self._summary(), "font-weight:bold")]
        parts.append(table(self._columns(), self._cells(), right=(1, 2, 3)))
        if texts := self._texts():
            parts.append(table((word("row", self.lang), word("batch-last", self.lang)), texts))
        parts += [paragraph(note, "color:#c00") for note in self._notes()]
        if self.matches:
            parts.append(paragraph(word("batch-matches", self.lang)))
        return f"<div>{''.join(parts)}</div>"


def _span(span: tuple[int, int]) -> str:
    return f"{span[0]:,}–{span[1] - 1:,}"


def _told(key: str, rows: Sequence[BatchRow], lang: str) -> str:
    several = any(row.sequence for row in rows)
    names = [f"{row.row}.{row.sequence}" if several else f"{row.row}" for row in rows[:_LISTED]]
    more = ", …" if len(rows) > _LISTED else ""
    return WORDS[key].say(lang, n=f"{len(rows):,}", rows=", ".join(names) + more)


def collate_check(
    batch: Mapping[str, Any],
    tokenizer: Any = None,
    *,
    expect: Any = None,
    stop: Iterable[int] | None = None,
    pad_token_id: int | None = None,
    **settings: Any,
) -> BatchCheck:
    """Report what is trained in a batch that a trainer really built.

    Args:
        batch: what the data loader gives: `input_ids` and `labels`, or `loss_mask` or `shift_labels`
            in their place; where they are there `attention_mask` (also with the numbers of packed
            sequences) and `position_ids`. Tensors of torch, arrays of numpy or lists, of (rows,
            tokens); lists of rows of different length; or one row.
        tokenizer: to show what is trained as text: an object with `decode`, or what `tokenizer` of
            `check` takes.
        expect: rows or a path, as `data` of `check`, from which the batch was made: every sequence is
            looked up among what `encode` gives for them, in whatever order.
        stop: ids of stop tokens. Default: the tokenizer's, or those of GLM-4 to GLM-4.7.
        pad_token_id: of padding, where there is no attention mask. Default: the tokenizer's, or the
            unlabelled token that repeats at the end of rows.
        settings: of `expect`: recipe, options, budget and so on, as in `check`; `lang`.

    Returns:
        Counts and spans of every sequence. `assert_trains` raises where something is wrong.

    Raises:
        GlmlintError: the batch has no labels, or they do not fit; a setting that can't be used.
        TypeError: an unknown keyword; `batch` is not a mapping.
    """
    known_flags(PLAN | {"tokenizer", "expect", "stop", "pad_token_id"}, "collate_check", settings)
    if isinstance(tokenizer, str) and "tokenizer" not in settings:
        settings["tokenizer"] = tokenizer
    lang = spoken(settings.get("lang"))
    with told_in(lang):
        reader = _Reader(tokenizer, stop, pad_token_id)
        columns = _columns_of(batch, lang)
    return _checked(columns, reader, expect, settings, lang)


class _Columns(Struct, frozen=True):
    """A batch, a list of arrays for each of its columns."""

    ids: list[Ids]
    labels: list[Ids]
    mask: list[Ids] | None
    starts: list[Ids]
    """Of each row, places at which a packed sequence begins, 0 aside."""


class _Reader:
    """What a tokenizer is asked: text, and the ids of stop tokens and of padding."""

    def __init__(self, tokenizer: Any, stop: Iterable[int] | None, pad: int | None) -> None:
        self.decode: Callable[[list[int]], str] | None = None
        found: set[int] = set(STOPS.values())
        self.pad = pad
        if isinstance(tokenizer, str):
            known = load_tokenizer(tokenizer)
            self.decode = lambda ids: b"".join(map(known.token_bytes, ids)).decode(
                "utf-8", "replace"
            )
            found = {
                known.control[name] for name in (*STOPS, *_OTHER_STOPS) if name in known.control
            }
        elif tokenizer is not None:
            decode = getattr(tokenizer, "decode", None)
            if not callable(decode):
                raise WrongType(WORDS["batch-tokenizer"], kind=type(tokenizer).__name__)
            self.decode = lambda ids: str(decode(ids))
            found = _stops_of(tokenizer) or found
            if pad is None:
                self.pad = _id(getattr(tokenizer, "pad_token_id", None))
        self.stops: Final = frozenset(found if stop is None else map(int, stop))

    def text(self, ids: Ids) -> str | None:
        """The end of a span as text; None without a tokenizer."""
        return None if self.decode is None else self.decode(ids[-_DECODED:].tolist())


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _stops_of(tokenizer: Any) -> set[int]:
    """Ids of stop tokens, of a tokenizer of transformers or one like it."""
    eos = getattr(tokenizer, "eos_token_id", None)
    found = {
        one for one in (eos if isinstance(eos, list | tuple) else (eos,)) if isinstance(one, int)
    }
    unknown = getattr(tokenizer, "unk_token_id", None)
    ask = getattr(tokenizer, "convert_tokens_to_ids", None)
    if callable(ask):
        ids = (ask(name) for name in (*STOPS, *_OTHER_STOPS[:2]))
        found |= {one for one in ids if isinstance(one, int) and one != unknown}
    return found


# --- the batch as arrays -------------------------------------------------------------------------


def _columns_of(batch: Any, lang: str) -> _Columns:
    if not isinstance(batch, Mapping) and not (
        hasattr(batch, "keys") and hasattr(batch, "__getitem__")
    ):
        raise WrongType(WORDS["batch-kind"], kind=type(batch).__name__)
    keys = list(batch.keys())
    if "input_ids" not in keys:
        raise GlmlintError(
            word("batch-without", lang, key="input_ids", keys=", ".join(map(str, keys)))
        )
    ids = _arrays(batch["input_ids"], "input_ids", lang)
    labels = _labels(batch, keys, ids, lang)
    for number, (one, other) in enumerate(zip(ids, labels, strict=False)):
        if len(one) != len(other):
            raise GlmlintError(
                word("batch-lengths", lang, row=number, ids=len(one), labels=len(other))
            )
    if len(ids) != len(labels):
        raise GlmlintError(word("batch-rows", lang, ids=len(ids), labels=len(labels)))
    mask = _fitting(batch, "attention_mask", keys, ids, lang)
    return _Columns(ids, labels, mask, _starts(batch, keys, ids, mask, lang))


def _labels(batch: Any, keys: list[Any], ids: list[Ids], lang: str) -> list[Ids]:
    """The labels, aligned with the ids as a model of transformers takes them."""
    if "shift_labels" in keys:  # the loss is taken of these where they are there
        moved = _arrays(batch["shift_labels"], "shift_labels", lang)
        return [np.concatenate(([IGNORE_INDEX], row[:-1])) if len(row) else row for row in moved]
    if "labels" in keys:
        return _arrays(batch["labels"], "labels", lang)
    for key in ("loss_mask", "assistant_masks"):
        if key in keys:
            chosen = _arrays(batch[key], key, lang)
            pairs = zip(ids, chosen, strict=False)
            return [
                np.where(mask != 0, row[: len(mask)], IGNORE_INDEX)
                for row, mask in ((row, mask[: len(row)]) for row, mask in pairs)
            ]
    raise GlmlintError(word("batch-without", lang, key="labels", keys=", ".join(map(str, keys))))


def _arrays(value: Any, key: str, lang: str) -> list[Ids]:
    """A column as one array a row, whatever it is made of."""
    plain = _listed(value)
    if (
        isinstance(plain, list)
        and plain
        and not any(isinstance(_listed(one), list) for one in plain)
    ):
        plain = [plain]
    try:
        found = [np.asarray(_listed(one)) for one in plain]
    except (TypeError, ValueError):
        found = []
    if not found or any(one.ndim != 1 or one.dtype.kind not in "iubf" for one in found):
        raise GlmlintError(word("batch-shape", lang, key=key))
    return [one.astype(np.int64) for one in found]


def _listed(value: Any) -> Any:
    """Lists in place of tensors and arrays."""
    return value.tolist() if callable(getattr(value, "tolist", None)) else value


def _fitting(batch: Any, key: str, keys: list[Any], ids: list[Ids], lang: str) -> list[Ids] | None:
    """A column that has a number for each token; None where it is of another shape, or not there."""
    if key not in keys or batch[key] is None:
        return None
    try:
        found = _arrays(batch[key], key, lang)
    except GlmlintError:  # a mask of four dimensions, positions of three: not of single tokens
        return None
    fits = (
        len(found) == len(ids)
        and all(map(len, found))
        and all(len(one) == len(row) for one, row in zip(found, ids, strict=True))
    )
    return found if fits else None


def _starts(
    batch: Any, keys: list[Any], ids: list[Ids], mask: list[Ids] | None, lang: str
) -> list[Ids]:
    """Where packed sequences begin: by positions, by their numbers in the mask, or by lengths."""
    places = _fitting(batch, "position_ids", keys, ids, lang)
    if places is not None:
        return [np.flatnonzero(np.diff(row) != 1) + 1 for row in places]
    if mask is not None and any(int(row.max(initial=0)) > 1 for row in mask):
        return [np.flatnonzero(np.diff(row)) + 1 for row in mask]
    named = next((key for key in _LENGTHS if key in keys and batch[key] is not None), None)
    if named is not None and len(ids) == 1:
        edges = np.asarray(_listed(batch[named])).reshape(-1).astype(np.int64)
        return [edges[(edges > 0) & (edges < len(ids[0]))]]
    return [np.zeros(0, np.int64) for _ in ids]


def _real(columns: _Columns, reader: _Reader) -> list[npt.NDArray[np.bool_]]:
    """Of each row, which tokens are not padding."""
    if columns.mask is not None:
        return [row != 0 for row in columns.mask]
    pairs = list(zip(columns.ids, columns.labels, strict=True))
    pad = reader.pad
    if pad is None:
        seen = [fill for pair in pairs if (fill := _fill_of(*pair, reader.stops)) is not None]
        pad = max(set(seen), key=seen.count) if seen else None
    found = []
    for ids, labels in pairs:
        real = np.ones(len(ids), np.bool_)
        inner = np.flatnonzero(ids != pad) if pad is not None else np.arange(len(ids))
        begin, end = (int(inner[0]), int(inner[-1]) + 1) if len(inner) else (0, 0)
        filled = labels[end:] != IGNORE_INDEX
        if filled.any() and not filled[1:].any():
            end += 1  # the row's own end, where padding is made of the same token
        real[:begin] = False
        real[end:] = False
        found.append(real)
    return found


def _fill_of(ids: Ids, labels: Ids, stops: frozenset[int]) -> int | None:
    """The id that a row seems to be filled with, at its end or else at its start.

    It repeats there without labels; with labels, an end token three times or more.
    """
    for order in (slice(None, None, -1), slice(None)):
        one, label = ids[order][:3], labels[order][:3]
        if len(one) > 1 and one[0] == one[1] and (label[:2] == IGNORE_INDEX).all():
            return int(one[0])
        if len(one) == 3 and (one == one[0]).all() and int(one[0]) in stops:
            return int(one[0])
    return None


# --- what is trained -----------------------------------------------------------------------------


def _checked(
    columns: _Columns, reader: _Reader, expect: Any, settings: Mapping[str, Any], lang: str
) -> BatchCheck:
    rows: list[BatchRow] = []
    sequences: list[tuple[Ids, Ids]] = []
    padding = on_padding = supervised = moved = 0
    for number, real in enumerate(_real(columns, reader)):
        ids, labels = columns.ids[number], columns.labels[number]
        padding += int((~real).sum())
        on_padding += int((labels[~real] != IGNORE_INDEX).sum())
        labelled = labels != IGNORE_INDEX
        supervised += int(labelled[:-1].sum())
        moved += int((labelled[:-1] & (labels[:-1] == ids[1:]) & (labels[:-1] != ids[:-1])).sum())
        places = np.flatnonzero(real)
        if not len(places):
            rows.append(BatchRow(number, 0, 0, 0, 0, [], False, None, False, 0))
            sequences.append((ids[:0], labels[:0]))
            continue
        begin, end = int(places[0]), int(places[-1]) + 1
        cuts = [int(at) for at in columns.starts[number] if begin < at < end and real[at]]
        for sequence, (start, stop) in enumerate(zip([begin, *cuts], [*cuts, end], strict=True)):
            inside = np.arange(start, stop)[real[start:stop]]
            rows.append(_row_of(ids, labels, inside, number, sequence, reader))
            sequences.append((ids[inside], labels[inside]))
    differences = None
    if expect is not None:
        differences = differences_of(
            [(row.row, row.sequence) for row in rows], sequences, encode(expect, **settings)
        )
    shifted = supervised > 0 and moved > 0.9 * supervised
    return BatchCheck(rows, len(columns.ids), padding, on_padding, shifted, differences, lang)


def _row_of(
    ids: Ids, labels: Ids, inside: Ids, number: int, sequence: int, reader: _Reader
) -> BatchRow:
    own, taught = ids[inside], labels[inside]
    labelled = taught != IGNORE_INDEX
    edges = np.flatnonzero(np.diff(labelled.astype(np.int8), prepend=0, append=0))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    start = int(inside[0])
    stop: bool | None = None
    follows = False
    if runs:
        # Some templates train a line break after the stop token.
        stop = bool(
            np.isin(
                taught[max(runs[-1][0], runs[-1][1] - 2) : runs[-1][1]], list(reader.stops)
            ).any()
        )
        behind = start + runs[-1][1]
        follows = not stop and behind < len(ids) and int(ids[behind]) in reader.stops
    return BatchRow(
        row=number,
        sequence=sequence,
        start=start,
        tokens=len(inside),
        supervised=int(labelled.sum()) - bool(labelled[0] and start == 0),
        spans=[(start + one, start + other) for one, other in runs],
        first_labelled=bool(labelled[0]),
        stop=stop,
        stop_follows=follows,
        other_labels=int((labelled & (taught != own)).sum()),
        first_text=reader.text(taught[runs[0][0] : runs[0][1]]) if runs else None,
        last_text=reader.text(taught[runs[-1][0] : runs[-1][1]]) if runs else None,
    )
