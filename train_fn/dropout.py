"""What each architecture calls its dropouts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from train_fn.config import TrainingConfig

if TYPE_CHECKING:  # knowing the names needs no library
    from transformers import PretrainedConfig

HIDDEN = {"hidden_dropout": ("hidden_dropout_prob",)}
ATTENTION = {"attention_dropout": ("attention_probs_dropout_prob",)}
BERT_LIKE = {**HIDDEN, **ATTENTION, "classifier_dropout": ("classifier_dropout",)}

# model_type: {our name: the fields it sets}
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bert": BERT_LIKE,
    "roberta": BERT_LIKE,
    "xlm-roberta": BERT_LIKE,
    "camembert": BERT_LIKE,
    "electra": BERT_LIKE,
    "ernie": BERT_LIKE,
    "mobilebert": BERT_LIKE,
    "convbert": BERT_LIKE,
    "albert": BERT_LIKE | {"classifier_dropout": ("classifier_dropout_prob",)},
    "deberta": BERT_LIKE | {"classifier_dropout": ("cls_dropout",)},
    "deberta-v2": BERT_LIKE | {"classifier_dropout": ("cls_dropout",)},
    # the heads of these have no dropout of their own: they take the hidden one
    "mpnet": HIDDEN | ATTENTION,
    "squeezebert": HIDDEN | ATTENTION,
    "nystromformer": HIDDEN | ATTENTION,
    "roformer": HIDDEN | ATTENTION,
    "funnel": {"hidden_dropout": ("hidden_dropout",), "attention_dropout": ("attention_dropout",)},
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
    "gpt2": {"hidden_dropout": ("resid_pdrop", "embd_pdrop"), "attention_dropout": ("attn_pdrop",)},
    "bart": {
        "hidden_dropout": ("dropout",),
        "attention_dropout": ("attention_dropout",),
        "classifier_dropout": ("classifier_dropout",),
    },
    # one rate for hidden states and attention weights
    "t5": {"hidden_dropout": ("dropout_rate",), "classifier_dropout": ("classifier_dropout",)},
    "xlnet": {"hidden_dropout": ("dropout",), "classifier_dropout": ("summary_last_dropout",)},
    "vit": HIDDEN | ATTENTION,
    "deit": HIDDEN | ATTENTION,
    "beit": HIDDEN | ATTENTION,
    "swin": HIDDEN | ATTENTION,
    "resnet": {},
    "convnext": {},
}

NAMES = ("hidden_dropout", "attention_dropout", "classifier_dropout")


def check_dropouts(model_type: str, config: TrainingConfig) -> None:
    """Raise a ValueError for a dropout that the architecture does not have."""
    known = FIELDS.get(model_type, {})
    for name in NAMES:
        value = getattr(config, name)
        if value is not None and name not in known:
            raise ValueError(
                f"`{name}` must be None for a {model_type} model, which has "
                f"{', '.join(known) or 'no dropout known here'}, got {value}; leave it out"
            )


def set_dropouts(architecture: "PretrainedConfig", config: TrainingConfig) -> None:
    """Dropout (Srivastava et al. 2014, JMLR 15): set before the modules are built, as they read it only then."""
    check_dropouts(architecture.model_type, config)
    for name in NAMES:
        value = getattr(config, name)
        if value is not None:
            for field in FIELDS[architecture.model_type][name]:
                setattr(architecture, field, value)
