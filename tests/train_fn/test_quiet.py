from transformers.utils import logging

from train_fn.quiet import quiet


def talk():
    return logging.get_verbosity(), logging.is_progress_bar_enabled()


def test_who_leaves_first_of_two_threads_leaves_the_other_its_silence_and_the_last_all_as_it_was():
    before = talk()
    one, other = quiet(), quiet()
    one.__enter__()
    inside = talk()
    other.__enter__()
    one.__exit__(None, None, None)
    assert talk() == inside
    other.__exit__(None, None, None)
    assert talk() == before
    assert before != inside
