"""What a trainer is: its facts, how it lays a row out, and the registry of all trainers."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.loader import Load
from glmlint.plan import DEFAULT_MAX_INPUT, DEFAULT_MAX_OUTPUT, Plan
from glmlint.read.sample import Sample, decode_tools
from glmlint.text import Text as Text  # recipes and rules take it from here
from glmlint.text import Told
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.cut import keep_start
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.forms import glm
from glmlint.trainer.forms.base import all_forms
from glmlint.trainer.layout import Encoded, Layout, Piece, Tokens
from glmlint.trainer.packing import Part
from glmlint.trainer.template import OF_VOCABULARY, ChatTemplate, load_template
from glmlint.trainer.tokenizer import Tokenizer, load_tokenizer
from glmlint.trainer.vocabulary import GLM, require, require_numbers

DEFAULT_BUDGET: Final = DEFAULT_MAX_INPUT + DEFAULT_MAX_OUTPUT + 1

_MEMO_LIMIT: Final = 4096
_MEMO_SIZE: Final = 16 << 20
"""Characters of all texts that are remembered together."""

T = TypeVar("T")


@dataclass(frozen=True)
class ToolList:
    """One `tools` value that valid rows share: decoded, rendered and encoded once."""

    value: list[dict[str, Any]]
    pieces: list[Piece]
    fault: TrainerError | None


@dataclass(frozen=True)
class Context:
    """What a recipe needs beside the sample: the plan's tokenizer, template and versions."""

    plan: Plan
    tokenizer: Tokenizer
    template: ChatTemplate
    loads: dict[str, Load] = field(default_factory=dict, repr=False)
    """Path -> what the loader makes of the file's rows; only of files in which it changes some."""
    _of: dict[str, Context] = field(default_factory=dict, repr=False)
    _tools: dict[bytes, ToolList | None] = field(default_factory=dict, repr=False)
    _texts: dict[str, Encoded] = field(default_factory=dict, repr=False)
    _loaded: dict[tuple[int, bytes], bytes] = field(default_factory=dict, repr=False)
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False)
    _memo_size: list[int] = field(default_factory=lambda: [0], repr=False)
    _kept: dict[int, int] = field(default_factory=dict, repr=False)
    """Identity of a memory -> characters that it holds."""

    @cached_property
    def trainer(self) -> Trainer:
        """The plan's trainer."""
        return get_trainer(self.plan.recipe)

    @cached_property
    def options(self) -> Any:
        """The trainer's options, of the type that it declares."""
        return msgspec.convert(self.plan.options, self.trainer.Options)

    def of(self, path: str) -> Context:
        """The context of one file: the same, but where some options hold for that file alone."""
        if not self.plan.file_options:
            return self
        found = self._of.get(path)
        if found is None:
            own = self.plan.file_options.get(os.path.realpath(path))
            found = (
                self
                if own is None
                else replace(
                    self,
                    plan=replace(self.plan, options={**self.plan.options, **own}, file_options={}),
                    _of={},
                )
            )
            self._of[path] = found
        return found

    def id(self, name: str) -> int:
        """The id of a control token. `open_context` has seen to those that the trainer needs."""
        return self.tokenizer.control[name]

    def cure(self, of: str) -> Text | None:
        """What changes how the trainer labels rows: see `Trainer.cure`."""
        return self.remembered(("cure", of), lambda: self.trainer.cure(of, self))

    @cached_property
    def prints_nulls(self) -> bool:
        """Whether a null `metadata` is printed, as the word None."""
        return self.trainer.template_name is not None or not self.template.drops_nulls

    def split(self, text: str) -> list[Piece]:
        """The text with its control tokens as ids, as an HF tokenizer reads a rendered string."""
        return list(self.tokenizer.split(text))

    def encoded(self, text: str) -> Encoded:
        """The text encoded, and remembered: for texts that many rows share."""
        known = self._texts.get(text)
        if known is None:
            if not self._room(self._texts, len(text)):
                return Encoded(self.tokenizer.encode([text])[0])
            known = self._texts[text] = Encoded(self.tokenizer.encode([text])[0])
        return known

    def remembered(self, key: Hashable, work: Callable[[], T], size: int = 0) -> T:
        """What work gives, done once for a key: for what many rows share, such as tool lists.

        Args:
            size: of what is kept, in characters.
        """
        try:
            return self._memo[key]  # type: ignore[no-any-return]
        except KeyError:
            pass
        found = work()
        if size <= _MEMO_SIZE // 8:
            kept = self._memo_size[0] + size
            if len(self._memo) >= _MEMO_LIMIT or kept > _MEMO_SIZE:
                self._memo.clear()
                kept = size
            self._memo_size[0] = kept
            self._memo[key] = found
        return found

    @cached_property
    def typed(self) -> Typed | None:
        """The fast way for the rows that the trainer reads, where they are not GLM's."""
        return self.trainer.typed(self)

    def tools(self, raw: bytes) -> ToolList | None:
        """The tool list of a valid `tools` value; None for an invalid one."""
        try:
            return self._tools[raw]
        except KeyError:
            pass
        found = self._read_tools(raw)
        if self._room(self._tools, len(raw)):
            self._tools[raw] = found
        return found

    def _room(self, memo: dict[Any, Any], size: int) -> bool:
        """Whether something of that size is to be remembered; what was is forgotten where it is full."""
        if size > _MEMO_SIZE // 8:
            return False
        kept = self._kept.get(id(memo), 0) + size
        if len(memo) >= _MEMO_LIMIT or kept > _MEMO_SIZE:
            memo.clear()
            kept = size
        self._kept[id(memo)] = kept
        return True

    def tool_values(self, raw: bytes) -> Any:
        """The decoded value of a valid tool list."""
        known = self.tools(raw)
        return None if known is None else known.value

    def forget_loaded(self) -> None:
        """Forget tool lists as loaders hand them over: there is another load."""
        self._loaded.clear()

    def loaded_tools(self, raw: bytes, load: Load) -> bytes | None:
        """What stands for a valid tool list as the loader hands it over: `tools` knows it.

        None where the trainer can't lay it out as it does a valid list.
        """
        key = (id(load), raw)
        known = self._loaded.get(key)
        if known is not None and known in self._tools:
            return known
        found = self.tools(raw)
        if found is None:
            return None
        value = load.tools(found.value)
        if repr(value) == repr(found.value):
            return raw
        try:
            # No list in a file begins with a line feed: the bytes stand for this list alone.
            known = b"\n" + msgspec.json.encode(value)
            found = self._laid_out(value)
        except Exception:  # a list of odd shape: `Trainer.lay_out` says what becomes of it
            return None
        for memo, size in ((self._tools, len(known)), (self._loaded, len(raw))):
            if not self._room(
                memo, size
            ):  # one that is large is kept alone: `tools` has to know it
                memo.clear()
        self._tools[known] = found
        self._loaded[key] = known
        return known

    def _read_tools(self, raw: bytes) -> ToolList | None:
        from glmlint.read.sample import SHAPE_ERRORS, read_strictly

        try:
            decode_tools(raw)
            value = read_strictly(raw)
        except SHAPE_ERRORS:
            return None
        return None if value is None else self._laid_out(value)

    def _laid_out(self, value: list[dict[str, Any]]) -> ToolList:
        try:
            pieces = self.trainer.tool_pieces(value, self)
        except TrainerError as error:
            return ToolList(value, [], error)
        return ToolList(
            value,
            [self.encoded(piece) if isinstance(piece, str) else piece for piece in pieces],
            None,
        )


@dataclass(frozen=True)
class Typed:
    """The fast way for rows of another form than GLM's: it gives the same as `Trainer.lay_out`."""

    decode: Callable[[bytes], Any]
    """Bytes -> a typed row. Raises `SHAPE_ERRORS` for one of odd shape."""
    encode: Callable[[Any], bytes]
    """Typed row -> bytes in a fixed form, without the keys that the type does not know."""
    lay_out: Callable[[Any, bool], Layout | None]
    """Typed row -> layout; None to use `Trainer.lay_out`, and raises what that raises. The flag says
    that no text of the row can hold a control token."""
    facts: Callable[[Any], int]
    """Typed row -> facts of its turns."""


class NoOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a trainer that has none."""


class Trainer:
    """One trainer. A file in `recipes/` with a module-level `trainer` is one more of them."""

    name: str
    title: Text
    called: Text = Text("the trainer", "训练框架")
    """How sentences name it."""
    budget_means: Text = Text("--max-length", "--max-length")
    """What the budget is in the trainer's own settings."""
    source: str
    """Repository, file, commit and date that it was read from."""
    date: str
    """Date of that commit, ISO."""
    supervises: Text
    """Which tokens carry loss, in a sentence."""
    Options: type[Struct] = NoOptions
    """Typed options with their defaults: `--set KEY=VALUE`."""
    reads: frozenset[str] = frozenset(("glm",))
    """Formats, as `read.formats.recognise` names them, whose rows this trainer reads."""
    control_tokens: tuple[str, ...] = GLM
    """Control tokens without which it can't run."""
    message_keys: frozenset[str] = frozenset()
    """Keys of a message that it reads beside GLM's own."""
    numbers: Mapping[str, int] = MappingProxyType({})
    """Control tokens whose ids its script writes as numbers: the vocabulary must agree."""
    one_form: bool = False
    """Whether a data set names one form for all of its rows: see `form_read`."""
    cuts: bool = True
    """Whether it shortens or leaves out a row that is longer than the budget."""
    cuts_prefix: bool = True
    """Whether `cut` keeps the first tokens of a row, so that counts at any budget follow from one."""
    cut_words: Text = Text("keeps the first tokens of a row", "保留每行最前面的 token")
    """What it does with a row that is longer than the budget."""
    cuts_units: bool = False
    """Whether `cut` keeps the start of each unit of a row, by lengths alone: see `keep_units`."""
    trains_answers: bool = False
    """Whether of a row in good form each answer that is trained is trained with its stop, and nothing
    else is, whatever the options and the template say. Rules about labels need not look at such rows."""
    convert_to: tuple[str, ...] = ("openai", "glm4.5", "glm4")
    """Formats of `glmlint convert` that may suit it, the best first; which of them does, its template
    decides."""
    trains_history: bool = True
    """Whether earlier answers of a conversation carry loss."""
    typed_control_tokens: bool = True
    """Whether a control token typed in a message becomes a real one."""
    trains_unknown_roles: bool = False
    trains_all_after_last: bool = False
    """Whether everything after the last assistant token is trained, whoever wrote it."""
    budget_beyond: int = 1
    """What the script adds to max_input_length + max_output_length, in tokens."""
    budget_option: str | None = None
    """The option that is the budget, such as `cutoff_len`; None where a flag of glmlint alone sets it."""
    pins: Mapping[str, str] = MappingProxyType({})
    """Versions of `datasets` and `transformers` that its newest release allows at most."""
    loss_fields: frozenset[str] = frozenset()
    """Keys of a message by which a row can switch its own loss on or off."""
    through_datasets: bool = True
    """Whether the trainer reads its file with `datasets.load_dataset`."""
    through_parquet: bool = False
    """Whether the trainer reads Parquet alone: rows of another file are taken as a Parquet file that
    was written of them gives them back."""
    columns: tuple[str, ...] | None = None
    """The columns of a row that it reads, where these are always the same; None: any."""
    suffixes: frozenset[str] | None = None
    """Endings of the files that it opens; None: any that `datasets` knows."""
    cleans_properties: bool = False
    """Whether the trainer takes out what is null directly under a tool's `properties`."""
    template_name: str | None = None
    """The renderer, when the trainer does not use the tokenizer's template."""
    joins: Text | None = None
    """Of a trainer that renders messages one by one and joins their tokens, which may not be what the
    template prints for the conversation: what to do about that. See `input_by_two_ways`."""
    reads_json: bool = False
    """Whether it reads each line with Python's `json`: it passes over a line that is none, and of a
    key that stands twice takes the last value."""
    untrained_raises: str | None = None
    """Name of the exception with which the run ends at a row that has no label."""
    evaluates: Literal["each-answer", "whole-row"] | None = None
    """How its evaluation makes prompts of a validation row: one before each answer, or one of the
    whole row with its answer in it; None where it makes none that glmlint knows."""

    @property
    def through_table(self) -> bool:
        """Whether what becomes of a row depends on the others of its file."""
        return self.through_datasets or self.through_parquet

    def loss_switches(self, options: Any) -> frozenset[str]:
        """`loss_fields`, and the keys that options name for it."""
        del options
        return self.loss_fields

    def default_budget(self, options: Any) -> int | None:
        """The longest sequence, in tokens, where none is set; None: no limit is known."""
        del options
        return DEFAULT_BUDGET

    def model_options(self, model: str) -> dict[str, Any]:
        """The options that name a model's layout, such as `template`; {} where none does.

        Args:
            model: a name of `trainer.models.MODELS`.
        """
        del model
        return {}

    def default_tokenizer(self, options: Any) -> str | None:
        """The vocabulary where neither a model nor a tokenizer was named; None: one has to be."""
        del options
        return "glm4"

    def variant(self, options: Any) -> str:
        """Name of the trainer that runs with these options, where one option makes it another."""
        del options
        return self.name

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        """What this trainer takes from its own settings file; None where it is not one of its own.

        Args:
            values: the keys of the file.
            file: its path.
            folder: a folder that was named beside it, for trainers that get theirs so.

        Raises:
            ConfigError: a value that can't be used.
        """
        del values, file, folder
        return None

    def form_read(self, row: dict[str, Any], context: Context) -> str | None:
        """The form by which a row is read, where it was chosen by the row itself though the trainer has
        one for all; None where somebody has named it."""
        del row, context
        return None

    def ends_at_longer(self, options: Any) -> bool:
        """Whether a row that is longer than the budget ends the run."""
        del options
        return False

    def cure(self, of: str, context: Context) -> Text | None:
        """What changes how this trainer labels rows, in a sentence; None where nothing is known.

        Args:
            of: "prompts": questions and system texts carry loss; "results": tool results do;
                "calls": calls carry none; "history": earlier answers carry none; "stop": the token
                after an earlier answer, `{token}`, carries none; "end": none follows the last answer, or it
                carries none.
        """
        del of, context
        return None

    def refusal(self, options: Any) -> Told | None:
        """Why this trainer ends before it reads anything, with these options, or why glmlint can't
        follow it; None where it runs."""
        del options
        return None

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        """Lay out any row at all, exactly as the trainer does.

        Args:
            row: the row as the loader hands it over.

        Raises:
            TrainerError: where the trainer raises.
            Dropped: where the trainer leaves the row out.
        """
        raise NotImplementedError

    def lay_out_sample(self, sample: Sample, context: Context) -> Layout | None:
        """The same for a valid row without typed control tokens; None to use `lay_out`."""
        del sample, context
        return None

    def typed(self, context: Context) -> Typed | None:
        """The fast way for rows of the form that this trainer reads; None: they are GLM's."""
        del context
        return None

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        """Whether this trainer reads a row of a known form as it is meant.

        Args:
            form: as `read.formats.recognise` names it.
        """
        del context
        if form != "glm" or "glm" in self.reads:
            return form in self.reads
        return "openai" in self.reads and not glm.matches(row)

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation | None:
        """What a row says, as this trainer reads it: a turn's index is its owner in the layout.

        Never raises. None: the row is GLM's, and the turns are its messages; or nothing is known.
        """
        del context
        if "glm" in self.reads:
            return None
        form = next((one for one in all_forms().values() if one.matches(row)), None)
        return None if form is None else form.read(row, form.names)

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        """What a valid tool list becomes, without its role token.

        Raises:
            TrainerError: where the trainer raises on these tools.
        """
        del tools, context
        return []

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        """The sequences that the trainer makes of a row: see `trainer.cut`.

        Raises:
            Dropped: the row is left out.
            TrainerError: the trainer raises at a row of this length.
        """
        del context
        return keep_start(tokens, budget)

    def keeps_of_longer(self, options: Any) -> Literal["everything", "nothing", "start"] | None:
        """What `cut` keeps of every row that is longer than a budget: then it need not be asked about
        many budgets. It gives up a row that is not longer for other reasons alone.

        "everything": as of a shorter row; "nothing": it raises; "start": the first tokens, as many as the
        budget says, though a row without a label there may be left out; None: none of these always.
        """
        del options
        return None if self.cuts else "everything"

    def input_by_two_ways(
        self, row: dict[str, Any], laid_out: Layout | None, context: Context
    ) -> tuple[Layout, Layout] | None:
        """The whole conversation as the template prints it, and what is trained in place of it.

        Only where `joins`. Never raises. None: nothing is known to differ, or the trainer raises for
        another reason than that they do.

        Args:
            laid_out: what `lay_out` made of the row; None where it raised.
        """
        del row, laid_out, context
        return None

    def keep_units(
        self, lengths: npt.NDArray[np.int64], budgets: npt.NDArray[np.int64], context: Context
    ) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """How many tokens at the start of each unit are kept. Only where `cuts_units`.

        Args:
            lengths: of the units of some rows, [rows, units].
            budgets: [budgets].

        Yields:
            Each unit of which something is kept, and how much: [rows, budgets].
        """
        raise NotImplementedError

    def packs(self, options: Any) -> bool:
        """Whether several rows share a sequence with these options."""
        del options
        return False

    def pack(
        self, lengths: Sequence[int | None], budget: int, context: Context
    ) -> Iterator[list[Part]]:
        """Which rows go into each sequence, in the trainer's order. Only for trainers that pack.

        Args:
            lengths: of all rows of the training data in order, as the cut leaves them, in tokens;
                None for a row that is left out.
            budget: as in `cut`.
        """
        raise NotImplementedError

    def filled(self, tokens: Tokens, budget: int, context: Context) -> Tokens:
        """A packed sequence with the padding that the trainer itself puts after it."""
        del budget, context
        return tokens


def messages_of(row: dict[str, Any]) -> list[Any]:
    """The `messages` of a row, for trainers that read `row["messages"]`.

    Raises:
        TrainerError: there are none, or they are not a list.
    """
    if "messages" not in row:
        raise TrainerError("KeyError", "'messages'")
    messages = row["messages"]
    if not isinstance(messages, list):
        raise TrainerError("TypeError", "messages is not a list", ("messages",))
    return messages


def text_of(pieces: Sequence[Piece], context: Context) -> tuple[np.ndarray, list[int]]:
    """Ids of the pieces in one int32 array, and the first token place of each piece."""
    texts = [piece for piece in pieces if isinstance(piece, str)]
    ids, offsets = context.tokenizer.encode(texts)
    parts: list[np.ndarray] = []
    starts: list[int] = []
    place = text_index = 0
    for piece in pieces:
        if isinstance(piece, int):
            part = np.array([piece], np.int32)
        elif isinstance(piece, str):
            part = ids[offsets[text_index] : offsets[text_index + 1]].astype(np.int32)
            text_index += 1
        else:
            part = piece.ids.astype(np.int32)
        starts.append(place)
        place += len(part)
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros(0, np.int32), starts


@cache
def all_trainers() -> dict[str, Trainer]:
    """Every trainer by name, found in the folder `recipes`."""
    package = importlib.import_module("glmlint.recipes")
    found: dict[str, Trainer] = {}
    for module in pkgutil.iter_modules(package.__path__):
        trainer = getattr(
            importlib.import_module(f"{package.__name__}.{module.name}"), "trainer", None
        )
        if isinstance(trainer, Trainer):
            found[trainer.name] = trainer
    return dict(sorted(found.items()))


@cache
def get_trainer(name: str) -> Trainer:
    """The trainer of that name, of whose file it is the name: no other is imported. Raises KeyError."""
    module = f"glmlint.recipes.{name.replace('-', '_')}"
    if name.replace("-", "_").isidentifier() and importlib.util.find_spec(module) is not None:
        trainer = getattr(importlib.import_module(module), "trainer", None)
        if isinstance(trainer, Trainer) and trainer.name == name:
            return trainer
    return all_trainers()[name]


def open_context(plan: Plan, *, allow_download: bool = False) -> Context:
    """Load the plan's tokenizer and template.

    Raises:
        TokenizerError, TemplateFault: one sentence for the user.
    """
    tokenizer = load_tokenizer(plan.tokenizer, allow_download=allow_download)
    trainer = get_trainer(plan.recipe)
    require(tokenizer, trainer.control_tokens, plan.recipe)
    require_numbers(tokenizer, trainer.numbers, plan.recipe)
    named = plan.template or OF_VOCABULARY.get(tokenizer.name)
    template = load_template(named, tokenizer.chat_template, plan.transformers)
    return Context(plan, tokenizer, template)
