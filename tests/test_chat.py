"""Chat templates: glmlint's own print what the published ones print, and whose text is whose."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from glmlint.plan import Plan
from glmlint.recipes.trl import MARKS, training_template
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.chat import borders, lay_out_text, owner_at, render_chat, token_places
from glmlint.trainer.layout import END, PREFIX, SYSTEM, TOOLS
from glmlint.trainer.mask import sequence
from glmlint.trainer.template import LATER, ChatTemplate, load_template
from glmlint.trainer.tokenizer import GLM45_CONTROL

FILES = {
    "ChatGLM": "glm-4-9b-chat.jinja",
    "GLM-4": "glm-4-9b-chat.named-GLM-4.jinja",
    "GLM-4.5": "GLM-4.5.jinja",
    "GLM-4.6": "GLM-4.6.jinja",
    "GLM-4.7-Flash": "GLM-4.7-Flash.jinja",
}

TEXTS = (
    "", "hi", "  spaced \n", "<think>\nwhy\n</think>\n\nok", "</think>", "a</think>b</think>c",
    "/nothink", "x/nothink", "\n", "中文<|user|>", "<think></think>", " <think>x</think> ",
)  # fmt: skip
CONTENTS = (
    None, 5, 1.5, True, [], {}, {"type": "text", "text": "q"}, [{"type": "text", "text": "t"}],
    ["t", {"type": "image"}, {"type": "text"}], ["a", 3], [{"output": "o"}, "z", {"b": 1}],
)  # fmt: skip
ARGUMENTS = (
    {}, {"a": 1}, {"a": "s", "b": [1, None, 2.5]}, {"items": 3}, "{}", "", None, [], ["x"], 5,
    {"值": "<|user|>"},
)  # fmt: skip
ODD_CALLS = (5, "s", None, {"function": None}, {"function": {}, "name": "n", "arguments": {}}, [])


class Rows:
    """Random conversations, odd ones among them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def call(self) -> Any:
        pick = self.random.choice
        function = {"name": pick(("f", "g", "f", 5, None, "")), "arguments": pick(ARGUMENTS)}
        if self.random.random() < 0.2:
            function.pop(pick(("name", "arguments")))
        return pick(({"type": "function", "function": function}, function, pick(ODD_CALLS)))

    def message(self) -> dict[str, Any]:
        pick, chance = self.random.choice, self.random.random
        roles = ("system", "user", "assistant", "assistant", "tool", "tool", "observation", 5)
        found: dict[str, Any] = {"role": pick(roles)}
        if chance() < 0.9:
            found["content"] = pick(TEXTS) if chance() < 0.7 else pick(CONTENTS)
        if chance() < 0.25:
            found["reasoning_content"] = pick(("t", " t\n", "", None, 5, ["a"]))
        if chance() < 0.3:
            found["tool_calls"] = pick(([self.call()], [self.call(), self.call()], [], None, 5))
        if chance() < 0.05:
            found["metadata"] = "f"
        return found

    def variables(self) -> dict[str, Any]:
        pick, chance = self.random.choice, self.random.random
        tools = (None, [], [{"type": "function", "function": {"name": "f", "x": "é<"}}], [{}, {}])
        found = {"tools": pick(tools), "add_generation_prompt": chance() < 0.5}
        for name in ("enable_thinking", "clear_thinking"):
            if chance() < 0.3:
                found[name] = pick((True, False, None))
        return found


def printed(template: ChatTemplate, messages: list[Any], names: dict[str, Any]) -> Any:
    try:
        found = template.rendered(messages, **names)
    except Exception as error:
        return type(error).__name__, str(error)
    return found.text, found.generated


def published(shared: Path, name: str) -> ChatTemplate:
    text = (shared / "glm4" / "templates" / name).read_text(encoding="utf-8")
    return ChatTemplate("published", text, "5.24.0")


@pytest.mark.parametrize("name", FILES)
def test_own_templates_print_what_the_published_ones_print(shared: Path, name: str) -> None:
    own, other = load_template(name, None, "5.24.0"), published(shared, FILES[name])
    rows = Rows(1)
    for _ in range(400):
        messages = [rows.message() for _ in range(rows.random.randrange(7))]
        names = rows.variables()
        assert printed(own, messages, names) == printed(other, messages, names), (messages, names)


def test_what_trl_renders_instead_of_glm_45(shared: Path) -> None:
    own = training_template(load_template("GLM-4.5", None, "5.24.0"))
    other = published(shared, "GLM-4.5.trl-training.jinja")
    rows = Rows(2)
    for _ in range(400):
        messages = [rows.message() for _ in range(rows.random.randrange(7))]
        names = rows.variables()
        assert printed(own, messages, names) == printed(other, messages, names), (messages, names)


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_known(shared: Path, name: str, tmp_path: Path) -> None:
    file = shared / "glm4" / "templates" / FILES[name]
    found = load_template(str(file), None, "5.24.0")
    assert found.name == name and found.published == (not file.read_text().endswith("\n"))
    longer = tmp_path / "chat_template.jinja"
    longer.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    found = load_template(str(longer), None, "5.24.0")
    assert found.name == name and not found.published


@pytest.mark.parametrize("name", FILES)
def test_own_templates_hold_the_control_tokens_of_the_published_ones(
    shared: Path, name: str
) -> None:
    own = load_template(name, None, "5.24.0").source
    other = (shared / "glm4" / "templates" / FILES[name]).read_text(encoding="utf-8")
    for token in (*GLM45_CONTROL, "eos_token"):
        assert (token in own) == (token in other), token
    assert not MARKS.search(own)


def context(template: str | None = None, tokenizer: str = "glm4.5") -> Context:
    return open_context(Plan(recipe="trl", tokenizer=tokenizer, template=template))


CONVERSATION = [
    {"role": "system", "content": "SYS"},
    {"role": "user", "content": "QUERY"},
    {"role": "assistant", "content": "CALL", "tool_calls": [{"name": "FUN", "arguments": {}}]},
    {"role": "tool", "content": "ONE"},
    {"role": "tool", "content": "TWO"},
    {"role": "assistant", "content": "ANSWER", "reasoning_content": "THOUGHT"},
]
TOOL_LIST = [{"type": "function", "function": {"name": "TOOL"}}]


def test_whose_text_is_whose() -> None:
    opened = context("GLM-4.5")
    rendered = render_chat(CONVERSATION, opened, tools=TOOL_LIST, add_generation_prompt=True)
    found = borders(rendered, CONVERSATION, opened, None)
    text = rendered.text
    for owner, said in enumerate(("SYS", "QUERY", "CALL", "ONE", "TWO", "ANSWER")):
        assert owner_at(found, text.index(said)) == owner
    assert owner_at(found, text.index("THOUGHT")) == 5
    assert owner_at(found, text.index("FUN")) == 2
    assert owner_at(found, text.index("<|observation|>")) == 3
    assert owner_at(found, text.index("<sop>")) == PREFIX
    assert owner_at(found, text.index("TOOL")) == owner_at(found, text.index("# Tools")) == TOOLS
    assert owner_at(found, text.index("<|system|>")) == TOOLS
    assert owner_at(found, len(text) - 1) == END


CHATML = """\
{%- if messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages if message.role != 'system' %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}"""
BY_NUMBER = """\
{% for i in range(messages | length) %}{{ messages[i].role }}: {{ messages[i].content }}
{% endfor %}"""
IN_A_MACRO = """\
{% macro said(all) %}{% for m in all %}{{ m.content }};{% endfor %}{% endmacro %}{{ said(messages) }}"""
NESTED = """\
{% for m in messages %}{% for other in messages[loop.index0 + 1:] %}{% endfor %}[{{ m.content }}]
{%- if m.role == 'user' %}{% continue %}{% endif %}
{%- if m.content == 'b' %}{% break %}{% endif %}{% endfor %} end"""


@pytest.mark.parametrize("text", [CHATML, BY_NUMBER, IN_A_MACRO, NESTED])
def test_whose_text_is_whose_in_strange_templates(tmp_path: Path, text: str) -> None:
    file = tmp_path / "t.jinja"
    file.write_text(text, encoding="utf-8")
    opened = context(str(file))
    messages = [
        {"role": "system", "content": "s" * 3},
        {"role": "user", "content": "q" * 3},
        {"role": "assistant", "content": "b"},
        {"role": "assistant", "content": "c" * 3},
    ]
    rendered = render_chat(messages, opened)
    found = borders(rendered, messages, opened, None)
    for owner, said in enumerate(("sss", "qqq", "b", "ccc")):
        if said in rendered.text:
            assert owner_at(found, rendered.text.index(said)) == owner, said
    tokens = sequence(lay_out_text(rendered.text, found, opened), opened)
    whole = lay_out_text(rendered.text, ([0], [0]), opened)
    assert tokens.input_ids.tolist() == sequence(whole, opened).input_ids.tolist()


def test_a_default_system_text_is_the_templates(tmp_path: Path) -> None:
    file = tmp_path / "t.jinja"
    file.write_text(
        "[gMASK]<sop><|system|>\nYou are GLM.{% for m in messages %}{{ m.content }}{% endfor %}",
        encoding="utf-8",
    )
    opened = context(str(file))
    messages = [{"role": "user", "content": "hi"}]
    rendered = render_chat(messages, opened)
    found = borders(rendered, messages, opened, None)
    assert found == ([0, 12, 35, 37], [PREFIX, SYSTEM, 0, END])


def test_labels_of_tokens_that_lie_across_a_border() -> None:
    opened = context()
    text = "hello world"
    layout = lay_out_text(text, ([0, 7], [0, 1]), opened, [(7, 11)])
    tokens = sequence(layout, opened)
    assert tokens.owners.tolist() == [0, 0] and tokens.labels.tolist()[0] == -100
    assert tokens.labels[1] == tokens.input_ids[1], "one character in the marked part is enough"


def test_places_of_tokens_that_are_parts_of_characters() -> None:
    opened = context()
    for text in ("a😀b", "👨‍👩‍👧x", "é中", "plain"):
        ids = opened.tokenizer.encode([text])[0]
        starts, stops = token_places(text, ids, opened)
        assert starts[0] == 0 and stops[-1] == len(text)
        assert (starts < stops).all() and (starts[1:] >= starts[:-1]).all()


@pytest.mark.parametrize("name", LATER)
def test_names_of_later_templates(name: str) -> None:
    assert context(name).template.render([{"role": "user", "content": "Hi"}]).startswith("[gMASK]")
