"""The official fine-tuning script at its last commit, one message at a time (`combine: false`).

Source: THUDM/GLM-4 finetune/finetune.py, commit dfe4601 (2025-04-16), `process_batch`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from glmlint.read.sample import Sample
from glmlint.trainer.base import (
    GMASK,
    ROLE_IDS,
    SOP,
    Context,
    Piece,
    Recipe,
    Rendered,
    Text,
    TrainerError,
    text_of,
)

USER = ROLE_IDS["user"]
SYSTEM = ROLE_IDS["system"]


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


def message_pieces(role: str, metadata: Any, content: str) -> list[Piece]:
    """Header and content of one message without typed control tokens."""
    header = "\n" if metadata is UNSET else f"{metadata}\n"
    return [ROLE_IDS[role], header + content]


class Glm4(Recipe):
    """`combine: false`: every assistant message is trained."""

    name = "glm4"
    title = Text(
        "Official GLM-4 script, every answer trained (combine: false)",
        "GLM-4 官方微调脚本，每个回答都参与训练（combine: false）",
    )
    source = "THUDM/GLM-4 finetune/finetune.py @dfe4601"
    date = "2025-04-16"
    supervises = Text(
        "every assistant message but its role token, and the one token after it "
        "(the next role token, or the appended <|user|>)",
        "每条 assistant 消息（不含角色标记）以及其后的一个标记（下一个角色标记，或末尾追加的 <|user|>）",
    )
    shift = 1
    trains_unknown_roles = True
    cleans_properties = True

    def render(self, messages: list[Any], context: Context) -> Rendered:
        rendered = Rendered([GMASK, SOP], [False, False], [-1, -1])
        for index, message in enumerate(messages):
            try:
                message = process_message(message)
                trained = message["role"] not in ("system", "user", "observation")
                text = context.template.render([message])
            except Exception as error:  # whatever the script or its template raises
                raise TrainerError(type(error).__name__, str(error), ("messages", index)) from None
            rendered.add(without_prefix(text, context), trained, index)
        rendered.add([USER], False, -1)
        return rendered

    def render_plain(self, sample: Sample, context: Context) -> Rendered | None:
        if not context.template.known:
            return None
        pieces: list[Piece] = [GMASK, SOP]
        trained = [False, False]
        owners = [-1, -1]
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
                pieces.append(SYSTEM)
                pieces += tools.pieces
                trained += [False] * (len(tools.pieces) + 1)
                owners += [index] * (len(tools.pieces) + 1)
            if message.content:
                metadata = message.metadata
                pieces.append(ROLE_IDS[role])
                pieces.append(
                    "\n" + message.content
                    if metadata is UNSET
                    else f"{metadata}\n{message.content}"
                )
                train = role == "assistant"
                trained += (train, train)
                owners += (index, index)
        pieces.append(USER)
        trained.append(False)
        owners.append(-1)
        return Rendered(pieces, trained, owners)

    def tool_pieces(self, tools: list[dict[str, Any]], context: Context) -> list[Piece]:
        return context.split(context.template.tools_text(clean_tools(tools)))


def without_prefix(text: str, context: Context) -> list[Piece]:
    """The script's `[2:]`: the rendered string's pieces without its first two tokens."""
    pieces = context.split(text)
    if len(pieces) >= 2 and isinstance(pieces[0], int) and isinstance(pieces[1], int):
        return pieces[2:]
    ids, _ = text_of(pieces, context)  # a template that starts otherwise loses two real tokens
    return [int(token) for token in ids[2:]]


recipe = Glm4()
