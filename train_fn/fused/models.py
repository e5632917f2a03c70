"""Models small enough that one alone leaves a processor, or a GPU, with more to do in starting layers than in them."""

import math

import torch
from torch import nn

from train_fn.fused.dropout import KeyedDropout


class Perceptron(nn.Module):
    """Two hidden layers on the columns of a table: (rows, columns) to (rows, classes)."""

    def __init__(self, columns: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(columns, width),
            nn.GELU(),
            KeyedDropout(),
            nn.Linear(width, width),
            nn.GELU(),
            KeyedDropout(),
            nn.Linear(width, classes),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(inputs)
        return found


class TinyTransformer(nn.Module):
    """Pre-norm encoder blocks (Xiong et al. 2020, arXiv:2002.04745) on tokens of one length, mean-pooled.

    (rows, tokens) ids to (rows, classes). Attention is written out: torch's fused kernels know no lanes.
    """

    def __init__(self, vocabulary: int, tokens: int, classes: int, width: int = 32, heads: int = 2, blocks: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(tokens, width) / math.sqrt(width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        states = self.embedding(ids) + self.positions
        for block in self.blocks:
            states = block(states)
        logits: torch.Tensor = self.head(self.norm(states).mean(1))
        return logits


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.ModuleList([KeyedDropout(), KeyedDropout()])

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = states + self.dropout[0](self.attention(self.before_attention(states)))
        found: torch.Tensor = states + self.dropout[1](self.dense(self.before_dense(states)))
        return found

    def attention(self, states: torch.Tensor) -> torch.Tensor:
        rows, tokens, width = states.shape
        query, key, value = (
            part.view(rows, tokens, self.heads, width // self.heads).transpose(1, 2)
            for part in self.projections(states).chunk(3, dim=-1)
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(width // self.heads)).softmax(-1)
        found: torch.Tensor = self.output((weights @ value).transpose(1, 2).reshape(rows, tokens, width))
        return found
