"""What a model folder says of itself, read without torch and without running anything in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glmlint.scoring.errors import ScoreError
from glmlint.text import Text, is_file, is_folder


@dataclass(frozen=True)
class ModelFolder:
    """A checkpoint on disk: its configuration and its weight files."""

    path: Path
    config: dict[str, Any]
    model_type: str
    vocab_size: int
    """Rows of the embedding, padding rows included."""
    max_positions: int | None
    """Longest sequence the model was made for, in tokens; longer ones raise nothing."""
    weights: tuple[Path, ...]
    """The safetensors files, in order of name."""

    def fingerprint(self) -> str:
        """Identity of the weights: configuration, and name, size, time and header of each file."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps(self.config, sort_keys=True).encode())
        for file in self.weights:
            stat = file.stat()
            digest.update(f"\0{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
            with file.open("rb") as opened:
                header = int.from_bytes(opened.read(8), "little")
                digest.update(opened.read(min(header, stat.st_size)))
        return digest.hexdigest()


def read_folder(path: str | Path) -> ModelFolder:
    """Read `config.json` and list the weights of a checkpoint.

    Raises:
        ScoreError: no folder, no configuration, an adapter, or weights in pickle files only.
    """
    folder = Path(path)
    if not is_folder(folder):
        raise ScoreError(
            Text(
                "{path}: no such folder; --model takes a checkpoint on disk, nothing is downloaded",
                "{path}: 没有这个文件夹；--model 须为磁盘上的模型目录，glmlint 不会下载",
            ),
            path=path,
        )
    file = folder / "config.json"
    if not is_file(file):
        if (folder / "adapter_config.json").is_file():
            raise ScoreError(
                Text(
                    "{path} is a LoRA adapter; merge it into its base, or score the base "
                    "(they are equal before the first step)",
                    "{path} 是 LoRA 适配器；请先合并到基座模型，或直接给基座模型评分"
                    "（训练第一步之前二者相同）",
                ),
                path=path,
            )
        raise ScoreError(
            Text(
                "{path} has no config.json: not a model folder",
                "{path} 中没有 config.json，不是模型目录",
            ),
            path=path,
        )
    try:
        config = json.loads(file.read_bytes())
        model_type = str(config["model_type"])
        # transformers nests the text model's settings in multimodal checkpoints
        text = config.get("text_config") or config
        vocab_size = text.get("padded_vocab_size", text.get("vocab_size"))
        positions = text.get("seq_length", text.get("max_position_embeddings"))
        if vocab_size is None:
            raise KeyError("vocab_size")
        facts = (int(vocab_size), None if positions is None else int(positions))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ScoreError(
            Text(
                "{file} can't be read as a model's configuration: {error}",
                "{file} 无法作为模型配置读取：{error}",
            ),
            file=file,
            error=error,
        ) from None
    except KeyError as error:
        raise ScoreError(
            Text("{file} has no {key}", "{file} 中缺少 {key}"), file=file, key=error.args[0]
        ) from None
    return ModelFolder(folder, config, model_type, *facts, _weights(folder))


def _weights(folder: Path) -> tuple[Path, ...]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ScoreError(
                Text(
                    "{index} is not an index of weights: {error!r}",
                    "{index} 不是权重索引文件：{error!r}",
                ),
                index=index,
                error=error,
            ) from None
        files = tuple(folder / name for name in names)
        for file in files:
            if not is_file(file):
                raise ScoreError(
                    Text(
                        "{file} is named in {index} and missing", "缺少 {index} 中列出的文件 {file}"
                    ),
                    file=file,
                    index=index.name,
                )
        return files
    files = tuple(sorted(folder.glob("*.safetensors")))
    if not files:
        pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickles:
            raise ScoreError(
                Text(
                    "{folder} has its weights in pickle files only ({name}); loading one can run "
                    "code. Convert them to safetensors first",
                    "{folder} 中只有 pickle 格式的权重（{name}）；加载这种文件可能执行任意代码，"
                    "请先转换为 safetensors",
                ),
                folder=folder,
                name=min(pickles).name,
            )
        raise ScoreError(
            Text("{folder} holds no .safetensors weights", "{folder} 中没有 .safetensors 权重"),
            folder=folder,
        )
    return files
