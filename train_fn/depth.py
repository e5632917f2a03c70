"""How deep in a model each parameter lies: embeddings 0, block i -> i + 1, everything above the blocks on top.

Depth is the module's, not the parameter's place in a list: a block has some sixteen parameters, all of one depth. A
decoder stands on its encoder, its first block one deeper than the encoder's last. Stages of convolutions are blocks.
What several blocks share lies at the first of them: ALBERT's group of blocks, or below all where all look it up, as
relative positions.
"""

import re

from transformers import PreTrainedModel

from train_fn.architecture import num_blocks

# the numbered blocks of BERT, RoBERTa, ELECTRA, DeBERTa, DistilBERT, ModernBERT, XLNet, ViT (layer, layers), GPT-2 (h),
# T5 (block), ResNet (stages), Funnel (blocks) and ALBERT (whose groups of blocks share their weights)
BLOCK = re.compile(r".+?\.(?:layers?|h|blocks?|stages|albert_layer_groups)\.\d+\.")

# what is registered after the blocks and yet comes before them: the decoder's embeddings, and relative positions
EMBEDDING = re.compile(r"\.\w*emb|\.relative_attention_bias\.|^deberta\.encoder\.LayerNorm\.")
FIRST_BLOCK = re.compile(r"^deberta\.encoder\.conv\.")  # is added to what the first block gives


def parameter_depths(model: PreTrainedModel) -> dict[str, int]:
    names = [name for name, _ in model.named_parameters()]
    blocks = numbered_blocks(names)
    top = len(blocks) + 1
    depths, reached = {}, 0
    for name in names:
        match = BLOCK.match(name)
        if match:
            reached = depths[name] = blocks[match[0]]
        elif is_head(name, model):
            depths[name] = top
        elif EMBEDDING.search(name):
            depths[name] = 0
        elif FIRST_BLOCK.match(name):
            depths[name] = 1
        else:  # modules are registered in the order of their use, such as an encoder's last norm before the decoder
            depths[name] = reached if reached < len(blocks) else top
    return depths


def known_blocks(model: PreTrainedModel) -> int:
    """Their number; 0 unless those found are as many as the model's config tells of."""
    found = len(numbered_blocks([name for name, _ in model.named_parameters()]))
    return found if found == num_blocks(model.config.to_dict()) else 0


def numbered_blocks(names: list[str]) -> dict[str, int]:
    """Beginning of the parameters' names -> depth, from 1."""
    beginnings = dict.fromkeys(match[0] for name in names if (match := BLOCK.match(name)))
    return {beginning: depth for depth, beginning in enumerate(beginnings, start=1)}


def is_head(name: str, model: PreTrainedModel) -> bool:
    """The head is what stands outside the pretrained model, and a pooler inside that its file did not have.

    `name` is that of a parameter or of its module.
    """
    outside = not name.startswith(f"{model.base_model_prefix}.")
    return outside or any(f"{drawn}.".startswith(f"{name}.") for drawn in getattr(model, "drawn", ()))
