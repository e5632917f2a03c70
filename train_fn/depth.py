"""How deep in a model each parameter lies: embeddings 0, block i -> i + 1, everything above the blocks on top.

Depth is the module's, not the parameter's place in a list: a block has some sixteen parameters, all of one depth. A
decoder stands on its encoder, its first block one deeper than the encoder's last. Stages of convolutions are blocks.
"""

import re

from transformers import PreTrainedModel

# the numbered blocks of BERT, RoBERTa, ELECTRA, DeBERTa, DistilBERT, ModernBERT, XLNet, ViT (layer, layers), GPT-2 (h),
# T5 (block), ResNet (stages), Funnel (blocks) and ALBERT (whose groups of blocks share their weights)
BLOCK = re.compile(r"\.(?:layers?|h|blocks?|stages|albert_layer_groups)\.(\d+)\.")
EMBEDDING = re.compile(r"\.\w*emb|\.wte\.|\.wpe\.|\.shared\.")
DECODER = re.compile(r"\.decoder\.")


def parameter_depths(model: PreTrainedModel) -> dict[str, int]:
    names = [name for name, _ in model.named_parameters()]
    blocks = {name: int(match[1]) for name in names if (match := BLOCK.search(name))}
    if model.config.is_encoder_decoder:
        encoder = max((block for name, block in blocks.items() if not DECODER.search(name)), default=-1) + 1
        blocks = {name: block + encoder if DECODER.search(name) else block for name, block in blocks.items()}
    top = max(blocks.values(), default=-1) + 2
    return {name: blocks[name] + 1 if name in blocks else 0 if EMBEDDING.search(name) else top for name in names}


def is_head(name: str, model: PreTrainedModel) -> bool:
    """The head is what stands outside the pretrained model."""
    return not name.startswith(f"{model.base_model_prefix}.")
