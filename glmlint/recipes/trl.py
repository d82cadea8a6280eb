"""TRL's SFTTrainer: the model's own chat template over the whole conversation.

Source: trl 1.16.0, `trl/trainer/sft_trainer.py`: `SFTTrainer.__init__`, `_prepare_dataset`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct

from glmlint.finding import Pointer
from glmlint.patterns import Pattern
from glmlint.recipes._trl_config import from_config
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import (
    Borders,
    Span,
    borders,
    lay_out_text,
    place_of,
    render_chat,
    tokenizable,
    with_labels,
)
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation, Speech
from glmlint.trainer.cut import keep_end, keep_start
from glmlint.trainer.errors import NO_LABELS, Dropped, TrainerError
from glmlint.trainer.layout import NONE, PREFIX, Layout, Tokens, layout_of
from glmlint.trainer.mask import sequence
from glmlint.trainer.packing import Part, batches, best_fit, pieces, wrapped
from glmlint.trainer.template import TRL_TRAINING, ChatTemplate, TemplateFault, own_template

MARKS: Final = Pattern(r"\{%-?\s*generation\s*-?%\}")
"""By which TRL knows a template that says itself what the assistant wrote."""

PACKED_TOGETHER: Final = 1000
"""Rows among which one call of its packer looks: `datasets`' own batch size."""

_ROLES: Final = frozenset(("system", "user", "assistant", "observation"))
"""Roles of turns, as `chat_turns` spells them, that GLM's templates print."""

_APPLY: Final = "PreTrainedTokenizerBase.apply_chat_template"
_GIVEN: Final = {
    "processing_class": "_tokenize() got multiple values for argument",
    "input": "_tokenize() got multiple values for argument",
    "self": f"{_APPLY}() got multiple values for argument",
    "conversation": f"{_APPLY}() got multiple values for argument",
    **dict.fromkeys(
        ("tokenize", "return_dict"),
        f"transformers.tokenization_utils_base.{_APPLY}() got multiple values for keyword argument",
    ),
    "conversations": "transformers.utils.chat_template_utils.render_jinja_template() got multiple "
    "values for keyword argument",
}
"""Arguments that TRL and transformers pass themselves, and what Python says where a row names one in
`chat_template_kwargs`: the run ends there."""

_TO_MASK: Final = (
    "transformers.utils.chat_template_utils._render_with_assistant_indices() got multiple values for "
    "keyword argument"
)
_TO_TEMPLATE: Final = (
    "jinja2.environment.Template.render() got multiple values for keyword argument"
)


_MASK: Final = Text(
    "Set assistant_only_loss: true to train only answers.",
    "设置 assistant_only_loss: true，即只训练回答。",
)
_NO_MASK: Final = Text(
    "assistant_only_loss: true needs {{% generation %}} in the chat template; with this template "
    "TRL raises ValueError. For rows with prompt and completion it trains only the completion.",
    "assistant_only_loss: true 要求对话模板含有 {{% generation %}}，当前模板会使 TRL 抛出 ValueError；改用 prompt 和 completion 两列的数据则只训练 completion。",
)
_END: Final = Text(
    "TRL adds no end token after messages: make the chat template print <|endoftext|> after the "
    "answer.",
    "TRL 不会在 messages 之后添加结束符：请让对话模板在回答后输出 <|endoftext|>。",
)
_END_AND_MASK: Final = Text(
    "TRL adds no end token after messages; with assistant_only_loss: true it uses its own template "
    "for this model, which ends in a trained <|user|>.",
    "TRL 不会在 messages 之后添加结束符；设置 assistant_only_loss: true 时，它会为此模型换用自带的模板，其末尾的 <|user|> 参与训练。",
)


class TrlOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Those fields of `SFTConfig` that decide ids and labels."""

    max_length: int | None = 1024
    truncation_mode: Literal["keep_start", "keep_end"] = "keep_start"
    assistant_only_loss: bool = False
    completion_only_loss: bool | None = None
    dataset_text_field: str = "text"
    eos_token: str | None = None
    packing: bool = False
    packing_strategy: Literal["bfd", "bfd_split", "wrapped"] = "bfd"
    padding_free: bool = False


class Trl(Trainer):
    """`SFTTrainer` of TRL, with `messages`, `prompt` and `completion`, or plain text."""

    name = "trl"
    title = Text("TRL's SFTTrainer", "TRL 的 SFTTrainer")
    called = Text("TRL", "TRL")
    budget_means = Text("max_length", "max_length")
    source = "trl 1.16.0 trl/trainer/sft_trainer.py"
    date = "2026-10-15"
    supervises = Text(
        "every token, including prompts; for rows with prompt and completion, the completion; with "
        "assistant_only_loss, what the template marks as the assistant's",
        "所有 token，包括提示词部分；prompt/completion 数据只训练 completion；启用 assistant_only_loss 时只训练模板标记为 assistant 的部分",
    )
    Options = TrlOptions
    reads = frozenset(("openai", "prompt-response", "sharegpt", "text"))
    cuts_prefix = False
    budget_option = "max_length"

    def default_budget(self, options: TrlOptions) -> int | None:
        return options.max_length

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def cure(self, of: str, context: Context) -> Text | None:
        ready = bool(MARKS.search(context.template.source)) or _is_patched(context.template)
        if of == "end":
            return _END_AND_MASK if _is_patched(context.template) else _END
        if of not in ("prompts", "results"):
            return None
        return _MASK if ready else _NO_MASK

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        if form in ("glm", "openai"):
            return reads_messages(form, row, context)
        if form == "prompt-response":
            parts = row.get("prompt"), row.get("completion")
            return any(all(isinstance(part, kind) for part in parts) for kind in (str, list))
        if form == "sharegpt":
            turns = turns_of(row.get("conversations"), (), ("from", "value"))
            return bool(turns) and all(turn.role in _ROLES for turn in turns)
        return form == "text" and context.options.dataset_text_field in row

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        field = context.options.dataset_text_field
        kwargs = "chat_template_kwargs"
        if "prompt" in row:
            turns: list[Speech] = []
            for key, role in (("prompt", "user"), ("completion", "assistant")):
                said = row.get(key)
                turns += (
                    [Speech(role, said, (key,), (key,))]
                    if isinstance(said, str)
                    else turns_of(said, (key,))
                )
            return conversation(row, turns, "prompt", "completion", kwargs)
        if isinstance(row.get("messages"), list):
            return conversation(row, turns_of(row["messages"], ("messages",)), "messages", kwargs)
        if isinstance(row.get("conversations"), list):
            turns = turns_of(row["conversations"], ("conversations",), ("from", "value"))
            return conversation(row, turns, "conversations", kwargs)
        said = row.get(field)
        text = [Speech("assistant", said, (field,), (field,))] if isinstance(said, str) else []
        return conversation(row, text, field)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        try:
            return _lay_out(row, context)
        except (Dropped, TrainerError):
            raise
        except TemplateFault as fault:
            raise TrainerError("TemplateSyntaxError", fault.say("en")) from None
        except Exception as error:  # whatever TRL, transformers or the template raises
            at = _place(error, row)
            raise TrainerError(type(error).__name__, str(error), at) from None

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: TrlOptions = context.options
        if options.packing:
            return [_packable(tokens, budget, options.packing_strategy)]
        if options.max_length is None:
            return [
                _packable(tokens, len(tokens.input_ids), "bfd") if options.padding_free else tokens
            ]
        keep = keep_start if options.truncation_mode == "keep_start" else keep_end
        found = keep(tokens, budget)
        if not (found[0].labels != NONE).any():
            raise Dropped("no-labels", NO_LABELS)
        return found

    def packs(self, options: TrlOptions) -> bool:
        return options.packing

    def pack(
        self, lengths: Sequence[int | None], budget: int, context: Context
    ) -> Iterator[list[Part]]:
        options: TrlOptions = context.options
        for rows in batches(len(lengths), PACKED_TOGETHER, 1):
            sizes = [(row, lengths[row] or 0) for row in rows]
            if options.packing_strategy == "wrapped":
                yield from wrapped(sizes, budget)
                continue
            parts = pieces(sizes, budget)
            sacks = best_fit([part.stop - part.start for part in parts], budget)
            yield from ([parts[number] for number in sack] for sack in sacks)


def _place(error: Exception, row: dict[str, Any]) -> Pointer | None:
    """Where the message is written that the template was printing, where it raised."""
    prompt = row.get("prompt")
    if not isinstance(prompt, list):
        return place_of(error, ("messages" if "messages" in row else "conversations",))
    at = place_of(error, ("prompt",))
    if at is not None and isinstance(at[1], int) and at[1] >= len(prompt):
        return ("completion", at[1] - len(prompt))
    return at


def _packable(tokens: Tokens, budget: int, strategy: str) -> Tokens:
    """A row as it goes into the packer: where it keeps rows or their pieces apart in a sequence, the
    first token of each is without a label."""
    if strategy == "wrapped":
        return tokens
    found = tokens.part(slice(budget if strategy == "bfd" else None))
    found.labels = found.labels.copy()
    found.labels[:: max(budget, 1)] = NONE
    return found


def _lay_out(row: dict[str, Any], context: Context) -> Layout:
    options: TrlOptions = context.options
    template = _check(row, context)
    if "input_ids" in row:
        return _processed(row, context)
    if _is_sharegpt(row):
        row = _as_messages(row)
    eos = options.eos_token or "<|endoftext|>"
    if not _is_conversational(row):
        row = _ended(row, eos, options.dataset_text_field)
    tools = row.get("tools")
    if isinstance(tools, str):
        tools = json.loads(tools)
    kwargs = row.get("chat_template_kwargs", {})
    if not isinstance(kwargs, dict):
        raise TypeError(f"'{type(kwargs).__name__}' object is not a mapping")
    names = {"tools": tools, **kwargs}
    if "chat_template" in names:
        searched = options.assistant_only_loss and "prompt" not in row
        template = _template_of(names.pop("chat_template"), searched, context)
    if "prompt" in row:
        return _completion(row, context, template, names)
    if not _is_conversational(row):
        text = row[options.dataset_text_field]
        return lay_out_text(text, ([0], [0]), context)
    _refuse(names, options.assistant_only_loss, "return_assistant_tokens_mask")
    messages = row["messages"]
    rendered = render_chat(messages, context, template, **names)
    found = borders(rendered, messages, context, template)
    generated = rendered.generated if options.assistant_only_loss else None
    layout = _short(lay_out_text(rendered.text, found, context, generated), names, context)
    return _needs_label(layout) if options.assistant_only_loss else layout


def _check(row: dict[str, Any], context: Context) -> ChatTemplate | None:
    """What the trainer's constructor looks at; the template that it takes instead of the model's."""
    options: TrlOptions = context.options
    eos = options.eos_token
    if eos is not None and not context.remembered(
        ("trl", "eos", eos), lambda: context.tokenizer.has_entry(eos)
    ):
        raise ValueError(
            f"The specified `eos_token` ('{options.eos_token}') is not found in the vocabulary of "
            "the given `processing_class`"
        )
    if "image" in row or "images" in row:
        raise ValueError(
            "The dataset appears to be vision-related (contains 'image' or 'images' keys), but the "
            "provided model does not seem to be a vision-language model."
        )
    training = None
    if options.assistant_only_loss:
        if not _is_conversational(row):
            raise ValueError(
                "You set `assistant_only_loss=True`, but the dataset is not conversational. "
                "This option is only supported for conversational datasets."
            )
        if not MARKS.search(context.template.source):
            training = training_template(context.template)
    if options.padding_free and not options.packing and options.max_length is not None:
        raise ValueError("When `padding_free=True` without packing, `max_length` is not enforced.")
    if options.packing and options.max_length is None:
        raise ValueError("When packing is enabled, `max_length` can't be `None`.")
    return training


def _is_patched(template: ChatTemplate) -> bool:
    """Whether TRL has a template of its own in the place of this one."""
    return template.name == "GLM-4.5" and template.own and template.published


def training_template(template: ChatTemplate) -> ChatTemplate:
    """The template with `{% generation %}` that TRL has for a template without.

    Raises:
        ValueError: it has none.
    """
    if _is_patched(template):
        return own_template("GLM-4.5 (TRL)", TRL_TRAINING, {}, template.transformers)
    raise ValueError(
        "The chat template is not training-compatible (missing prefix-preservation or "
        "`{% generation %}` markers) and patching is not supported for this template. "
        "Please manually modify the chat template for training."
    )


def _is_conversational(row: dict[str, Any]) -> bool:
    """Whether a list of messages stands under the first of the keys that it knows."""
    for key in ("prompt", "chosen", "rejected", "completion", "messages"):
        if key in row:
            messages = row[key]
            if not isinstance(messages, list):
                return False
            return isinstance(messages[0], dict) and "role" in messages[0]
    return False


def _is_sharegpt(row: dict[str, Any]) -> bool:
    turns = row.get("conversations")
    if not isinstance(turns, list):
        return False
    return isinstance(turns[0], dict) and "from" in turns[0] and "value" in turns[0]


def _as_messages(row: dict[str, Any]) -> dict[str, Any]:
    """`from` and `value` renamed, in every list that it knows; role names stay."""
    names = {"from": "role", "value": "content"}
    row = dict(row)
    for key in ("prompt", "completion", "chosen", "rejected", "messages", "conversations"):
        if isinstance(row.get(key), list):
            row[key] = [
                {names.get(name, name): value for name, value in message.items()}
                if isinstance(message, dict)
                else message
                for message in row[key]
            ]
    row["messages"] = row.pop("conversations")
    return row


def _ended(row: dict[str, Any], eos: str, field: str) -> dict[str, Any]:
    """Plain text with the end token after it; such rows lose their `messages`."""
    row = {key: value for key, value in row.items() if key != "messages"}
    for key in (field, "completion"):
        if key in row and not row[key].endswith(eos):
            row[key] = row[key] + eos
            break
    return row


def _template_of(given: Any, searched: bool, context: Context) -> ChatTemplate | None:
    """The template that a row brings in its `chat_template_kwargs`; None: the model's own.

    Args:
        given: of any type.
        searched: whether transformers looks for `{% generation %}` in it first.
        context: whose version of transformers is meant.
    """
    if given is None:
        return None
    if isinstance(given, list | dict):
        raise TypeError(
            f"expected string or bytes-like object, got '{type(given).__name__}'"
            if searched
            else f"unhashable type: '{type(given).__name__}'"
        )
    if not isinstance(given, str):
        raise TypeError(
            f"expected string or bytes-like object, got '{type(given).__name__}'"
            if searched
            else "Can't compile non template nodes"
        )
    template = ChatTemplate("row", given, context.plan.transformers)
    template.compile()
    return template


def _refuse(names: dict[str, Any], masked: bool, *given: str) -> None:
    """What Python and transformers say of arguments that TRL or transformers passes itself.

    Args:
        names: those that the row adds to TRL's.
        masked: whether TRL asks for the mask of the assistant's tokens.
        given: those that TRL passes beside `_GIVEN`.
    """
    said = {
        **_GIVEN,
        **dict.fromkeys(
            given, "trl.data_utils._tokenize() got multiple values for keyword argument"
        ),
        "messages": _TO_MASK if masked else _TO_TEMPLATE,
        **({"compiled_template": _TO_MASK} if masked else {}),
    }
    for name in (*given, *said):
        if name in names:
            raise TypeError(f"{said[name]} '{name}'")
    if names.get("continue_final_message"):
        if "add_generation_prompt" in given or names.get("add_generation_prompt"):
            raise ValueError(
                "continue_final_message and add_generation_prompt are not compatible. Use "
                "continue_final_message when you want the model to continue the final message, and "
                "add_generation_prompt when you want to add a header that will prompt it to start a "
                "new assistant message instead."
            )
        if masked:
            raise ValueError(
                "continue_final_message is not compatible with return_assistant_tokens_mask."
            )
    if masked and names.get("sanitize_control_tokens"):
        raise ValueError(
            "`sanitize_control_tokens=True` requires `tokenize=True` and is not compatible with "
            "`return_assistant_tokens_mask=True`."
        )


def _completion(
    row: dict[str, Any], context: Context, template: ChatTemplate | None, names: dict[str, Any]
) -> Layout:
    """A prompt and its completion: the completion begins where the two tokenized texts part."""
    options: TrlOptions = context.options
    generated: list[Span] | None = None
    if _is_conversational(row):
        _refuse(names, False, "add_generation_prompt")
        said = row["prompt"]
        if isinstance(said, list):
            prompt = render_chat(said, context, template, add_generation_prompt=True, **names).text
        else:
            prompt = tokenizable(said)
        messages = said + row["completion"]
        _refuse(names, options.assistant_only_loss, "return_assistant_tokens_mask")
        rendered = render_chat(messages, context, template, **names)
        text = rendered.text
        found = borders(rendered, messages, context, template)
        if options.assistant_only_loss:
            generated = rendered.generated
    else:
        prompt = tokenizable(row["prompt"])
        if isinstance(prompt, list):  # none of messages, and TRL takes it for messages all the same
            render_chat(prompt, context, template)
        text = prompt + row["completion"]
        found = _plain(len(prompt))
    names = names if _is_conversational(row) else {}
    layout = _short(lay_out_text(text, found, context, generated), names, context)
    if generated is not None:
        _needs_label(layout)
    if options.completion_only_loss is False:
        return layout
    tokens = sequence(layout, context)
    labels = tokens.labels.copy()
    alone = _short(lay_out_text(prompt, ([0], [0]), context), names, context)
    before = sequence(alone, context).input_ids
    size = min(len(before), len(tokens.input_ids))
    parted = np.flatnonzero(before[:size] != tokens.input_ids[:size])
    labels[: parted[0] if len(parted) else size] = NONE
    if _limit(names) is not None:
        tokens.labels = labels
        return layout_of(tokens)
    return with_labels(text, found, labels, context)


def _limit(names: dict[str, Any]) -> int | None:
    """At how many tokens the arguments of a row make the tokenizer cut it; None: it doesn't."""
    size = names.get("max_length")
    cuts = names.get("truncation") not in (None, False, "do_not_truncate")
    return size if cuts and type(size) is int and size > 0 else None


def _short(layout: Layout, names: dict[str, Any], context: Context) -> Layout:
    """The same, as long as the arguments of its row let it be."""
    size = _limit(names)
    return layout if size is None else layout_of(sequence(layout, context).part(slice(size)))


def _plain(size: int) -> Borders:
    """A prompt of that many code points, and what follows it."""
    return ([0, size], [0, 1]) if size else ([0], [1])


def _needs_label(layout: Layout) -> Layout:
    if all(label == NONE for label in (*layout.first, *layout.rest)):
        raise RuntimeError(
            "You're using `assistant_only_loss=True`, but at least one example has no assistant "
            "tokens. This usually means the tokenizer's chat template doesn't generate assistant "
            "masks — it may be missing the `{% generation %}` keyword. Please check the template "
            "and ensure it's correctly configured to support assistant masking."
        )
    return layout


def _processed(row: dict[str, Any], context: Context) -> Layout:
    """A row that is tokenized already: `labels` as they are, or built from its masks."""
    options: TrlOptions = context.options
    ids = np.array(list(row["input_ids"]), np.int32)
    if "labels" in row:
        labels = np.array(list(row["labels"]), np.int32)
    else:
        names = ["assistant_masks"]
        both = "prompt" in row and "completion" in row
        if both if options.completion_only_loss is None else options.completion_only_loss:
            names.append("completion_mask")
        masks = [row[name] for name in names if name in row]
        bits = zip(ids.tolist(), *masks, strict=False)
        labels = np.array([token if all(mask) else NONE for token, *mask in bits], np.int32)
    if len(ids) != len(labels) and not options.packing:
        if options.max_length is not None:  # each is cut for itself
            kept = context.plan.max_length
            part = slice(kept) if options.truncation_mode == "keep_start" else slice(-kept, None)
            ids, labels = ids[part], labels[part]
            if not (labels != NONE).any():
                raise Dropped("no-labels", NO_LABELS)
        if len(ids) != len(labels):  # the loss of the first step that has this row
            raise RuntimeError(f"{len(ids)} tokens and {len(labels)} labels")
    return layout_of(Tokens(ids, labels, np.full(len(ids), PREFIX, np.int32)))


trainer = Trl()
