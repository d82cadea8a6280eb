"""Rows for `bench/score.py`: real ones where the shared data folder is at hand, else random ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glmlint.evidence.scores import ScoredRow
from glmlint.scoring.plan import IGNORE_INDEX, make_row

SETS = (
    "llamafactory/alpaca_zh_demo.json",
    "llamafactory/alpaca_en_demo.json",
    "glm_tools/glaive_zh.jsonl",
    "glm_tools/glaive_en.jsonl",
    "llamafactory/identity.json",
)
MORE = (
    "chatglm_efficient_tuning/oaast_sft_zh.json",
    "llamafactory/v1_sft_demo.jsonl",
    "fastchat/dummy_conversation.json",
    "toolset/tools_datasets__agentManager__tools_v1.0.jsonl",
    "toolset/tools_datasets__contentManager__tools_v1.4.jsonl",
    "toolset/tools_datasets__memoryManager__tools_v1.4.jsonl",
    "toolset/tools_datasets__vaultManager__tools_v1.3.jsonl",
    "toolset/behavior_datasets__workspace_awareness__pairs_v1.4.jsonl",
    "self_llm/huanhuan.json",
)
TOOL_SETS = ("glm_tools/glaive_zh.jsonl", "glm_tools/glaive_en.jsonl")
ROLES = {
    "system": 151335, "user": 151336, "human": 151336, "assistant": 151337, "gpt": 151337,
    "function_call": 151337, "observation": 151338, "tool": 151338,
}  # fmt: skip

Encoded = tuple[list[int], list[int]]


def turns(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, text) of a row in one of the public shapes; rows in another shape give nothing."""
    if isinstance(record.get("output"), str):
        yield "user", f"{record.get('instruction', '')}\n{record.get('input', '')}".strip()
        yield "assistant", record["output"]
        return
    for message in record.get("messages") or record.get("conversations") or ():
        role = message.get("role", message.get("from"))
        text = message.get("content", message.get("value"))
        if message.get("tools"):
            yield "system", json.dumps(message["tools"], ensure_ascii=False)
        for call in message.get("tool_calls") or ():
            text = f"{text or ''}{json.dumps(call.get('function'), ensure_ascii=False)}"
        if isinstance(text, str) and role in ROLES:
            yield role, text


def read_rows(data: Path, names: tuple[str, ...], most: int | None = None) -> Iterator[Encoded]:
    """Ids and labels in GLM-4's layout, answers and their ends supervised; `most` rows a set."""
    from glmlint.trainer.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("glm4")
    for name in names:
        text = (data / name).read_text(encoding="utf-8")
        if name.endswith(".json"):
            records = json.loads(text)[:most]
        else:
            lines = [line for line in text.split("\n") if line.strip()]
            records = [json.loads(line) for line in lines[:most]]
        for record in records:
            ids, labels, answered = [151331, 151333], [IGNORE_INDEX] * 2, False
            for role, content in turns(record):
                body = tokenizer.encode([content])[0].tolist()
                head = ROLES[role]
                ids += [head, 198, *body]
                labels.append(head if answered else IGNORE_INDEX)
                answered = head == 151337
                labels += [198, *body] if answered else [IGNORE_INDEX] * (1 + len(body))
            if len(ids) > 2 and answered:
                yield [*ids, 151329], [*labels, 151329]


def random_rows(count: int, longest: int = 4000) -> list[Encoded]:
    """Rows of log-normal length, where no data is at hand."""
    rng = np.random.default_rng(0)
    rows = []
    for length in np.clip(rng.lognormal(5.1, 0.8, count), 8, longest).astype(int):
        ids = rng.integers(0, 151329, length).tolist()
        rows.append((ids, [IGNORE_INDEX] * (length // 3) + ids[length // 3 :]))
    return rows


def some_rows(data: Path | None, count: int, longest: int, most: int | None) -> list[Encoded]:
    """Up to `count` rows drawn evenly from the sets, as a file has them that mixes its sources."""
    if data is None:
        return random_rows(count, longest)
    rows = [row for row in read_rows(data, SETS, most) if len(row[0]) <= longest]
    rng = np.random.default_rng(7)
    count = min(count, len(rows))
    return [rows[place] for place in rng.choice(len(rows), count, replace=False)]


def expanded(rows: list[Encoded]) -> list[ScoredRow]:
    """Every answer as a row of its own with all that came before it, as exporters write them."""
    made = []
    for ids, labels in rows:
        told = np.array(labels)
        ends = np.flatnonzero((told[:-1] != IGNORE_INDEX) & (told[1:] == IGNORE_INDEX))
        start = 0
        for end in [*ends.tolist(), len(ids) - 1]:
            masked = np.where(np.arange(end + 1) > start, told[: end + 1], IGNORE_INDEX)
            made.append(make_row(ids[: end + 1], masked))
            start = end
    return made
