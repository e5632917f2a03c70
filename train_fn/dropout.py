"""What each architecture calls its dropouts."""

from collections.abc import Mapping

from transformers import PretrainedConfig

from train_fn.config import TextConfig

BERT_LIKE = {
    "hidden_dropout": ("hidden_dropout_prob",),
    "attention_dropout": ("attention_probs_dropout_prob",),
    "classifier_dropout": ("classifier_dropout",),
}

# model_type: {our name: the fields it sets}
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bert": BERT_LIKE,
    "roberta": BERT_LIKE,
    "xlm-roberta": BERT_LIKE,
    "camembert": BERT_LIKE,
    "electra": BERT_LIKE,
    "albert": BERT_LIKE | {"classifier_dropout": ("classifier_dropout_prob",)},
    "deberta-v2": BERT_LIKE | {"classifier_dropout": ("cls_dropout",)},
    "mpnet": {  # its head has no dropout of its own: it takes the hidden one
        "hidden_dropout": ("hidden_dropout_prob",),
        "attention_dropout": ("attention_probs_dropout_prob",),
    },
    "distilbert": {
        "hidden_dropout": ("dropout",),
        "attention_dropout": ("attention_dropout",),
        "classifier_dropout": ("seq_classif_dropout",),
    },
    "modernbert": {
        "hidden_dropout": ("embedding_dropout", "mlp_dropout"),
        "attention_dropout": ("attention_dropout",),
        "classifier_dropout": ("classifier_dropout",),
    },
}


def set_dropouts(architecture: PretrainedConfig, config: TextConfig) -> None:
    """Dropout (Srivastava et al. 2014, JMLR 15): set before the modules are built, as they read it only then."""
    for name in ("hidden_dropout", "attention_dropout", "classifier_dropout"):
        value = getattr(config, name)
        if value is None:
            continue
        known = FIELDS.get(architecture.model_type, {})
        if name not in known:
            raise ValueError(
                f"`{name}` must be None for a {architecture.model_type} model, which has "
                f"{', '.join(known) or 'no dropout known here'}, got {value}; leave it out"
            )
        for field in known[name]:
            setattr(architecture, field, value)
