"""axolotl with `type: chat_template`: a turn is what changes when its content does.

Source: axolotl 0.19.0, `axolotl/prompt_strategies/chat_template.py`, `axolotl/utils/data/utils.py`.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct, field

from glmlint.finding import Pointer
from glmlint.recipes._axolotl_config import from_config
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import (
    Tokenized,
    borders,
    common_length,
    place_of,
    render_chat,
    render_chats,
    row_errors,
    with_labels,
)
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.conversation import Conversation, Speech
from glmlint.trainer.errors import NO_LABELS, Dropped, TrainerError
from glmlint.trainer.forms.base import decoded
from glmlint.trainer.layout import NONE, Layout, Tokens

When = Literal["all", "turn", "last", "none"]

ROLES: Final = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "system",
    "tool": "tool",
}
"""Role of a row -> role that the template gets; any other stays as it is."""

STAND_INS: Final = ("[[dummy_message]]", "zzdummymessagezz")
"""What it puts in the place of a content to see where that content is printed."""

NEAR: Final = 3
"""So many tokens at most may stand between a turn's content and its end token."""

EOS: Final = "<|endoftext|>"


_SPOKEN: Final = frozenset(("system", "user", "assistant", "observation"))
"""Roles of turns, as `chat_turns` spells them, that GLM's templates print."""


_ANSWERS_ALONE: Final = Text(
    "Leave train_on_inputs out and set roles_to_train: [assistant] to train only answers.",
    "去掉 train_on_inputs，并设置 roles_to_train: [assistant]，即只训练回答。",
)
_NAME_STOP: Final = Text(
    'Add it to eot_tokens: ["{token}"]: axolotl trains an end token only where the template '
    "contains it, as this one does; the last answer still has none after it.",
    '把它加入 eot_tokens: ["{token}"]：axolotl 只训练模板中写明的结束符，当前模板满足这一点；最后一个回答之后仍然没有。',
)
_PRINT_STOP: Final = Text(
    "axolotl adds no end token, and trains only one that the template prints: make the chat "
    "template print <|endoftext|> after each answer.",
    "axolotl 不会添加结束符，只训练模板输出的结束符：请让对话模板在每个回答后输出 <|endoftext|>。",
)


class AxolotlOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of its YAML that decide ids and labels: at the top, and of the entry of `datasets`."""

    sequence_len: int = 512
    excess_length_strategy: Literal["drop", "truncate", "raise"] = "drop"
    min_sample_len: int | None = None
    sample_packing: bool = False
    train_on_inputs: bool = False
    eot_tokens: list[str] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    eos_token: str = EOS
    """`special_tokens: eos_token`."""

    roles_to_train: list[str] | None = field(default_factory=lambda: ["assistant"])
    train_on_eos: When = "turn"
    train_on_eot: When | None = None
    field_messages: str = "messages"
    message_property_mappings: dict[str, str] | None = None
    message_field_training: str | None = None
    message_field_training_detail: str | None = None
    field_thinking: str | None = "reasoning_content"
    template_thinking_key: str | None = "reasoning_content"
    roles: dict[str, list[str]] | None = None
    split_thinking: bool = False
    drop_system_message: bool = False

    def mapping(self) -> dict[str, str]:
        """Key that the template gets -> key of the row's message."""
        if self.message_property_mappings:
            return self.message_property_mappings
        found = {"role": "role", "content": "content"}
        if self.template_thinking_key and self.field_thinking:
            found[self.template_thinking_key] = self.field_thinking
        return found

    def role_names(self) -> dict[str, str]:
        """Role of a row -> role that the template gets."""
        if not self.roles:
            return ROLES
        return {name: role for role, names in self.roles.items() for name in names}


class Axolotl(Trainer):
    """`type: chat_template` of axolotl."""

    name = "axolotl"
    title = Text(
        "axolotl, data sets of type chat_template",
        "axolotl（type: chat_template 数据集）",
    )
    called = Text("axolotl", "axolotl")
    budget_means = Text("sequence_len", "sequence_len")
    source = "axolotl 0.19.0 axolotl/prompt_strategies/chat_template.py"
    date = "2026-09-10"
    supervises = Text(
        "what the template prints of the content of assistant messages, and the end token right "
        "after it where the template has one",
        "assistant 消息 content 渲染出的部分，以及模板中紧随其后的结束符（若有）",
    )
    Options = AxolotlOptions
    reads = frozenset(("openai", "sharegpt"))
    cuts_prefix = False
    budget_option = "sequence_len"
    pins = MappingProxyType({"datasets": "4.8.4", "transformers": "5.16.1"})

    def loss_switches(self, options: AxolotlOptions) -> frozenset[str]:
        named = options.message_field_training, options.message_field_training_detail
        return frozenset(name for name in named if name)

    def default_budget(self, options: AxolotlOptions) -> int | None:
        return options.sequence_len

    def ends_at_longer(self, options: AxolotlOptions) -> bool:
        return options.excess_length_strategy == "raise"

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        del folder
        return from_config(values, file)

    def cure(self, of: str, context: Context) -> Text | None:
        if of in ("prompts", "results"):
            return _ANSWERS_ALONE
        if of == "stop" and "<|user|>" in context.template.source:
            return _NAME_STOP
        return _PRINT_STOP if of in ("stop", "end") else None

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        options: AxolotlOptions = context.options
        if form not in ("glm", "openai", "sharegpt") or options.field_messages not in row:
            return False
        if form == "sharegpt":
            turns = self.conversation(row, context).turns
            return bool(turns) and all(turn.role in _SPOKEN for turn in turns)
        return reads_messages(form, row, context, _message_keys(context))

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        options: AxolotlOptions = context.options
        mapping, names = options.mapping(), options.role_names()
        keys = mapping.get("role", "role"), mapping.get("content", "content")
        written = row.get(options.field_messages)
        messages = decoded(written)
        turns = turns_of(messages, (options.field_messages,), keys)
        reasoning = mapping.get(options.template_thinking_key or "")
        for turn, message in zip(turns, messages if turns else (), strict=True):
            role = names.get(turn.role, turn.role)
            turn.role = "observation" if role == "tool" else role
            if isinstance(message, dict):
                flag = message.get(options.message_field_training)
                turn.loss = flag if isinstance(flag, bool) else None
                if not isinstance(message.get(reasoning), str):
                    turn.reasoning = turn.reasoning_at = None
            if isinstance(written, str):  # a list that is written as a text
                turn.at, turn.text_at, turn.reasoning_at = (options.field_messages,), None, None
        used = [options.field_messages]
        if "system" in row and not (turns and turns[0].role == "system"):
            said = row["system"] if isinstance(row["system"], str) else None
            place = ("system",) if said is not None else None
            turns.insert(0, Speech("system", said, ("system",), place))
            used.append("system")
        return conversation(row, turns, *used)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        with row_errors(lambda error: self._place(error, row, context)):
            return _lay_out(row, context)

    def _place(self, error: Exception, row: dict[str, Any], context: Context) -> Pointer | None:
        """Where the turn is written that the template was printing, where it raised."""
        at = place_of(error, ())
        if at is None or not isinstance(at[0], int) or context.options.drop_system_message:
            return None
        turns = self.conversation(row, context).turns
        return turns[at[0]].at if at[0] < len(turns) else None

    def keeps_of_longer(
        self, options: AxolotlOptions
    ) -> Literal["everything", "nothing", "start"] | None:
        if options.excess_length_strategy != "truncate":
            return "nothing"
        return "start" if options.min_sample_len is None else None

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: AxolotlOptions = context.options
        size = len(tokens.input_ids)
        least = options.min_sample_len or 2
        if size > budget and options.excess_length_strategy == "raise":
            raise TrainerError(
                "ValueError",
                f"Sequence encountered with {size} tokens, which exceeds the maximum {budget}.",
            )
        if size < least:
            raise Dropped(
                "too-short",
                Text(f"{size} tokens, fewer than {least}", f"{size} 个 token，少于 {least}"),
            )
        if size > budget and options.excess_length_strategy == "drop":
            raise Dropped(
                "too-long",
                Text(f"{size} tokens, more than {budget}", f"{size} 个 token，多于 {budget}"),
            )
        found = tokens.part(slice(budget))
        if options.sample_packing and not (found.labels != NONE).any():
            raise Dropped("no-labels", NO_LABELS)
        return [found]


def _lay_out(row: dict[str, Any], context: Context) -> Layout:
    options: AxolotlOptions = context.options
    ends = _end_tokens(options, context)
    row = {key: _without_nulls(value) for key, value in row.items()}
    turns, dropped = _turns(row, options, context)
    tools = _tools(row)
    names = dict(options.chat_template_kwargs or {})
    if tools:
        names["tools"] = tools
    rendered = render_chat(turns, context, **names)
    found = borders(rendered, turns, context, None)
    owners = [owner + dropped if owner >= 0 else owner for owner in found[1]]
    tokenized = Tokenized(rendered.text, context)
    labels = np.full(len(tokenized.ids), NONE, np.int32)
    _Labels(turns, PartPlaces(tokenized), labels, ends, names, context).write()
    return with_labels(tokenized, (found[0], owners), labels, context)


class EndTokens(Struct):
    """Ids that may end a turn."""

    eot: frozenset[int]
    eos: int


def _end_tokens(options: AxolotlOptions, context: Context) -> EndTokens:
    """As `_found_ends`, found once for the same options."""
    named = None if options.eot_tokens is None else tuple(options.eot_tokens)
    key = "axolotl", named, options.eos_token, options.train_on_eos, options.train_on_eot
    return context.remembered(key, lambda: _found_ends(options, context))


def _found_ends(options: AxolotlOptions, context: Context) -> EndTokens:
    """The end tokens that stand literally in the template.

    Raises:
        ValueError: axolotl refuses them.
    """

    def ids(token: str) -> list[int]:
        return Tokenized(token, context).listed

    tokens = [options.eos_token] if options.eot_tokens is None else options.eot_tokens
    train_on_eot = options.train_on_eot or options.train_on_eos
    if tokens != [options.eos_token]:
        tokens = [token for token in tokens if token in context.template.source]
        for token in tokens:
            number = len(ids(token))
            if number == 0:
                raise ValueError(
                    "EOT token encoding failed. Please check if the token is valid and can be encoded."
                )
            if number > 1:
                raise ValueError(
                    f"EOT token '{token}' is encoded as multiple tokens: {ids(token)}. "
                    "Please add it under `tokens: ` in the config"
                )
        if options.eos_token in tokens and options.train_on_eos != train_on_eot:
            raise ValueError(
                "Conflict between train_on_eos and train_on_eot. eos_token is in eot_tokens and "
                f"train_on_eos != train_on_eottrain_on_eos: {options.train_on_eos}, "
                f"train_on_eot: {train_on_eot}"
            )
    single = [found[0] for token in tokens if len(found := ids(token)) == 1]
    eos = ids(options.eos_token)
    return EndTokens(frozenset(single), eos[0] if len(eos) == 1 else -1)


def _without_nulls(value: Any) -> Any:
    """Keys whose value is null go, at any depth; those of the row itself stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _messages(row: dict[str, Any], options: AxolotlOptions) -> list[Any]:
    field = options.field_messages
    if field not in row:
        raise ValueError("Messages is null. Please check `field_messages`.")
    messages = row[field]
    if isinstance(messages, str):
        messages = json.loads(messages)
        if not isinstance(messages, list):
            raise AssertionError("the turns must be saved in a list of dictionaries")
        for number, message in enumerate(messages):
            if not isinstance(message, dict):
                raise AssertionError(f"the turn {number} must be saved in a dictionary")
    if not isinstance(messages, list):  # the batch that it stands in is taken for the messages
        raise AttributeError(f"'{type(messages).__name__}' object has no attribute 'get'")
    return messages


def _turns(
    row: dict[str, Any], options: AxolotlOptions, context: Context
) -> tuple[list[dict[str, Any]], int]:
    """The messages as the template gets them, with their training flags.

    Returns:
        The turns, and how many of the row's first ones are left out.
    """
    messages = _messages(row, options)
    keys = _message_keys(context)
    turns: list[dict[str, Any]] = []
    if _turn(messages[0], keys, options)["role"] != "system" and "system" in row:
        turns.append({"role": "system", "content": row["system"]})
    for message in messages:
        turn = _turn(message, keys, options)
        training = message.get(options.message_field_training)
        if training is not None:
            turn["training"] = training
        detail = message.get(options.message_field_training_detail)
        if detail is not None:
            turn["training_detail"] = detail
        thinking = options.template_thinking_key or "reasoning_content"
        for key, detail_key in (
            ("content", "training_detail"),
            (thinking, "reasoning_training_detail"),
        ):
            if isinstance(turn.get(key), list):
                turn[key], spans = _joined(turn[key])
                if spans is not None:
                    turn[detail_key] = spans
        turns.append(turn)
    if options.drop_system_message and turns[0]["role"] == "system":
        return turns[1:], 1
    return turns, 0


def _message_keys(context: Context) -> frozenset[str]:
    """The keys of a message that axolotl finds in the template."""
    from glmlint.trainer.template_keys import message_keys

    return message_keys(context.template.source, context.options.field_messages)


def _turn(message: Any, keys: frozenset[str], options: AxolotlOptions) -> dict[str, Any]:
    """One message with the keys that axolotl hands on, its role renamed."""
    mapping = options.mapping()
    turn = {key: message[name] for key, name in mapping.items() if message.get(name) is not None}
    if "role" in turn:
        turn["role"] = options.role_names().get(turn["role"], turn["role"])
    if options.split_thinking and turn["role"] == "assistant":
        _split_thinking(turn, options.template_thinking_key or "reasoning_content")
    for key in keys & (message.keys() - set(mapping.values())):
        if message[key] is not None:
            turn[key] = message[key]
    if turn.get("tool_calls"):
        turn["tool_calls"] = [_with_arguments(call) for call in turn["tool_calls"]]
    return turn


def _with_arguments(call: Any) -> Any:
    """Arguments that are a string are read as JSON."""
    if "function" in call and "arguments" in call["function"]:
        arguments = call["function"]["arguments"]
        if isinstance(arguments, str):
            read = json.loads(arguments)
            return {**call, "function": {**call["function"], "arguments": read}}
    return call


_THOUGHTS: Final = (
    ("<think>", "</think>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
_SOLUTION: Final = ("<|begin_of_solution|>", "<|end_of_solution|>")


def _split_thinking(turn: dict[str, Any], key: str) -> None:
    """Take the thought out of the content, between the first tags that are there."""
    content = turn["content"]
    for begin, end in _THOUGHTS:
        if begin in content and end in content:
            turn[key] = content[content.find(begin) + len(begin) : content.find(end)].strip()
            rest = content[content.find(end) + len(end) :].lstrip()
            begin, end = _SOLUTION
            if begin in rest and end in rest:
                rest = rest[rest.find(begin) + len(begin) : rest.find(end)].strip()
            turn["content"] = rest
            return


def _joined(parts: list[Any]) -> tuple[str, list[dict[str, Any]] | None]:
    """The text of a content in parts, and the places that its parts' flags train; None without flags."""
    text = ""
    spans = []
    flagged = False
    for part in parts:
        if not isinstance(part, dict):
            continue
        said = part.get("text") or part.get("content") or part.get("value") or ""
        train, weight = part.get("train"), part.get("weight")
        if train is None and weight is not None:
            train = weight not in (0, 0.0)
        flagged = flagged or train is not None
        if said:
            end = len(text) + len(said) - 1
            spans.append(
                {
                    "begin_offset": len(text),
                    "end_offset": end,
                    "train": True if train is None else train,
                }
            )
        text += said
    return text, spans if flagged else None


def _tools(row: dict[str, Any]) -> list[Any] | None:
    """The tool list, texts in it read as JSON."""
    tools = row.get("tools")
    if tools is None:
        return None
    if isinstance(tools, str):
        tools = json.loads(tools)
    if not isinstance(tools, list):
        raise ValueError(
            "Unknown tools format. Please convert it into a list[dict].\n"
            f"Current format: {type(tools)}"
        )
    return [_with_parameters(tool) for tool in tools]


def _with_parameters(tool: Any) -> Any:
    if isinstance(tool, dict) and "function" in tool and "parameters" in tool["function"]:
        parameters = tool["function"]["parameters"]
        if isinstance(parameters, str):
            function = {**tool["function"], "parameters": json.loads(parameters)}
            return {**tool, "function": function}
    return tool


class PartPlaces:
    """A rendered text and where its tokens stand in it, in code points."""

    def __init__(self, tokenized: Tokenized) -> None:
        self.text = tokenized.text
        self.ids = tokenized.ids
        self.listed = tokenized.listed
        self.starts = tokenized.starts.tolist()
        self.stops = tokenized.stops.tolist()

    def difference(self, others: Sequence[str]) -> tuple[int, int] | None:
        """The tokens of the widest part in which the text differs from one of the others."""
        start, stop = len(self.text), 0
        for other in others:
            limit = min(len(self.text), len(other))
            head = common_length(self.text, other)
            rest = limit - head
            tail = common_length(self.text[::-1][:rest], other[::-1][:rest])
            start, stop = min(start, head), max(stop, len(self.text) - tail)
        if stop <= start:
            return None
        begin, end = bisect_right(self.stops, start), bisect_left(self.starts, stop)
        return (begin, end) if end > begin else None

    def near(self, wanted: frozenset[int], at: int) -> int:
        """The first place of one of these ids, from `at` to `NEAR` behind it; -1 without one.

        Where `at` is -1, axolotl begins with the last token, and finds nothing if it is one of them.
        """
        if at < 0 and self.listed[-1] in wanted:
            return -1
        places = range(max(at, 0), min(at + NEAR + 1, len(self.listed)))
        return next((place for place in places if self.listed[place] in wanted), -1)


class _Labels:
    """Writes the labels of one row, turn by turn."""

    def __init__(
        self,
        turns: list[dict[str, Any]],
        places: PartPlaces,
        labels: Any,
        ends: EndTokens,
        names: Mapping[str, Any],
        context: Context,
    ) -> None:
        self.turns = turns
        self.places = places
        self.labels = labels
        self.names = names
        self.context = context
        self.options: AxolotlOptions = context.options
        self.thinking = self.options.template_thinking_key or "reasoning_content"
        eot_option: When = self.options.train_on_eot or self.options.train_on_eos
        self.kinds: tuple[tuple[frozenset[int], When], ...] = (
            (ends.eot, eot_option),
            (frozenset((ends.eos,)), self.options.train_on_eos),
        )

    def write(self) -> None:
        roles = self.options.role_names()
        trained = {roles.get(role, role) for role in self.options.roles_to_train or ()}
        ends_of_all = "all" in (option for _, option in self.kinds)
        last = [-1 for _ in self.kinds]
        for index, turn in enumerate(self.turns):
            train = turn.get("training")
            details = turn.get("training_detail"), turn.get("reasoning_training_detail")
            if train is None:
                if details != (None, None):
                    train = any(details)
                else:
                    train = self.options.train_on_inputs or turn.get("role") in trained
            if not train and not ends_of_all:
                continue
            thinks = turn.get(self.thinking) is not None
            start, end = self._find(index, turn, any(details) and thinks)
            if train:
                self._content(index, turn, start, end, *details)
            for kind, (wanted, option) in enumerate(self.kinds):
                at = self.places.near(wanted, end)
                if at != -1:
                    last[kind] = at
                    if option == "all" or (option == "turn" and train):
                        self._train(slice(at, at + 1))
        for at, (_, option) in zip(last, self.kinds, strict=True):
            if option == "last" and at != -1:
                self._train(slice(at, at + 1))

    def _train(self, places: slice) -> None:
        self.labels[places] = self.places.ids[places]

    def _content(
        self, index: int, turn: dict[str, Any], start: int, end: int, detail: Any, thought: Any
    ) -> None:
        """Label the content of a turn and its thought, whole or those spans of them that are named."""
        if start != -1 and detail:
            content = turn.get("content")
            if not isinstance(content, str):
                raise ValueError("`train_detail` is not supported when `content` is not a string.")
            self._spans(content, detail, start)
        elif start != -1 and not thought:
            self._train(slice(start, end))
        if thought and turn.get(self.thinking) is not None:
            text = turn[self.thinking]
            if not isinstance(text, str):
                raise ValueError(
                    "`reasoning_training_detail` is not supported when reasoning_content is not "
                    "a string."
                )
            same = {"role": turn.get("role"), "content": turn.get("content", "")}
            begin, _ = self._differs(
                index, [{**same, self.thinking: stand_in} for stand_in in STAND_INS]
            )
            if begin != -1:
                self._spans(text, thought, begin)

    def _find(self, index: int, turn: dict[str, Any], content_only: bool) -> tuple[int, int]:
        """The tokens of a turn's content, its thought too unless that is left out; -1, -1 for none."""
        kept = (
            {self.thinking: turn[self.thinking]} if content_only and self.thinking in turn else {}
        )
        role = turn.get("role")
        return self._differs(
            index, [{"role": role, "content": stand_in, **kept} for stand_in in STAND_INS]
        )

    def _differs(self, index: int, stand_ins: Sequence[dict[str, Any]]) -> tuple[int, int]:
        conversations = [
            [*self.turns[:index], stand_in, *self.turns[index + 1 :]] for stand_in in stand_ins
        ]
        texts = [one.text for one in render_chats(conversations, self.context, **self.names)]
        if not self.places.text:
            return -1, -1
        return self.places.difference(texts) or (-1, -1)

    def _spans(self, text: str, details: Any, start: int) -> None:
        """Label those tokens of a text that its flags name, as if its tokens stood at `start` on."""
        for number in trained_tokens(text, details, self.context):
            if start + number < len(self.labels):
                self._train(slice(start + number, start + number + 1))


def trained_tokens(text: str, details: Any, context: Context) -> list[int]:
    """Numbers of the tokens of a text that lie in a span that is trained.

    Args:
        text: as it is written; it is tokenized by itself.
        details: spans with `begin_offset`, `end_offset` (the last code point) and `train`.
        context: whose tokenizer is meant.
    """
    starts = Tokenized(text, context).starts.tolist()
    if not starts:
        raise IndexError("list assignment index out of range")
    lasts = [*(start - 1 for start in starts[1:]), len(text) - 1]
    spans = [found for detail in details if (found := _to_tokens(detail, starts, lasts))]
    return [
        number
        for number, (start, last) in enumerate(zip(starts, lasts, strict=True))
        if any(begin <= start and last <= end and train for begin, end, train in spans)
    ]


def _to_tokens(
    detail: Any, starts: Sequence[int], lasts: Sequence[int]
) -> tuple[int, int, Any] | None:
    """A span moved to where tokens begin and end; None where there are none."""
    begin, end = detail["begin_offset"], detail["end_offset"]
    first = next((i for i, start in enumerate(starts) if start >= begin), len(starts))
    if first > 0 and lasts[first - 1] > begin:
        first -= 1
    last = next((i for i in range(len(lasts) - 1, -1, -1) if lasts[i] <= end), -1)
    if last < len(starts) - 1 and starts[last + 1] < end:
        last += 1
    return (starts[first], lasts[last], detail["train"]) if first <= last else None


trainer = Axolotl()
