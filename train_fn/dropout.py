"""What each architecture calls its dropouts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from train_fn.config import TrainingConfig

if TYPE_CHECKING:  # knowing the names needs no library
    from transformers import PretrainedConfig

HIDDEN = {"hidden_dropout": ("hidden_dropout_prob",)}
ATTENTION = {"attention_dropout": ("attention_probs_dropout_prob",)}
SAME_ATTENTION = {"attention_dropout": ("attention_dropout",)}
SAME_CLASSIFIER = {"classifier_dropout": ("classifier_dropout",)}
BERT_LIKE = HIDDEN | ATTENTION | SAME_CLASSIFIER
ALBERT_LIKE = HIDDEN | ATTENTION | {"classifier_dropout": ("classifier_dropout_prob",)}
DEBERTA_LIKE = HIDDEN | ATTENTION | {"classifier_dropout": ("cls_dropout",)}
T5_LIKE = {"hidden_dropout": ("dropout_rate",)} | SAME_CLASSIFIER  # one rate for hidden states and attention weights

# model_type: {our name: the fields it sets}; a head without a name of its own takes the hidden dropout, or has none
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bert": BERT_LIKE,
    "roberta": BERT_LIKE,
    "xlm-roberta": BERT_LIKE,
    "camembert": BERT_LIKE,
    "electra": BERT_LIKE,
    "ernie": BERT_LIKE,
    "mobilebert": BERT_LIKE,
    "convbert": BERT_LIKE,
    "big_bird": BERT_LIKE,
    "albert": ALBERT_LIKE,
    "rembert": ALBERT_LIKE,
    "deberta": DEBERTA_LIKE,
    "deberta-v2": DEBERTA_LIKE,
    "mpnet": HIDDEN | ATTENTION,
    "squeezebert": HIDDEN | ATTENTION,
    "nystromformer": HIDDEN | ATTENTION,
    "roformer": HIDDEN | ATTENTION,
    "funnel": {"hidden_dropout": ("hidden_dropout",)} | SAME_ATTENTION,
    "distilbert": {"hidden_dropout": ("dropout",), "classifier_dropout": ("seq_classif_dropout",)} | SAME_ATTENTION,
    "modernbert": {"hidden_dropout": ("embedding_dropout", "mlp_dropout")} | SAME_ATTENTION | SAME_CLASSIFIER,
    "bart": {"hidden_dropout": ("dropout",)} | SAME_ATTENTION | SAME_CLASSIFIER,
    "t5": T5_LIKE,
    "mt5": T5_LIKE,
    "xlnet": {"hidden_dropout": ("dropout",), "classifier_dropout": ("summary_last_dropout",)},  # as T5, one rate
    "gpt2": {"hidden_dropout": ("resid_pdrop", "embd_pdrop"), "attention_dropout": ("attn_pdrop",)},
    "llama": SAME_ATTENTION,
    "mistral": SAME_ATTENTION,
    "qwen2": SAME_ATTENTION,
    "qwen3": SAME_ATTENTION,
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
            has = ", ".join(other for other in NAMES if other in known) or "no dropout known here"
            raise ValueError(
                f"`{name}` must be None for a model of type {model_type}, which has {has}, got {value}; leave it out"
            )


def set_dropouts(architecture: "PretrainedConfig", config: TrainingConfig) -> None:
    """Dropout (Srivastava et al. 2014, JMLR 15): set before the modules are built, as they read it only then."""
    check_dropouts(architecture.model_type, config)
    for name in NAMES:
        value = getattr(config, name)
        if value is not None:
            for field in FIELDS[architecture.model_type][name]:
                setattr(architecture, field, value)
