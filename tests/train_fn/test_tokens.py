import pytest

from train_fn import data
from train_fn.tiny import train_tokenizer
from train_fn.tokens import tokenize, tokenized_splits


def test_every_text_decodes_to_itself(toy_data):
    splits, texts = tokenized_splits(toy_data, "tiny", 128), data.load(toy_data).train.texts
    tokens = splits.train
    for index, text in enumerate(texts):
        ids = tokens.ids[tokens.starts[index] : tokens.ends[index]].tolist()
        assert splits.tokenizer.decode(ids, skip_special_tokens=True) == text


def test_long_texts_are_cut_and_keep_their_last_special_token(toy_data):
    tokens = tokenized_splits(toy_data, "tiny", 8).train
    assert tokens.lengths.max() == 8
    ends = {int(tokens.ids[end - 1]) for end in tokens.ends}
    assert len(ends) == 1


def test_a_split_is_tokenized_once_in_a_process(toy_data):
    assert tokenized_splits(toy_data, "tiny", 128) is tokenized_splits(toy_data, "tiny", 128)


def test_a_length_that_the_model_cannot_take_is_refused(toy_data):
    splits = tokenized_splits(toy_data, "tiny", 128)
    with pytest.raises(ValueError, match="`max_length` must be at most the model's 512, got 600; try 512"):
        tokenize(data.load(toy_data).valid, splits.tokenizer, 600)


def test_hangul_syllables_are_not_taken_apart():
    tokenizer = train_tokenizer(["안녕하세요 반갑습니다", "안녕하세요 고맙습니다"] * 5)
    assert tokenizer.tokenize("안녕하세요") == ["안녕하세요"]


def test_the_same_texts_train_the_same_tokenizer(toy_data):
    texts = data.load(toy_data).train.texts
    first = train_tokenizer(texts).get_vocab()
    assert all(train_tokenizer(texts).get_vocab() == first for _ in range(5))
