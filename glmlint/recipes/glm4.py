"""The official fine-tuning script at its last commit, one message at a time (`combine: false`).

Source: THUDM/GLM-4 finetune/finetune.py, commit dfe4601 (2025-04-16), `process_batch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct

from glmlint.read.sample import ROLES, Sample
from glmlint.recipes.official_config import from_config
from glmlint.trainer.base import Context, Text, Trainer, messages_of, text_of
from glmlint.trainer.config import TrainerConfig
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import END, NONE, PREFIX, SAME, Layout, Piece, shifted
from glmlint.trainer.vocabulary import OFFICIAL_NUMBERS


def process_message(message: Any) -> Any:
    """The script's clean-up: null properties of a system message's tools go, other tools go.

    Raises what the script raises on odd shapes: KeyError, TypeError, AttributeError.
    """
    if "tools" in message and message["role"] == "system":
        cleaned = []
        for tool in message["tools"]:
            function = tool["function"]
            parameters = function["parameters"]
            kept = {
                key: value for key, value in parameters["properties"].items() if value is not None
            }
            cleaned.append(
                {**tool, "function": {**function, "parameters": {**parameters, "properties": kept}}}
            )
        return {**message, "tools": cleaned}
    if "tools" in message:
        return {key: value for key, value in message.items() if key != "tools"}
    return message


def clean_tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`process_message` on a system message's tool list. Raises TrainerError."""
    try:
        cleaned = process_message({"role": "system", "tools": tools})
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainerError(type(error).__name__, str(error)) from None
    return cleaned["tools"]  # type: ignore[no-any-return]


BUDGET: Final = Text(
    "max_input_length + max_output_length + 1", "max_input_length + max_output_length + 1"
)
"""What the budget is in the script's YAML."""

ROLE_TOKENS: Final = {role: f"<|{role}|>" for role in ROLES}


def role_ids(context: Context) -> dict[str, int]:
    """Role -> id of its control token."""
    control = context.tokenizer.control
    return context.remembered(
        role_ids, lambda: {role: control[name] for role, name in ROLE_TOKENS.items()}
    )


def prefix(context: Context) -> list[Piece]:
    """The two control tokens in front of every row."""
    return [context.id("[gMASK]"), context.id("<sop>")]


class Combine(Struct, frozen=True, forbid_unknown_fields=True):
    """`combine` of the script's YAML."""

    combine: bool = False


class Glm4(Trainer):
    """`combine: false`: every assistant message is trained."""

    name = "glm4"
    trains_answers = True
    convert_to = ("glm4",)
    title = Text(
        "Official GLM-4 script, every answer trained (combine: false)",
        "GLM-4 官方微调脚本，每个回答都参与训练（combine: false）",
    )
    source = "THUDM/GLM-4 finetune/finetune.py @dfe4601"
    date = "2025-04-16"
    supervises = Text(
        "every assistant message except its role token, and the one token after it (the next role "
        "token, or the appended <|user|>)",
        "每条 assistant 消息（不含角色标记）以及其后的一个 token（下一个角色标记，或末尾追加的 <|user|>）",
    )
    called = Text("the official script", "官方脚本")
    budget_means = BUDGET
    Options = Combine
    numbers = OFFICIAL_NUMBERS
    columns = ("messages",)
    suffixes = frozenset((".jsonl", ".csv", ".xlsx"))
    evaluates = "each-answer"
    trains_unknown_roles = True
    cleans_properties = True

    def from_config(
        self, values: Mapping[str, Any], file: str, folder: str | None
    ) -> TrainerConfig | None:
        return from_config(values, file, folder)

    def variant(self, options: Combine) -> str:
        return "glm4-combine" if options.combine else self.name

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        pieces, labels, owners = prefix(context), [NONE, NONE], [PREFIX, PREFIX]
        trained: list[bool] = []
        faults: list[Exception] = []  # of the script; those of its template come as texts

        def processed() -> Iterator[list[Any]]:
            for message in messages_of(row):
                try:
                    message = process_message(message)
                    trained.append(message["role"] not in ("system", "user", "observation"))
                except Exception as error:  # whatever odd shapes raise
                    faults.append(error)
                    return
                yield [message]

        for index, text in enumerate(context.template.render_each(processed())):
            if isinstance(text, Exception):
                raise TrainerError(type(text).__name__, str(text), ("messages", index)) from None
            more = without_prefix(text, context)
            pieces += more
            labels += [SAME if trained[index] else NONE] * len(more)
            owners += [index] * len(more)
        for error in faults:
            at = ("messages", len(trained))
            raise TrainerError(type(error).__name__, str(error), at) from None
        return shifted([*pieces, context.id("<|user|>")], [*labels, NONE], [*owners, END])

    def lay_out_sample(self, sample: Sample, context: Context) -> Layout | None:
        if not context.template.known:
            return None
        roles = role_ids(context)
        pieces, labels, owners = prefix(context), [NONE, NONE], [PREFIX, PREFIX]
        for index, message in enumerate(sample.messages):
            role = message.role
            if message.tools is not UNSET and role == "system":
                tools = context.tools(bytes(message.tools))
                if tools is None:
                    return None
                if tools.fault is not None:
                    raise TrainerError(
                        tools.fault.exception, tools.fault.detail, ("messages", index, "tools")
                    )
                pieces.append(roles["system"])
                pieces += tools.pieces
                labels += [NONE] * (len(tools.pieces) + 1)
                owners += [index] * (len(tools.pieces) + 1)
            if message.content:
                metadata = message.metadata
                pieces.append(roles[role])
                pieces.append(
                    "\n" + message.content
                    if metadata is UNSET
                    else f"{metadata}\n{message.content}"
                )
                label = SAME if role == "assistant" else NONE
                labels += (label, label)
                owners += (index, index)
        pieces.append(roles["user"])
        labels.append(NONE)
        owners.append(END)
        return shifted(pieces, labels, owners)

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        return context.split(context.template.tools_text(clean_tools(tools)))


def without_prefix(text: str, context: Context) -> list[Piece]:
    """The script's `[2:]`: the rendered string's pieces without its first two tokens."""
    pieces = context.split(text)
    if len(pieces) >= 2 and isinstance(pieces[0], int) and isinstance(pieces[1], int):
        return pieces[2:]
    ids, _ = text_of(pieces, context)  # a template that starts differently loses two real tokens
    return [int(token) for token in ids[2:]]


trainer = Glm4()
