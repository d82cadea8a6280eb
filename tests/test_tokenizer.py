"""Ids equal tiktoken's on the real rank file; control tokens are the model's own fourteen."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.plan import Plan
from glmlint.trainer.base import open_context
from glmlint.trainer.prepared import prepare
from glmlint.trainer.tokenizer import (
    GLM4_CONTROL,
    Glm4Backend,
    Tokenizer,
    TokenizerError,
    load_tokenizer,
)

GLM4 = load_tokenizer("glm4")
GLM4_BATCH = Glm4Backend().batch
GLM4_ONE_BY_ONE = Glm4Backend()
GLM4_MANY = Glm4Backend()
GLM4_MANY.FEW = 0  # type: ignore[misc]


def texts_in(folder: Path) -> list[str]:
    """Every string of every file below a folder."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            for key, item in value.items():
                found.add(key)
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    for file in sorted(folder.rglob("*.json*")):
        content = file.read_bytes()
        try:
            walk(json.loads(content))
        except ValueError:
            for line in content.split(b"\n"):
                try:
                    walk(json.loads(line))
                except ValueError:
                    found.add(line.decode("utf-8", "replace"))
    return sorted(
        text
        for text in found
        if text.isprintable() or text.encode("utf-8", "ignore").decode() == text
    )


def reference(shared: Path) -> Any:
    tiktoken = pytest.importorskip("tiktoken")
    lines = (shared / "glm4" / "tokenizer.model").read_bytes().split(b"\n")
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in (line.split() for line in lines if line)
    }
    facts = json.loads((shared / "glm4" / "special_tokens.json").read_bytes())
    assert facts["special_tokens"] == GLM4.control
    return tiktoken.Encoding(
        "glm4", pat_str=facts["pat_str"], mergeable_ranks=ranks, special_tokens={}
    )


def test_all_real_texts_equal_tiktoken(shared: Path) -> None:
    texts = texts_in(shared / "data")[::4]
    wanted = reference(shared).encode_ordinary_batch(texts, num_threads=2)
    for tokenizer in (GLM4, load_tokenizer(str(shared / "glm4" / "tokenizer.json"))):
        ids, offsets = tokenizer.encode(texts)
        assert len(texts) > 15_000
        assert np.array_equal(np.diff(offsets), [len(part) for part in wanted])
        assert np.array_equal(ids, np.concatenate([np.array(part, np.uint32) for part in wanted]))


def test_any_text_equals_tiktoken(shared: Path) -> None:
    encoding = reference(shared)

    @settings(max_examples=300)
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    def compare(text: str) -> None:
        assert GLM4.encode([text])[0].tolist() == encoding.encode_ordinary(text)

    compare()


def test_ids_printed_elsewhere_by_the_real_tokenizer(shared: Path) -> None:
    context = open_context(Plan(transformers="4.44.2"))
    cases = json.loads((shared / "glm4" / "truth_prompts.json").read_bytes())["cases"]
    for case in cases:
        ids: list[int] = []
        for piece in GLM4.split(case["prompt"]):
            ids += [piece] if isinstance(piece, int) else GLM4.encode([piece])[0].tolist()
        assert ids == case["ids"]
    assert len(cases) == 6
    assert context.tokenizer.vocab_size == 151343


def test_known_ids() -> None:
    assert GLM4.encode(["hello", "\n", "<|user|>"])[0].tolist() == [
        14978, 198, 27, 91, 872, 91, 29,
    ]  # fmt: skip
    assert [GLM4.control[text] for text in GLM4_CONTROL] == list(range(151329, 151343))
    assert GLM4.exact and GLM4.vocab_size == 151343


def test_ids_give_the_bytes_of_each_one_after_the_other() -> None:
    """In one call where all are ordinary."""
    ordinary = [*range(0, GLM4.base_size, 97), GLM4.base_size - 1]
    for ids in ([], ordinary, [*ordinary[:9], GLM4.control["<|user|>"], 5], [GLM4.vocab_size + 7]):
        assert GLM4.bytes_of(ids) == b"".join(map(GLM4.token_bytes, ids))


def test_typed_control_tokens_are_cut_out() -> None:
    assert GLM4.split("a<|user|>b[gMASK]<sop>") == ["a", 151336, "b", 151331, 151333]
    assert GLM4.split("<|user |><|tool|>") == ["<|user |><|tool|>"]
    # splintr's own control tokens are no tokens of the model
    assert GLM4.split("<|think|><|pad|>") == ["<|think|><|pad|>"]


@given(
    st.lists(
        st.sampled_from(["<|user|>", "[MASK]", "<sop>", "<", "|", "x", "中"]), max_size=12
    ).map("".join)
)
def test_pieces_join_to_the_text(text: str) -> None:
    names = {token: name for name, token in GLM4.control.items()}
    joined = "".join(names[p] if isinstance(p, int) else p for p in GLM4.split(text))
    assert joined == text


def folder_of(tmp_path: Path, shared: Path, template: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.model").symlink_to(shared / "glm4" / "tokenizer.model")
    decoder = {str(number): {"content": text} for text, number in GLM4.control.items()}
    config = {
        "added_tokens_decoder": decoder,
        "chat_template": template,
        "auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    return folder


def test_a_model_folder_brings_its_template_and_runs_no_code(tmp_path: Path, shared: Path) -> None:
    folder = folder_of(
        tmp_path,
        shared,
        "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}",
    )
    context = open_context(Plan(tokenizer=str(folder)))
    assert context.tokenizer.exact and context.tokenizer.control == GLM4.control
    assert not context.template.known
    rendered = context.trainer.lay_out({"messages": [{"role": "user", "content": "hi"}]}, context)
    assert rendered.pieces == [151331, 151333, 151336, "\nhi", 151336]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none", None, "no such tokenizer"),
        ("bad.json", b"{", "can't be read as a tokenizer.json"),
        ("odd.json", b"[]", "can't be read as a tokenizer.json"),
        ("bad.model", b"\xff\xfe not ranks", "is not a tiktoken rank file"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TokenizerError, match=sentence):
        load_tokenizer(str(file))


def test_the_hub_is_asked_only_when_allowed() -> None:
    with pytest.raises(TokenizerError, match="--allow-download"):
        load_tokenizer("THUDM/glm-4-9b-chat")


def test_a_smaller_rank_file_is_marked_as_a_guess(tmp_path: Path) -> None:
    file = tmp_path / "small.model"
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    file.write_bytes(b"\n".join(lines))
    small: Tokenizer = load_tokenizer(str(file))
    assert small.encode(["ab"])[0].tolist() == [97, 98]
    assert not small.exact
    assert small.control["<|endoftext|>"] == 256


def test_another_tokenizers_control_tokens_are_found_in_typed_text(
    tmp_path: Path, shared: Path
) -> None:
    folder = folder_of(tmp_path, shared, "")
    decoder = {str(number): {"content": text} for text, number in GLM4.control.items()}
    decoder["151350"] = {"content": "</think>"}
    config = json.dumps({"added_tokens_decoder": decoder})
    (folder / "tokenizer_config.json").write_text(config)
    context = open_context(Plan(tokenizer=str(folder)))
    for typed in ("a</think>b", "a<\\/think>b"):  # the second as JSON may escape it
        row = f'{{"messages": [{{"role": "user", "content": "{typed}"}}]}}'
        layout = prepare(row.encode(), 1, context).layout
        assert layout is not None
        assert layout.pieces == [151331, 151333, 151336, "\na", 151350, "b", 151336]


@settings(max_examples=300)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=4))
def test_text_by_text_and_in_a_batch_the_ids_are_the_same(texts: list[str]) -> None:
    backend = GLM4_ONE_BY_ONE
    assert backend.encode_batch_flat(texts) == GLM4_BATCH.encode_batch_flat(texts)
    assert "batch" not in backend.__dict__


@settings(max_examples=200)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
                st.sampled_from([*GLM4_ONE_BY_ONE.bundled.special_tokens(), "a > b", "]", "think"]),
            ),
            max_size=5,
        ).map("".join),
        max_size=12,
    )
)
def test_no_control_token_is_matched_in_a_batch(texts: list[str]) -> None:
    backend = GLM4_MANY
    texts = [*texts, "plain text " * (1 + sum(map(len, texts)))]  # a few odd ones among many
    assert backend.encode_batch_flat(texts) == GLM4_BATCH.encode_batch_flat(texts)
    assert "batch" not in backend.__dict__


def test_an_encoder_of_its_own_is_built_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Glm4Backend, "FEW", 10)
    monkeypatch.setattr(Glm4Backend, "MANY", 1000)
    for texts, calls in ((["a long thought </think>"], 1), (["plain text " * 9], 11)):
        backend = Glm4Backend()
        for _ in range(calls):
            assert "batch" not in backend.__dict__
            backend.encode_batch_flat(texts)
        assert "batch" in backend.__dict__


def test_all_real_texts_give_the_same_ids_one_by_one(shared: Path) -> None:
    texts = [text for text in texts_in(shared / "data")[1::4] if len(text) < 2000]
    ids, offsets = GLM4.encode(texts)
    flat, ends = GLM4_BATCH.encode_batch_flat(texts)
    assert (ids.tobytes(), offsets.astype("<u8").tobytes()) == (flat, ends)
    one_by_one = Glm4Backend().bundled.encode_ordinary
    for place, text in enumerate(texts):
        assert one_by_one(text) == ids[offsets[place] : offsets[place + 1]].tolist()
