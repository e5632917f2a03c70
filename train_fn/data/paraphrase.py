"""Training texts in other words, as a machine says them that translates back and forth.

Sennrich et al. 2016, arXiv:1511.06709. The words come from a function of the person's own, as its model does.
"""

import pandas as pd

from train_fn.data.function import call
from train_fn.errors import DataError


def with_paraphrases(table: pd.DataFrame, dotted: str) -> pd.DataFrame:
    """Below the rows, each once more as `module:function` says its text; not where that is empty or the text itself."""
    texts = table["text"].tolist()
    said = call(dotted, list(texts), field="paraphrase")
    if not isinstance(said, list) or len(said) != len(texts) or not all(isinstance(text, str) for text in said):
        got = f"a list of {len(said)}" if isinstance(said, list) else f"a {type(said).__name__}"
        raise DataError(
            f"`paraphrase` must return a text for each of {len(texts)} texts, got {got} from {dotted}; "
            "return the text itself where there is no other"
        )
    again = table.assign(text=[text.strip() for text in said])
    others = (again["text"] != table["text"]) & (again["text"] != "")
    return pd.concat([table, again[others]], ignore_index=True)
