"""LLaMA-Factory, supervised fine-tuning with its GLM templates.

Source: llamafactory 0.9.5, data/template.py, data/mm_plugin.py and data/processor/supervised.py. A
row is a list of pairs of question and answer. Each half is encoded on its own, and the budget is
shared out by pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from glmlint.read.sample import encode_sample
from glmlint.recipes._llamafactory_config import from_config
from glmlint.recipes._llamafactory_rows import CONVERTERS, At, Given, SpokenTurn
from glmlint.recipes._llamafactory_tools import (
    OTHER_TOOL_FORMATS,
    TOOL_FORMATS,
    ToolFormat,
    calls_text,
    tools_text,
)
from glmlint.recipes._llamafactory_typed import Unusual, Way, way
from glmlint.text import Told, listed
from glmlint.trainer.base import Context, Text, Trainer, Typed
from glmlint.trainer.config import TrainerConfig
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

    def without_thought(self, text: Any) -> str:
        """`remove_thought`: the text without what stands between the thought's tags, each time.

        Raises TypeError for what is not text, as `re.sub` does.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected string or bytes-like object, got {type(text).__name__!r}")
        opens, closes = self.thought
        kept = []
        at = 0
        while (first := text.find(opens, at)) >= 0:
            last = text.find(closes, first + len(opens))
            if last < 0:
                break
            kept.append(text[at:first])
            at = last + len(closes)
        return "".join((*kept, text[at:])).lstrip("\n")

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

TEXT_OF_VISION: Final = {"glm4v": "glmz1", "glm4_5v": "glm4_moe", "glm_ocr": "glm4"}
"""Templates for images -> the one that writes text the same way."""


VOCABULARIES: Final = {"glm4": "glm4", "glmz1": "glm4", "glm4_moe": "glm4.5", "glm4_7": None}
"""Template -> the vocabulary of the models that it was made for; None: in no package."""

MODEL_TEMPLATES: Final = {
    "glm-4-9b": "glm4",
    "glm-4-9b-hf": "glm4",
    "glm-4-0414": "glm4",
    "glm-z1": "glmz1",
    "glm-4.5": "glm4_moe",
    "glm-4.6": "glm4_moe",
    "glm-4.7": "glm4_7",
}
"""Model -> the template that the package names for it (extras/constants.py)."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the package's YAML, and of an entry of its `dataset_info.json`, with its defaults."""

    template: str = "glm4"
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
    tool_format: str | None = None
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

    @property
    def forgets(self) -> bool:
        """Whether earlier answers lose their thoughts."""
        return self.form.reasons and self.mask_history and not self.preserve_thinking


class Writer:
    """The pieces of one row, half a pair after the other."""

    def __init__(self, context: Context, *, plain: bool = False) -> None:
        """
        Args:
            plain: no text of the row can hold a control token.
        """
        self.context = context
        self.options: Settings = context.options
        self.plain = plain
        self.layout = Layout([], [], [], [], [])
        self.unit = 0
        self.at = At()

    def put(self, piece: Piece, label: int, owner: int) -> None:
        """One piece, which is not empty."""
        layout = self.layout
        layout.pieces.append(piece)
        layout.first.append(label)
        layout.rest.append(label)
        layout.owners.append(owner)
        layout.units.append(self.unit)  # type: ignore[union-attr]

    def put_text(self, text: str, label: int, owner: int) -> None:
        """One call of the tokenizer."""
        if text:
            for piece in self.context.split(text):
                self.put(piece, label, owner)

    def put_fixed(self, text: str, label: int, owner: int) -> None:
        """The same for a text that is one of few."""
        context = self.context
        for piece in context.remembered(text, lambda: encoded(context.split(text), context)):
            self.put(piece, label, owner)

    def start(self, given: Given) -> None:
        """What stands in front of the first question: the start, the system text and the tools."""
        self.put_fixed("[gMASK]<sop>", NONE, PREFIX)
        system, owner, more = given.system, given.system_owner, given.system_more
        if not system:
            system, owner, more = self.options.default_system or "", SYSTEM, ""
        if not (system or given.tools):
            return
        tools = ""
        if given.tools:
            self.at.place = given.tools_at
            tools = encodable(self.tools(given.tools))
        self.at.place = given.system_at
        system + tools  # raises where the system text is none
        head = f"<|system|>\n{system}"
        if self.plain and not more and not tools:
            self.put(self.context.id("<|system|>"), NONE, owner)
            self.put(head[len("<|system|>") :], NONE, owner)
            return
        parts = ((head, owner if system else TOOLS), (more, SYSTEM), (tools, TOOLS))
        size = sum(len(text) for text, _ in parts)
        for piece, whose in self.context.remembered(parts, lambda: self.shared(parts), size):
            self.put(piece, NONE, whose)

    def tools(self, content: Any) -> str:
        """What the tools of a row become."""
        form = self.options.tools
        if not isinstance(content, str):
            return tools_text(content, form)  # raises
        known: str = self.context.remembered(
            (content,), lambda: tools_text(content, form), len(content)
        )
        return known

    def shared(self, parts: Parts) -> list[tuple[Piece, int]]:
        """The pieces of a text that several have written, encoded, each with its owner."""
        found = shared_pieces(parts, self.context.tokenizer)
        pieces = encoded([piece for piece, _ in found], self.context)
        return list(zip(pieces, (owner for _, owner in found), strict=True))

    def text(self, turn: SpokenTurn, content: Any, number: int) -> str:
        """A turn as the package writes it, without the control tokens around a question.

        Args:
            number: of the turn in the row.
        """
        self.at.place = turn.at
        if turn.role == "function":
            return encodable(calls_text(content, self.options.tools, self.options.form.thought))
        if turn.role not in ("user", "assistant", "observation"):
            raise NotImplementedError(f"Unexpected role: {turn.role}")
        if not isinstance(content, str):
            raise RuntimeError(f"Expected a string, got {content}")
        said: str = content
        if turn.role == "user":
            said = said.replace("{{idx}}", str(number // 2), 1)
        return "\n" + said

    def put_turn(self, turn: SpokenTurn, text: str, label: int, answerer: int) -> None:
        """A turn with its text; after a question the token that hands over to the answer.

        Args:
            answerer: owner of that token.
        """
        if turn.role not in MARKS:
            if self.plain and text and turn.role != "function":
                self.put(text, label, turn.owner)
            else:
                self.put_text(text, label, turn.owner)
        elif self.plain and not turn.parts:
            self.put(self.context.id(MARKS[turn.role]), label, turn.owner)
            self.put(text, label, turn.owner)
            self.put(self.context.id("<|assistant|>"), label, answerer)
        else:
            parts: Parts = turn.parts or ((text[1:], turn.owner),)
            whole = (
                (MARKS[turn.role] + "\n", turn.owner), *parts, ("<|assistant|>", answerer),
            )  # fmt: skip
            for piece, owner in shared_pieces(whole, self.context.tokenizer):
                self.put(piece, label, owner)


MARKS: Final = {"user": "<|user|>", "observation": "<|observation|>"}
"""Role of a question -> the token in front of it."""


def encodable(text: str) -> str:
    """A text that came out of JSON text: half a surrogate pair ends the run at the tokenizer."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TypeError(
            "TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, InputSequence]]"
        ) from None
    return text


def encoded(pieces: Sequence[Piece], context: Context) -> list[Piece]:
    """The pieces with their texts as ids."""
    return [context.encoded(piece) if isinstance(piece, str) else piece for piece in pieces]


def lay_out(given: Given, writer: Writer) -> Layout:
    """`encode_multiturn`, and the labels of `SupervisedDatasetProcessor`, of the row before its cut.

    Raises what the package raises.
    """
    options, layout = writer.options, writer.layout
    form, turns = options.form, given.turns
    look_at_media(given, writer.at)
    contents = [turn.content for turn in turns]
    last = len(turns) - 2  # where the last pair begins
    if options.forgets or (form.reasons and options.enable_thinking is False):
        for index in range(1, len(turns), 2):
            writer.at.place = turns[index].at
            if options.enable_thinking is False or index < last:
                contents[index] = form.without_thought(contents[index])
        writer.plain = False  # what stood around a thought may be a control token now
    end = writer.context.id("<|endoftext|>")
    for index in range(0, len(turns), 2):
        asked, answered = turns[index], turns[index + 1]
        first = len(layout.pieces)
        if not index:
            writer.start(given)
        text = writer.text(asked, contents[index], index)
        writer.put_turn(asked, text, NONE, answered.owner)
        text = writer.text(answered, contents[index + 1], index + 1)
        thought = ""
        if form.reasons and (not options.forgets or index == last):
            thought = "" if form.thinks(contents[index + 1]) else form.empty_thought
        if thought and not options.enable_thinking:
            writer.put_fixed(thought, NONE, answered.owner)
        if (index != last) if options.mask_history else index:
            layout.first[first] = end
        writer.unit += 1
        label = SAME if index == last or not options.mask_history else NONE
        if thought and options.enable_thinking:
            writer.put_fixed(thought, label, answered.owner)
        writer.put_turn(answered, text, label, answered.owner)
        writer.unit += 1
    writer.put(end, SAME, END)
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
    trains_answers = True
    convert_to = ("sharegpt", "openai", "alpaca")
    title = Text("LLaMA-Factory with a GLM template (sft)", "LLaMA-Factory 的 GLM 模板（sft 阶段）")
    called = Text("LLaMA-Factory", "LLaMA-Factory")
    budget_means = Text("cutoff_len", "cutoff_len")
    source = "llamafactory 0.9.5, data/"
    date = "2026-05-30"
    supervises = Text(
        "every answer and call after <|assistant|>, and <|endoftext|> after each of them (except "
        "after the last, the input has <|user|> or <|observation|> there)",
        "每个回答和调用（从 <|assistant|> 之后开始），以及其后的 <|endoftext|>（除最后一个外，输入中该位置是 <|user|> 或 <|observation|>）",
    )
    Options = Settings
    reads = frozenset(FORMS)
    control_tokens = (
        *("<|endoftext|>", "[gMASK]", "<sop>"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    )
    template_name = "llamafactory"
    cuts_prefix = False
    one_form = True
    cuts_units = True
    cut_words = Text(
        "shares the budget out pair by pair, and trains an end token after what is left",
        "逐轮分配预算，并在剩下的内容之后照样训练结束符",
    )
    budget_option = "cutoff_len"
    pins = MappingProxyType({"datasets": "4.0.0", "transformers": "5.6.0"})

    def default_budget(self, options: Settings) -> int:
        return options.cutoff_len

    def refusal(self, options: Settings) -> Told | None:
        template, tools = options.template, options.tool_format
        if template in TEXT_OF_VISION:
            return Told(
                Text(
                    "template {template} is for images, whose tokens glmlint can't count; for rows "
                    "without images use {same}, which formats text the same way",
                    "模板 {template} 用于图像，glmlint 无法计算图像占用的 token 数；数据不含图像时请用 {same}，二者的文本格式相同",
                ),
                template=template,
                same=TEXT_OF_VISION[template],
            )
        if template not in CHAT_FORMS:
            return Told(
                Text(
                    "glmlint does not have LLaMA-Factory's template {template} (it has {names})",
                    "glmlint 不支持 LLaMA-Factory 的模板 {template}（支持：{names}）",
                ),
                template=template,
                names=listed(CHAT_FORMS),
            )
        if options.train_on_prompt:
            return Told(
                Text(
                    "LLaMA-Factory does not start with train_on_prompt: its GLM templates do not "
                    "support it (ValueError)",
                    "LLaMA-Factory 的 GLM 模板不支持 train_on_prompt，训练无法启动（ValueError）",
                )
            )
        if tools is not None and tools not in TOOL_FORMATS:
            told = (
                Text(
                    "glmlint does not have LLaMA-Factory's tool_format {name} (it has {names})",
                    "glmlint 不支持 LLaMA-Factory 的 tool_format {name}（支持：{names}）",
                )
                if tools in OTHER_TOOL_FORMATS
                else Text(
                    "LLaMA-Factory has no tool_format {name} and raises ValueError (for GLM it has "
                    "{names})",
                    "LLaMA-Factory 没有名为 {name} 的 tool_format，会抛出 ValueError（可用于 GLM 的有：{names}）",
                )
            )
            return Told(told, name=tools, names=listed(TOOL_FORMATS))
        least = 1 + self.packs(options)
        if options.cutoff_len < least:
            return Told(
                Text(
                    "cutoff_len {length} keeps nothing of a row; it must be at least {least}",
                    "cutoff_len 为 {length} 时，数据行不会保留任何内容；至少应为 {least}",
                ),
                length=str(options.cutoff_len),
                least=str(least),
            )
        return None

    def default_tokenizer(self, options: Settings) -> str | None:
        return VOCABULARIES[options.template]

    def model_options(self, model: str) -> dict[str, Any]:
        return {"template": MODEL_TEMPLATES[model]} if model in MODEL_TEMPLATES else {}

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def form_of(self, row: Mapping[str, Any], options: Settings) -> tuple[str, Names]:
        """`formatting` of a row, and its columns and tags."""
        if options.columns is not None or options.tags is not None:
            return options.formatting or "alpaca", named(options.columns, options.tags)
        found = (name for name, form in FORMS.items() if form.matches(row))
        name: str = options.formatting or next(found, "alpaca")
        return name, FORMS[name].names

    def form_read(self, row: dict[str, Any], context: Context) -> str | None:
        options: Settings = context.options
        if options.columns is not None or options.tags is not None or options.formatting:
            return None
        return self.form_of(row, options)[0]

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        options: Settings = context.options
        if options.columns is not None or options.tags is not None:
            return True  # somebody has named the row's columns
        if form == "openai" and not isinstance(row.get("messages"), list):
            return False  # turns under another key are taken for ShareGPT's
        return super().reads_row(form, row, context)

    def conversation(self, row: Mapping[str, Any], context: Context) -> Conversation:
        name, names = self.form_of(row, context.options)
        return FORMS[name].read(row, names)

    def typed(self, context: Context) -> Typed | None:
        ways = self.ways(context.options)
        if not ways:
            return None

        def decode(raw: bytes) -> tuple[Way, Any]:
            chosen = ways[0] if ways[0].key in raw else ways[-1]
            return chosen, chosen.decode(raw)

        def lay_out_typed(found: tuple[Way, Any], plain: bool) -> Layout | None:
            way, row = found
            try:
                given = way.convert(row, way.names, way.roles)
            except Unusual:
                return None
            return self.laid_out(lambda _: given, Writer(context, plain=plain))

        return Typed(
            decode,
            lambda found: encode_sample(found[1]),
            lay_out_typed,
            lambda found: found[0].facts(found[1]),
        )

    def ways(self, options: Settings) -> list[Way]:
        """The fast ways for the rows of a file; where each row has its own form, ShareGPT first."""
        if options.columns is not None or options.tags is not None or options.formatting:
            name, names = self.form_of({}, options)
            found = [way(name, names)]
        else:
            first = FORMS["sharegpt"].names
            found = [way("sharegpt", first), way("openai", FORMS["openai"].names, first.messages)]
        return [one for one in found if one is not None]

    def laid_out(self, convert: Callable[[At], Given], writer: Writer) -> Layout:
        """The layout of what is converted. Raises TrainerError and Dropped."""
        try:
            return lay_out(convert(writer.at), writer)
        except Dropped:
            raise
        except Exception as error:  # whatever the package raises on this row
            at = writer.at.place
            raise TrainerError(type(error).__name__, str(error), at or None) from None

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        name, names = self.form_of(row, context.options)
        return self.laid_out(lambda at: CONVERTERS[name](row, names, at), Writer(context))

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        packs = self.packs(context.options)
        most = budget - packs
        if len(tokens.input_ids) > most:
            assert tokens.units is not None
            lengths = np.bincount(tokens.units)
            starts = np.cumsum(lengths) - lengths
            sizes = np.zeros_like(lengths)
            for unit, kept in self.keep_units(lengths[None], np.array([budget]), context):
                sizes[unit] = kept[0, 0]
            places = [
                np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)
            ]
            tokens = tokens.part(np.concatenate(places))
        size = len(tokens.input_ids)
        if packs and size > most:
            raise Dropped("too-long", f"Dropped lengthy example with length {size} > {most}")
        return [tokens]

    def keep_units(
        self, lengths: npt.NDArray[np.int64], budgets: npt.NDArray[np.int64], context: Context
    ) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Units 2n and 2n + 1 are the halves of pair n; the last unit is the end token."""
        options: Settings = context.options
        budgets = budgets - self.packs(options)
        end = lengths.shape[1] - 1
        used = np.ones((len(lengths), len(budgets)), np.int64)
        yield end, used.copy()
        for half in reversed(range(0, end, 2)) if options.mask_history else range(0, end, 2):
            room = np.maximum(budgets - used, 0)
            source, target = lengths[:, [half]], lengths[:, [half + 1]]
            kept_source, kept_target = shares(source, target, room)
            yield half, kept_source
            yield half + 1, kept_target
            used += kept_source + kept_target

    def packs(self, options: Settings) -> bool:
        return bool(options.packing or options.neat_packing)

    def pack(
        self, lengths: Sequence[int | None], budget: int, context: Context
    ) -> Iterator[list[Part]]:
        options: Settings = context.options
        for batch in batches(
            len(lengths), options.preprocessing_batch_size, options.preprocessing_num_workers or 1
        ):
            kept = [(row, length) for row in batch if (length := lengths[row]) is not None]
            for sack in knapsacks([length for _, length in kept], budget - 1):
                yield [Part(kept[place][0], 0, kept[place][1]) for place in sack]

    def filled(self, tokens: Tokens, budget: int, context: Context) -> Tokens:
        missing = budget - len(tokens.input_ids)
        return Tokens(
            np.pad(tokens.input_ids, (0, missing), constant_values=context.id("<|endoftext|>")),
            np.pad(tokens.labels, (0, missing), constant_values=IGNORE_INDEX),
            np.pad(tokens.owners, (0, missing), constant_values=END),
        )


def shares(
    source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], room: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many tokens of a question and of its answer are kept (`infer_seqlen`)."""
    both = (room * (target / np.maximum(source + target, 1))).astype(np.int64)
    most = np.where(target * 2 < room, room, np.where(source * 2 < room, room - source, both))
    kept = np.minimum(most, target)
    return np.minimum(np.maximum(room - kept, 0), source), kept


trainer = LlamaFactory()
