"""unsloth's `train_on_responses_only`: labels from the marker of an answer to the marker of a
question.

Source: unsloth_zoo 2026.10.9, `unsloth_zoo/dataset_utils.py`; rows are rendered with the
tokenizer's chat template, as in its notebooks.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from glmlint.text import Told
from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import (
    Borders,
    Tokenized,
    borders,
    place_of,
    render_chat,
    tokenizable,
    with_labels,
)
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.conversation import Conversation, Speech
from glmlint.trainer.errors import Dropped, TrainerError
from glmlint.trainer.layout import NONE, Int32, Layout, Tokens
from glmlint.trainer.markers import Labeller, MarkerError, find_markers, marker
from glmlint.trainer.tokenizer import GLM45_PLAIN

EOS: Final = "<|endoftext|>"

ALIASES: Final = MappingProxyType(
    {
        "system": "system",
        **dict.fromkeys(("user", "human", "input"), "user"),
        **dict.fromkeys(("gpt", "assistant", "output"), "assistant"),
    }
)
"""Role names, in lower case, that `standardize_data_formats` knows."""


class UnslothOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `train_on_responses_only`, and the length that texts are cut to."""

    max_length: int = 2048
    instruction_part: str | None = None
    response_part: str | None = None
    force_match: bool = True
    last_response_only: bool = False
    mask_out_tokens: list[str] | str | None = None


_ONE_OF_TWO: Final = (
    "Unsloth: Give both instruction_part and response_part, or neither to auto-detect!"
)


_STOP: Final = Text(
    "unsloth trains the text between its markers, not the markers: make the chat template print "
    "<|endoftext|> after each answer, and it is trained.",
    "unsloth 只训练标记之间的内容，不含标记本身：请让对话模板在每个回答后输出 <|endoftext|>，它会参与训练。",
)
_CURES: Final = {
    "stop": _STOP,
    "end": _STOP,
    "calls": Text(
        "instruction_part='<|user|>' and response_part='<|assistant|>' train the call, but also "
        "its result.",
        "设置 instruction_part='<|user|>'、response_part='<|assistant|>' 可以训练调用，但其结果也会一并参与训练。",
    ),
    "results": Text(
        "No option of unsloth ends an answer at <|observation|>: leave out rows with calls, or "
        "create the labels yourself.",
        "unsloth 没有让回答在 <|observation|> 处结束的选项：请去掉含调用的数据，或自行生成 labels。",
    ),
}


class Unsloth(Trainer):
    """`train_on_responses_only` of unsloth."""

    name = "unsloth"
    title = Text(
        "unsloth with train_on_responses_only",
        "unsloth（train_on_responses_only）",
    )
    called = Text("unsloth", "unsloth")
    budget_means = Text("max_length", "max_length")
    source = "unsloth_zoo 2026.10.9 unsloth_zoo/dataset_utils.py"
    date = "2026-10-26"
    supervises = Text(
        "the text between the marker of an answer and the next marker of a question or answer, "
        "including tool results",
        "从回答标记之后到下一个提问或回答标记之前的全部内容，包括工具结果",
    )
    Options = UnslothOptions
    reads = frozenset(("openai", "sharegpt", "text"))
    cuts_prefix = False
    budget_option = "max_length"
    pins = MappingProxyType({"datasets": "4.8.5", "transformers": "5.17.0"})

    def default_budget(self, options: UnslothOptions) -> int | None:
        return options.max_length

    def refusal(self, options: UnslothOptions) -> Told | None:
        if (options.instruction_part is None) == (options.response_part is None):
            return None
        return Told(
            Text(
                f"unsloth raises ValueError: {_ONE_OF_TWO}",
                f"unsloth 会抛出 ValueError：{_ONE_OF_TWO}",
            )
        )

    def cure(self, of: str, context: Context) -> Text | None:
        del context
        return _CURES.get(of)

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        if form in ("glm", "openai"):
            return reads_messages(form, row, context)
        if form == "sharegpt":
            try:
                _standardized(row.get("conversations"))
            except Exception:
                return False
            return "messages" not in row
        return form == "text" and "text" in row

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        del context
        if "messages" in row:
            return conversation(row, turns_of(row["messages"], ("messages",)), "messages")
        if "conversations" in row:
            turns = row["conversations"]
            try:
                keys = _keys(turns)
            except Exception:  # a list that unsloth refuses
                keys = ("from", "value")
            found = turns_of(turns, ("conversations",), keys)
            for turn in found:
                turn.role = ALIASES.get(_plain(turn.role), turn.role)
            return conversation(row, found, "conversations")
        said = row.get("text")
        text = [Speech("assistant", said, ("text",), ("text",))] if isinstance(said, str) else []
        return conversation(row, text, "text")

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        try:
            found = _labels(context)
            if isinstance(found, Exception):
                raise found
            text, whose = _text(row, context)
            tokenized = Tokenized(text, context)
            return with_labels(tokenized, whose, found(tokenized.ids), context)
        except (Dropped, TrainerError):
            raise
        except Exception as error:  # whatever unsloth, transformers or the template raises
            name = "ValueError" if isinstance(error, MarkerError) else type(error).__name__
            at = place_of(error, ("messages" if "messages" in row else "conversations",))
            raise TrainerError(name, str(error), at) from None

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        # Texts are cut before they are labelled: what stands last is an answer's in any case.
        found = tokens.part(slice(budget))
        if len(found.input_ids) < len(tokens.input_ids):
            labels = _labels(context)
            assert not isinstance(labels, Exception)
            found.labels = labels(found.input_ids)
        return [found]


class Labels:
    """Ids -> labels, with one run's options."""

    def __init__(self, labeller: Labeller, last_only: bool, masked: list[list[int]]) -> None:
        self.labeller = labeller
        self.last_only = last_only
        self.masked = masked

    def __call__(self, ids: Int32) -> Int32:
        labels = np.full(len(ids), NONE, np.int32)
        spans = self.labeller.spans(ids.tolist())
        for start, stop in spans[-1:] if self.last_only else spans:
            labels[start:stop] = ids[start:stop]
        for wanted in self.masked:
            size = len(wanted)
            for at in np.flatnonzero(ids == wanted[0]).tolist():
                if ids[at : at + size].tolist() == wanted:
                    labels[at : at + size] = NONE
        return labels


def _labels(context: Context) -> Labels | Exception:
    """What labels a row; the exception that unsloth raises instead."""
    key = ("unsloth", msgspec.json.encode(context.options))
    return context.remembered(key, lambda: _found(context))


def _found(context: Context) -> Labels | Exception:
    options: UnslothOptions = context.options
    control = context.tokenizer.control_text

    def encode(text: str) -> list[int]:
        return Tokenized(text, context).listed

    def render(turns: list[dict[str, Any]], waiting: bool) -> str:
        return render_chat(turns, context, add_generation_prompt=waiting).text

    try:
        question, answer = options.instruction_part, options.response_part
        if question is None and answer is None:
            question, answer = find_markers(render, encode, control)
        if question is None or answer is None:
            raise MarkerError(_ONE_OF_TWO)
        exact = options.force_match
        parts = {
            "instruction_part": marker(question, encode, control, exact),
            "response_part": marker(answer, encode, control, exact),
        }
        for name, part in parts.items():
            if not part.core:
                raise MarkerError(
                    f"Unsloth: {name} could not be resolved to a stable token sequence, so it "
                    "cannot be matched against your dataset - it tokenizes to nothing, or no "
                    "stable core could be recovered from it."
                )
    except Exception as error:
        return error
    special = [token for token, name in control.items() if name not in GLM45_PLAIN]
    eos = context.tokenizer.control.get(EOS)
    labeller = Labeller(parts["instruction_part"], parts["response_part"], special, eos)
    return Labels(labeller, options.last_response_only, _masked(options.mask_out_tokens, encode))


def _masked(given: list[str] | str | None, encode: Any) -> list[list[int]]:
    """Ids of `mask_out_tokens`, and of each after a space where that makes another token of it."""
    found: list[list[int]] = []
    for text in [given] if isinstance(given, str) else given or []:
        bare, spaced = encode(text), encode(" " + text)
        size = len(bare)
        if any(spaced[i : i + size] == bare for i in range(len(spaced) - size + 1)):
            spaced = []
        found += [ids for ids in (bare, spaced) if ids and ids not in found]
    return found


def _text(row: dict[str, Any], context: Context) -> tuple[str, Borders]:
    """The text of a row, its messages as the template renders them, and whose each part of it is."""
    if "messages" in row:
        messages = row["messages"]
    elif "conversations" in row:
        messages = _standardized(row["conversations"])
    else:
        return tokenizable(row["text"]), ([0], [0])
    tools = row.get("tools") or None
    rendered = render_chat(messages, context, **({} if tools is None else {"tools": tools}))
    return rendered.text, borders(rendered, messages, context, None)


def _keys(turns: Any) -> tuple[str, str]:
    """Which of a turn's two keys has its role, and which its content, as unsloth tells them apart."""
    values: dict[str, set[str]] = {}
    for turn in turns:
        for key, value in turn.items():
            if not isinstance(value, str):
                raise RuntimeError("Unsloth: Cannot standardize non text datasets!")
            values.setdefault(key, set()).add(value)
    if len(values) != 2:
        raise AssertionError("two keys a turn are expected")
    first, second = values
    roles = [key for key in values if set(map(_plain, values[key])) <= ALIASES.keys()]
    named = [key for key in values if _plain(key) in ("role", "from")]
    if len(roles) == 1:
        role = roles[0]
    elif len(roles) == 2 and len(named) == 1:
        role = named[0]
    else:
        role = first if len(values[first]) < len(values[second]) else second
    unknown = sorted(set(map(_plain, values[role])) - ALIASES.keys())
    if unknown:
        raise TypeError(f"Unsloth: {unknown} are not in aliases. Please update aliases.")
    return role, second if role == first else first


def _plain(role: str) -> str:
    return role.strip().lower()


def _standardized(turns: Any) -> list[dict[str, Any]]:
    """`conversations` of two keys as messages, as `standardize_data_formats` makes them."""
    role, content = _keys(turns)
    return [{"role": ALIASES[_plain(turn[role])], "content": turn[content]} for turn in turns]


trainer = Unsloth()
