"""The GLM models that people tune, by name: which vocabulary and which chat template each has."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class KnownModel(Struct, frozen=True):
    """One model, or several that share vocabulary and template."""

    tokenizer: str | None
    """A bundled vocabulary; None where its pieces are in no package: a folder is needed."""
    template: str | None
    """The chat template as `--template` names it; None where a folder has to bring it."""
    names: tuple[str, ...]
    """Repositories, without the owner."""


MODELS: Final = {
    "glm-4-9b": KnownModel("glm4", "ChatGLM", ("glm-4-9b-chat", "glm-4-9b-chat-1m", "glm-4-9b")),
    "glm-4-9b-hf": KnownModel(
        "glm4", None, ("glm-4-9b-chat-hf", "glm-4-9b-chat-1m-hf", "glm-4-9b-hf")
    ),
    "glm-4-0414": KnownModel("glm4", None, ("GLM-4-9B-0414", "GLM-4-32B-0414")),
    "glm-z1": KnownModel(
        "glm4", None, ("GLM-Z1-9B-0414", "GLM-Z1-32B-0414", "GLM-Z1-Rumination-32B-0414")
    ),
    "glm-4.5": KnownModel("glm4.5", "GLM-4.5", ("GLM-4.5", "GLM-4.5-Air", "GLM-4.5V")),
    "glm-4.6": KnownModel("glm4.5", "GLM-4.6", ("GLM-4.6", "GLM-4.6V", "GLM-4.6V-Flash")),
    "glm-4.1v": KnownModel("glm4.5", None, ("GLM-4.1V-9B-Thinking", "GLM-4.1V-9B-Base")),
    "glm-4.7": KnownModel(None, None, ("GLM-4.7", "GLM-4.7-Flash")),
    "glm-5": KnownModel(None, None, ("GLM-5",)),
    "glm-5.1": KnownModel(None, None, ("GLM-5.1",)),
    "glm-5.2": KnownModel(None, None, ("GLM-5.2",)),
    "glm-5.3": KnownModel(None, None, ("GLM-5.3",)),
}
"""By the name that `--model` takes. Repository names are those of the hub (zai-org, THUDM), 2026-11."""


def model_of(name: str) -> str | None:
    """The name in `MODELS` that a repository's or a folder's name stands for; None for an unknown one."""
    last = name.rstrip("/").rpartition("/")[2].lower()
    for known, model in MODELS.items():
        if last == known or last in (one.lower() for one in model.names):
            return known
    return None
