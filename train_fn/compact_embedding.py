"""An embedding table of only the tokens that occur: the others' gradients are zeros that cost time and memory.

Of MiniLM's 22.7 M parameters 11.7 M are its table of 30,522 tokens, and a data set uses a few thousand of them. A dense
table has all its rows filled with zeros, clipped and stepped each time. Rows that no text of this run looks up keep
their pretrained values here; in a dense table weight decay alone would move them.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

WORTHWHILE = 0.5  # share of the table above which nothing is gained


class CompactEmbedding(nn.Module):
    """Takes the ids of the whole vocabulary, as the model gives them."""

    ids: torch.Tensor  # of the tokens that occur, in order
    place: torch.Tensor  # of each token of the vocabulary in the smaller table

    def __init__(self, table: nn.Embedding, ids: torch.Tensor) -> None:
        super().__init__()
        place = torch.zeros(table.num_embeddings, dtype=torch.long)
        place[ids] = torch.arange(len(ids))
        self.weight = nn.Parameter(table.weight.detach()[ids].clone())  # (ids, width)
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.whole = table.weight.detach()  # as pretrained; stays where it is when the model moves to a device
        self.padding_idx = None if table.padding_idx is None else int(place[table.padding_idx])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(self.place[input_ids], self.weight, self.padding_idx)


def compact(model: PreTrainedModel, ids: torch.Tensor) -> None:
    """Replace the model's word embeddings in place, if that is worthwhile; `ids` are all that will be looked up."""
    table = model.get_input_embeddings()
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return
    if table.padding_idx is not None:  # which never learns
        ids = torch.cat([ids, torch.tensor([table.padding_idx])])
    ids = ids.unique()
    if len(ids) > WORTHWHILE * table.num_embeddings:
        return
    smaller = CompactEmbedding(table, ids)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child is table:
                setattr(module, name, smaller)


def whole_tables(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights with the table of the whole vocabulary."""
    weights = dict(weights)
    for name, module in compact_embeddings(model):
        rows = weights[name]
        weights[name] = module.whole.to(rows.device, copy=True).index_copy_(0, module.ids, rows.detach())
    return weights


def compact_tables(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The other way round."""
    return weights | {
        name: weights[name][module.ids.cpu()] for name, module in compact_embeddings(model) if name in weights
    }


def compact_embeddings(model: nn.Module) -> list[tuple[str, CompactEmbedding]]:
    """With the name of their weight, under each name that they have."""
    return [
        (f"{name}.weight", module)
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, CompactEmbedding)
    ]
