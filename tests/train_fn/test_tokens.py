import numpy
import pytest
import torch
from transformers import AutoTokenizer

from train_fn import data
from train_fn.data import TextDataConfig, TextExamples
from train_fn.tiny import train_tokenizer
from train_fn.token_cache import tokenized_splits
from train_fn.tokenizing import tokenize


def test_every_text_decodes_to_itself(toy_data):
    splits, texts = tokenized_splits(toy_data, "tiny", 128), data.load(toy_data).train.texts
    tokens, tokenizer = splits.train, AutoTokenizer.from_pretrained(splits.tokenizer.folder)
    for index, text in enumerate(texts):
        ids = tokens.ids[tokens.starts[index] : tokens.ends[index]].tolist()
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_long_texts_are_cut_and_keep_their_last_special_token(toy_data):
    tokens = tokenized_splits(toy_data, "tiny", 8).train
    assert tokens.lengths.max() == 8
    ends = {int(tokens.ids[end - 1]) for end in tokens.ends}
    assert len(ends) == 1


def test_a_split_is_tokenized_once_in_a_process(toy_data):
    assert tokenized_splits(toy_data, "tiny", 128) is tokenized_splits(toy_data, "tiny", 128)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path):
    def labels(*names):
        rows = [f"text {number} of {name},{name}" for name in names for number in range(20)]
        (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
        config = TextDataConfig(file=str(tmp_path / "rows.csv"), cache=str(tmp_path / "cache"))
        return tokenized_splits(config, "tiny", 128).labels

    assert labels("apple", "pear") == ("apple", "pear")
    assert labels("apple", "fig", "pear") == ("apple", "fig", "pear")


def test_a_length_that_the_model_cannot_take_is_refused(toy_data):
    splits = tokenized_splits(toy_data, "tiny", 128)
    with pytest.raises(ValueError, match="`max_length` must be at most the model's 512, got 600; try 512"):
        tokenize(data.load(toy_data).valid, AutoTokenizer.from_pretrained(splits.tokenizer.folder), 600)


def test_hangul_syllables_are_not_taken_apart():
    tokenizer = train_tokenizer(["안녕하세요 반갑습니다", "안녕하세요 고맙습니다"] * 5)
    assert tokenizer.tokenize("안녕하세요") == ["안녕하세요"]


def test_the_same_texts_train_the_same_tokenizer(toy_data):
    texts = data.load(toy_data).train.texts
    first = train_tokenizer(texts).get_vocab()
    assert all(train_tokenizer(texts).get_vocab() == first for _ in range(5))


def test_a_batch_holds_the_rows_tokens_then_padding_up_to_the_longest(toy_data):
    splits = tokenized_splits(toy_data, "tiny", 128)
    rows = numpy.array([5, 0, 97])
    inputs = splits.train.collate(rows)[0]
    assert inputs["input_ids"].shape == (3, splits.train.lengths[rows].max())
    for row, ids, mask in zip(rows, *inputs.values(), strict=True):
        length = splits.train.lengths[row]
        start = splits.train.starts[row]
        assert ids[:length].tolist() == splits.train.ids[start : start + length].tolist()
        assert set(ids[length:].tolist()) <= {splits.train.pad_id}
        assert mask.tolist() == [1] * length + [0] * (len(mask) - length)


def test_the_last_row_of_a_split_is_not_read_past_its_end(toy_data):
    tokens = tokenized_splits(toy_data, "tiny", 128).train
    last, longest = len(tokens.lengths) - 1, int(tokens.lengths.argmax())
    inputs = tokens.collate(numpy.array([last, longest]))[0]
    assert torch.equal(inputs["attention_mask"].sum(dim=1), torch.from_numpy(tokens.lengths[[last, longest]]))


def test_a_pair_is_given_as_the_tokenizer_gives_it(toy_data):
    tokenizer = AutoTokenizer.from_pretrained(tokenized_splits(toy_data, "tiny", 128).tokenizer.folder)
    texts, pairs = ["apple pear", "car"], ["bus", "red blue green"]
    examples = TextExamples(texts=texts, pairs=pairs, targets=numpy.array([0, 1]))
    inputs = tokenize(examples, tokenizer, 16)[0].collate(numpy.array([0, 1]))[0]
    expected = tokenizer(texts, pairs, padding=True, return_tensors="pt")
    assert inputs.keys() == expected.keys()
    assert all(torch.equal(inputs[name], expected[name]) for name in inputs)


def test_the_vocabulary_is_every_id_that_a_model_is_given(toy_data):
    splits = tokenized_splits(toy_data, "tiny", 128)
    special = {splits.train.pad_id, splits.train.mask_id}
    given = {int(i) for split in (splits.train, splits.valid) for i in split.ids} | special
    assert splits.vocabulary.tolist() == sorted(given)
