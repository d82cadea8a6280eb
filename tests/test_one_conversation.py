"""One conversation under every trainer: `compare` says what the packages were seen to do.

`golden/one_conversation.md` was written from what the packages themselves made of it.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from trainer_rows import HERE

from glmlint.app.compare import compare

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
CALL = {"name": "get_weather", "arguments": {"city": "Paris"}}
ROW = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Weather in Paris?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": CALL}],
        },
        {"role": "tool", "content": "18 degrees", "tool_call_id": "c1"},
        {
            "role": "assistant",
            "content": "<think>\n18 is mild\n</think>\n\nMild, 18 degrees.",
        },
    ],
    "tools": TOOLS,
}

SIDES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "LLaMA-Factory": ("LLaMA-Factory 0.9.5", "llamafactory", {}),
    "ms-swift": ("ms-swift 4.6.0", "swift", {}),
    "TRL": ("TRL 1.16.0", "trl", {}),
    "TRL, assistant_only_loss": ("TRL 1.16.0", "trl", {"assistant_only_loss": True}),
    "axolotl": ("axolotl 0.19.0", "axolotl", {}),
    "axolotl, eot_tokens": (
        "axolotl 0.19.0",
        "axolotl",
        {"eot_tokens": ["<|user|>", "<|observation|>"]},
    ),
    "unsloth": ("unsloth_zoo 2026.10.9", "unsloth", {}),
    "verl (mismatch ignored)": ("verl 0.9.1", "verl", {"ignore_input_ids_mismatch": True}),
    "slime, qwen": ("slime, August 2026", "slime", {"loss_mask_type": "qwen"}),
    "slime, qwen3": ("slime, August 2026", "slime", {"loss_mask_type": "qwen3"}),
}
"""As the page's table calls it -> as its texts are headed, the recipe, its options."""

COLUMNS = {
    "prompt": "prompt",
    "template's empty thought": "empty-thought",
    "call": "call",
    "call's end": "call-end",
    "tool result": "result",
    "stop after an answer": "stop",
    "last stop": "end",
}
"""As the page's table calls it -> as `compare` does."""

STATES = {
    "no": ("no",),
    "trained": ("trained",),
    "in part": ("part",),
    "missing": ("missing",),
    "not in the input": ("absent",),
    "–": ("absent",),
    "another token: `<|endoftext|>`": ("other",),
    "`<|endoftext|>`": ("trained",),
    "no, and role tokens cut out of the input": ("no",),
}


@cache
def page() -> str:
    return (HERE / "one_conversation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("one") / "one.jsonl"
    file.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return file


def compared(file: Path, model: str) -> dict[str, dict[str, Any]]:
    """What `compare` says of each side, with its text or exception."""
    flags = ["--model", model, "--format", "json"]
    for number, (_, recipe, options) in enumerate(SIDES.values(), 1):
        flags += ["--recipe", recipe]
        for key, value in options.items():
            flags += ["--set", f"{number}:{key}={json.dumps(value)}"]
    done = CliRunner().invoke(compare, [str(file), *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["rows"] == 1
    found = zip(SIDES, said["sides"], said["first_rows"][0]["sides"], strict=True)
    return {name: {**side, **first} for name, side, first in found}


def in_words() -> dict[str, dict[str, str]]:
    """The page's table: trainer -> column -> word."""
    lines = page().partition("## In words")[2].splitlines()
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("|")
    ]
    head, _, *body = rows
    plain = (([cell.replace("**", "").replace("\\", "") for cell in row]) for row in body)
    return {cells[0]: dict(zip(head[1:], cells[1:], strict=True)) for cells in plain}


def texts(heading: str) -> dict[str, str]:
    """The page's marked texts under a template: trainer -> text."""
    part = page().partition(f"## {heading}")[2].partition("\n## ")[0]
    found = {}
    for name, options, text in re.findall(r"\*\*(.+?)\*\*(?: `(.*)`)?\n```\n(.*)\n```", part):
        wanted = (name, json.loads(options) if options else {})
        (label,) = [key for key, (head, _, own) in SIDES.items() if (head, own) == wanted]
        found[label] = text
    return found


def shortened(text: str) -> str:
    """Without the tool lists; the first token is in no loss, whatever its label."""
    text = re.sub(r"# Tools.*?\.\.\.⏎</tool_call>", "(tools)", text)
    text = re.sub(r"你是一个名为.*?支持。", "", text).replace("(ChatGLM preamble)", "")
    text = re.sub(r"# 可用工具.*?Json 格式表示调用的参数。", "(tools)", text)
    text = re.sub(r"⏎*\(tools\)", "(tools)", text)
    return text.replace("【[gMASK]", "[gMASK]【", 1)


def test_the_table_in_words(row: Path) -> None:
    found = compared(row, "glm-4.5")
    table = in_words()
    assert table.keys() == {*SIDES, "GLM's own format"}
    for name, side in found.items():
        for column, word in table[name].items():
            # A row that ends with the answer has nothing behind it that could be trained.
            states = ("missing",) if column == "last stop" and word == "no" else STATES[word]
            assert side["trains"][COLUMNS[column]] in states, (name, column)
        cut_out = "cut out of the input" in str(table[name])
        assert ("lost" in side["damaged_rows"]) == cut_out, name


@pytest.mark.parametrize(
    ("heading", "model"), [("GLM-4.5 template", "glm-4.5"), ("GLM-4-9B template", "glm-4-9b")]
)
def test_the_texts(row: Path, heading: str, model: str) -> None:
    found = compared(row, model)
    wanted = texts(heading)
    assert wanted.keys() == SIDES.keys()
    for name, text in wanted.items():
        if "text" in found[name]:
            assert shortened(found[name]["text"]) == shortened(text), name
        else:
            assert text.startswith(found[name]["outcome"] + ":"), name


def test_the_page_is_the_shared_one(shared: Path) -> None:
    shared_page = shared / "golden" / "trainers" / "one_conversation.md"
    assert shared_page.read_text(encoding="utf-8") == page()
