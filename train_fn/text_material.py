"""What a run on texts is made from."""

from dataclasses import replace

from train_fn.architecture import check_architecture, read_architecture
from train_fn.config import TextConfig
from train_fn.material import Material
from train_fn.model import model_folder, new_model
from train_fn.shown_rows import show_rows
from train_fn.token_cache import tokenized_splits


def text_material(config: TextConfig, fold: int) -> Material:
    folder = model_folder(config.model, config.data)
    check_architecture(read_architecture(folder), config, config.max_length)
    splits = tokenized_splits(config.data, config.model, config.max_length, fold)
    if config.token_dropout and splits.train.mask_id is None:
        raise ValueError(
            f"`token_dropout` must be 0 for a tokenizer without a mask or unknown token, got {config.token_dropout}; "
            "leave it out"
        )
    model = new_model(config, folder, splits.task, splits.labels)
    if getattr(model.config, "pad_token_id", None) is None:  # GPT-2's head looks for the last token that is none
        model.config.pad_token_id = splits.train.pad_id
    return Material(
        train=replace(splits.train, token_dropout=config.token_dropout),
        valid=splits.valid,
        task=splits.task,
        labels=splits.labels,
        processor=splits.tokenizer,
        model=model,
        vocabulary=splits.vocabulary,
        show=show_rows(config.data, fold),
    )
