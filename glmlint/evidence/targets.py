"""Which format of `glmlint convert` the trainer of a run reads, template and options included."""

from __future__ import annotations

from typing import Any, Final

from glmlint.read.formats import recognise
from glmlint.trainer.base import Context
from glmlint.trainer.errors import Dropped, TrainerError

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "look_up_probe",
        "description": "Looks up a word.",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string", "description": "The word."}},
            "required": ["word"],
        },
    },
}


def _openai(arguments: Any, nothing: Any) -> dict[str, Any]:
    call = {
        "id": "call_0",
        "type": "function",
        "function": {"name": "look_up_probe", "arguments": arguments},
    }
    return {
        "messages": [
            {"role": "user", "content": "probe question"},
            {"role": "assistant", "content": nothing, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0", "content": "probe result"},
            {"role": "assistant", "content": "probe answer"},
        ],
        "tools": [_TOOL],
    }


_WITH_CALLS: Final[dict[str, dict[str, Any]]] = {
    "glm4": {
        "messages": [
            {"role": "system", "content": "", "tools": [_TOOL]},
            {"role": "user", "content": "probe question"},
            {"role": "assistant", "metadata": "look_up_probe", "content": '{"word": "a"}'},
            {"role": "observation", "content": "probe result"},
            {"role": "assistant", "content": "probe answer"},
        ]
    },
    "openai": _openai('{"word": "a"}', None),
    "glm4.5": _openai({"word": "a"}, ""),
}
"""Format -> a row in it, as `glmlint convert` writes one, with a call, its result and the tool."""

_PLAIN: Final[dict[str, Any]] = {
    "messages": [
        {"role": "user", "content": "probe question"},
        {"role": "assistant", "content": "probe answer"},
    ]
}


def target(context: Context, with_calls: bool) -> str | None:
    """The format that the trainer reads whole, as `--to` spells it; None where it reads none so.

    Args:
        context: of the run.
        with_calls: whether rows have tool calls, which not every template prints.
    """
    names = context.trainer.convert_to
    return context.remembered(
        ("target", with_calls),
        lambda: next((name for name in names if _reads(name, context, with_calls)), None),
    )


def _reads(name: str, context: Context, with_calls: bool) -> bool:
    row = _WITH_CALLS.get(name) if with_calls else _PLAIN
    if row is None or name not in _WITH_CALLS:
        return True  # the trainer's own form: only its options could say otherwise
    form = recognise(row)
    if form is None or not context.trainer.reads_row(form, row, context):
        return False
    try:
        context.trainer.lay_out(row, context)
    except (TrainerError, Dropped):
        return False
    return True
