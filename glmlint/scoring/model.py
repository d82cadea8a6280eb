"""A model folder -> a loaded model, or one sentence why not. No code of the folder is run."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from glmlint.plan import version
from glmlint.scoring import chatglm
from glmlint.scoring.errors import ScoreError
from glmlint.scoring.folder import ModelFolder
from glmlint.text import Text

DTYPES: Final = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Model:
    """A loaded causal model, taken apart: the backbone gives states, the head gives logits."""

    decoder: Any
    """torch.nn.Module: ids [B, L] -> last_hidden_state [B, L, H]."""
    head: Any
    """torch.nn.Module: states [N, H] -> logits [N, vocabulary]."""
    device: str
    dtype: str
    name: str
    """The class it was loaded as."""
    attention: str
    """The attention code, such as "sdpa"."""
    warnings: tuple[str, ...] = ()


ACCELERATOR_FILES: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""What Linux has for a CUDA or ROCm device, or under WSL; without any of it torch need not look."""


_NO_DEVICE: Final = Text(
    "--device {asked}: no such device on this machine", "--device {asked}: 这台机器上没有这个设备"
)


def pick_device(asked: str) -> str:
    """The device to score on: "auto" is cuda, mps or cpu, whichever is there first.

    Raises:
        ScoreError: an unknown device, or one that this machine does not have.
    """
    kind, _, number = asked.partition(":")
    if kind == "cpu" or (asked == "auto" and not accelerator_possible()):
        if number:
            raise ScoreError(_NO_DEVICE, asked=asked)
        return "cpu"
    if asked != "auto" and kind not in ("cuda", "mps"):
        raise ScoreError(
            Text(
                "--device {asked}: known are auto, cpu, cuda, cuda:N and mps",
                "--device {asked}: 可用的值为 auto、cpu、cuda、cuda:N 和 mps",
            ),
            asked=asked,
        )
    import torch

    there = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if asked == "auto":
        return next((name for name, count in there.items() if count), "cpu")
    if not there[kind]:
        raise ScoreError(
            Text(
                "--device {asked}: torch finds no {kind} on this machine",
                "--device {asked}: torch 在这台机器上找不到 {kind}",
            ),
            asked=asked,
            kind=kind,
        )
    if number and not (number.isdigit() and int(number) < there[kind]):
        raise ScoreError(_NO_DEVICE, asked=asked)
    return asked


def accelerator_possible() -> bool:
    """Whether this machine may have a GPU, as far as can be told without torch."""
    return sys.platform != "linux" or any(map(os.path.exists, ACCELERATOR_FILES))


def pick_dtype(asked: str, device: str, config: dict[str, Any]) -> str:
    """ "auto" -> the checkpoint's own dtype on a GPU, float32 on a CPU. Never float16 by itself."""
    if asked != "auto":
        return asked
    if device == "cpu":
        return "float32"
    saved = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16").removeprefix(
        "torch."
    )
    return saved if saved in ("float32", "bfloat16") else "bfloat16"


def load_model(
    folder: ModelFolder,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    attention: str | None = None,
) -> Model:
    """Load a checkpoint for scoring.

    Args:
        device: "cpu", "cuda", "cuda:N" or "mps", as `pick_device` gives it.
        dtype: one of DTYPES.
        attention: transformers' name of an attention code; None leaves the choice to it.

    Raises:
        ScoreError: an unknown model, remote code, missing or misshapen weights.
    """
    import torch

    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    warnings: list[str] = []
    kind = getattr(torch, dtype)
    try:
        with _quiet_transformers():
            if folder.model_type == "chatglm":
                model: Any = chatglm.load(folder.config, folder.weights, kind, **options)
            else:
                model = _load_known(folder, kind, options, warnings)
            model = model.to(device).eval()
    except ScoreError:
        raise
    except torch.OutOfMemoryError:
        raise ScoreError(
            Text(
                "{path}: the weights do not fit the memory of {device}",
                "{path}: {device} 的显存或内存放不下模型权重",
            ),
            path=folder.path,
            device=device,
        ) from None
    except Exception as error:  # the libraries' errors have no common base
        raise ScoreError(
            Text("{path} can't be loaded: {error}", "无法加载 {path}：{error}"),
            path=folder.path,
            error=_first_line(error),
        ) from None
    return Model(
        decoder=model.get_decoder(),
        head=model.get_output_embeddings(),
        device=device,
        dtype=dtype,
        name=type(model).__name__,
        attention=str(getattr(model.config, "_attn_implementation", None)),
        warnings=tuple(warnings),
    )


def _load_known(
    folder: ModelFolder, dtype: Any, options: dict[str, Any], warnings: list[str]
) -> Any:
    from transformers import AutoModelForCausalLM, __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if folder.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        own = "auto_map" in folder.config
        raise ScoreError(
            Text(
                "{path}: transformers has no causal model of the type {kind!r}.{code}",
                "{path}: transformers 没有类型为 {kind!r} 的因果语言模型。{code}",
            ),
            path=folder.path,
            kind=folder.model_type,
            code=Text(" Its own code is never run.", "模型自带的代码一律不执行。")
            if own
            else Text("", ""),
        )
    model, info = AutoModelForCausalLM.from_pretrained(
        folder.path,
        **{"dtype" if version(__version__) >= (4, 56) else "torch_dtype": dtype},
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, with the weight's name
        **options,
    )
    wrong = [str(name) for name in sorted(info["missing_keys"])]
    if wrong:
        raise ScoreError(
            Text(
                "{path} lacks the weights {names}; transformers would fill them with random numbers",
                "{path} 缺少权重 {names}；transformers 会用随机数填充",
            ),
            path=folder.path,
            names=chatglm.some(wrong),
        )
    if info.get("mismatched_keys"):
        entries = info["mismatched_keys"]  # (name, shape, shape), or a name before 5.0
        name = min(entry if isinstance(entry, str) else entry[0] for entry in entries)
        raise ScoreError(
            Text(
                "{path}: {name} has another shape than config.json says",
                "{path}: {name} 的形状与 config.json 不一致",
            ),
            path=folder.path,
            name=name,
        )
    if strange := sorted(str(name) for name in info["unexpected_keys"]):
        warnings.append(
            f"{len(strange)} weights of the checkpoint are not used by this model: {strange[0]}"
        )
    return model


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Loading prints tables and bars; what matters of them is an error or a warning of ours."""
    from transformers.utils import logging as library

    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.CRITICAL)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()


def nominal_budget(device: str) -> int:
    """Padded tokens a batch on a kind of device; past 32,768 sorted rows only waste more."""
    return {"cuda": 32_768, "mps": 4_096}.get(device.split(":")[0], 2_048)


def token_bytes(config: dict[str, Any], dtype: str) -> int:
    """Memory that the backbone needs for one padded token without gradients, bytes (estimate).

    Four copies of the widest state of the feed-forward part dominate; some of the hidden states
    and of the attention's come on top.
    """
    text = config.get("text_config") or config
    hidden = int(text.get("hidden_size", 4096))
    dense = int(text.get("intermediate_size") or text.get("ffn_hidden_size") or 4 * hidden)
    experts = int(text.get("moe_intermediate_size") or 0) * int(
        text.get("num_experts_per_tok") or 0
    )
    return (4 if dtype == "float32" else 2) * (4 * max(dense, experts) + 12 * hidden)


def fitting_budget(
    nominal: int, config: dict[str, Any], dtype: str, device: str, chunk: int
) -> int:
    """The nominal budget, or what the free memory of a CUDA device holds if that is less."""
    if not device.startswith("cuda"):
        return nominal
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    text = config.get("text_config") or config
    vocabulary = int(text.get("padded_vocab_size") or text.get("vocab_size") or 151_552)
    room = 0.8 * (free - 8 * chunk * vocabulary)
    return max(1, min(nominal, int(room / token_bytes(config, dtype))))
