"""Any chat template, for trainers that glmlint does not know: a row is rendered and labelled.

This is not one trainer but what many scripts do. `labels` selects what is trained: `generation`,
what the template marks with `{% generation %}`; `prefixes`, what an answer adds to the text before
it with the header of an answer; `assistant`, what the template prints for an assistant message,
without that header; `last`, the same for the last one; `all`, everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct

from glmlint.trainer.base import Context, Text, Trainer
from glmlint.trainer.chat import (
    Borders,
    Span,
    borders,
    common_length,
    lay_out_text,
    place_of,
    render_chat,
    render_chats,
    row_errors,
)
from glmlint.trainer.chat_turns import conversation, reads_messages, turns_of
from glmlint.trainer.conversation import Conversation
from glmlint.trainer.cut import drop_longer, keep_end, keep_start
from glmlint.trainer.layout import END, NONE, SAME, Layout, Tokens
from glmlint.trainer.template import Rendered

Labels = Literal["assistant", "last", "generation", "prefixes", "all"]

_CUTS: Final = MappingProxyType(
    {"keep_start": keep_start, "keep_end": keep_end, "drop": drop_longer}
)


_CURES: Final = MappingProxyType(
    {
        "stop": Text(
            "If your trainer trains the token after an answer, set: --set train_stop=true",
            "若你的训练框架会训练回答之后的 token，请注明：--set train_stop=true",
        ),
        "end": Text(
            "If your trainer adds a token after the last answer, set it, for instance: --set "
            "append='<|user|>'",
            "若你的训练框架会在最后一个回答后添加 token，请注明，例如：--set append='<|user|>'",
        ),
        "prompts": Text(
            "If your trainer trains only answers, set: --set labels=assistant",
            "若你的训练框架只训练回答，请注明：--set labels=assistant",
        ),
    }
)


class TemplateOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How rows are read, rendered, labelled and cut."""

    labels: Labels = "assistant"
    append: str | None = None
    """A control token that is put after the row, and carries loss where the last turn does."""
    train_stop: bool = False
    """Whether the token after a trained turn carries loss."""
    messages: str = "messages"
    tools: str = "tools"
    chat_template_kwargs: dict[str, Any] | None = None
    max_length: int | None = None
    truncation: Literal["keep_start", "keep_end", "drop"] = "keep_start"


class AnyTemplate(Trainer):
    """A chat template, and labels by one of several rules."""

    name = "template"
    title = Text("any chat template, labels by rule", "任意对话模板，按规则打标签")
    called = Text("a trainer of this kind", "此类训练框架")
    budget_means = Text("max_length", "max_length")
    source = "no package: set by `labels`"
    date = "2026-11-29"
    supervises = Text(
        "what the template prints for assistant messages, or what `labels` selects",
        "模板为 assistant 消息渲染出的内容，或由 labels 指定的部分",
    )
    Options = TemplateOptions
    reads = frozenset(("openai",))
    control_tokens = ()
    cuts_prefix = False
    budget_option = "max_length"

    def default_budget(self, options: TemplateOptions) -> int | None:
        return options.max_length

    def cure(self, of: str, context: Context) -> Text | None:
        del context
        return _CURES.get(of)

    def reads_row(self, form: str, row: Any, context: Context) -> bool:
        return form in ("glm", "openai") and reads_messages(form, row, context)

    def conversation(self, row: dict[str, Any], context: Context) -> Conversation:
        options: TemplateOptions = context.options
        turns = turns_of(row.get(options.messages), (options.messages,))
        return conversation(row, turns, options.messages, tools=options.tools)

    def lay_out(self, row: dict[str, Any], context: Context) -> Layout:
        options: TemplateOptions = context.options
        with row_errors(lambda error: place_of(error, (options.messages,))):
            return _lay_out(row, context)

    def keeps_of_longer(
        self, options: TemplateOptions
    ) -> Literal["everything", "nothing", "start"] | None:
        kept: dict[str, Literal["nothing", "start"]] = {"keep_start": "start", "drop": "nothing"}
        return kept.get(options.truncation)

    def cut(self, tokens: Tokens, budget: int, context: Context) -> list[Tokens]:
        options: TemplateOptions = context.options
        return _CUTS[options.truncation](tokens, budget)


def _lay_out(row: dict[str, Any], context: Context) -> Layout:
    options: TemplateOptions = context.options
    messages = row[options.messages]
    names = dict(options.chat_template_kwargs or {})
    if row.get(options.tools):
        names["tools"] = row[options.tools]
    rendered = render_chat(messages, context, **names)
    found = borders(rendered, messages, context, None)
    labelled: list[Span] | None = None
    if options.labels == "generation":
        if not context.template.marks:
            raise ValueError("the template has no {% generation %}")
        labelled = rendered.generated
    elif options.labels == "prefixes":
        labelled = list(_by_prefixes(rendered.text, messages, context, names))
    elif options.labels != "all":
        labelled = _by_turns(rendered, found, messages, context, names)
        if options.labels == "last":
            labelled = labelled[-1:]
    layout = lay_out_text(rendered.text, found, context, labelled)
    if options.append is not None:
        _append(layout, options.append, context)
    if options.train_stop:
        layout.tokens = None
        _train_stops(layout)
    return layout


def _said_by_assistant(messages: Any) -> list[int]:
    return [
        index
        for index, message in enumerate(messages)
        if isinstance(message, dict) and message.get("role") == "assistant"
    ]


def _by_prefixes(
    text: str, messages: Any, context: Context, names: dict[str, Any]
) -> Iterator[Span]:
    """From the end of what stands before an answer, with its header, to the end of the answer."""
    answers = _said_by_assistant(messages)
    before = [messages[:index] for index in answers if index]
    asked = render_chats(before, context, add_generation_prompt=True, **names)
    ends = render_chats([messages[: index + 1] for index in answers], context, **names)
    starts = [0] * (len(ends) - len(asked)) + [common_length(text, one.text) for one in asked]
    done = 0
    for start, end in zip(starts, ends, strict=True):
        start, done = max(start, done), common_length(text, end.text)
        if done > start:
            yield start, done


def _by_turns(
    rendered: Rendered, found: Borders, messages: Any, context: Context, names: dict[str, Any]
) -> list[Span]:
    """What is printed for each assistant's message, without the header of an answer."""
    text = rendered.text
    waiting = render_chat(messages, context, add_generation_prompt=True, **names).text
    header = waiting[len(text) :] if waiting.startswith(text) else ""
    starts, owners = found
    answers = set(_said_by_assistant(messages))
    spans = []
    for start, stop, owner in zip(starts, [*starts[1:], len(text)], owners, strict=True):
        if owner in answers:
            start += common_length(text[start:stop], header)
            if stop > start:
                spans.append((start, stop))
    return spans


def _append(layout: Layout, token: str, context: Context) -> None:
    """The end token, which carries loss where what stands before it does."""
    number = context.tokenizer.control.get(token)
    if number is None:
        raise ValueError(f"the tokenizer has no control token {token}")
    trained = bool(layout.pieces) and (layout.rest[-1], layout.first[-1]) != (NONE, NONE)
    layout.add([number], SAME if trained else NONE, END)


def _train_stops(layout: Layout) -> None:
    """The first token after what carries loss carries loss, too."""
    for place in range(len(layout.pieces) - 1, 0, -1):
        if layout.rest[place - 1] != NONE and layout.first[place] == NONE:
            layout.first[place] = SAME
            if isinstance(layout.pieces[place], int):
                layout.rest[place] = SAME


trainer = AnyTemplate()
