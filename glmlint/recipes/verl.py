"""verl's supervised training on conversations (`MultiTurnSFTDataset`): each message rendered on its
own.

Source: verl 0.9.1, `verl/utils/dataset/multiturn_sft_dataset.py` and
`verl/utils/tokenizer/chat_template.py`.

verl reads Parquet. What a table makes of a row is part of what is trained: all messages get the
keys of all others, all calls the arguments of all others, null where they had none, and GLM-4.5's
template prints such an argument. Rows of a JSON file are read as they would come back from a
Parquet file written from them (pyarrow, pandas). How a file is really written depends on its owner:
check the Parquet file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from glmlint.loader import as_table
from glmlint.recipes._verl_config import from_config
from glmlint.trainer.apart import (
    cut,
    ids_of,
    joined,
    masked,
    of_messages,
    said_by,
    same_ids,
    unlabelled,
)
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import place_of, render_chat, render_chats, row_errors
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.cut import keep_end, keep_start
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import Layout, Tokens

_MISMATCH: Final = (
    "MultiTurnSFTDataset apply_chat_template to each turn separately and concat `input_ids` as a "
    "whole sequence, which may not equal to apply_chat_template to whole messages at once.\n"
    "For example, Qwen Thinking series models add <think></think> tags to last turn, please check "
    "your tokenizer chat template settings.\n"
    "Set `ignore_input_ids_mismatch=True` to ignore input_ids mismatch and use the concatenated "
    "input_ids as the final input_ids. "
)
"""What the package says where the joined messages are not the whole conversation."""

_NOBODY: Final = {"role": "user", "content": [{"type": "text", "text": ""}]}
"""The message that it puts in front of one that the template refuses alone."""


class VerlOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of `data` in its settings that decide ids and labels."""

    max_length: int = 1024
    truncation: Literal["error", "left", "right"] = "error"
    pad_mode: Literal["no_padding", "right"] = "no_padding"
    messages_key: str = "messages"
    tools_key: str = "tools"
    enable_thinking_key: str = "enable_thinking"
    enable_thinking_default: bool | str | int | None = None
    image_key: str = "images"
    video_key: str = "videos"
    apply_chat_template_kwargs: dict[str, Any] = {}
    ignore_input_ids_mismatch: bool = False


class Verl(Trainer):
    """`MultiTurnSFTDataset` of verl."""

    name = "verl"
    title = Text("verl's MultiTurnSFTDataset", "verl 的 MultiTurnSFTDataset")
    called = Text("verl", "verl")
    budget_means = Text("data.max_length", "data.max_length")
    source = "verl 0.9.1 verl/utils/dataset/multiturn_sft_dataset.py"
    date = "2026-09-20"
    supervises = Text(
        "what the template prints for each assistant message, without its role token and the token "
        "that ends it",
        "模板为每条 assistant 消息渲染出的内容，不含角色标记，也不含结束该消息的 token",
    )
    Options = VerlOptions
    reads = frozenset(("openai",))
    cuts_prefix = False
    cut_words = Text(
        "ends the run at a longer row, or cuts it (data.truncation)",
        "遇到更长的行会中止训练，或将其截断（data.truncation）",
    )
    budget_option = "max_length"
    through_datasets = False
    through_parquet = True
    suffixes = frozenset((".parquet",))
    pins = MappingProxyType({"transformers": "5.10.4"})
    joins = Text(
        "Use a model or template whose messages can be rendered one by one; "
        "`data.ignore_input_ids_mismatch: true` only turns the check off and trains the joined "
        "messages.",
        "请使用可以逐条渲染消息的模型或模板；`data.ignore_input_ids_mismatch: true` 只是关闭检查，训练的仍是拼接后的内容。",
    )

    def default_budget(self, options: VerlOptions) -> int | None:
        return options.max_length

    def ends_at_longer(self, options: VerlOptions) -> bool:
        return options.truncation == "error"

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        return form in ("glm", "openai") and reads_messages(form, row, context)

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        options: VerlOptions = context.options
        key = options.messages_key
        turns = turns_of(row.get(key), (key,))
        return conversation(row, turns, key, options.enable_thinking_key, tools=options.tools_key)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        options: VerlOptions = context.options
        with row_errors(lambda error: place_of(error, (options.messages_key,))):
            return _lay_out(as_table(row), context)

    def input_by_two_ways(
        self, row: dict[str, Any], laid_out: Layout | None, context: Context
    ) -> tuple[Layout, Layout] | None:
        options: VerlOptions = context.options
        if laid_out is not None and not options.ignore_input_ids_mismatch:
            return None  # verl has compared them itself
        try:
            row = as_table(row)
            whole = _whole(row, context)
            return whole, laid_out or joined(_parts(row, context))
        except Exception:
            return None

    def keeps_of_longer(
        self, options: VerlOptions
    ) -> Literal["everything", "nothing", "start"] | None:
        if options.truncation == "error":
            return "nothing"
        at_end = options.truncation == "left" and options.pad_mode == "right"
        return None if at_end else "start"

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: VerlOptions = context.options
        length = len(tokens.input_ids)
        if length > budget and options.truncation == "error":
            raise TrainerError(
                "ValueError", f"sequence_length={length} is larger than self.max_length={budget}"
            )
        at_end = options.truncation == "left" and options.pad_mode == "right"
        return (keep_end if at_end else keep_start)(tokens, budget)


def _kwargs(row: dict[str, Any], options: VerlOptions) -> dict[str, Any]:
    """Variables of the template for one row."""
    key = options.enable_thinking_key
    thinking = row.get(key, options.enable_thinking_default)
    if thinking is None and key in row:
        raise TypeError("boolean value of NA is ambiguous")
    found = dict(options.apply_chat_template_kwargs)
    if thinking is not None:
        found["enable_thinking"] = bool(thinking)
    return found


def _tools(row: dict[str, Any], options: VerlOptions) -> Any:
    """The tool list. A column that is empty in this row gives pandas' NA, which is no None to verl."""
    if options.tools_key in row and row[options.tools_key] is None:
        raise TypeError("'NAType' object is not iterable")
    return row.get(options.tools_key)


def _lay_out(row: dict[str, Any], context: Context) -> Layout:
    options: VerlOptions = context.options
    layout = joined(_parts(row, context))
    whole = _whole(row, context)
    if not options.ignore_input_ids_mismatch and not same_ids(layout, whole, context):
        raise AssertionError(_MISMATCH)
    return layout


def _parts(row: dict[str, Any], context: Context) -> list[Layout]:
    """Each message, labelled."""
    options: VerlOptions = context.options
    messages = row[options.messages_key]
    _look_at(messages, row, options)
    kwargs = _kwargs(row, options)
    tools = _tools(row, options) if messages else None
    measured = _measured(context)
    if isinstance(measured, Exception):
        raise measured
    system, header = measured
    parts = []
    for index, part in enumerate(_each(messages, tools, kwargs, context)):
        role = messages[index]["role"]
        if index and role != "system":
            part = cut(part, system, None, context)
        parts.append(masked(part, header, context) if role == "assistant" else unlabelled(part))
    if not parts:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return parts


def _whole(row: dict[str, Any], context: Context) -> Layout:
    """The conversation rendered at once."""
    options: VerlOptions = context.options
    kwargs = _kwargs(row, options)
    messages = row[options.messages_key]
    rendered = render_chat(messages, context, tools=_tools(row, options), **kwargs)
    return said_by(rendered.text, 0, context)


def _look_at(messages: Any, row: dict[str, Any], options: VerlOptions) -> None:
    """What `_build_messages` does, without a processor for pictures."""
    keys = {"image": options.image_key, "video": options.video_key}
    listed = {name: row[key] for name, key in keys.items() if key in row}
    for message in messages:
        if isinstance(message["content"], str) and listed:
            raise AssertionError("processor is needed to process image and video")
    for name, one in listed.items():
        if len(one):
            raise AssertionError(f"{name}_offset 0 != len({name}s) {len(one)}")


def _each(messages: Any, tools: Any, kwargs: dict[str, Any], context: Context) -> list[Layout]:
    """Each message as it is rendered alone; the tools go with the first."""
    found: list[Layout] = []
    for index, message in enumerate(messages):
        given = None if index else tools
        try:
            rendered = render_chat([message], context, tools=given, **kwargs)
        except Exception:
            found.append(_behind_another(message, index, given, kwargs, context))
            continue
        if index:
            found.append(said_by(rendered.text, index, context))
        else:
            found.append(of_messages(rendered, [message], context))
    return found


def _behind_another(
    message: Any, index: int, tools: Any, kwargs: dict[str, Any], context: Context
) -> Layout:
    """A message that the template refuses alone, rendered after a user message that says nothing."""
    try:
        both = render_chats([[_NOBODY], [_NOBODY, message]], context, tools=tools, **kwargs)
    except Exception as error:
        error.turn = index  # type: ignore[attr-defined]
        raise
    before, found = both
    size = len(ids_of([before.text], context)[0])
    return cut(said_by(found.text, index, context), size, None, context)


def _measured(context: Context) -> tuple[int, int] | Exception:
    """How many tokens stands in front of a first message, and how many an answer's header has."""
    key = ("verl", msgspec.json.encode(context.options))
    return context.remembered(key, lambda: _measure(context))


def _measure(context: Context) -> tuple[int, int] | Exception:
    options: VerlOptions = context.options
    kwargs = options.apply_chat_template_kwargs
    empty = {"role": "user", "content": ""}
    try:
        one, two = render_chats([[empty], [empty, empty]], context, **kwargs)
        waiting = render_chat([empty], context, add_generation_prompt=True, **kwargs)
    except Exception as error:
        return error
    first, second, third = ids_of([one.text, two.text, waiting.text], context)
    added = len(second) - len(first)
    return len(first[: -added if added else 0]), len(third[len(first) :])


trainer = Verl()
