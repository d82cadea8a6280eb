"""The official vision script: the text and the mask of GLM-4V, with the place of each image.

Source: THUDM/GLM-4 finetune/finetune_vision.py (commit 875836e; the same at dfe4601, 2025-04-16),
`process_batch`, with tokenization_chatglm.py of glm-4v-9b: like the renderer of June 2024, but with
the name GLM-4 and no heading in the tool text, and an image as three control tokens before the
text. The model itself later inserts its own number of image tokens there: they are in no id and no
label.
"""

from __future__ import annotations

from typing import Any, Final

from glmlint.plan import DEFAULT_MAX_INPUT, DEFAULT_MAX_OUTPUT
from glmlint.read.sample import ROLES
from glmlint.recipes.glm4 import prefix, role_ids
from glmlint.trainer.base import Context, Text, Trainer, messages_of
from glmlint.trainer.errors import TrainerError
from glmlint.trainer.layout import END, NONE, PREFIX, SAME, Layout, Piece
from glmlint.trainer.template import INTRO, listed_tools
from glmlint.trainer.vocabulary import GLM, OFFICIAL_NUMBERS

_IMAGE: Final = ("<|begin_of_image|>", "<|endoftext|>", "<|end_of_image|>")
"""What the tokenizer writes where an image stands."""


def tools_text(tools: Any) -> str:
    """The text of a tool list in glm-4v-9b's own tokenizer file.

    Raises what that raises: KeyError, TypeError, NotImplementedError.
    """
    return listed_tools(INTRO.format(name="GLM-4"), tools)


class Glm4V(Trainer):
    """Every message rendered alone; the mask is not moved, so that no stop token is trained."""

    name = "glm4v"
    convert_to = ("glm4",)
    title = Text(
        "Official GLM-4V script (finetune_vision.py), text and mask",
        "GLM-4V 官方视觉微调脚本（finetune_vision.py），文本与掩码",
    )
    source = "THUDM/GLM-4 finetune/finetune_vision.py @dfe4601"
    date = "2025-04-16"
    supervises = Text(
        "every token of every assistant message, including its role token and header; never the "
        "token after it, so no stop token at all",
        "每条 assistant 消息的全部 token（包括角色标记和首行）；其后的 token 从不参与训练，因此没有任何停止符",
    )
    called = Text("the official vision script", "官方视觉脚本")
    budget_means = Text(
        "max_input_length + max_output_length", "max_input_length + max_output_length"
    )
    budget_beyond = 0
    control_tokens = (*GLM, *_IMAGE)
    numbers = OFFICIAL_NUMBERS
    columns = ("messages",)
    message_keys = frozenset(("image",))
    suffixes = frozenset((".jsonl",))
    typed_control_tokens = False
    template_name = "python-glm-4v"

    def default_budget(self, options: Any) -> int | None:
        del options
        return DEFAULT_MAX_INPUT + DEFAULT_MAX_OUTPUT

    def cure(self, of: str, context: Context) -> Text | None:
        del context
        if of in ("stop", "end"):
            return Text(
                "In `process_batch` of finetune_vision.py, set `loss_masks` to True for the first "
                "token after each answer, and for the <|user|> appended at the end.",
                "请在 finetune_vision.py 的 `process_batch` 中，把每个回答之后的第一个 token 以及末尾追加的 <|user|> 在 `loss_masks` 中设为 True。",
            )
        return None

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        layout = Layout([], [], [], [])
        layout.add(prefix(context), NONE, PREFIX)
        messages = messages_of(row)
        if not messages:
            raise TrainerError("IndexError", "list index out of range", ("messages",))
        _open_first(messages[0])
        for index, message in enumerate(messages):
            try:
                trained = message["role"] not in ("system", "user", "observation")
                pieces = self._message(message, index == 0, context)
            except Exception as error:  # whatever the script or the tokenizer raises
                raise TrainerError(type(error).__name__, str(error), ("messages", index)) from None
            layout.add(pieces, SAME if trained else NONE, index)
        layout.add([context.id("<|user|>")], NONE, END)
        return layout

    def _message(self, message: Any, first: bool, context: Context) -> list[Piece]:
        pieces: list[Piece] = []
        if tools := message.get("tools"):
            pieces += [context.id("<|system|>"), "\n", tools_text(tools)]
        image: list[Piece] = []
        if first:
            image = [context.id(name) for name in _IMAGE]
        elif found := message.get("image"):  # nobody opened it: torchvision gets the value itself
            raise TypeError(f"Unexpected type {type(found)}")
        content = message.get("content")
        if content and not isinstance(content, str):
            kind = type(content).__name__
            raise TypeError(f'can only concatenate str (not "{kind}") to str')
        if content or image:
            role = message["role"]
            assert role in ROLES, role
            header = f"{message.get('metadata', '')}\n"
            pieces += [role_ids(context)[role], header, *image, content or ""]
        return pieces


def _open_first(message: Any) -> None:
    """The script opens the first message's image, or takes a black one.

    Raises:
        TrainerError: what it raises at a message or an image of another type.
    """
    at = ("messages", 0)
    if not isinstance(message, dict):
        kind = type(message).__name__
        raise TrainerError("AttributeError", f"'{kind}' object has no attribute 'get'", at)
    image = message.get("image")
    if image and not isinstance(image, str):
        kind = type(image).__name__
        raise TrainerError(
            "AttributeError", f"'{kind}' object has no attribute 'read'", (*at, "image")
        )


trainer = Glm4V()
