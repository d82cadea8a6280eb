"""Facts of tool lists and calls that were read: the second sieve, after that of the bytes.

Most rows with tools are in order. Seeing that once spares a dozen rules that would each find it out.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from glmlint.evidence.calls import Call, calls, may_hold_json, tool_set
from glmlint.read.sample import Message
from glmlint.trainer.row import Fact, Row

MAY_HAVE: Final = Fact.TOOLS | Fact.CALLS
"""Rows without one of these facts have none of those that are found here."""

_ALL: Final = Fact.LISTS | Fact.CALLING


def tool_facts(row: Row) -> int:
    """Which of LISTS and CALLING hold for a row; both where it is not a GLM row in good shape."""
    sample = row.sample
    if sample is None or not row.plain or row.error is not None or row.conversation is not None:
        return _ALL
    facts = 0
    if row.tools:
        in_place = all(m.tools is UNSET or m.role == "system" for m in sample.messages)
        plain = in_place and all(tool_set(tools).plain for tools in row.tools)
        if not plain or not row.context.template.known:
            facts = Fact.LISTS
    found = calls(row)
    if not (all(map(_in_order, found)) and _answered(sample.messages, found)):
        facts |= Fact.CALLING
    return facts


def _in_order(call: Call) -> bool:
    """Whether a call is of a declared tool, in the model's form, with arguments that match the schema."""
    tool, arguments = call.tool, call.arguments
    if tool is None or call.form != "metadata" or type(arguments) is not dict:
        return False
    if tool.schema is not None and not tool.schema.fits(arguments):
        return False
    if any(map(may_hold_json, arguments.values())):
        return False
    return len(arguments) != 2 or arguments.keys() != {"name", "arguments"}


def _answered(messages: list[Message], found: list[Call]) -> bool:
    """Whether a result follows each call, and a call or another result stands before each result."""
    calling = {call.message for call in found}
    before = False  # whether the message before is a call
    result = False  # whether it is a result
    for index, message in enumerate(messages):
        is_result = message.role == "observation"
        if before is not is_result and not (is_result and result):
            return False
        before, result = index in calling, is_result
    return not before
