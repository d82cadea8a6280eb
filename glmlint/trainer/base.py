"""What a recipe is: its facts, how it renders a sample, and the registry of all recipes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

import msgspec
import numpy as np

from glmlint.finding import Pointer
from glmlint.loader import Load
from glmlint.plan import Plan
from glmlint.read.sample import Sample, decode_tools
from glmlint.text import Text as Text  # recipes and rules take it from here
from glmlint.trainer.template import ChatTemplate, load_template
from glmlint.trainer.tokenizer import Ids, Tokenizer, load_tokenizer

IGNORE_INDEX: Final = -100
"""The label of a token that is in no loss (torch's cross_entropy)."""

GMASK: Final = 151331
SOP: Final = 151333
ENDOFTEXT: Final = 151329
"""Ids that the official scripts write as numbers."""

ROLE_IDS: Final = {"system": 151335, "user": 151336, "assistant": 151337, "observation": 151338}

_MEMO_LIMIT: Final = 4096


class TrainerError(Exception):
    """The trainer raises at this row and the run ends."""

    def __init__(self, exception: str, detail: str, at: Pointer | None = None) -> None:
        super().__init__(f"{exception}: {detail}")
        self.exception = exception
        """Name of the exception class."""
        self.detail = detail
        self.at = at
        """Where in the sample, when that is known."""


class Dropped(Exception):
    """The trainer leaves this row out, with a warning or none; the message says why."""


class Encoded:
    """A text that is encoded already."""

    __slots__ = ("ids",)

    def __init__(self, ids: Ids) -> None:
        self.ids = ids


Piece = int | str | Encoded
"""One control token, a text still to encode, or a text that is encoded already."""


class Rendered:
    """A sample as its trainer lays it out: pieces, and for each whether it is trained and whose.

    The label of a token at t is the token itself when the piece of the token at t - `shift` is
    trained, and -100 otherwise.
    """

    __slots__ = ("owners", "pieces", "trained")

    def __init__(self, pieces: list[Piece], trained: list[bool], owners: list[int]) -> None:
        self.pieces = pieces
        self.trained = trained
        self.owners = owners
        """Index of the message of each piece; -1 for the prefix and the appended end."""

    def add(self, pieces: Sequence[Piece], trained: bool, owner: int) -> None:
        """Append pieces of one message."""
        self.pieces.extend(pieces)
        self.trained.extend([trained] * len(pieces))
        self.owners.extend([owner] * len(pieces))


@dataclass(frozen=True)
class ToolList:
    """One `tools` value that good shape rows share: decoded, rendered and encoded once."""

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
    _tools: dict[bytes, ToolList | None] = field(default_factory=dict, repr=False)
    _texts: dict[str, Encoded] = field(default_factory=dict, repr=False)
    _loaded: dict[tuple[int, bytes], bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def recipe(self) -> Recipe:
        """The plan's recipe."""
        return get_recipe(self.plan.recipe)

    @cached_property
    def prints_nulls(self) -> bool:
        """Whether a null `metadata` is printed, as the word None."""
        return self.recipe.template_name is not None or not self.template.drops_nulls

    def split(self, text: str) -> list[Piece]:
        """The text with its control tokens as ids, as an HF tokenizer reads a rendered string."""
        return list(self.tokenizer.split(text))

    def encoded(self, text: str) -> Encoded:
        """The text encoded, and remembered: for texts that many rows share."""
        known = self._texts.get(text)
        if known is None:
            if len(self._texts) >= _MEMO_LIMIT:
                self._texts.clear()
            known = self._texts[text] = Encoded(self.tokenizer.encode([text])[0])
        return known

    def tools(self, raw: bytes) -> ToolList | None:
        """The tool list of a `tools` value in good shape; None for one that is not."""
        try:
            return self._tools[raw]
        except KeyError:
            pass
        if len(self._tools) >= _MEMO_LIMIT:
            self._tools.clear()
        found = self._tools[raw] = self._read_tools(raw)
        return found

    def tool_values(self, raw: bytes) -> Any:
        """The decoded value of a tool list in good shape."""
        known = self.tools(raw)
        return None if known is None else known.value

    def forget_loaded(self) -> None:
        """Forget tool lists as loaders hand them over: there is another load."""
        self._loaded.clear()

    def loaded_tools(self, raw: bytes, load: Load) -> bytes | None:
        """What stands for a tool list in good shape as the loader hands it over: `tools` knows it.

        None where the trainer can't lay it out as it does a list in good shape.
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
        if len(self._loaded) >= _MEMO_LIMIT:
            self._loaded.clear()
        try:
            # No list in a file begins with a line feed: the bytes stand for this list alone.
            known = b"\n" + msgspec.json.encode(value)
            self._tools[known] = self._laid_out(value)
        except Exception:  # a list of odd shape: `Recipe.render` says what becomes of it
            return None
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
            pieces = self.recipe.tool_pieces(value, self)
        except TrainerError as error:
            return ToolList(value, [], error)
        return ToolList(
            value,
            [self.encoded(piece) if isinstance(piece, str) else piece for piece in pieces],
            None,
        )


class Recipe:
    """One trainer. A file in this folder with a module-level `recipe` is one more of them."""

    name: str
    title: Text
    source: str
    """Repository, file, commit and date that the recipe was read from."""
    date: str
    """Date of that commit, ISO."""
    supervises: Text
    """Which tokens carry loss, in a sentence."""
    shift: int = 0
    """How many places the mask lies behind the labels."""
    trains_history: bool = True
    """Whether earlier answers of a conversation carry loss."""
    typed_control_tokens: bool = True
    """Whether a control token typed in a message becomes a real one."""
    trains_unknown_roles: bool = False
    trains_all_after_last: bool = False
    """Whether everything behind the last assistant token is trained, whoever wrote it."""
    loss_fields: frozenset[str] = frozenset()
    """Keys of a message by which a row can switch its own loss on or off."""
    through_datasets: bool = True
    """Whether the trainer reads its file with `datasets.load_dataset`."""
    cleans_properties: bool = False
    """Whether the trainer takes out what is null directly under a tool's `properties`."""
    template_name: str | None = None
    """The renderer, when the recipe does not use the tokenizer's template."""

    def render(self, messages: list[Any], context: Context) -> Rendered:
        """Lay out any messages at all, exactly as the trainer does.

        Raises:
            TrainerError: where the trainer raises.
            Dropped: where the trainer leaves the row out.
        """
        raise NotImplementedError

    def render_plain(self, sample: Sample, context: Context) -> Rendered | None:
        """The same for a row of good shape without typed control tokens; None to use `render`."""
        del sample, context
        return None

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        """What a tool list in good shape becomes, without its role token.

        Raises:
            TrainerError: where the trainer raises on these tools.
        """
        del tools, context
        return []


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
def all_recipes() -> dict[str, Recipe]:
    """Every recipe by name, found in this folder."""
    package = importlib.import_module("glmlint.recipes")
    found: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "base" and not module.name.startswith("_"):
            recipe = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "recipe")  # noqa: B009
            found[recipe.name] = recipe
    return dict(sorted(found.items()))


def get_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises KeyError."""
    return all_recipes()[name]


def open_context(plan: Plan, *, allow_download: bool = False) -> Context:
    """Load the plan's tokenizer and template.

    Raises:
        TokenizerError, TemplateFault: one sentence for the user.
    """
    tokenizer = load_tokenizer(plan.tokenizer, allow_download=allow_download)
    template = load_template(plan.template, tokenizer.chat_template, plan.transformers)
    return Context(plan, tokenizer, template)
