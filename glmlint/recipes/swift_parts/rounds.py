"""The rounds of a conversation as ms-swift has them, and the text parts that they become.

Source: ms-swift 4.6.0, swift/template/base.py, template_inputs.py and templates/glm.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Struct

from glmlint.recipes.swift_parts.agents import Agent, AgentTurn, wrapped
from glmlint.recipes.swift_parts.python import NoLiteral, parsed, refuses
from glmlint.recipes.swift_parts.rows import Read, SwiftMessage, without_padding
from glmlint.recipes.swift_parts.templates import STOPS, SUFFIX, SwiftTemplate
from glmlint.recipes.swift_parts.weights import LossScale, Query
from glmlint.trainer.base import Context
from glmlint.trainer.layout import END, PREFIX, SYSTEM
from glmlint.trainer.owned import Owned, joined, owned


class Ids(Struct, frozen=True):
    """Token ids that stand in a row or come from the tokenizer itself."""

    ids: list[int]
    owner: int


Part = Owned | Ids

_OBSERVATION: Final = "<|observation|>"
_STRIPPED: Final = ("<|assistant|>\n", "<think></think>\n")
"""Parts that end so lose the line feed where a call or nothing follows."""


class Setup(Struct, frozen=True):
    """What the options say, resolved."""

    template: SwiftTemplate
    agent: Agent
    scale: LossScale
    system: str | None
    enable_thinking: bool
    preserve_thinking: bool | None
    response_prefix: str | None
    add_non_thinking_prefix: bool
    reasoning_effort: str
    tokenizer_prefix: bool
    """Whether the tokenizer itself puts [gMASK]<sop> in front of every text."""


class SwiftTurn(Struct):
    """A message on its way into the rounds."""

    role: str
    content: Any
    """A text (`Owned`), the texts of several answers, token ids, or None for an answer to come."""
    owner: int
    loss: Any = UNSET
    loss_scale: Any = UNSET


class SwiftRow(Struct):
    """A row's turns and what stands beside them."""

    turns: list[SwiftTurn]
    system: Any
    """The system text (`Owned`), another value that a row may have there, or None."""
    tools: list[Any]
    settings: Any
    """The row's `chat_template_kwargs`: an object, if all is well."""


def weighed_parts(read: Read, setup: Setup, context: Context) -> list[tuple[Part, float]]:
    """The parts of a row in order, each with the weight of its loss: over 0 where it is trained.

    Neighbours of one weight are one part, as they are tokenized together.

    Raises:
        Dropped: ms-swift raises at this row, and leaves it out.
    """
    row = _row(read)
    if not isinstance(row.settings, dict):
        kind = type(row.settings).__name__
        words = f"{kind!r} object has no attribute 'get'"
        raise NoLiteral("bad-settings", "AttributeError", words)
    _write_calls(row.turns, setup.agent)
    _fold_results(row.turns, setup.agent)
    _join_neighbours(row.turns, setup.agent)
    _prepare_thoughts(row, setup)
    system = _system(row, setup)
    return _joined_parts(_weighed(_parts(row, system, setup, context), row.turns, setup))


@refuses("bad-message")
def _row(read: Read) -> SwiftRow:
    messages = read.messages
    for message in read.rejected_messages:
        content = message.get("content")
        if message["role"] not in ("tool", "tool_call", "tool_response") and content is not None:
            _text(content)
    if read.rejected is not UNSET:
        _check_rejected(messages, read.rejected)
    system: Any = None
    if messages[0].role == "system":
        system = messages[0].content
        if isinstance(system, str):
            system = owned(system, messages[0].owner)
        messages = messages[1:]
    turns = []
    for message in messages:
        role = "tool" if message.role == "tool_response" else message.role
        content = message.content
        if role in ("tool", "tool_call") and not isinstance(content, str):
            content = json.dumps(content, ensure_ascii=False)
        content = _text(content)
        if isinstance(content, str):
            content = owned(content, message.owner)
        turns.append(SwiftTurn(role, content, message.owner, message.loss, message.loss_scale))
    tools = [_tool(tool) for tool in read.tools or ()]
    return SwiftRow(turns, system, tools, read.settings or {})


def _text(content: Any) -> Any:
    """Content parts as one text; texts and token ids as they are."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content and isinstance(content[0], int):
        return content
    if isinstance(content, dict) and "token_ids" in content:
        return content
    text = ""
    for item in content:
        kind = item["type"]
        value = item.get(kind)
        if kind == "text":
            text += value
            continue
        text += f"<{kind.removesuffix('_url')}>"
        if isinstance(value, dict):
            value["url"]
    return text


def _tool(tool: Any) -> Any:
    tool = parsed(tool)
    return wrapped(without_padding(tool) if isinstance(tool, dict) else tool)


@refuses("rejected-response")
def _check_rejected(messages: Sequence[SwiftMessage], rejected: Any) -> None:
    """What raises at a row with a second answer, although supervised training does not read it."""
    if isinstance(rejected, str):
        others: Any = [rejected]
    elif isinstance(rejected, list):
        for message in rejected:
            if message["role"] == "user":
                raise ValueError(
                    "The 'user' role is not allowed in 'rejected_response' messages. "
                    f"Found: {message}"
                )
        others = [message.get("content") for message in rejected]
    else:
        raise ValueError(f"rejected_response must be a str or list. rejected_response: {rejected}")
    users = [place for place, message in enumerate(messages) if message.role == "user"]
    answers = [message.content for message in messages[users[-1] + 1 if users else 0 :]]
    if len(answers) == len(others) == 1:
        assert others != answers, f"rejected_response: {others}, response: {answers}"


def _write_calls(turns: list[SwiftTurn], agent: Agent) -> None:
    """Calls become answers, in place: those that follow each other become one."""
    at = 0
    while at < len(turns):
        if turns[at].role != "tool_call":
            at += 1
            continue
        end = at + 1
        while end < len(turns) and turns[end].role == "tool_call":
            end += 1
        calls = turns[at:end]
        following = turns[end].owner if end < len(turns) else None
        text = agent.calls([AgentTurn(call.content.text, call.owner) for call in calls], following)
        before = turns[at - 1] if at else None
        if (
            agent.xml
            and agent.lines
            and before is not None
            and before.role == "assistant"
            and isinstance(before.content, Owned)
            and before.content.text.strip()
        ):
            before.content = before.content.strip()
            text = owned("\n", calls[0].owner) + text
        made = SwiftTurn("assistant", text, calls[0].owner)
        made.loss = next((call.loss for call in calls if call.loss is not UNSET), UNSET)
        made.loss_scale = next(
            (call.loss_scale for call in calls if call.loss_scale is not UNSET), UNSET
        )
        turns[at:end] = [made]
        at += 1


def _fold_results(turns: list[SwiftTurn], agent: Agent) -> None:
    """Results that follow no answer become a part of the question before them, in place."""
    at = 0
    while at < len(turns):
        if turns[at].role != "tool" or (at and turns[at - 1].role in ("assistant", "tool")):
            at += 1
            continue
        end = at + 1
        while end < len(turns) and turns[end].role == "tool":
            end += 1
        words = "A standalone tool message must follow a user message."
        if not at:
            raise NoLiteral("bad-turns", "ValueError", words, turns[at].owner)
        question = turns[at - 1]
        if question.role != "user":
            shown = {"role": question.role, "content": _shown(question.content)}
            words = f"{words} Previous message: {shown}"
            raise NoLiteral("bad-turns", "ValueError", words, turns[at].owner)
        if not isinstance(question.content, Owned):
            raise NoLiteral(
                "bad-turns",
                "ValueError",
                "Standalone tool messages currently require text-only user content. "
                f"Content: {question.content}",
                question.owner,
            )
        results = [AgentTurn(turn.content.text, turn.owner) for turn in turns[at:end]]
        question.content = question.content + agent.results_alone(results)
        del turns[at:end]


def _shown(content: Any) -> Any:
    return content.text if isinstance(content, Owned) else content


@refuses("bad-turns")
def _join_neighbours(turns: list[SwiftTurn], agent: Agent) -> None:
    """Results after an answer become one turn of several texts; so do answers; questions join."""
    found: list[SwiftTurn] = []
    at = 0
    while at < len(turns):
        first = turns[at]
        end = at + 1
        while end < len(turns) and turns[end].role == first.role != "system":
            end += 1
        group = turns[at:end]
        if first.role == "tool" and found and found[-1].role == "assistant":
            results = [AgentTurn(each.content.text, each.owner) for each in group]
            following = turns[end].owner if end < len(turns) else END
            found[-1].content, texts = agent.results(found[-1].content, results, following)
            found.append(SwiftTurn("tool", texts, first.owner))
        elif first.role == "assistant" and len(group) > 1:
            first.content = [each for turn in group for each in _list(turn.content)]
            first.loss = [each for turn in group for each in _list(turn.loss)]
            first.loss_scale = [each for turn in group for each in _list(turn.loss_scale)]
            found.append(first)
        elif first.role == "user" and len(group) > 1:
            first.content = _one_question([turn.content for turn in group])
            found.append(first)
        else:
            found += group
        at = end
    turns[:] = found


def _one_question(contents: Sequence[Any]) -> Any:
    """The contents of questions that follow each other as one, in Python's own words where not."""
    if all(isinstance(content, Owned) for content in contents):
        return joined(contents)
    if all(isinstance(content, list) for content in contents):
        return [each for content in contents for each in content]
    kinds = list(map(_kind, contents))
    first = kinds[0]
    other = next((kind for kind in kinds[1:] if kind != first), first)
    if first == "dict":
        raise TypeError(f"unsupported operand type(s) for +: 'dict' and {kinds[1]!r}")
    raise TypeError(f'can only concatenate {first} (not "{other}") to {first}')


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [None if value is UNSET else value]


def _last_question(turns: Sequence[SwiftTurn]) -> int:
    """Index of the last question or result; -1 without one."""
    return max(
        (place for place, turn in enumerate(turns) if turn.role in ("user", "tool")), default=-1
    )


def _thinks(row: SwiftRow, setup: Setup) -> Any:
    if setup.template.always_thinks:
        return True
    asked = row.settings.get("enable_thinking")
    return setup.enable_thinking if asked is None else asked


@refuses("bad-settings")
def _preserves(row: SwiftRow, setup: Setup) -> Any:
    """Whether thoughts of earlier answers stay."""
    template = setup.template
    for said in (
        row.settings.get("preserve_thinking"),
        setup.preserve_thinking,
        template.preserves,
    ):
        if said is not None:
            return said
    return not (template.thinks or _thinks(row, setup)) or setup.scale.strategy != "last_round"


def _prepare_thoughts(row: SwiftRow, setup: Setup) -> None:
    """Put empty thoughts in front of answers that have none, and take thoughts out of history."""
    template = setup.template
    preserves = _preserves(row, setup)
    last = _last_question(row.turns)
    start = last if setup.scale.strategy == "last_round" and not template.preserves else -1
    for place, turn in enumerate(row.turns):
        if turn.role != "assistant":
            continue
        text = turn.content[0] if isinstance(turn.content, list) else turn.content
        if not isinstance(text, Owned):
            continue
        own = turn.owner
        if (
            setup.add_non_thinking_prefix
            and template.not_thinking
            and place >= start
            and not text.text.startswith(("<think>", template.not_thinking))
        ):
            text = owned(template.not_thinking, own) + text
        if not preserves and place < last:
            text = (
                text.part(text.text.rfind("</think>") + len("</think>"))
                if ("</think>" in text.text)
                else text
            )
            text = owned(template.history, own) + text.strip()
        if isinstance(turn.content, list):
            turn.content[0] = text
        else:
            turn.content = text


@refuses("bad-system")
def _system(row: SwiftRow, setup: Setup) -> Any:
    """The system text with tools: a text (`Owned`), or what a row may have in its place."""
    system = row.system
    if system is None and setup.system is not None:
        system = owned(setup.system, SYSTEM)
    if row.tools:
        if not row.turns:
            raise IndexError("list index out of range")
        system = setup.agent.tools(row.tools, system)
    effort = setup.template.effort
    if effort == "always" or (effort == "thinking" and _thinks(row, setup)):
        asked = row.settings.get("reasoning_effort")
        asked = setup.reasoning_effort if asked is None else asked
        line = owned(f"Reasoning Effort: {asked.capitalize()}", SYSTEM)
        if not _says(system):
            return line
        text = system if isinstance(system, Owned) else owned(str(system), SYSTEM)
        return joined((line, owned("<|system|>", text.parts[0][1]), text))
    return system


def _says(system: Any) -> bool:
    return bool(system.text if isinstance(system, Owned) else system)


class _Raw(Struct):
    """A part before it is weighed."""

    content: Any
    kind: Literal["answer", "suffix", "other"]


@refuses("bad-turns")
def _parts(row: SwiftRow, system: Any, setup: Setup, context: Context) -> list[_Raw]:
    """The parts of a row in order: between the words of the template, the questions and answers."""
    template = setup.template
    turns = row.turns
    if turns and turns[0].role == "assistant":
        turns.insert(0, SwiftTurn("user", owned("", PREFIX), PREFIX))
    if len(turns) % 2:
        turns.append(SwiftTurn("assistant", None, END))
    parts: list[_Raw] = []
    if setup.tokenizer_prefix:
        parts.append(_Raw(Ids([context.id("[gMASK]"), context.id("<sop>")], PREFIX), "other"))
    prefix = owned(template.prefix, PREFIX)
    if _says(system):
        assert isinstance(system, Owned), f"new_str: {system}"
        head = owned(template.system, system.parts[0][1])
        prefix = joined((prefix, head, system))
    if prefix.text:
        parts.append(_Raw(prefix, "other"))
    assert turns, "inputs.messages: []"
    last = len(turns) // 2 - 1
    for number, (question, answer) in enumerate(zip(turns[::2], turns[1::2], strict=True)):
        _check_order(question, answer)
        if question.role == "user":
            assert isinstance(question.content, Owned), f"new_str: {_shown(question.content)}"
            words = (
                owned(template.user, question.owner),
                question.content,
                owned(template.assistant, answer.owner),
            )
            parts.append(_Raw(_numbered(joined(words), number, question.owner), "other"))
        else:
            parts += _results(question, answer, system, number)
        if answer.content is not None:
            parts.append(_Raw(answer.content, "answer"))
            if number == last and not _ending(answer.content, context).endswith(STOPS):
                parts.append(_Raw(owned(SUFFIX, END), "suffix"))
        elif said := _response_prefix(row, setup):
            parts.append(_Raw(_numbered(owned(said, END), number, END), "other"))
    return parts


def _check_order(question: SwiftTurn, answer: SwiftTurn) -> None:
    if question.role not in ("user", "tool"):
        words = f'query_role: "{question.role}"'
        raise NoLiteral("bad-turns", "AssertionError", words, question.owner)
    if answer.role != "assistant":
        words = f'response_role: "{answer.role}"'
        raise NoLiteral("bad-turns", "AssertionError", words, answer.owner)


def _results(question: SwiftTurn, answer: SwiftTurn, system: Any, number: int) -> Iterator[_Raw]:
    for text in question.content:
        if text.text == "{{RESPONSE}}":
            assert answer.content is not None
            yield _Raw(answer.content, "answer")
            continue
        if "{{SYSTEM}}" in text.text and system is not None:
            assert isinstance(system, Owned), f"new_str: {system}"
            text = text.replace("{{SYSTEM}}", system)
        text = text.replace("{{QUERY}}", owned("", question.owner))
        text = _numbered(text, number, question.owner)
        if text.text:
            yield _Raw(text, "other")


def _numbered(text: Owned, number: int, owner: int) -> Owned:
    """The template language's placeholders for the round, which also count where they are typed."""
    if "{{ROUND" not in text.text:
        return text
    text = text.replace("{{ROUND0}}", owned(str(number), owner))
    return text.replace("{{ROUND1}}", owned(str(number + 1), owner))


def _response_prefix(row: SwiftRow, setup: Setup) -> str:
    """With what the answer that is still to come begins."""
    said = row.settings.get("response_prefix")
    said = setup.response_prefix if said is None else said
    if said is not None:
        return str(said)
    return setup.template.thinking if _thinks(row, setup) else setup.template.not_thinking


def _ending(content: Any, context: Context) -> str:
    """The end of an answer as text."""
    if isinstance(content, list) and content and isinstance(content[-1], Owned):
        content = content[-1]
    if isinstance(content, Owned):
        return content.text
    ids = content if isinstance(content, list) else content["token_ids"]
    for token in ids[-20:]:
        if not isinstance(token, int):
            raise TypeError(f"{_kind(token)!r} object cannot be interpreted as an integer")
    known = context.tokenizer
    ending = [known.token_bytes(token) for token in ids[-20:] if 0 <= token < known.vocab_size]
    return b"".join(ending).decode("utf-8", "replace")


@refuses("bad-loss")
def _weighed(
    parts: Sequence[_Raw], turns: Sequence[SwiftTurn], setup: Setup
) -> list[tuple[Part, Any]]:
    """Each part, perhaps in smaller ones, with its weight."""
    scale = setup.scale
    last = _last_question(turns)
    found: list[tuple[Part, Any]] = []
    number = 0
    for part in parts:
        query: Query = None
        loss: Any = None
        weight: Any = None
        owner = END
        is_last = 2 * number >= last
        if part.kind == "answer":
            query, answer = turns[2 * number].content, turns[2 * number + 1]
            loss, weight, owner = answer.loss, answer.loss_scale, answer.owner
            assert _said(part.content) == _said(answer.content)
            number += 1
        content = part.content
        if not isinstance(content, list) or (content and isinstance(content[0], int)):
            content = [content]
        for place, each in enumerate(content):
            own_loss = loss[place] if isinstance(loss, list) else loss
            own_weight = weight[place] if isinstance(weight, list) else weight
            own_loss = None if own_loss is UNSET else own_loss
            own_weight = None if own_weight is UNSET else own_weight
            if isinstance(each, dict) and "loss_scale" in each:
                ids = _ids(each["token_ids"], owner).ids
                for token, factor in zip(ids, each["loss_scale"], strict=True):
                    found.append((Ids([token], owner), factor))
                continue
            if isinstance(each, dict | list):
                each = _ids(each["token_ids"] if isinstance(each, dict) else each, owner)
            teaches = scale.strategy == "all" or (
                part.kind != "other" and (scale.strategy == "default" or is_last)
            )
            if not (own_loss or (own_loss is None and teaches)):
                found.append((each, 0.0))
            elif own_weight is not None:
                found.append((each, own_weight))
            elif isinstance(each, Owned):
                found += scale.weigh(each, query)
            else:
                found.append((each, 1.0))
    return _without_line_feeds(found)


def _ids(ids: Any, owner: int) -> Ids:
    if not isinstance(ids, list):
        raise TypeError(f"{_kind(ids)!r} object is not a list of token ids")
    for token in ids:
        if not isinstance(token, int):
            kind = _kind(token)
            raise TypeError(f"'>=' not supported between instances of {kind!r} and 'int'")
    return Ids(ids, owner)


def _kind(value: Any) -> str:
    return "str" if isinstance(value, Owned) else type(value).__name__


def _said(content: Any) -> Any:
    if isinstance(content, list):
        return [_shown(each) for each in content]
    return _shown(content)


def _without_line_feeds(parts: list[tuple[Part, Any]]) -> list[tuple[Part, Any]]:
    """The line feed before a call, and at the end of a prompt, is taken out."""
    found = []
    for place, (part, weight) in enumerate(parts):
        if isinstance(part, Owned) and part.text.endswith(_STRIPPED):
            after = parts[place + 1][0] if place + 1 < len(parts) else None
            if after is None or (isinstance(after, Owned) and _OBSERVATION in after.text):
                part = part.part(0, len(part.text) - 1)
        found.append((part, weight))
    return found


@refuses("bad-loss")
def _joined_parts(parts: Sequence[tuple[Part, Any]]) -> list[tuple[Part, float]]:
    found: list[tuple[Part, float]] = []
    texts: list[Owned] = []
    current: Any = 0.0
    for part, weight in parts:
        if isinstance(part, Owned) and not part.text:
            continue
        if texts and not (isinstance(part, Owned) and weight == current):
            found.append((joined(texts), current))
            texts = []
        if isinstance(part, Owned):
            texts.append(part)
        else:
            found.append((part, weight))
        current = weight
    if texts:
        found.append((joined(texts), current))
    for _, weight in found:
        weight > 0.0  # noqa: B015  Python's own complaint where a weight is no number
    return found
