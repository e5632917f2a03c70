"""What each architecture calls its dropouts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from train_fn.config import TrainingConfig

if TYPE_CHECKING:  # knowing the names needs no library
    from transformers import PretrainedConfig

Fields = Mapping[str, tuple[str, ...]]  # our name: the fields of the architecture's config that it sets


def fields(*, hidden: str = "", attention: str = "", classifier: str = "") -> Fields:
    """Several fields are parted by a space; a dropout without any is not there."""
    named = {"hidden_dropout": hidden, "attention_dropout": attention, "classifier_dropout": classifier}
    return {name: tuple(theirs.split()) for name, theirs in named.items() if theirs}


HIDDEN, ATTENTION = "hidden_dropout_prob", "attention_probs_dropout_prob"
BERT = fields(hidden=HIDDEN, attention=ATTENTION, classifier="classifier_dropout")
ALBERT = fields(hidden=HIDDEN, attention=ATTENTION, classifier="classifier_dropout_prob")
DEBERTA = fields(hidden=HIDDEN, attention=ATTENTION, classifier="cls_dropout")
NO_CLASSIFIER = fields(hidden=HIDDEN, attention=ATTENTION)  # the heads of texts take the hidden one, of images none
T5 = fields(hidden="dropout_rate", classifier="classifier_dropout")  # one rate for states and attention weights
LLAMA = fields(attention="attention_dropout")

FIELDS: Mapping[str, Fields] = {  # by model_type
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "camembert": BERT,
    "electra": BERT,
    "ernie": BERT,
    "mobilebert": BERT,
    "convbert": BERT,
    "big_bird": BERT,
    "albert": ALBERT,
    "rembert": ALBERT,
    "deberta": DEBERTA,
    "deberta-v2": DEBERTA,
    "distilbert": fields(hidden="dropout", attention="attention_dropout", classifier="seq_classif_dropout"),
    "modernbert": fields(
        hidden="embedding_dropout mlp_dropout", attention="attention_dropout", classifier="classifier_dropout"
    ),
    "mpnet": NO_CLASSIFIER,
    "squeezebert": NO_CLASSIFIER,
    "roformer": NO_CLASSIFIER,
    "nystromformer": fields(hidden=HIDDEN),  # makes one for attention too, and never passes anything through it
    "funnel": fields(hidden="hidden_dropout", attention="attention_dropout"),
    "xlnet": fields(hidden="dropout", classifier="summary_last_dropout"),  # one rate, as T5
    "gpt2": fields(hidden="resid_pdrop embd_pdrop", attention="attn_pdrop"),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "bart": fields(hidden="dropout", attention="attention_dropout", classifier="classifier_dropout"),
    "t5": T5,
    "mt5": T5,
    "vit": NO_CLASSIFIER,
    "deit": NO_CLASSIFIER,
    "beit": NO_CLASSIFIER,
    "swin": NO_CLASSIFIER,
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
