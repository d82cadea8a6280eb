"""LLaMA-Factory, supervised fine-tuning with the templates of GLM.

Source: llamafactory 0.9.5, data/template.py, data/mm_plugin.py and data/processor/supervised.py.
A row is pairs of question and answer. Each half is encoded for itself, and the cut is by pair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct

from glmlint.recipes._llamafactory_rows import CONVERTERS, At, Given, Said
from glmlint.recipes._llamafactory_tools import TOOL_FORMATS, ToolFormat, calls_text, tools_text
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.forms import alpaca, openai, sharegpt
from glmlint.trainer.forms.names import Names, named
from glmlint.trainer.layout import (
    END,
    IGNORE_INDEX,
    NONE,
    PREFIX,
    SAME,
    SYSTEM,
    TOOLS,
    Layout,
    Piece,
    Tokens,
)
from glmlint.trainer.packing import Part, batches, knapsacks
from glmlint.trainer.shared_text import Parts, shared_pieces

FORMS: Final = {form.name: form for form in (sharegpt.FORM, openai.FORM, alpaca.FORM)}
"""Forms of rows, in the order in which a row is asked for its own."""


@dataclass(frozen=True)
class ChatForm:
    """One registered template, as far as the templates of GLM differ."""

    tool_format: str = "glm4"
    thought: tuple[str, str] = ("<think>\n", "\n</think>\n\n")
    reasons: bool = True
    """Whether an answer without a thought gets an empty one (`ReasoningTemplate`)."""
    closing_only: bool = False
    """Whether the empty thought is the closing tag alone (`Glm47ReasoningTemplate`)."""

    @property
    def empty_thought(self) -> str:
        return self.thought[1] if self.closing_only else "".join(self.thought)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """A thought in a text."""
        opens, closes = map(re.escape, self.thought)
        return re.compile(f"{opens}(.*?){closes}", re.DOTALL)

    def without_thought(self, text: str) -> str:
        """`remove_thought`."""
        return self.pattern.sub("", text).lstrip("\n")

    def thinks(self, text: str) -> bool:
        """Whether the text holds one of the thought's tags."""
        return any(tag.strip() in text for tag in self.thought)


CHAT_FORMS: Final = {
    "glm4": ChatForm(reasons=False),
    "glmz1": ChatForm(),
    "glm4_moe": ChatForm("glm4_moe"),
    "glm4_7": ChatForm("glm4_moe", ("<think>", "</think>"), closing_only=True),
}
"""Names of `template` (data/template.py)."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the package's YAML, and of an entry of its `dataset_info.json`, with its defaults."""

    template: Literal["glm4", "glmz1", "glm4_moe", "glm4_7"] = "glm4"
    formatting: Literal["sharegpt", "openai", "alpaca"] | None = None
    """None: by the form that each row has."""
    columns: dict[str, str | None] | None = None
    """As in `dataset_info.json`. None, with `tags` too: those that the form usually has."""
    tags: dict[str, str | None] | None = None
    cutoff_len: int = 2048
    mask_history: bool = False
    train_on_prompt: bool = False
    enable_thinking: bool | None = True
    preserve_thinking: bool = False
    tool_format: Literal["glm4", "glm4_moe", "default"] | None = None
    """None: the template's own."""
    default_system: str | None = None
    packing: bool | None = None
    neat_packing: bool = False
    preprocessing_batch_size: int = 1000
    preprocessing_num_workers: int | None = None

    @property
    def form(self) -> ChatForm:
        """The template."""
        return CHAT_FORMS[self.template]

    @property
    def tools(self) -> ToolFormat:
        """How tool lists and calls are written."""
        return TOOL_FORMATS[self.tool_format or self.form.tool_format]


class Writer:
    """The pieces of one row, half a pair after the other."""

    def __init__(self, context: Context, options: Settings) -> None:
        self.context = context
        self.options = options
        self.layout = Layout([], [], [], [], [])
        self.unit = 0
        self.at = At()

    def add(self, text: str, label: int, owner: int) -> None:
        """One call of the tokenizer."""
        if text:
            self.layout.add(self.context.split(text), label, owner, self.unit)

    def add_owned(self, pieces: Sequence[tuple[Piece, int]]) -> None:
        """Pieces without a label, each with its owner."""
        for piece, owner in pieces:
            self.layout.add((piece,), NONE, owner, self.unit)

    def prefix(self, given: Given) -> None:
        """What stands in front of the first question: the start, the system text and the tools."""
        self.add("[gMASK]<sop>", NONE, PREFIX)
        system, owner, more = given.system, given.system_owner, given.system_more
        if not system:
            system, owner, more = self.options.default_system or "", SYSTEM, ""
        if not (system or given.tools):
            return
        tools = ""
        if given.tools:
            self.at.place = given.tools_at
            tools = tools_text(given.tools, self.options.tools)
        self.at.place = given.system_at
        system + tools  # raises where the system text is none
        head = f"<|system|>\n{system}"
        self.add_owned(
            self.context.shared(
                ((head, owner if system else TOOLS), (more, SYSTEM), (tools, TOOLS))
            )
        )

    def question(self, turn: Said, content: Any, pair: int, answerer: int) -> None:
        """A question or a result, and the token that hands over to the answer."""
        self.at.place = turn.at
        text = checked(content)
        if turn.role == "user":
            text = text.replace("{{idx}}", str(pair), 1)
        parts: Parts = turn.parts or ((text, turn.owner),)
        mark = "<|user|>\n" if turn.role == "user" else "<|observation|>\n"
        parts = ((mark, turn.owner), *parts, ("<|assistant|>", answerer))
        self.add_owned(shared_pieces(parts, self.context.tokenizer))

    def answer(self, turn: Said, content: Any) -> str:
        """The text that an answer becomes."""
        self.at.place = turn.at
        if turn.role == "function":
            return calls_text(content, self.options.tools, self.options.form.pattern)
        return "\n" + checked(content)


def checked(content: Any) -> str:
    """`StringFormatter.apply`: content that is no string ends the run."""
    if not isinstance(content, str):
        raise RuntimeError(f"Expected a string, got {content}")
    return content


def lay_out(given: Given, writer: Writer) -> Layout:
    """`encode_multiturn`, and the labels of `SupervisedDatasetProcessor`, of the row before its cut.

    Raises what the package raises.
    """
    context, options, layout = writer.context, writer.options, writer.layout
    form, turns = options.form, given.turns
    look_at_media(given, writer.at)
    contents = [turn.content for turn in turns]
    last = len(turns) - 2  # where the last pair begins
    forgets = form.reasons and options.mask_history and not options.preserve_thinking
    if form.reasons and (forgets or options.enable_thinking is False):
        for index in range(1, len(turns), 2):
            writer.at.place = turns[index].at
            if options.enable_thinking is False or index < last:
                contents[index] = form.without_thought(contents[index])
    end = context.id("<|endoftext|>")
    for index in range(0, len(turns), 2):
        asked, answered = turns[index], turns[index + 1]
        first = len(layout.pieces)
        if not index:
            writer.prefix(given)
        writer.question(asked, contents[index], index // 2, answered.owner)
        text = writer.answer(answered, contents[index + 1])
        thought = ""
        if form.reasons and (not forgets or index == last):
            thought = "" if form.thinks(contents[index + 1]) else form.empty_thought
        if not options.enable_thinking:
            writer.add(thought, NONE, answered.owner)
        if (index != last) if options.mask_history else index:
            layout.first[first] = end
        writer.unit += 1
        label = SAME if index == last or not options.mask_history else NONE
        if options.enable_thinking:
            writer.add(thought, label, answered.owner)
        writer.add(text, label, answered.owner)
        writer.unit += 1
    layout.add((end,), SAME, END, writer.unit)
    return layout


def look_at_media(given: Given, at: At) -> None:
    """`MMPluginMixin._validate_input`: these templates take no pictures, films or sound."""
    for kind, value in given.media.items():
        if value is not None and value != []:
            at.place = given.media_at[kind]
            raise ValueError(
                f"This model does not support {kind} input. "
                "Please check whether the correct `template` is used."
            )


class LlamaFactory(Trainer):
    """Stage `sft` of LLaMA-Factory."""

    name = "llamafactory"
    title = Text(
        "LLaMA-Factory with a template of GLM (sft)", "LLaMA-Factory 的 GLM 模板（sft 阶段）"
    )
    called = Text("LLaMA-Factory", "LLaMA-Factory")
    source = "llamafactory 0.9.5 (PyPI), data/"
    date = "2026-05-30"
    supervises = Text(
        "every answer and call from behind <|assistant|> on, and <|endoftext|> after each of them "
        "(the input holds <|user|> or <|observation|> there, but for the last)",
        "每个回答和调用（从 <|assistant|> 之后开始），以及其后的 <|endoftext|>"
        "（除最后一个外，输入中该位置是 <|user|> 或 <|observation|>）",
    )
    Options = Settings
    reads = frozenset(FORMS)
    control_tokens = (
        *("<|endoftext|>", "[gMASK]", "<sop>"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    )
    cuts_prefix = False

    def default_budget(self, options: Settings) -> int:
        return options.cutoff_len

    def form_of(self, row: Mapping[str, Any], options: Settings) -> tuple[str, Names]:
        """`formatting` of a row, and its columns and tags."""
        if options.columns is not None or options.tags is not None:
            return options.formatting or "alpaca", named(options.columns, options.tags)
        found = (name for name, form in FORMS.items() if form.matches(row))
        name: str = options.formatting or next(found, "alpaca")
        return name, FORMS[name].names

    def conversation(self, row: Mapping[str, Any], context: Context) -> Conversation:
        name, names = self.form_of(row, context.options)
        return FORMS[name].read(row, names)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        name, names = self.form_of(row, context.options)
        writer = Writer(context, context.options)
        try:
            given = CONVERTERS[name](row, names, writer.at)
            return lay_out(given, writer)
        except Dropped:
            raise
        except Exception as error:  # whatever the package raises on this row
            at = writer.at.place
            raise TrainerError(type(error).__name__, str(error), at or None) from None

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: Settings = context.options
        packs = self.packs(options)
        found = cut_by_pair(tokens, budget - packs, last_first=options.mask_history)
        size = len(found.input_ids)
        if packs and size > budget - 1:
            words = f"Dropped lengthy example with length {size} > {budget - 1}"
            raise Dropped("too-long", words)
        return [found]

    def packs(self, options: Settings) -> bool:
        return bool(options.packing or options.neat_packing)

    def pack(
        self, lengths: Sequence[int | None], budget: int, context: Context
    ) -> list[list[Part]]:
        options: Settings = context.options
        found = []
        for batch in batches(
            len(lengths), options.preprocessing_batch_size, options.preprocessing_num_workers or 1
        ):
            kept = [(row, length) for row in batch if (length := lengths[row]) is not None]
            for sack in knapsacks([length for _, length in kept], budget - 1):
                found.append([Part(kept[place][0], 0, kept[place][1]) for place in sack])
        return found

    def filled(self, tokens: Tokens, budget: int, context: Context) -> Tokens:
        missing = budget - len(tokens.input_ids)
        return Tokens(
            np.pad(tokens.input_ids, (0, missing), constant_values=context.id("<|endoftext|>")),
            np.pad(tokens.labels, (0, missing), constant_values=IGNORE_INDEX),
            np.pad(tokens.owners, (0, missing), constant_values=END),
        )


def cut_by_pair(tokens: Tokens, budget: int, *, last_first: bool) -> Tokens:
    """Give each pair of question and answer its share of the budget; the end token always stays.

    Args:
        tokens: units 2n and 2n + 1 are the halves of pair n; the last unit is the end token.
        budget: in tokens.
        last_first: the last pair is the first to get its share.
    """
    if len(tokens.input_ids) <= budget:
        return tokens
    assert tokens.units is not None
    lengths = np.bincount(tokens.units).tolist()
    starts = np.cumsum([0, *lengths]).tolist()
    pairs = range(0, len(lengths) - 1, 2)
    kept: list[tuple[int, int]] = []
    used = 1
    for half in reversed(pairs) if last_first else pairs:
        if used >= budget:
            break
        source, target = shares(lengths[half], lengths[half + 1], budget - used)
        kept += [(starts[half], source), (starts[half + 1], target)]
        used += source + target
    places = [np.arange(start, start + size) for start, size in sorted(kept)]
    return tokens.part(np.concatenate([*places, [len(tokens.input_ids) - 1]]))


def shares(source: int, target: int, room: int) -> tuple[int, int]:
    """How many tokens of a question and of its answer are kept (`infer_seqlen`)."""
    if target * 2 < room:
        most = room
    elif source * 2 < room:
        most = room - source
    else:
        most = int(room * (target / (source + target)))
    target = min(most, target)
    return min(max(room - target, 0), source), target


trainer = LlamaFactory()
