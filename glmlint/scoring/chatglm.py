"""Old `chatglm` checkpoints as `GlmForCausalLM`: weights renamed in memory, no remote code.

Names and layout read from the public modeling file of glm-4-9b-chat (2024-06); the logits are
equal bit for bit in fp32.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from glmlint.patterns import Pattern
from glmlint.scoring.errors import ScoreError
from glmlint.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

NAMES: Final = (
    (r"transformer\.embedding\.word_embeddings\.(.+)", r"model.embed_tokens.\1"),
    (r"transformer\.encoder\.final_layernorm\.(.+)", r"model.norm.\1"),
    (r"transformer\.output_layer\.(.+)", r"lm_head.\1"),
    (
        r"transformer\.encoder\.layers\.(\d+)\.(input_layernorm|post_attention_layernorm)\.(.+)",
        r"model.layers.\1.\2.\3",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.self_attention\.dense\.(.+)",
        r"model.layers.\1.self_attn.o_proj.\2",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.mlp\.dense_h_to_4h\.(.+)",
        r"model.layers.\1.mlp.gate_up_proj.\2",
    ),
    (
        r"transformer\.encoder\.layers\.(\d+)\.mlp\.dense_4h_to_h\.(.+)",
        r"model.layers.\1.mlp.down_proj.\2",
    ),
)
"""(old name, new name) as patterns over whole names."""

FUSED: Final = Pattern(
    r"transformer\.encoder\.layers\.(\d+)\.self_attention\.query_key_value\.(weight|bias)"
)
"""Query, key and value in one matrix, in this order by rows."""

DROPPED: Final = Pattern(r"(transformer\.)?rotary_pos_emb\.inv_freq")
"""Recomputed from the configuration."""

_NEEDED: Final = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "add_bias_linear": False,
    "apply_residual_connection_post_layernorm": False,
}


def heads(config: dict[str, Any]) -> tuple[int, int, int]:
    """(query heads, key/value heads, size of a head) of an old configuration."""
    queries = int(config["num_attention_heads"])
    grouped = config.get("multi_query_attention", False)
    return (
        queries,
        int(config["multi_query_group_num"]) if grouped else queries,
        int(config["kv_channels"]),
    )


def new_config(config: dict[str, Any]) -> dict[str, Any]:
    """An old configuration in the words of `GlmConfig`.

    Raises:
        ScoreError: a layout that `GlmForCausalLM` does not compute, or a missing key.
    """
    for key, value in _NEEDED.items():
        if bool(config.get(key, value)) != value:
            raise ScoreError(
                Text(
                    "config.json has {key}: {value}; such a model is not known",
                    "config.json 中 {key} 为 {value}，glmlint 不认识这种模型",
                ),
                key=key,
                value=config[key],
            )
    try:
        queries, kv, size = heads(config)
        return {
            "vocab_size": config["padded_vocab_size"],
            "hidden_size": config["hidden_size"],
            "intermediate_size": config["ffn_hidden_size"],
            "num_hidden_layers": config["num_layers"],
            "num_attention_heads": queries,
            "num_key_value_heads": kv,
            "head_dim": size,
            "rms_norm_eps": config["layernorm_epsilon"],
            "max_position_embeddings": config["seq_length"],
            # every version of transformers reads these two; newer ones make rope_parameters of them
            "rope_theta": 10000.0 * config.get("rope_ratio", 1),
            "partial_rotary_factor": 0.5,
            "attention_bias": bool(config.get("add_qkv_bias", False)),
            "tie_word_embeddings": bool(config.get("tie_word_embeddings", False)),
            "eos_token_id": config.get("eos_token_id"),
            "pad_token_id": config.get("pad_token_id"),
        }
    except KeyError as error:
        raise ScoreError(
            Text(
                "config.json of a chatglm model without {key}",
                "chatglm 模型的 config.json 缺少 {key}",
            ),
            key=error.args[0],
        ) from None


def rename(
    name: str, tensor: torch.Tensor, queries: int, kv: int, size: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """The new names and tensors of one old one; nothing for what is recomputed.

    Raises:
        ScoreError: a name the old format does not have.
    """
    if DROPPED.fullmatch(name):
        return
    if match := FUSED.fullmatch(name):
        layer, part = match.groups()
        cuts = tensor.split([queries * size, kv * size, kv * size])
        for letter, cut in zip("qkv", cuts, strict=True):
            yield f"model.layers.{layer}.self_attn.{letter}_proj.{part}", cut
        return
    for old, new in NAMES:
        if re.fullmatch(old, name):
            yield re.sub(old, new, name), tensor
            return
    raise ScoreError(
        Text(
            "{name}: a weight that a chatglm checkpoint does not have",
            "{name}: chatglm 模型没有这个权重",
        ),
        name=name,
    )


def load(
    config: dict[str, Any], weights: tuple[Path, ...], dtype: torch.dtype, **options: Any
) -> torch.nn.Module:
    """The checkpoint as a `GlmForCausalLM` on the CPU.

    Args:
        config: the old `config.json`.
        weights: its safetensors files.
        dtype: of the weights; the frequencies of the positions stay in fp32.
        options: set on the new configuration, such as `attn_implementation`.

    Raises:
        ScoreError: an unknown layout, or missing, strange or misshapen weights, named.
    """
    import torch
    from safetensors import safe_open
    from transformers import GlmConfig, GlmForCausalLM

    shape = heads(config)
    built = GlmConfig(**new_config(config))
    state: dict[str, torch.Tensor] = {}
    for file in weights:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - a safetensors handle, not a dict
                state.update(rename(name, opened.get_tensor(name), *shape))
    with torch.device("meta"):
        model = GlmForCausalLM._from_config(built, **options)
    wanted = model.state_dict()
    if built.tie_word_embeddings and "lm_head.weight" not in state:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    if missing := sorted(wanted.keys() - state.keys()):
        raise ScoreError(
            Text("the checkpoint lacks {names}", "模型文件缺少 {names}"), names=some(missing)
        )
    if strange := sorted(state.keys() - wanted.keys()):
        raise ScoreError(
            Text(
                "the checkpoint has weights that its config.json has no place for: {names}",
                "模型文件里有 config.json 未描述的权重：{names}",
            ),
            names=some(strange),
        )
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise ScoreError(
                Text(
                    "{name} has the shape {found}, config.json says {wanted}",
                    "{name} 的形状为 {found}，而 config.json 要求 {wanted}",
                ),
                name=name,
                found=list(tensor.shape),
                wanted=list(wanted[name].shape),
            )
    model.load_state_dict(state, strict=True, assign=True)
    model.to(dtype)
    # Its buffer is not in a checkpoint, so it is still on the meta device. Made after the cast:
    # frequencies in bf16 would turn the 1,000th position by half a radian.
    model.model.rotary_emb = type(model.model.rotary_emb)(built)
    return model


def some(names: list[str]) -> Text:
    """The first three names, and how many more there are."""
    more = len(names) - 3
    return Text(
        ", ".join(names[:3]) + (f" and {more} more" if more > 0 else ""),
        "、".join(names[:3]) + (f" 等 {len(names)} 个" if more > 0 else ""),
    )
