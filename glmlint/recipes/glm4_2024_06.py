"""The official fine-tuning script of June 2024, which the public article walks through.

Source: THUDM/GLM-4 finetune_demo/finetune.py, commit 7fcaeba (2024-06-07), with
tokenization_chatglm.py of glm-4-9b-chat of that month: header and content are encoded separately,
and no control token is recognised in text.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from glmlint.read.sample import ROLES, Sample
from glmlint.recipes.glm4 import BUDGET, clean_tools, prefix, process_message, role_ids
from glmlint.trainer.base import Context, Text, Trainer, messages_of
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import END, NONE, PREFIX, SAME, Layout, Piece, shifted
from glmlint.trainer.template import (
    INTRO,
    TOOLS_HEADING,
    listed_tools,
)
from glmlint.trainer.vocabulary import OFFICIAL_NUMBERS


def tools_text(tools: Any) -> str:
    """The text of a tool list, in the words of June 2024 (the name is spelled GhatGLM there).

    Raises what the tokenizer file raises: KeyError, TypeError, NotImplementedError.
    """
    return listed_tools(INTRO.format(name="GhatGLM") + TOOLS_HEADING, tools)


class Glm4June2024(Trainer):
    """The Python renderer of June 2024, with <|endoftext|> at the end."""

    name = "glm4-2024-06"
    trains_answers = True
    convert_to = ("glm4",)
    title = Text(
        "Official GLM-4 script of June 2024 (the one of the article)",
        "GLM-4 官方微调脚本 2024 年 6 月版（文章所讲解的版本）",
    )
    source = "THUDM/GLM-4 finetune_demo/finetune.py @7fcaeba"
    date = "2024-06-07"
    supervises = Text(
        "every assistant message except its role token, and the one token after it (the next role "
        "token, or the appended <|endoftext|>)",
        "每条 assistant 消息（不含角色标记）以及其后的一个 token（下一个角色标记，或末尾追加的 <|endoftext|>）",
    )
    called = Text("the official script", "官方脚本")
    budget_means = BUDGET
    numbers = OFFICIAL_NUMBERS
    columns = ("messages",)
    suffixes = frozenset((".jsonl", ".csv", ".xlsx"))
    evaluates = "each-answer"
    typed_control_tokens = False
    cleans_properties = True
    template_name = "python-2024-06"

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        pieces, labels, owners = prefix(context), [NONE, NONE], [PREFIX, PREFIX]
        for index, message in enumerate(messages_of(row)):
            try:
                message = process_message(message)
                trained = message["role"] not in ("system", "user", "observation")
                more = self._message(message, context)
            except Exception as error:  # whatever the script or the tokenizer raises
                raise TrainerError(type(error).__name__, str(error), ("messages", index)) from None
            pieces += more
            labels += [SAME if trained else NONE] * len(more)
            owners += [index] * len(more)
        return shifted([*pieces, context.id("<|endoftext|>")], [*labels, NONE], [*owners, END])

    def _message(self, message: Any, context: Context) -> list[Piece]:
        pieces: list[Piece] = []
        if tools := message.get("tools"):
            pieces += [context.id("<|system|>"), "\n", tools_text(tools)]
        if content := message["content"]:
            role = message["role"]
            assert role in ROLES, role
            header = f"{message.get('metadata', '')}\n"
            if not isinstance(content, str):
                raise TypeError("expected string or buffer")
            pieces += [role_ids(context)[role], header, content]
        return pieces

    def lay_out_sample(self, sample: Sample, context: Context) -> Layout | None:
        roles = role_ids(context)
        newline = context.encoded("\n")
        pieces, labels, owners = prefix(context), [NONE, NONE], [PREFIX, PREFIX]
        for index, message in enumerate(sample.messages):
            more: list[Piece] = []
            label = NONE
            if message.tools is not UNSET and message.role == "system":
                tools = context.tools(bytes(message.tools))
                if tools is None:
                    return None
                if tools.fault is not None:
                    raise TrainerError(
                        tools.fault.exception, tools.fault.detail, ("messages", index, "tools")
                    )
                if tools.value:
                    more += [roles["system"], *tools.pieces]
            if message.content:
                header: Piece = newline if message.metadata is UNSET else f"{message.metadata}\n"
                more += [roles[message.role], header, message.content]
                label = SAME if message.role == "assistant" else NONE
            pieces += more
            labels += [label] * len(more)
            owners += [index] * len(more)
        return shifted([*pieces, context.id("<|endoftext|>")], [*labels, NONE], [*owners, END])

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        cleaned = clean_tools(tools)
        try:
            return [context.encoded("\n"), tools_text(cleaned)]
        except (KeyError, TypeError, NotImplementedError) as error:
            raise TrainerError(type(error).__name__, str(error)) from None


trainer = Glm4June2024()
