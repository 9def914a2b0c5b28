"""What users would pick instead of `dsample train`: transformers' own Trainer with its defaults."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def stock_trainer(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    codes: np.ndarray,
    folder: str,
    max_length: int,
    callbacks: Sequence[Any] = (),
    **options: Any,
) -> Any:
    """A Trainer as its documentation shows it, with dynamic padding, that writes nothing.

    Args:
        model: A classifier.
        tokenizer: Its tokenizer.
        texts: Training texts.
        codes: Label id of each.
        folder: Where the Trainer may write.
        max_length: Tokens that a text keeps.
        callbacks: Of the Trainer.
        options: Of its TrainingArguments.
    """
    import torch
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)

    class Encoded(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(codes)

        def __getitem__(self, row: int) -> dict[str, Any]:
            item = {name: values[row] for name, values in encoded.items()}
            return {**item, "labels": int(codes[row])}

    arguments = TrainingArguments(
        folder,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        **options,
    )
    return Trainer(
        model,
        arguments,
        train_dataset=Encoded(),
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=list(callbacks),
    )
