"""slime's supervised training (`slime.rollout.sft_rollout`): messages rendered one by one, cut by
lengths.

Source: THUDM/slime, `slime/utils/mask_utils.py`, `slime/utils/data.py`,
`slime/rollout/sft_rollout.py`, August 2026. Where arguments are missing, `--input-key messages
--tool-key tools` are assumed, as in its examples.

slime has no mask of its own for GLM. It measures two lengths on the template once: the text before
a message, and the header of an answer. `qwen`, the default, fits GLM-4.5's template. `qwen3`
renders each message together with another one and subtracts that length once more, which cuts role
tokens and words out of the input under every GLM template.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from glmlint.recipes._slime_config import from_config
from glmlint.trainer.apart import (
    cut,
    ids_of,
    joined,
    masked,
    of_messages,
    said_by,
    size_of,
    unlabelled,
)
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import (
    Span,
    borders,
    lay_out_text,
    place_of,
    render_chat,
    row_errors,
)
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.layout import Layout, Tokens

MaskType = Literal["qwen", "qwen3", "qwen3_5", "distill_qwen"]

_PROBE: Final = "FOR TESTING ONLY"
_BESIDE: Final = {"role": "user", "content": "FOR CALCULATING LOSS MASK ONLY"}
"""What it measures lengths with, and what `qwen3` puts beside each message."""

_HEADER, _STOP, _THINK, _EMPTY = (
    "<|im_start|>assistant\n",
    "<|im_end|>",
    "<think>\n",
    "<think>\n\n</think>\n\n",
)
"""Marks of Qwen's templates, for which `qwen3_5` looks."""


class SlimeOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of slime that decide ids and labels."""

    loss_mask_type: MaskType = "qwen"
    input_key: str = "messages"
    tool_key: str | None = "tools"
    metadata_key: str = "metadata"


class Slime(Trainer):
    """`MultiTurnLossMaskGenerator` of slime."""

    name = "slime"
    title = Text("slime's SFT rollout", "slime 的 SFT rollout")
    called = Text("slime", "slime")
    source = "THUDM/slime slime/utils/mask_utils.py @624b824a"
    date = "2026-08"
    supervises = Text(
        "what the template prints for each assistant message, without its role token and the token "
        "that ends it; `step_loss_mask` turns a message off",
        "模板为每条 assistant 消息渲染出的内容，不含角色标记，也不含结束该消息的 token；可用 `step_loss_mask` 关闭某条消息",
    )
    Options = SlimeOptions
    reads = frozenset(("openai",))
    cuts_prefix = False
    cuts = False
    cut_words = Text("cuts no row", "不截断任何行")
    loss_fields = frozenset(("step_loss_mask",))
    untrained_raises = "AssertionError"
    reads_json = True
    through_datasets = False
    suffixes = frozenset((".jsonl", ".parquet"))
    joins = Text(
        "Use a template whose messages can be rendered one by one; of the values of "
        "`--loss-mask-type`, the default `qwen` is closest to GLM-4.5's template.",
        "请换用可以逐条渲染消息的模板；`--loss-mask-type` 的各个取值中，默认的 `qwen` 最接近 GLM-4.5 的模板。",
    )

    def default_budget(self, options: SlimeOptions) -> int | None:
        del options
        return None

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        return form in ("glm", "openai") and reads_messages(form, row, context)

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        options: SlimeOptions = context.options
        key = options.input_key
        turns = turns_of(row.get(key), (key,))
        for index, turn in enumerate(turns):
            message = row[key][index]
            if isinstance(message, dict) and "step_loss_mask" in message:
                turn.loss = message["step_loss_mask"] == 1
        return conversation(row, turns, key, options.metadata_key, tools=options.tool_key)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        options: SlimeOptions = context.options
        with row_errors(lambda error: place_of(error, (options.input_key,))):
            return _lay_out(row.get(options.input_key), _tools(row, options), context)

    def input_by_two_ways(
        self, row: dict[str, Any], laid_out: Layout | None, context: Context
    ) -> tuple[Layout, Layout] | None:
        options: SlimeOptions = context.options
        if laid_out is None or options.loss_mask_type not in ("qwen", "qwen3"):
            return None
        try:
            tools = _tools(row, options)
            rendered = render_chat(row.get(options.input_key), context, tools=tools)
        except Exception:
            return None
        return said_by(rendered.text, 0, context), laid_out

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        del budget, context
        return [tokens]


def _tools(row: dict[str, Any], options: SlimeOptions) -> Any:
    """The tool list, as the data set hands it on."""
    metadata = row.get(options.metadata_key) or {}
    if options.tool_key is not None and options.tool_key in row:
        tools = row[options.tool_key]
        if isinstance(tools, str):
            tools = json.loads(tools)
        if not isinstance(tools, list):
            raise AssertionError(f"tools must be a list, got {type(tools)} instead")
        return tools
    return metadata.get("tools")


def _lay_out(messages: Any, tools: Any, context: Context) -> Layout:
    options: SlimeOptions = context.options
    if options.loss_mask_type == "qwen3_5":
        return _by_marks(messages, tools, context)
    if options.loss_mask_type == "distill_qwen":
        return _last(messages, tools, context)
    return joined(_parts(messages, tools, context))


def _parts(messages: Any, tools: Any, context: Context) -> list[Layout]:
    """Each message, labelled, by `qwen` or `qwen3`."""
    options: SlimeOptions = context.options
    before, header = _measured(context)
    each = _alone if options.loss_mask_type == "qwen" else _beside
    parts: list[Layout] = []
    missing = 0
    for index, part in each(messages, tools, context):
        message = messages[index]
        role = message["role"]
        if index and role != "system":
            part = cut(part, before, None, context)
        if role != "assistant" or message.get("step_loss_mask", 1) != 1:
            parts.append(unlabelled(part))
            continue
        if len(part.pieces) < header:
            missing += max(header - size_of(part, context), 0)
        parts.append(masked(part, header, context))
    if missing:
        size = size_of(joined(parts), context)
        raise ValueError(
            "SFT rollout produced mismatched token_ids/loss_mask lengths: "
            f"len(token_ids)={size}, len(loss_mask)={size + missing}"
        )
    return parts


def _measured(context: Context) -> tuple[int, int]:
    measured = context.remembered("slime", lambda: _measure(context))
    if isinstance(measured, Exception):
        raise measured
    return measured


def _measure(context: Context) -> tuple[int, int] | Exception:
    """How many tokens stand in front of a message, and how many an answer's header has."""
    probe = {"role": "user", "content": _PROBE}
    try:
        text = render_chat([probe, probe], context).text
        waiting = render_chat([probe, probe], context, add_generation_prompt=True).text
        wanted, found, longer = (ids.tolist() for ids in ids_of([_PROBE, text, waiting], context))
        size = len(wanted)
        places = [at for at in range(len(found) - size + 1) if found[at : at + size] == wanted]
        first, second = places
    except Exception as error:
        return error
    end = len(found) - size - second
    return first - ((second - first) - end - size), len(longer) - len(found)


Parts = Iterator[tuple[int, Layout]]
"""Messages, each with the number of the first of them."""


def _alone(messages: Any, tools: Any, context: Context) -> Parts:
    """Each message as it is rendered alone; the tools go with the first."""
    for index, message in enumerate(messages):
        try:
            rendered = render_chat([message], context, tools=None if index else tools)
        except Exception as error:
            raise _at(error, index) from None
        if index:
            yield index, said_by(rendered.text, index, context)
        else:
            yield index, of_messages(rendered, [message], context)


def _beside(messages: Any, tools: Any, context: Context) -> Parts:
    """Each message as it is rendered beside another one, whose number of tokens is taken off.

    Results of tools that follow each other are rendered together.
    """
    size = len(ids_of([render_chat([_BESIDE], context).text], context)[0])
    index = 0
    while index < len(messages):
        end = index + 1
        while (
            index and _is_result(messages[index]) and messages[end:] and _is_result(messages[end])
        ):
            end += 1
        own = messages[index:end]
        both = [_BESIDE, *own] if index else [*own, _BESIDE]
        try:
            rendered = render_chat(both, context, tools=None if index else tools)
        except Exception as error:
            raise _at(error, index) from None
        part = of_messages(rendered, both, context)
        if index:
            part = cut(part, size, None, context)
            part.owners = [max(owner, 1) + index - 1 for owner in part.owners]
        else:
            part = cut(part, 0, -size, context)
            part.owners = [min(owner, 0) for owner in part.owners]
        yield index, part
        index = end


def _is_result(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "tool"


def _last(messages: Any, tools: Any, context: Context) -> Layout:
    """`distill_qwen`: the first message as prompt, the content of the last one as answer."""
    _measured(context)  # which ends the run where the template does not allow it
    rendered = render_chat(messages[:1], context, tools=tools, add_generation_prompt=True)
    last = messages[-1]
    content = last["content"]
    if not isinstance(content, str):
        raise ValueError("You need to specify either `text` or `text_target`.")
    answer = said_by(content, len(messages) - 1, context)
    prompt = unlabelled(of_messages(rendered, messages[:1], context))
    if last.get("step_loss_mask", 1) != 1:
        answer = unlabelled(answer)
    return joined([prompt, answer])


def _by_marks(messages: Any, tools: Any, context: Context) -> Layout:
    """`qwen3_5`: the whole conversation, and Qwen's marks looked for in it."""
    rendered = render_chat(messages, context, tools=tools)
    text = rendered.text
    spans: list[Span] = []
    at = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        found = text.find(_HEADER, at)
        if found < 0:
            raise _at(
                ValueError(
                    "Failed to locate assistant message in rendered Qwen3.5/Qwen3.6 chat template."
                ),
                index,
            )
        start = found + len(_HEADER)
        stop = text.find(_STOP, start)
        if stop < 0:
            raise _at(
                ValueError("Failed to locate <|im_end|> for assistant message in rendered text."),
                index,
            )
        at = stop + len(_STOP)
        at += text[at : at + 1] == "\n"
        if message.get("step_loss_mask", 1) != 1:
            continue
        opened = next((mark for mark in (_EMPTY, _THINK) if text.startswith(mark, start)), "")
        spans.append((start + len(opened), at))
    return lay_out_text(text, borders(rendered, messages, context, None), context, spans)


def _at(error: Exception, index: int) -> Exception:
    error.turn = index  # type: ignore[attr-defined]
    return error


trainer = Slime()
