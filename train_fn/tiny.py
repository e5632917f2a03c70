"""A BERT and a ViT small enough to train from nothing, for tests and for machines without a pretrained model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertTokenizer, PreTrainedTokenizerBase, ViTConfig

from train_fn import data
from train_fn.cache import made_once
from train_fn.data import TextDataConfig

VOCABULARY = 4_000  # word pieces; assumption: enough for a few thousand short texts
ALPHABET = 1_000  # letters that may stand alone as a piece; Korean and Chinese have thousands
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tiny_folder(config: TextDataConfig) -> Path:
    """The folder that holds the model's config and a tokenizer of the training texts."""

    def fill(folder: Path) -> None:
        examples = data.load_all(config)["train"]
        tokenizer = train_tokenizer([*examples.texts, *(examples.pairs or ())])
        tokenizer.save_pretrained(folder)
        architecture(tokenizer).save_pretrained(folder)

    prepared = data.prepare(config).folder
    return made_once(prepared.parent.parent / "tiny" / prepared.name, fill, config.cache_gb)


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """WordPiece (Schuster & Nakajima 2012; Wu et al. 2016, arXiv:1609.08144)."""
    pieces = Tokenizer(WordPiece(unk_token="[UNK]"))
    pieces.normalizer = BertNormalizer(lowercase=True, strip_accents=False)  # would take Hangul syllables apart
    pieces.pre_tokenizer = BertPreTokenizer()
    letters = alphabet(pieces.normalizer.normalize_str(text) for text in texts)
    trainer = WordPieceTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        # the trainer numbers what it meets in the order of a hash table, another one each time, and breaks ties between
        # merges by number; what is listed here has its number already, so the same texts give the same tokenizer
        special_tokens=SPECIAL_TOKENS + letters + [f"##{letter}" for letter in letters],
        show_progress=False,
    )
    pieces.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=pieces.get_vocab(), do_lower_case=True, strip_accents=False, model_max_length=512)


def alphabet(texts: Iterable[str]) -> list[str]:
    """The commonest letters, those of equal count in the order of their code."""
    counts = Counter(letter for text in texts for letter in text if not letter.isspace())
    return sorted(sorted(counts, key=lambda letter: (-counts[letter], letter))[:ALPHABET])


def architecture(tokenizer: PreTrainedTokenizerBase) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        pad_token_id=tokenizer.pad_token_id,
    )


def tiny_vit(size: int) -> ViTConfig:
    """For images of `size` x `size` pixels, cut into about 6 x 6 patches."""
    # an edge of less than a patch would go unseen
    sides = range(max(2, size // 9), size // 4 + 1)
    patch_size = min(sides, key=lambda side: (size % side, abs(side - size / 6)))
    return ViTConfig(
        image_size=size,
        patch_size=patch_size,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
