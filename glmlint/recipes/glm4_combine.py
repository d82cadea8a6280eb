"""The official fine-tuning script at its last commit, `combine: true` (the setting of its YAML files).

Source: THUDM/GLM-4 finetune/finetune.py, commit dfe4601 (2025-04-16), `process_batch`.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, Final

import numpy as np
from msgspec import UNSET

from glmlint.read.sample import Sample
from glmlint.recipes.glm4 import BUDGET, prefix, role_ids
from glmlint.trainer.base import Context, Text, Trainer, messages_of
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import END, NONE, SAME, Encoded, Layout, Piece, shifted
from glmlint.trainer.layout import PREFIX as OWNER_PREFIX
from glmlint.trainer.template import PREFIX
from glmlint.trainer.vocabulary import OFFICIAL_NUMBERS

MOST_PREFIXES: Final = 256
"""Messages of the longest row whose prefixes are rendered: the work grows with their square."""


_EVERY_ANSWER: Final = Text(
    "Train with combine: false (recipe glm4) to train every answer, or make each answer a row of "
    "its own.",
    "用 combine: false（配方 glm4）训练每个回答，或把每个回答拆成单独的一行。",
)


class Glm4Combine(Trainer):
    """`combine: true`: only what follows the last assistant token is trained."""

    name = "glm4-combine"
    trains_answers = True
    convert_to = ("glm4",)
    title = Text(
        "Official GLM-4 script, last answer only (combine: true, the shipped default)",
        "GLM-4 官方微调脚本，只训练最后一个回答（combine: true，官方配置默认值）",
    )
    source = "THUDM/GLM-4 finetune/finetune.py @dfe4601"
    date = "2025-04-16"
    supervises = Text(
        "everything after the last <|assistant|> except its first token, to the appended <|user|>",
        "最后一个 <|assistant|> 之后除首个 token 外的全部内容，直到末尾追加的 <|user|>",
    )
    called = Text("the official script", "官方脚本")
    budget_means = BUDGET
    numbers = OFFICIAL_NUMBERS
    columns = ("messages",)
    suffixes = frozenset((".jsonl", ".csv", ".xlsx"))
    evaluates = "whole-row"
    trains_history = False
    trains_all_after_last = True

    def cure(self, of: str, context: Context) -> Text | None:
        del context
        return _EVERY_ANSWER if of == "history" else None

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        messages = messages_of(row)
        if not messages:
            raise TrainerError("IndexError", "list index out of range", ("messages",))
        try:
            text = context.template.render(messages)
        except Exception as error:  # whatever the template raises
            raise TrainerError(type(error).__name__, str(error)) from None
        return self._finish(*self._by_message(text, messages, context), context)

    def lay_out_sample(self, sample: Sample, context: Context) -> Layout | None:
        if not context.template.known:
            return None
        roles = role_ids(context)
        pieces, owners = prefix(context), [OWNER_PREFIX, OWNER_PREFIX]
        for index, message in enumerate(sample.messages):
            if message.tools is not UNSET:
                tools = context.tools(bytes(message.tools))
                if tools is None:
                    return None
                pieces.append(roles["system"])
                pieces += tools.pieces
                owners += [index] * (len(tools.pieces) + 1)
            if message.content:
                metadata = message.metadata
                pieces.append(roles[message.role])
                pieces.append(
                    "\n" + message.content
                    if metadata is UNSET
                    else f"{metadata}\n{message.content}"
                )
                owners += (index, index)
        return self._finish(pieces, owners, context)

    def _finish(self, pieces: list[Piece], owners: list[int], context: Context) -> Layout:
        assistant = context.id("<|assistant|>")
        last = len(pieces) - 1
        while last >= 0 and pieces[last] != assistant:
            last -= 1
        if last < 0:
            raise TrainerError("ValueError", f"{assistant} is not in list")
        behind = len(pieces) - last - 1
        return shifted(
            [*pieces, context.id("<|user|>")],
            [NONE] * (last + 1) + [SAME] * behind + [NONE],
            [*owners, END],
        )

    def _by_message(
        self, text: str, messages: list[Any], context: Context
    ) -> tuple[list[Piece], list[int]]:
        """The pieces of the rendered text, and the message of each."""
        ends = self._message_ends(text, messages, context)
        names = {token: name for name, token in context.tokenizer.control.items()}
        pieces: list[Piece] = []
        owners: list[int] = []
        at = owner = 0
        for piece in context.split(text):
            while owner < len(ends) and at >= ends[owner]:
                owner += 1
            inside = owner < len(ends) and (at >= len(PREFIX) or not context.template.known)
            size = len(names[piece]) if isinstance(piece, int) else len(str(piece))
            if inside and isinstance(piece, str) and ends[owner] < at + size:
                # An unknown role is text, so that this piece runs over several messages.
                edges, parts = _parts(ends, owner, at, size)
                pieces += _cut_tokens(piece, edges, context)
                owners += parts
            else:
                pieces.append(piece)
                owners.append(owner if inside else OWNER_PREFIX)
            at += size
        return pieces, owners

    def _message_ends(self, text: str, messages: list[Any], context: Context) -> list[int]:
        """Where each message ends in the rendered text, in code points."""
        ends: list[int] = []
        if context.template.known:
            end = len(PREFIX)
            for message in messages:
                end += len(context.template.render([message])) - len(PREFIX)
                ends.append(end)
        elif len(messages) > MOST_PREFIXES:
            return _content_ends(text, messages)
        else:  # a template may look at all messages: only growing prefixes tell them apart
            prefixes = (messages[: index + 1] for index in range(len(messages)))
            for part in context.template.render_each(prefixes):
                # A template may refuse a part of a conversation.
                known = part if isinstance(part, str) and text.startswith(part) else ""
                ends.append(len(known))
        return ends

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        return context.split(context.template.tools_text(tools))


def _content_ends(text: str, messages: list[Any]) -> list[int]:
    """Where the contents end in the text, as far as they stand there in order."""
    ends: list[int] = []
    at = missed = 0
    for message in messages:
        content: Any = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str) and content and missed < MOST_PREFIXES:
            found = text.find(content, at)
            if found < 0:  # looked for in all that is left
                missed += 1
            else:
                at = found + len(content)
        ends.append(at)
    return ends


def _parts(ends: list[int], owner: int, at: int, size: int) -> tuple[list[int], list[int]]:
    """Where a piece is cut into messages, in code points of the piece, and whose each part is."""
    edges: list[int] = []
    parts: list[int] = []
    done = 0
    for index in range(owner, len(ends)):
        end = min(ends[index] - at, size)
        if end > done:
            parts.append(index)
            done = end
            if done == size:
                return edges, parts
            edges.append(done)
    return edges, [*parts, OWNER_PREFIX]


def _cut_tokens(text: str, edges: list[int], context: Context) -> list[Piece]:
    """The tokens of a text that is encoded whole, cut at code points.

    A token that runs over two parts belongs to the first.
    """
    ids = context.tokenizer.encode([text])[0]
    sizes = [len(context.tokenizer.token_bytes(int(token))) for token in ids]
    starts = np.cumsum([0, *sizes])[:-1]
    parts = (len(text[begin:end].encode()) for begin, end in pairwise([0, *edges]))
    cuts = np.searchsorted(starts, list(accumulate(parts)))
    return [Encoded(part) for part in np.split(ids, cuts)]


trainer = Glm4Combine()
