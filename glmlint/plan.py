"""The settings, resolved once, as plain data: what every other module is handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from glmlint.text import Text

DEFAULT_MAX_INPUT: Final = 512
DEFAULT_MAX_OUTPUT: Final = 512
"""The official script's own defaults (GLM-4 finetune/configs/lora.yaml, 2025-04-16)."""

NO_BUDGET: Final = 2**31 - 1
"""Stands for the budget where the trainer has none, or none that is known."""

NEWEST_TRANSFORMERS: Final = "5.24.0"
NEWEST_DATASETS: Final = "5.2.0"
"""The newest versions whose effect on ids is known (see docs/recipes.md)."""


@lru_cache(256)
def version(text: str) -> tuple[int, ...]:
    """Comparable form of a version: "4.42.0" -> (4, 42, 0)."""
    parts = []
    for part in text.split("."):
        digits = ""
        for char in part:
            if not char.isdigit():
                break
            digits += char
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


DEFAULT_EXCLUDE: Final = (
    ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox", ".pytest_cache",
    ".ruff_cache", ".svn", ".tox", ".venv", ".vscode", "__pycache__", "__pypackages__", "dist",
    "node_modules", "site-packages", "venv",
)  # fmt: skip
"""Folders of tools: what they hold is nobody's training data."""


@dataclass(frozen=True)
class FileChoice:
    """Which files a folder means, beside their names."""

    exclude: tuple[tuple[str, str], ...] = tuple((".", name) for name in DEFAULT_EXCLUDE)
    """Folder and pattern: without a slash the name of any file or folder, else a path from there."""
    gitignore: bool = True
    """Leave out what git ignores."""
    force: bool = False
    """Leave out what `exclude` matches also where it is named."""
    stdin_name: str | None = None
    """The name under which standard input is reported."""


@dataclass(frozen=True)
class FileRules:
    """The rules of the files that a pattern matches."""

    files: str
    """A glob, relative to `Plan.per_file_root`."""
    rules: dict[str, str]
    """Name -> severity."""
    fixed_severity: frozenset[str] = frozenset()
    """As in `Plan`."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a run prints, apart from the data. Picklable."""

    recipe: str = "glm4"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the trainer that were set; `Trainer.Options` has their types and defaults."""
    file_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Real path of a file -> options of the trainer that hold for it alone, such as its columns."""
    data: tuple[str, ...] = ()
    """The files that the trainer's own settings name."""
    notes: tuple[Text, ...] = ()
    """Sentences about settings that can't be followed."""
    model: str | None = None
    """A name of `trainer.models.MODELS`, where it is known."""
    tokenizer: str = "glm4"
    template: str | None = None
    """A name the recipe knows, a .jinja file, or None for the recipe's own default."""
    transformers: str = NEWEST_TRANSFORMERS
    datasets: str = NEWEST_DATASETS
    pinned: frozenset[str] = frozenset()
    """Which of the two the user named: the trainer has that version, and no other is of interest."""
    max_length: int = DEFAULT_MAX_INPUT + DEFAULT_MAX_OUTPUT + 1
    """The budget, in tokens: the longest sequence that the trainer keeps."""
    max_input_length: int | None = None
    max_output_length: int | None = None

    rules: dict[str, str] = field(default_factory=dict)
    """The selected rules: name -> severity."""
    fixed_severity: frozenset[str] = frozenset()
    """Rules whose severity the user set: a rule may not soften or sharpen these."""
    per_file: tuple[FileRules, ...] = ()
    """What holds for some files instead of `rules`; of several that fit, the last."""
    per_file_root: str = "."
    """The folder of the settings file: globs are relative to it."""
    fail_on: str = "error"
    limits: dict[str, float] = field(default_factory=dict)
    """Limits of rules that were set: name, as the rule declares it -> share between 0 and 1."""
    eval_files: tuple[str, ...] = ()
    baseline: dict[str, int] | None = None
    """Fingerprints of old findings, and how often each was there."""
    baseline_file: str | None = None
    write_baseline: bool = False
    """Every finding is an old one from now on."""
    add_ignores: bool = False
    """Remember which row has findings of which rules."""
    excerpts: bool = False
    """Keep with each finding the piece of the row that it is about."""
    kinds: bool = False
    """Count supervised tokens by what they are: header, thought, call, text, stop."""
    profile_rules: bool = False
    """Measure where the time goes."""
    lang: str = "en"
    max_findings: int = 20_000
    """How many findings a report keeps (the first ones); counts are always whole."""
    choice: FileChoice = FileChoice()
    """Which files are read."""
    output_format: str = "full"
    """How `--format text` is laid out: one of `choices.STYLES`."""
    column_unit: str = "codepoint"
    """What the columns of findings count: one of `choices.COLUMN_UNITS`."""
    jobs: int | None = None
    """Processes; None: as many as there are processors. What is printed does not depend on it."""
    engine: str = "local"
    """One of `choices.ENGINES`."""
    cache: bool = True
    """Whether what was found in a file is kept for the next run."""
    cache_dir: str | None = None
    """Where; None: the user's cache folder."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where a setting came from: "recipe" -> "flag", "default", a file's name."""
