"""Loading: old checkpoints without their code, and everything that is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scoring_models import checkpoint, hf_model, random_row

from glmlint.scoring import chatglm
from glmlint.scoring.engine import Engine
from glmlint.scoring.errors import ScoreError
from glmlint.scoring.folder import read_folder
from glmlint.scoring.model import load_model, pick_device, pick_dtype
from glmlint.scoring.plan import Batch, Host

OLD_NAMES = {
    "model.embed_tokens": "transformer.embedding.word_embeddings",
    "model.norm": "transformer.encoder.final_layernorm",
    "lm_head": "transformer.output_layer",
    "self_attn.o_proj": "self_attention.dense",
    "mlp.gate_up_proj": "mlp.dense_h_to_4h",
    "mlp.down_proj": "mlp.dense_4h_to_h",
}


def old_config(config: Any) -> dict[str, Any]:
    """A GlmConfig in the words of the chatglm format."""
    return {
        "model_type": "chatglm",
        "architectures": ["ChatGLMModel"],
        "auto_map": {
            "AutoConfig": "configuration_chatglm.ChatGLMConfig",
            "AutoModelForCausalLM": "modeling_chatglm.ChatGLMForConditionalGeneration",
        },
        "padded_vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "ffn_hidden_size": config.intermediate_size,
        "num_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "multi_query_attention": True,
        "multi_query_group_num": config.num_key_value_heads,
        "kv_channels": config.head_dim,
        "layernorm_epsilon": config.rms_norm_eps,
        "seq_length": config.max_position_embeddings,
        "rope_ratio": 5,
        "add_qkv_bias": config.attention_bias,
        "add_bias_linear": False,
        "rmsnorm": True,
        "post_layer_norm": True,
        "apply_residual_connection_post_layernorm": False,
        "eos_token_id": config.eos_token_id,
        "pad_token_id": config.pad_token_id,
        "torch_dtype": "bfloat16",
    }


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny `glm` model written in the old format, with code that must never run."""
    model = hf_model("glm")
    state = dict(model.state_dict())
    renamed = {"transformer.rotary_pos_emb.inv_freq": torch.ones(4)}
    for layer in range(model.config.num_hidden_layers):
        for part in ("weight", "bias"):
            names = [f"model.layers.{layer}.self_attn.{letter}_proj.{part}" for letter in "qkv"]
            fused = f"transformer.encoder.layers.{layer}.self_attention.query_key_value.{part}"
            renamed[fused] = torch.cat([state.pop(name) for name in names])
    for name, tensor in state.items():
        new = name.replace("model.layers", "transformer.encoder.layers")
        for ours, theirs in OLD_NAMES.items():
            new = new.replace(ours, theirs)
        renamed[new] = tensor.clone()
    folder = tmp_path_factory.mktemp("chatglm")
    items = sorted(renamed.items())
    save_file(dict(items[::2]), folder / "model-00001-of-00002.safetensors")
    save_file(dict(items[1::2]), folder / "model-00002-of-00002.safetensors")
    (folder / "config.json").write_text(json.dumps(old_config(model.config)))
    for name in ("modeling_chatglm.py", "configuration_chatglm.py", "tokenization_chatglm.py"):
        (folder / name).write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def edit_config(folder: Path, **changes: Any) -> Path:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config.update(changes)
    file.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ScoreError) as caught:
        load_model(read_folder(folder))
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_old_checkpoint_scores_the_same_bytes_and_runs_no_code(old: Path, dtype: str) -> None:
    model = load_model(read_folder(old), dtype=dtype)
    rows = [random_row(np.random.default_rng(4), length) for length in (50, 30, 7)]
    batch = Batch(tuple(Host(row.ids, (row,)) for row in rows))
    got = Engine(model, chunk=64).score(batch)
    new = load_model(read_folder(checkpoint("glm")), dtype=dtype)
    want = Engine(new, chunk=64).score(batch)
    assert [score.nll.tobytes() for score in got] == [score.nll.tobytes() for score in want]
    assert not (old / "ran").exists()
    assert (model.name, model.warnings) == ("GlmForCausalLM", ())


def test_old_checkpoint_without_a_weight_is_named(old: Path, tmp_path: Path) -> None:
    folder = copy_of(old, tmp_path / "m")
    name = "transformer.encoder.layers.1.mlp.dense_4h_to_h.weight"
    for file in folder.glob("*.safetensors"):
        save_file({k: v for k, v in load_file(file).items() if k != name}, file)
    assert "model.layers.1.mlp.down_proj.weight" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rmsnorm": False}, "rmsnorm: False"),
        ({"post_layer_norm": False}, "post_layer_norm: False"),
        ({"add_bias_linear": True}, "add_bias_linear: True"),
        ({"kv_channels": None}, "kv_channels"),
        ({"num_layers": 3}, "lacks model.layers.2"),
        ({"num_layers": 1}, "no place for"),
        ({"ffn_hidden_size": 40}, "shape"),
    ],
)
def test_old_configurations_that_do_not_fit(
    old: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    folder = edit_config(copy_of(old, tmp_path / "m"), **changes)
    assert told in refusal(folder)
    assert not (folder / "ran").exists()


def test_unknown_names_in_an_old_checkpoint() -> None:
    with pytest.raises(ScoreError, match=re.escape("transformer.prefix_encoder.weight")):
        list(chatglm.rename("transformer.prefix_encoder.weight", torch.ones(1), 4, 2, 8))


def test_code_of_an_unknown_model_is_not_run(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    (folder / "modeling_new.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    (folder / "configuration_new.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    edit_config(
        folder,
        model_type="glm_from_tomorrow",
        auto_map={
            "AutoConfig": "configuration_new.C",
            "AutoModelForCausalLM": "modeling_new.M",
        },
    )
    assert "never run" in refusal(folder)
    assert not (folder / "ran").exists()


def test_missing_weight_is_an_error_not_a_random_number(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    file = folder / "model.safetensors"
    name = "model.layers.1.self_attn.q_proj.weight"
    save_file({k: v for k, v in load_file(file).items() if k != name}, file, {"format": "pt"})
    assert name in refusal(folder)


def test_weight_of_another_shape_is_an_error(tmp_path: Path) -> None:
    folder = edit_config(copy_of(checkpoint("glm4"), tmp_path / "m"), intermediate_size=40)
    assert re.search(r"mlp\.\w+_proj\.weight has another shape", refusal(folder))


def test_unexpected_weight_is_a_warning(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    file = folder / "model.safetensors"
    save_file(load_file(file) | {"model.layers.9.extra": torch.ones(2)}, file, {"format": "pt"})
    assert "model.layers.9.extra" in load_model(read_folder(folder)).warnings[0]


def test_truncated_weight_file_is_one_sentence(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    assert str(folder) in refusal(folder)


def test_folders_that_are_no_checkpoints(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "no config.json" in refusal(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "LoRA adapter" in refusal(tmp_path)
    for bad in ("{", "[1]", '"text"', "[" * 100_000):
        (tmp_path / "config.json").write_text(bad)
        assert "config.json can't be read" in refusal(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "glm"}')
    assert "no vocab_size" in refusal(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "glm", "vocab_size": 10}')
    assert "no .safetensors" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    assert "pickle" in refusal(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-00001.safetensors"}}')
    assert "missing" in refusal(tmp_path)
    index.write_text("[]")
    assert "not an index" in refusal(tmp_path)


def test_fingerprint_follows_weights_and_configuration(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    first = read_folder(folder).fingerprint()
    assert first == read_folder(folder).fingerprint()
    edit_config(folder, rms_norm_eps=1e-3)
    second = read_folder(folder).fingerprint()
    state = load_file(folder / "model.safetensors")
    state["model.norm.weight"] += 1
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    assert len({first, second, read_folder(folder).fingerprint()}) == 3


def test_device_and_dtype() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    for bad in ("gpu", "cuda:99", "cpu:x", "auto:1"):
        with pytest.raises(ScoreError):
            pick_device(bad)
    assert pick_dtype("auto", "cpu", {"torch_dtype": "bfloat16"}) == "float32"
    assert pick_dtype("auto", "cuda", {"dtype": "float32"}) == "float32"
    assert pick_dtype("auto", "cuda", {"torch_dtype": "float16"}) == "bfloat16"
    assert pick_dtype("float16", "cpu", {}) == "float16"


def test_one_nan_weight_gives_losses_that_are_not_finite(tmp_path: Path) -> None:
    folder = copy_of(checkpoint("glm4"), tmp_path / "m")
    state = load_file(folder / "model.safetensors")
    state["model.norm.weight"][3] = float("nan")
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    row = random_row(np.random.default_rng(6), 9)
    found = Engine(load_model(read_folder(folder))).score(Batch((Host(row.ids, (row,)),)))
    assert not np.isfinite(found[0].nll).any()
