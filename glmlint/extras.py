"""What glmlint takes beside its core, and how it is installed: every message names it the same way."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text

EXTRAS: Final = {
    "zstd": "zstandard",
    "parquet": "pyarrow",
    "dedup": "rensa",
    "ray": "ray fsspec",
    "lsp": "pygls",
    "score": "torch transformers accelerate safetensors",
}
"""Extra of `pyproject.toml` -> its packages, without versions."""


def install(extra: str) -> Text:
    """A command that installs an extra, however glmlint itself was installed."""
    told = f"pip install {EXTRAS[extra]}"
    return Text(
        f"{told} (in a checkout of glmlint: pip install '.[{extra}]')",
        f"{told}（在 glmlint 源码目录中：pip install '.[{extra}]'）",
    )
