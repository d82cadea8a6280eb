"""A long line costs at most ten times its size in memory, and its ids are those of the whole text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounded import peak
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.read import sample
from glmlint.read.sample import MAX_VALUES, overfull
from glmlint.trainer import long_texts
from glmlint.trainer.long_texts import AROUND, encode_long
from glmlint.trainer.tokenizer import LONG, load_tokenizer

BACKEND = load_tokenizer("glm4").backend.batch  # type: ignore[attr-defined]
PART = 3 * AROUND


def whole(text: str) -> list[int]:
    found: list[int] = np.frombuffer(BACKEND.encode_batch_flat([text])[0], "<u4").tolist()
    return found


def in_parts(text: str, part: int = PART) -> tuple[list[int], int]:
    """The ids, and the characters of the longest text that the encoder was given."""
    longest = 0

    def encode(piece: str) -> Any:
        nonlocal longest
        longest = max(longest, len(piece))
        return np.frombuffer(BACKEND.encode_batch_flat([piece])[0], "<u4")

    parts = encode_long(text, encode, BACKEND.decode_token_bytes, lambda ids: ids, part)
    return np.concatenate(parts).tolist(), longest


def drawn(alphabet: str, size: int) -> str:
    return "".join(random.Random(5).choices(alphabet, k=size))


SIZE = 4 * PART
UNBROKEN: dict[str, str] = {
    "one letter": "a" * SIZE,
    "letters": drawn("abcdefghijklmnopqrstuvwxyz", SIZE),
    "two letters": drawn("ab", SIZE),
    "Chinese": drawn("你好世界今天天气的是不了在人有我他这", SIZE),
    "accents": drawn("éèüßабв", SIZE),
    "digits": "12345678" * (SIZE // 8),
    "base 64": drawn("abcXYZ0189", SIZE),
    "blanks": " " * SIZE,
    "blanks between breaks": "\n" + " " * SIZE + "\n",
    "blanks behind a break": "x\n" + " " * SIZE + "y",
    "tabs and breaks": drawn(" \t\r\n", SIZE),
    "line feeds": "\n" * SIZE,
    "quotation marks": "'" * SIZE + "s",
    "signs": drawn("!#$%&*+-./:;<=>?@'", SIZE),
    "emoji": drawn("😀😁😂👍", SIZE),
    "accents alone": "\u0301" * SIZE,
    "prose": "The quick brown fox isn't at 1234 Main Street, 他说。\n\n" * (SIZE // 50),
}


@pytest.mark.parametrize("name", UNBROKEN)
def test_parts_give_the_ids_of_the_whole(name: str) -> None:
    for before, after in (("", ""), ("x ", "'s"), ("\n", "\n"), ("12", " y")):
        text = before + UNBROKEN[name] + after
        found, longest = in_parts(text)
        assert found == whole(text)
        assert longest <= 2 * PART + 2, (name, longest)  # memory grows with this, not with the text


def test_what_has_no_place_for_a_cut_is_encoded_whole() -> None:
    text = "a\u0301½²" * (SIZE // 4)
    assert in_parts(text)[0] == whole(text)


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.sampled_from("aB1 \n\t'.,你😀é\u0301_½-\u3000\x1c"), min_size=1, max_size=40),
    st.integers(1, 60),
    st.data(),
)
def test_any_text_in_parts_of_any_size(unit: str, times: int, data: Any) -> None:
    before = long_texts.AROUND, long_texts.ZONE
    long_texts.AROUND, long_texts.ZONE = 24, 72
    try:
        text = unit * times + data.draw(st.text(max_size=30))
        assert in_parts(text, data.draw(st.integers(30, 200)))[0] == whole(text)
    finally:
        long_texts.AROUND, long_texts.ZONE = before


def test_lengths_and_offsets_of_several_texts() -> None:
    tokenizer = load_tokenizer("glm4")
    texts = ["a", "b c" * LONG, "", "你好", "x" * (LONG + 1), "y"]
    ids, offsets = tokenizer.encode(texts)
    assert tokenizer.lengths(texts).tolist() == np.diff(offsets).tolist()
    assert ids.tolist() == [token for text in texts for token in whole(text)]
    assert tokenizer.lengths([]).tolist() == []


def line(content: Callable[[int], str], size: int) -> bytes:
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": content(size)}]
    return json.dumps({"messages": messages}, ensure_ascii=False).encode() + b"\n"


LINES: dict[str, Callable[[int], bytes]] = {
    "one letter": lambda n: line(lambda size: "a" * size, n),
    "letters": lambda n: line(lambda size: drawn("abcdefghijklmnopqrstuvwxyz", size), n),
    "Chinese": lambda n: line(lambda size: "你好世界今天天气" * (size // 24), n),
    "blanks": lambda n: line(lambda size: " " * size + "x", n),
    "a repeated key": lambda n: (
        b'{"messages": [{"role": "user", "content": "' + b"a" * n + b'", "role": "user"}]}\n'
    ),
    "no JSON": lambda n: b'{"messages": "' + b'"\\' * (n // 2) + b"\n",
    "many messages": lambda n: (
        json.dumps({"messages": [{"role": "user", "content": "a b c " * 30}, {"role": "assistant", "content": "d e f " * 30}] * (n // 440)}).encode()
        + b"\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_memory_is_at_most_ten_times_the_line(name: str, tmp_path: Path) -> None:
    """Beside what every run takes: 180 MB."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(LINES[name](10 << 20))
    megabytes = file.stat().st_size / (1 << 20)
    told, most = peak("check", file, "--lang", "en", "--quiet", "--max-findings", "100")
    assert most <= 180 + 10 * megabytes, (most, told)


def test_a_row_of_too_many_values_is_not_read() -> None:
    for raw, values in (
        (b'{"messages": [' + b"{}," * MAX_VALUES + b"{}]}", True),
        (b"[" + b"1," * (MAX_VALUES - 2) + b"1]", False),
        (b"[" + b"1," * MAX_VALUES + b"1]", True),
        (b"[" * (MAX_VALUES + 1) + b"]" * (MAX_VALUES + 1), True),
        (b'{"a": "' + b"{[,," * MAX_VALUES + b'"}', False),
        (b'{"a": "' + b'\\"{[,' * MAX_VALUES + b'"}', False),
        (b'{"a": "' + b"{[,," * MAX_VALUES, False),
    ):
        defect = overfull(raw)
        assert (defect is not None) == values
        if defect is not None:
            assert (defect.rule, defect.values) == ("line-too-long", {"values": MAX_VALUES})
            assert sample.read(raw).value is None


def test_a_million_messages_are_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    faulty = b'{"role": "human", "content": null},' * 1_000_000
    good = line(lambda _: "fine", 1)
    file.write_bytes(good + b'{"messages": [' + faulty[:-1] + b"]}\n" + good)
    told, most = peak("check", file, "--lang", "en", "--format", "jsonl", cpu=30)
    found = [json.loads(one) for one in told.splitlines() if one.startswith("{")]
    [finding] = [one for one in found if one.get("rule") == "line-too-long"]
    assert finding["line"] == 2 and "more than 1,000,000 values" in finding["message"]
    assert most < 500
