"""ms-swift's templates of GLM: the words between the turns, and how each handles thoughts.

Source: ms-swift 4.6.0, swift/template/templates/glm.py.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, structs

STOPS: Final = ("<|endoftext|>", "<|user|>", "<|observation|>")
"""An answer that ends with one of these gets no stop of the template's own."""
SUFFIX: Final = "<|user|>"
"""What the template puts after the last answer."""


class SwiftTemplate(Struct, frozen=True):
    """One template."""

    prefix: str
    system: str
    """In front of the system text, without the prefix."""
    user: str
    assistant: str
    agent: str
    """Its own agent template."""
    thinks: bool = False
    thinking: str = ""
    """With what an answer begins where thinking is on."""
    not_thinking: str = ""
    """With what an answer without a thought begins."""
    history: str = ""
    """With what an answer begins whose thought was taken out."""
    preserves: bool | None = None
    """Whether thoughts of earlier answers stay where no option says; None: it depends."""
    effort: Literal["thinking", "always"] | None = None
    """When a line on the reasoning effort stands in front of the system text."""
    always_thinks: bool = False
    tokenizer_prefix: bool = False
    """Whether its models' tokenizer itself puts [gMASK]<sop> in front of every text."""


_CHATGLM4: Final = SwiftTemplate(
    prefix="",
    system="<|system|>\n",
    user="<|user|>\n",
    assistant="<|assistant|>\n",
    agent="chatglm4",
    tokenizer_prefix=True,
)
_GLM4: Final = structs.replace(
    _CHATGLM4, prefix="[gMASK]<sop>", agent="glm4", thinking="<think>", tokenizer_prefix=False
)
_GLM45: Final = structs.replace(
    _GLM4,
    agent="glm4_5",
    thinks=True,
    thinking="",
    not_thinking="<think></think>\n",
    history="<think></think>\n",
)
_GLM47: Final = structs.replace(
    _GLM45,
    system="<|system|>",
    user="<|user|>",
    assistant="<|assistant|>",
    agent="glm4_7",
    thinking="<think>",
    not_thinking="</think>",
    history="</think>",
)
_GLM52: Final = structs.replace(
    _GLM47,
    agent="glm5_1",
    not_thinking="<think></think>",
    history="<think></think>",
    effort="thinking",
)

TemplateName = Literal["chatglm4", "glm4", "glm4_5", "glm4_7", "glm5_1", "glm5_2", "glm5_3"]

TEMPLATES: Final[dict[TemplateName, SwiftTemplate]] = {
    "chatglm4": _CHATGLM4,
    "glm4": _GLM4,
    "glm4_5": _GLM45,
    "glm4_7": _GLM47,
    "glm5_1": structs.replace(_GLM47, agent="glm5_1"),
    "glm5_2": _GLM52,
    "glm5_3": structs.replace(_GLM52, preserves=True, effort="always", always_thinks=True),
}
"""By ms-swift's names."""
