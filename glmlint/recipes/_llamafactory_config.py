"""LLaMA-Factory's YAML with its `dataset_info.json`: what they say of ids, labels and data.

Source: llamafactory 0.9.5 (the wheel), hparams/*.py and data/parser.py; transformers 5.6.0,
training_args.py. Names of keys are theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from glmlint.text import Text, is_file, is_folder
from glmlint.trainer.config import ConfigError, DataFile, TrainerConfig, typed, wrong

INFO: Final = "dataset_info.json"

_OPTIONS: Final = {
    "template": str,
    "cutoff_len": int,
    "mask_history": bool,
    "train_on_prompt": bool,
    "enable_thinking": bool,
    "preserve_thinking": bool,
    "tool_format": str,
    "default_system": str,
    "packing": bool,
    "neat_packing": bool,
}
"""Keys that are options of the trainer under the same name."""

_FOLLOWED: Final = frozenset(
    (*_OPTIONS, "dataset", "eval_dataset", "dataset_dir", "model_name_or_path", "stage")
)

_CHANGES_IDS: Final = {
    "add_tokens": "tokens are added to the vocabulary",
    "add_special_tokens": "tokens are added to the vocabulary",
    "new_special_tokens_config": "tokens are added to the vocabulary",
    "split_special_tokens": "control tokens typed in texts are split",
    "tokenized_path": "rows that were tokenized before are loaded instead of the files",
    "max_samples": "only the first rows of each data set are used",
    "streaming": "rows are read one by one, without the types of the whole file",
    "interleave_probs": "rows of several data sets are drawn at random",
    "val_size": "a random part of the rows is kept for validation",
}
"""Keys that change which ids or rows are trained and that glmlint ignores -> how."""

_CHANGES_IDS_ZH: Final = {
    "add_tokens": "会向词表添加 token",
    "add_special_tokens": "会向词表添加 token",
    "new_special_tokens_config": "会向词表添加 token",
    "split_special_tokens": "正文中的控制标记会被切开",
    "tokenized_path": "会加载此前分词好的数据，而不是这些文件",
    "max_samples": "每个数据集只使用前若干行",
    "streaming": "逐行读取，不统一整个文件的类型",
    "interleave_probs": "从多个数据集中随机抽取数据行",
    "val_size": "会随机留出一部分数据行用于验证",
}

_COLUMNS: Final = ("prompt", "query", "response", "history", "messages", "system", "tools")
_TAGS: Final = (
    *("role_tag", "content_tag", "user_tag", "assistant_tag"),
    *("observation_tag", "function_tag", "system_tag"),
)
_SUFFIXES: Final = (".json", ".jsonl", ".csv", ".parquet", ".arrow", ".txt")

_KNOWN: Final = frozenset(
    [
        "accelerator_config",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "adapter_folder",
        "adapter_name_or_path",
        "add_special_tokens",
        "add_tokens",
        "additional_target",
        "apollo_layerwise",
        "apollo_proj",
        "apollo_proj_type",
        "apollo_rank",
        "apollo_scale",
        "apollo_scale_front",
        "apollo_scale_type",
        "apollo_target",
        "apollo_update_interval",
        "asft_alpha",
        "audio_sampling_rate",
        "auto_find_batch_size",
        "average_tokens_across_devices",
        "badam_mask_mode",
        "badam_mode",
        "badam_start_block",
        "badam_switch_interval",
        "badam_switch_mode",
        "badam_update_ratio",
        "badam_verbose",
        "batch_eval_metrics",
        "bf16",
        "bf16_full_eval",
        "block_diag_attn",
        "buffer_size",
        "cache_dir",
        "compute_accuracy",
        "compute_dtype",
        "create_new_adapter",
        "crop_to_patches",
        "cutoff_len",
        "data_seed",
        "data_shared_file_system",
        "dataloader_drop_last",
        "dataloader_num_workers",
        "dataloader_persistent_workers",
        "dataloader_pin_memory",
        "dataloader_prefetch_factor",
        "dataset",
        "dataset_dir",
        "ddp_backend",
        "ddp_broadcast_buffers",
        "ddp_bucket_cap_mb",
        "ddp_find_unused_parameters",
        "ddp_static_graph",
        "ddp_timeout",
        "debug",
        "deepspeed",
        "default_system",
        "device_map",
        "disable_gradient_checkpointing",
        "disable_shuffling",
        "disable_tqdm",
        "do_eval",
        "do_predict",
        "do_sample",
        "do_train",
        "double_quantization",
        "dpo_label_smoothing",
        "eaft_alpha",
        "early_stopping_steps",
        "enable_jit_checkpoint",
        "enable_liger_kernel",
        "enable_thinking",
        "enable_torch_profiler",
        "eval_accumulation_steps",
        "eval_dataset",
        "eval_delay",
        "eval_do_concat_batches",
        "eval_num_beams",
        "eval_on_each_dataset",
        "eval_on_start",
        "eval_steps",
        "eval_strategy",
        "eval_use_gather_object",
        "export_device",
        "export_dir",
        "export_hub_model_id",
        "export_legacy_format",
        "export_quantization_bit",
        "export_quantization_dataset",
        "export_quantization_maxlen",
        "export_quantization_nsamples",
        "export_size",
        "finetuning_type",
        "flash_attn",
        "fp16",
        "fp16_full_eval",
        "fp8",
        "fp8_backend",
        "fp8_enable_fsdp_float8_all_gather",
        "freeze_extra_modules",
        "freeze_language_model",
        "freeze_multi_modal_projector",
        "freeze_trainable_layers",
        "freeze_trainable_modules",
        "freeze_vision_tower",
        "fsdp",
        "fsdp_config",
        "full_determinism",
        "galore_layerwise",
        "galore_proj_type",
        "galore_rank",
        "galore_scale",
        "galore_target",
        "galore_update_interval",
        "generation_config",
        "generation_max_length",
        "generation_num_beams",
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "greater_is_better",
        "hf_hub_token",
        "hub_always_push",
        "hub_model_id",
        "hub_private_repo",
        "hub_revision",
        "hub_strategy",
        "hub_token",
        "hyper_parallel_args",
        "ignore_data_skip",
        "ignore_pad_token_for_loss",
        "image_do_pan_and_scan",
        "image_max_pixels",
        "image_min_pixels",
        "include_effective_tokens_per_second",
        "include_for_metrics",
        "include_num_input_tokens_seen",
        "infer_backend",
        "infer_dtype",
        "init_special_tokens",
        "interleave_probs",
        "kt_expert_checkpoint_path",
        "kt_lora_expert_intermediate_size",
        "kt_lora_expert_num",
        "kt_use_lora_experts",
        "kt_weight_path",
        "kto_chosen_weight",
        "kto_rejected_weight",
        "label_names",
        "label_smoothing_factor",
        "ld_alpha",
        "learning_rate",
        "length_column_name",
        "length_penalty",
        "liger_kernel_config",
        "load_best_model_at_end",
        "local_rank",
        "log_level",
        "log_level_replica",
        "log_on_each_node",
        "logging_dir",
        "logging_first_step",
        "logging_nan_inf_filter",
        "logging_steps",
        "logging_strategy",
        "lora_alpha",
        "lora_dropout",
        "lora_rank",
        "lora_target",
        "loraplus_lr_embedding",
        "loraplus_lr_ratio",
        "low_cpu_mem_usage",
        "lr_scheduler_kwargs",
        "lr_scheduler_type",
        "mask_history",
        "master_addr",
        "master_port",
        "max_grad_norm",
        "max_length",
        "max_new_tokens",
        "max_samples",
        "max_steps",
        "media_dir",
        "metric_for_best_model",
        "mix_strategy",
        "mixture_of_depths",
        "model_max_length",
        "model_name_or_path",
        "model_revision",
        "module_dropout",
        "moe_aux_loss_coef",
        "ms_hub_token",
        "neat_packing",
        "neftune_noise_alpha",
        "new_special_tokens_config",
        "num_beams",
        "num_train_epochs",
        "offload_folder",
        "oft_block_size",
        "oft_rank",
        "oft_target",
        "om_hub_token",
        "optim",
        "optim_args",
        "optim_target_modules",
        "output_dir",
        "overwrite_cache",
        "overwrite_output_dir",
        "packing",
        "parallelism_config",
        "per_device_eval_batch_size",
        "per_device_train_batch_size",
        "pissa_convert",
        "pissa_init",
        "pissa_iter",
        "plot_loss",
        "ppo_buffer_size",
        "ppo_epochs",
        "ppo_score_norm",
        "ppo_target",
        "ppo_whiten_rewards",
        "predict_with_generate",
        "prediction_loss_only",
        "pref_bco_weight",
        "pref_beta",
        "pref_ftx",
        "pref_loss",
        "preprocessing_batch_size",
        "preprocessing_num_workers",
        "preserve_thinking",
        "print_param_status",
        "profile_modules",
        "profiler_active_steps",
        "profiler_output_dir",
        "profiler_profile_memory",
        "profiler_record_shapes",
        "profiler_repeat",
        "profiler_wait_steps",
        "profiler_warmup_steps",
        "profiler_with_stack",
        "project",
        "pure_bf16",
        "push_to_hub",
        "quantization_bit",
        "quantization_device_map",
        "quantization_method",
        "quantization_type",
        "ray_init_kwargs",
        "ray_num_workers",
        "ref_model",
        "ref_model_adapters",
        "ref_model_quantization_bit",
        "remove_unused_columns",
        "repetition_penalty",
        "report_to",
        "resize_vocab",
        "restore_callback_states_from_checkpoint",
        "resume_from_checkpoint",
        "reward_model",
        "reward_model_adapters",
        "reward_model_quantization_bit",
        "reward_model_type",
        "rope_scaling",
        "run_name",
        "save_on_each_node",
        "save_only_model",
        "save_steps",
        "save_strategy",
        "save_total_limit",
        "seed",
        "sglang_config",
        "sglang_lora_backend",
        "sglang_maxlen",
        "sglang_mem_fraction",
        "sglang_tp_size",
        "shift_attn",
        "simpo_gamma",
        "skip_memory_metrics",
        "skip_special_tokens",
        "sortish_sampler",
        "split_special_tokens",
        "stage",
        "streaming",
        "swanlab_api_key",
        "swanlab_lark_secret",
        "swanlab_lark_webhook_url",
        "swanlab_logdir",
        "swanlab_mode",
        "swanlab_project",
        "swanlab_run_name",
        "swanlab_workspace",
        "temperature",
        "template",
        "tf32",
        "tokenized_path",
        "tool_format",
        "top_k",
        "top_p",
        "torch_compile",
        "torch_compile_backend",
        "torch_compile_mode",
        "torch_empty_cache_steps",
        "trackio_bucket_id",
        "trackio_space_id",
        "trackio_static_space_id",
        "train_from_scratch",
        "train_on_prompt",
        "train_sampling_strategy",
        "trust_remote_code",
        "upcast_layernorm",
        "upcast_lmhead_output",
        "use_adam_mini",
        "use_apollo",
        "use_asft_loss",
        "use_audio_in_video",
        "use_badam",
        "use_cache",
        "use_cpu",
        "use_dft_loss",
        "use_dora",
        "use_eaft_loss",
        "use_fast_tokenizer",
        "use_galore",
        "use_hyper_parallel",
        "use_kt",
        "use_kv_cache",
        "use_liger_kernel",
        "use_llama_pro",
        "use_mca",
        "use_muon",
        "use_reentrant_gc",
        "use_rslora",
        "use_swanlab",
        "use_unsloth",
        "use_unsloth_gc",
        "use_v1_kernels",
        "val_size",
        "video_fps",
        "video_max_pixels",
        "video_maxlen",
        "video_min_pixels",
        "vllm_config",
        "vllm_enforce_eager",
        "vllm_gpu_util",
        "vllm_max_lora_rank",
        "vllm_maxlen",
        "warmup_ratio",
        "warmup_steps",
        "weight_decay",
    ]
)
"""All keys of its settings: others end the run (`HfArgumentParser.parse_dict`)."""


def from_config(values: Mapping[str, Any], file: str) -> TrainerConfig | None:
    """What the settings say; None where they are not LLaMA-Factory's.

    Raises:
        ConfigError: a value that can't be used, a file that is missing.
    """
    if (
        "model" in values
        or not {"dataset", "template"} & values.keys()
        or not (
            {"stage", "finetuning_type", "cutoff_len", "dataset_dir", "template"} & values.keys()
        )
    ):
        return None
    stage = typed(values, "stage", str, file)
    if stage not in (None, "sft"):
        raise wrong(
            file,
            "stage",
            Text(
                f"{stage} is not supervised fine-tuning: glmlint supports only stage sft",
                f"{stage} 不是有监督微调：glmlint 只支持 stage: sft",
            ),
        )
    config = TrainerConfig(recipe="llamafactory")
    for key, kind in _OPTIONS.items():
        if key not in values:
            continue
        value = typed(values, key, kind, file)
        if value is not None or key == "enable_thinking":
            config.options[key] = value
            config.taken.append(key)
    if "template" not in config.options:
        raise wrong(
            file,
            "template",
            Text(
                "missing: LLaMA-Factory then reads the model's own chat template, which is not "
                "known here",
                "缺失：此时 LLaMA-Factory 会读取模型自带的对话模板，此处无法得知",
            ),
        )
    config.max_length = config.options.get("cutoff_len")
    config.model = typed(values, "model_name_or_path", str, file)
    if config.model is not None:
        config.taken.append("model_name_or_path")
    for key, why in _CHANGES_IDS.items():
        if values.get(key) not in (None, False, 0, ""):
            zh = _CHANGES_IDS_ZH[key]
            config.warnings.append(
                Text(f"{file}: {key} is ignored; with it, {why}", f"{file}：未按 {key} 处理：{zh}")
            )
    unknown = sorted(values.keys() - _KNOWN)
    if unknown:
        names = ", ".join(unknown[:5])
        config.warnings.append(
            Text(
                f"{file}: LLaMA-Factory 0.9.5 has no {names}: it raises ValueError at start",
                f"{file}：LLaMA-Factory 0.9.5 没有 {names}：启动时会抛出 ValueError",
            )
        )
    _read_sets(values, file, config)
    return config


def _read_sets(values: Mapping[str, Any], file: str, config: TrainerConfig) -> None:
    wanted = {key: _names(values, key, file) for key in ("dataset", "eval_dataset")}
    if not any(wanted.values()):
        return
    folder = _folder(values, file)
    info = _info(folder)
    for key, files in (("dataset", config.data), ("eval_dataset", config.eval)):
        if wanted[key]:
            config.taken.append(key)
        for name in wanted[key]:
            if name not in info:
                raise wrong(
                    file,
                    key,
                    Text(f"{folder / INFO} has no data set {name}",
                         f"{folder / INFO} 中没有数据集 {name}"),
                )  # fmt: skip
            files += _files(name, info[name], folder, config)
    config.taken.append(str(folder / INFO))


def _names(values: Mapping[str, Any], key: str, file: str) -> list[str]:
    found = typed(values, key, (str, list), file)
    if found is None:
        return []
    names = found.split(",") if isinstance(found, str) else found
    if not all(isinstance(name, str) for name in names):
        raise wrong(file, key, Text("names of data sets expected", "应为数据集名称"))
    return [name.strip() for name in names]


def _folder(values: Mapping[str, Any], file: str) -> Path:
    """The folder of the data sets: named from where the trainer is started, which is not known."""
    name = typed(values, "dataset_dir", str, file) or "data"
    here = Path(file).resolve().parent
    for start in (Path(), here, *here.parents):
        try:
            if is_file(start / name / INFO):
                return start / name
        except (OSError, ValueError):
            break
    raise wrong(
        file,
        "dataset_dir",
        Text(f"no {INFO} in {name}, from here or from the file's folder upwards",
             f"从当前文件夹以及该文件所在的各级文件夹出发，{name} 中都没有 {INFO}"),
    )  # fmt: skip


def _info(folder: Path) -> dict[str, Any]:
    path = folder / INFO
    try:
        with path.open("rb") as source:
            data = source.read((16 << 20) + 1)
        if len(data) > 16 << 20:
            raise ValueError("larger than 16 MiB")
        info = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) or type(error).__name__
        raise ConfigError(
            Text("{path} can't be read: {why}", "无法读取 {path}：{why}"), path=path, why=why
        ) from None
    if not isinstance(info, dict):
        raise ConfigError(Text("{path} is not a JSON object", "{path} 的内容不是对象"), path=path)
    return info


def _files(name: str, entry: Any, folder: Path, config: TrainerConfig) -> list[DataFile]:
    """The files of one data set of `dataset_info.json`, each with how its rows are to be read."""
    place = f"{folder / INFO}"
    if not isinstance(entry, dict):
        raise wrong(place, name, Text("an object expected", "应为对象"))
    elsewhere = [key for key in entry if key.endswith("_hub_url") or key in _ELSEWHERE]
    if elsewhere:
        config.warnings.append(
            Text(f"{place}: {name} comes from {elsewhere[0]}: it was not checked",
                 f"{place}：{name} 来自 {elsewhere[0]}：未检查")
        )  # fmt: skip
        return []
    if entry.get("ranking"):
        raise wrong(
            place, name, Text("ranking: LLaMA-Factory refuses it in stage sft",
                              "ranking：LLaMA-Factory 在 stage: sft 下会拒绝它")
        )  # fmt: skip
    file_name = typed(entry, "file_name", str, place)
    if file_name is None:
        raise wrong(place, name, Text("no file_name", "缺少 file_name"))
    path = folder / file_name
    formatting = typed(entry, "formatting", str, place) or "alpaca"
    if formatting not in ("alpaca", "sharegpt", "openai"):
        raise wrong(
            place, f"{name}.formatting", Text("alpaca, sharegpt or openai expected",
                                              "应为 alpaca、sharegpt 或 openai")
        )  # fmt: skip
    options: dict[str, Any] = {"formatting": formatting}
    for key, names in (("columns", _COLUMNS), ("tags", _TAGS)):
        given = typed(entry, key, dict, place)
        if given is not None:
            options[key] = {
                one: typed(given, one, str, f"{place}: {name}.{key}")
                for one in names
                if one in given
            }
    if entry.get("num_samples") is not None:
        config.warnings.append(
            Text(f"{place}: {name}: num_samples draws random rows: all rows are checked",
                 f"{place}：{name}：num_samples 会随机抽取数据行：此处检查全部数据行")
        )  # fmt: skip
    if entry.get("split") not in (None, "train"):
        config.warnings.append(
            Text(f"{place}: {name}: a file has no split {entry['split']!s:.40}: the run stops with ValueError",
                 f"{place}：{name}：文件没有名为 {entry['split']!s:.40} 的 split：训练会以 ValueError 结束")
        )  # fmt: skip
    try:
        if is_folder(path):
            found = sorted(one for one in path.iterdir() if one.is_file())
        else:
            found = [path] if is_file(path) else []
    except (OSError, ValueError):
        found = []
    if not found:
        raise wrong(place, name, Text(f"no file {path}", f"找不到文件 {path}"))
    readable = [one for one in found if one.suffix in _SUFFIXES]
    if len(readable) < len(found):
        raise wrong(
            place, name, Text(f"LLaMA-Factory does not read the file {found[0].name}",
                              f"LLaMA-Factory 不读取文件 {found[0].name}")
        )  # fmt: skip
    return [DataFile(str(one), options, name) for one in readable]


_ELSEWHERE: Final = ("script_url", "cloud_file_name")
