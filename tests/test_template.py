"""glmlint's own template prints what the model's template prints, and its fast way the same."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmlint.trainer.jinja import Compiled
from glmlint.trainer.template import (
    BUILT_IN,
    TEMPLATES,
    ChatTemplate,
    Rendered,
    TemplateFault,
    load_template,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
FUNCTION = st.fixed_dictionaries(
    {"name": TEXT, "parameters": st.fixed_dictionaries({"properties": st.dictionaries(TEXT, JSON)})}
)
TOOL = st.one_of(
    st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTION}),
    st.fixed_dictionaries({"type": st.sampled_from(sorted(BUILT_IN))}),
)
ODD_TOOL = st.one_of(TOOL, JSON, st.fixed_dictionaries({"type": st.just("function")}))
ODD_MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.one_of(st.sampled_from(["system", "user", "assistant", "tool"]), JSON),
        "content": JSON,
        "metadata": JSON,
        "tools": st.one_of(st.lists(ODD_TOOL, max_size=3), JSON),
    },
)


def printed(template: ChatTemplate, messages: list[Any]) -> str:
    try:
        return template.render(messages)
    except Exception as error:
        return f"raises {type(error).__name__}"


@given(st.lists(TOOL, max_size=3), st.sampled_from(["ChatGLM", "GLM-4"]),
       st.sampled_from(["4.41.2", "4.44.2", "5.24.0"]))  # fmt: skip
def test_fast_tool_text_is_what_jinja_prints(
    tools: list[Any], name: str, transformers: str
) -> None:
    template = load_template(name, None, transformers)
    fast = "[gMASK]<sop><|system|>" + template.tools_text(tools)
    assert fast == template.render([{"role": "system", "content": "", "tools": tools}])


@pytest.mark.parametrize(
    ("name", "file"),
    [("ChatGLM", "glm-4-9b-chat.jinja"), ("GLM-4", "glm-4-9b-chat.named-GLM-4.jinja")],
)
def test_own_layout_prints_what_the_published_template_prints(
    shared: Path, name: str, file: str
) -> None:
    text = (shared / "glm4" / "templates" / file).read_text(encoding="utf-8")

    @given(st.lists(ODD_MESSAGE, max_size=4), st.sampled_from(["4.41.2", "4.44.2", "5.24.0"]))
    def compare(messages: list[Any], transformers: str) -> None:
        own = ChatTemplate(name, None, transformers)
        published = ChatTemplate(file, text, transformers)
        assert printed(own, messages) == printed(published, messages)

    compare()


def test_published_text_is_known_by_its_hash(shared: Path) -> None:
    folder = shared / "glm4" / "templates"
    assert load_template(str(folder / "glm-4-9b-chat.jinja"), None, "5.24.0").known
    assert not load_template(str(folder / "glm-4-9b-chat.owner-edited.jinja"), None, "5.24.0").known


def test_rendered_example_of_the_real_template(shared: Path) -> None:
    truth = json.loads((shared / "glm4" / "truth_rendered.json").read_bytes())
    template = load_template("GLM-4", None, "4.44.2")
    own = template.render(truth["messages"])
    assert own.startswith("[gMASK]<sop><|system|>\n你是一个名为 GLM-4")
    assert truth["text"] in (own, own + "<|assistant|>")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}")
    template = load_template(str(file), None, "5.24.0")
    assert template.render([{"role": "user", "content": "hi"}]) == "<|user|>hi"
    assert not template.known


def test_a_broken_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "broken.jinja"
    file.write_text("{% for m in %}")
    with pytest.raises(TemplateFault, match="does not parse"):
        load_template(str(file), None, "5.24.0")
    with pytest.raises(TemplateFault, match="neither a file nor one of ChatGLM, GLM-4"):
        load_template("GLM-5", None, "5.24.0")


def test_a_template_can_not_reach_out(tmp_path: Path) -> None:
    file = tmp_path / "hostile.jinja"
    file.write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(jinja2.exceptions.SecurityError):
        load_template(str(file), None, "5.24.0").render([])


SAID = st.lists(
    st.sampled_from(
        [" ", "hi", "\n", "😀", "<think>", "</think>", "/nothink", "<|user|>", "{{ 1 }}", "[gMASK]"]
    ),
    max_size=4,
).map("".join)
ROLES = ["system", "user", "assistant", "assistant", "tool", "observation"]
CALL = {"name": "f", "arguments": {"a": 1, "b": "x", "c": None}}
ANY_MESSAGE = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(ROLES)},
        optional={
            "content": SAID,
            "metadata": SAID,
            "reasoning_content": st.one_of(SAID, st.none()),
            "tool_calls": st.sampled_from(
                [
                    [],
                    None,
                    [CALL],
                    [{"function": CALL}, CALL],
                    [{"function": CALL}, 1],
                    [{"name": "f"}],
                ]
            ),
        },
    ),
    ODD_MESSAGE,
    JSON,
)


@cache
def by_both(name: str) -> tuple[ChatTemplate, Compiled]:
    template = load_template(name, None, "5.12.0")
    return template, Compiled(template.source, template._features)


@given(
    st.lists(ANY_MESSAGE, max_size=5),
    st.sampled_from(TEMPLATES),
    st.sampled_from([{}, {"tools": None}, {"tools": [CALL]}, {"tools": [CALL, {"é": [1]}]}, {"tools": [1]}, {"add_generation_prompt": True},
                     {"enable_thinking": False}, {"clear_thinking": False}]),
)  # fmt: skip
def test_conversations_are_what_a_sandboxed_jinja_prints(
    messages: list[Any], name: str, given_names: dict[str, Any]
) -> None:
    template, sandboxed = by_both(name)
    given_names = deepcopy(given_names)  # what is printed is told apart by its identity
    names = {"add_generation_prompt": False, **template._names, **given_names, "messages": messages}
    try:
        slow: Any = Rendered(*sandboxed.render(names, 1 << 30), len(messages))
    except Exception as error:
        slow = type(error).__name__, str(error), getattr(error, "turn", None)
    try:
        fast: Any = template.rendered(messages, **given_names)
    except Exception as error:
        fast = type(error).__name__, str(error), getattr(error, "turn", None)
    assert fast == slow
