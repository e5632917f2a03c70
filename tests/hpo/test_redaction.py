"""Secrets are found by value, form and name; hashes, paths and names of models stay as they are."""

import random
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpo.errors import UsageError
from hpo.redaction import REDACTED, looks_random, redact, redacted, secrets_in
from hpo.study_file import load_study
from tests.secrets_planted import PLANTED, Secret

PROJECT = Path(__file__).parents[2]

STAYS = [
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",  # SHA-256
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "acd088b1110a243fdf4706b3f48f1d95db1a4f55",  # a commit
    "models:/m-eca2d6b9158349b6a9941576b14753c4",
    "123e4567-e89b-12d3-a456-426614174000",
    "fingerprint 3b0c2a9f7d1e4f60 of 2,000 rows",
    "sentence-transformers/all-MiniLM-L6-v2",
    "facebook/wav2vec2-large-xlsr-53",
    "glue-mnli-roberta-large-finetuned-2",
    "vit_base_patch16_224_in21k",
    "DebertaV2ForSequenceClassification",
    "/root/.cache/huggingface/hub/models--a--b/snapshots/1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    "studies/lwlrd/trials/0003/checkpoint-0012-1",
    "CPU_group_0_8d9ca2fe2de7ef318b5137b3b1d701000000",
    "http://127.0.0.1:5000/#/experiments/1/runs/eca2d6b9158349b6a9941576b14753c4",
    "ssh://git@github.com/x/y.git",
    "sqlite:////home/me/mlflow.db",
    "2026-11-21T09:46:55.357+00:00",
    "max_tokens=128, pad_token='[PAD]', eos_token=</s>, token: 50256, num_tokens: 12",
    "tokenizer.pad_token = tokenizer.eos_token",
    "TypeError: epochs() got an unexpected keyword argument 'api_key'",
    "KeyError: 'password'",
    "a.yaml:3:1: config.api_key: must be no key, token or password",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert redacted({"value": text}) == {"value": text} and not list(secrets_in({"value": text}))


@pytest.mark.parametrize("secret", PLANTED, ids=lambda secret: secret.where)
def test_a_planted_secret_is_found_and_what_stands_around_it_stays(
    secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in secret.environment.items():
        monkeypatch.setenv(name, value)
    shown = redact(f"before {secret.text}\nafter")
    assert secret.secret not in shown and REDACTED in shown
    assert shown.startswith("before ") and shown.endswith("\nafter")


@given(st.text(alphabet=string.printable, max_size=200))
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.binary(min_size=8, max_size=32), st.sampled_from(["", "m-", "sha256:", "checkpoint-0001-", "a/"]))
def test_no_hash_looks_random(digest: bytes, before: str) -> None:
    assert redact(before + digest.hex()) == before + digest.hex()


def test_nearly_every_key_of_random_letters_and_digits_looks_random() -> None:
    """Seed 0: a thousand keys of each length, without any prefix."""
    source = random.Random(0)
    letters = string.ascii_letters + string.digits
    found = {
        length: sum(looks_random("".join(source.choices(letters, k=length))) for _ in range(1000))
        for length in (20, 32, 64)
    }
    assert found[20] > 930 and found[32] > 980 and found[64] > 995, found


def test_an_error_is_cut_short_only_after_its_secrets_are_out() -> None:
    """Half of a key would not look like one."""
    from hpo.raised import in_one_line

    for length in range(440, 500):
        assert "ghp_" not in in_one_line(RuntimeError("x " * (length // 2) + "ghp_" + "a1B2" * 9))


def test_a_number_under_a_telling_name_is_a_count_in_a_record_and_a_secret_in_a_study_file() -> None:
    rows = {"classes": {"password": 12, "token": 3}}
    assert redacted(rows) == rows
    assert list(secrets_in({"config": {"password": 12345}})) == [("config", "password")]


def test_a_group_under_a_telling_name_is_secret_as_a_whole() -> None:
    assert redacted({"credentials": {"user": "me", "rest": ["x", 1]}}) == {
        "credentials": {"user": REDACTED, "rest": [REDACTED, 1]}
    }


def test_the_name_of_a_variable_and_the_path_of_a_file_are_no_secrets() -> None:
    """They are the way out."""
    assert not list(secrets_in({"api_key_variable": "OPENAI_API_KEY", "credentials": "/home/me/key.json"}))


@pytest.mark.parametrize("path", sorted((PROJECT / "search_spaces").glob("*.yaml")), ids=lambda path: path.name)
def test_no_study_that_comes_with_hpo_holds_anything_that_looks_like_a_secret(path: Path) -> None:
    text = path.read_text()
    assert redact(text) == text and not list(secrets_in(yaml.safe_load(text)))


STUDY = """\
study: toy
trainable: tests.toy:epochs
objective: {maximize: score}
config: {witness: plain}
search_space: {x: {uniform: [-5.0, 5.0]}}
search: {trials: 2}
"""


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        (["config.api_key=hunter2"], "config.api_key"),
        (["config.witness=https://me:hunter2@host/file"], "config.witness"),
        (["config.data.password=12345678"], "config.data.password"),
        (["study=ghp_" + "a1B2" * 9], "study"),
        (["search_space.kind.choice=[plain, hf_" + "aB3dE6gH" * 4 + "]"], "search_space.kind.choice.1"),
    ],
)
def test_a_study_file_with_a_secret_is_refused_with_the_way_out(folder: Path, overrides: list[str], place: str) -> None:
    (folder / "a.yaml").write_text(STUDY)
    with pytest.raises(UsageError) as caught:
        load_study(folder / "a.yaml", overrides)
    said = redact(str(caught.value))  # as `main` prints it
    assert f" {place}: must be no key, token or password" in said and "variable of the environment" in said
    assert all(override.partition("=")[2].strip("[]").split(", ")[-1] not in said for override in overrides)
