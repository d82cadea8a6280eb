"""ms-swift's supervised training (`swift sft`), with its GLM templates.

Source: ms-swift 4.6.0 on PyPI (2026-10-14): swift/template, swift/agent_template, swift/loss_scale
and swift/dataset/preprocessor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct, field

from glmlint.recipes.swift_parts.agents import AGENTS
from glmlint.recipes.swift_parts.config import from_config
from glmlint.recipes.swift_parts.python import NoLiteral
from glmlint.recipes.swift_parts.rounds import Part, Setup, weighed_parts
from glmlint.recipes.swift_parts.rows import Columns, read
from glmlint.recipes.swift_parts.templates import SUFFIX, TEMPLATES, TemplateName
from glmlint.recipes.swift_parts.turns import conversation
from glmlint.recipes.swift_parts.weights import LossScale, loss_scale
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.cut import keep_end, keep_start, split, without_first_label
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import NONE, SAME, Encoded, Layout, Piece, Tokens
from glmlint.trainer.owned import Owned, pieces_of

AgentName = Literal["chatglm4", "glm4", "glm4_5", "glm4_7", "glm5_1"]


class SwiftOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """Arguments of `swift sft`, by their own names."""

    template: TemplateName = "chatglm4"
    agent_template: AgentName | None = None
    system: str | None = None
    max_length: int | None = None
    loss_scale: str = "default"
    is_binary_loss_scale: bool | None = None
    truncation_strategy: Literal["delete", "left", "right", "split"] = "delete"
    response_prefix: str | None = None
    enable_thinking: bool | None = None
    preserve_thinking: bool | None = None
    add_non_thinking_prefix: bool = True
    disable_ignore_empty_think: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    disable_auto_column_mapping: bool = False
    strict: bool = False
    reasoning_effort: str = "max"
    """The environment variable of that name: templates of GLM-5.2 and later read it."""
    tokenizer_prefix: bool | None = None
    """No argument of ms-swift's: whether the model's tokenizer itself puts [gMASK]<sop> in front
    of every text. None: as the models do for which the template is made."""

    def __post_init__(self) -> None:
        loss_scale(self.loss_scale)
        if self.system is not None and self.system.endswith(".txt"):
            raise ValueError("system names a file: give the text that stands in it")

    @cached_property
    def scale(self) -> LossScale:
        """The loss scale, with what ms-swift appends for templates with thoughts."""
        template = TEMPLATES[self.template]
        name = "ignore_empty_think"
        hybrid = template.thinks and template.not_thinking
        if hybrid and not self.disable_ignore_empty_think and name not in self.loss_scale:
            return loss_scale(f"{self.loss_scale}+{name}")
        return loss_scale(self.loss_scale)

    @cached_property
    def binary(self) -> bool:
        """Whether labels alone say what is trained, so that no weights are needed."""
        asked = self.is_binary_loss_scale
        return self.scale.binary if asked is None else asked

    @cached_property
    def named_columns(self) -> Columns:
        """By which names columns are read."""
        return Columns(self.columns, not self.disable_auto_column_mapping)

    @cached_property
    def setup(self) -> Setup:
        """What lays rows out."""
        template = TEMPLATES[self.template]
        thinking, prefix = self.enable_thinking, self.tokenizer_prefix
        return Setup(
            template=template,
            agent=AGENTS[self.agent_template or template.agent],
            scale=self.scale,
            system=_unescaped(self.system),
            enable_thinking=(
                template.thinks and not template.not_thinking if thinking is None else thinking
            ),
            preserve_thinking=self.preserve_thinking,
            response_prefix=_unescaped(self.response_prefix),
            add_non_thinking_prefix=self.add_non_thinking_prefix,
            reasoning_effort=self.reasoning_effort,
            tokenizer_prefix=template.tokenizer_prefix if prefix is None else prefix,
        )


def _unescaped(text: str | None) -> str | None:
    r"""An argument in which `\n` is written for a line feed."""
    return None if text is None else text.replace("\\n", "\n")


VOCABULARIES: Final[dict[TemplateName, str]] = {
    "chatglm4": "glm4",
    "glm4": "glm4",
    "glm4_5": "glm4.5",
}
"""Template -> vocabulary of its models. The pieces of GLM-4.7 and later are in no package."""

MODEL_TEMPLATES: Final[dict[str, TemplateName]] = {
    "glm-4-9b": "chatglm4",
    "glm-4-9b-hf": "glm4",
    "glm-4-0414": "glm4",
    "glm-z1": "glm4",
    "glm-4.5": "glm4_5",
    "glm-4.6": "glm4_5",
    "glm-4.7": "glm4_7",
    "glm-5": "glm4_7",
    "glm-5.1": "glm5_1",
    "glm-5.2": "glm5_2",
    "glm-5.3": "glm5_3",
}
"""Model -> template that ms-swift takes for it (swift/model/models/glm.py)."""


_ANSWERS_ALONE: Final = Text(
    "Set loss_scale: default to train only answers.",
    "设置 loss_scale: default，即只训练回答。",
)


class Swift(Trainer):
    """ms-swift 4.6.0, `swift sft`."""

    name = "swift"
    convert_to = ("swift", "openai")
    title = Text("ms-swift, supervised fine-tuning (swift sft)", "ms-swift 监督微调（swift sft）")
    called = Text("ms-swift", "ms-swift")
    budget_means = Text("max_length", "max_length")
    source = "ms-swift 4.6.0"
    date = "2026-10-14"
    supervises = Text(
        "every answer without its header, and the stop token after it, as set by `loss_scale`",
        "每个回答（不含其开头的角色标记）及其后的停止符，由 loss_scale 决定",
    )
    Options = SwiftOptions
    reads = frozenset(("openai", "sharegpt", "alpaca", "prompt-response", "swift", "text"))
    cuts_prefix = False
    budget_option = "max_length"
    pins = MappingProxyType({"datasets": "4.8.4", "transformers": "5.19.0"})
    loss_fields = frozenset(("loss", "loss_scale"))
    template_name = "ms-swift"
    cut_words = Text(
        "leaves a longer row out, cuts its start or its end, or splits it, as set by "
        "`truncation_strategy`",
        "按 truncation_strategy 的设置丢弃过长的行、截去其开头或结尾，或将其切分",
    )

    def default_budget(self, options: SwiftOptions) -> int | None:
        return options.max_length

    def default_tokenizer(self, options: SwiftOptions) -> str | None:
        return VOCABULARIES.get(options.template)

    def cure(self, of: str, context: Context) -> Text | None:
        del context
        return _ANSWERS_ALONE if of in ("prompts", "results") else None

    def model_options(self, model: str) -> dict[str, Any]:
        return {"template": MODEL_TEMPLATES[model]} if model in MODEL_TEMPLATES else {}

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        options: SwiftOptions = context.options
        try:
            parts = weighed_parts(read(row, options.named_columns), options.setup, context)
        except NoLiteral as why:
            if why.owner is not None and why.owner >= 0:
                turns = conversation(row, options.named_columns).turns
                why.at = turns[why.owner].at if why.owner < len(turns) else None
            if options.strict:
                raise TrainerError(why.exception, why.words, why.at) from None
            raise
        return _layout(parts, options.binary, context)

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        """The turns of a row, as owners of a layout count them. Never raises."""
        options: SwiftOptions = context.options
        return conversation(row, options.named_columns)

    def keeps_of_longer(
        self, options: SwiftOptions
    ) -> Literal["everything", "nothing", "start"] | None:
        return "nothing" if options.truncation_strategy == "delete" else None

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: SwiftOptions = context.options
        length = len(tokens.input_ids)
        if length <= budget:
            return [tokens]
        if options.truncation_strategy == "delete":
            words = f"Current length of row({length}) is larger than the max_length({budget})."
            if options.strict:
                raise TrainerError("MaxLengthError", words)
            raise Dropped("too-long", f"MaxLengthError: {words}")
        policy = {"left": keep_end, "right": keep_start, "split": split}
        return without_first_label(policy[options.truncation_strategy](tokens, budget))


def _layout(parts: list[tuple[Part, float]], binary: bool, context: Context) -> Layout:
    weights: list[float] | None = None if binary else []
    layout = Layout([], [], [], [], weights=weights)
    for part, weight in parts:
        for piece, owner in _pieces(part, context):
            label = SAME if weight > 0.0 else NONE
            layout.pieces.append(piece)
            layout.first.append(label)
            layout.rest.append(label)
            layout.owners.append(owner)
            if weights is not None:
                weights.append(float(weight))
    _teach_stops(layout, context.id(SUFFIX))
    # Every row begins with a control token, and the first token is in no loss.
    layout.first[0] = NONE
    if weights is not None:
        weights[0] = 0.0
    return layout


def _pieces(part: Part, context: Context) -> Iterator[tuple[Piece, int]]:
    if isinstance(part, Owned):
        yield from pieces_of(part, context)
    else:
        control = context.tokenizer.control_text
        for token in part.ids:
            if not 0 <= token < context.tokenizer.vocab_size:
                raise TrainerError("IndexError", f"{token} is not a token id of the model")
            yield token if token in control else Encoded(np.array([token], np.uint32)), part.owner


def _teach_stops(layout: Layout, stop: int) -> None:
    """The stop token after a trained part is trained, too."""
    trained = [label != NONE for label in layout.first]
    for place in range(1, len(trained)):
        if layout.pieces[place] == stop and trained[place - 1] and not trained[place]:
            layout.first[place] = layout.rest[place] = SAME
            if layout.weights is not None and layout.weights[place] == 0:
                layout.weights[place] = 1.0


trainer = Swift()
