"""A tiny Qwen2-VL with random weights, for trainers that take two steps on a CPU.

Writes FOLDER with the files that a Qwen2-VL of the Hub has: weights, tokenizer, image processor,
       chat template. Every program that loads such a folder loads this one, offline.
Costs  seconds, and about 100 MB.

    python tests/clients/tiny_model.py --output FOLDER

Runs in the environment of any client that has transformers and dashscope, and is for that
environment: an older transformers cannot read what a newer one wrote. The tokenizer is Qwen's own,
with the ids of its tokens: dashscope brings its table. An image becomes 4 to 16 tokens.
"""

from __future__ import annotations

import argparse
import base64
import json
from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoProcessor, Qwen2VLConfig, Qwen2VLForConditionalGeneration

SEED = 0
PATCH, MERGE = 14, 2  # pixels of a patch's side; patches on a side of what is one token
TOKEN_PIXELS = (PATCH * MERGE) ** 2
MIN_PIXELS, MAX_PIXELS = 4 * TOKEN_PIXELS, 16 * TOKEN_PIXELS
HIDDEN, HEADS = 32, 2  # 16 numbers a head, of which pairs turn with time, height and width:
MROPE_SECTION = [2, 3, 3]
CONTEXT = 32768  # tokens

RANKS = "resources/qwen.tiktoken"  # in dashscope: tokens in base64, with their ids
FIRST_SPECIAL = 151643  # the id of the first of these
SPECIAL = [  # those of Qwen2-VL, in its order
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
PAD, END_OF_TURN = "<|endoftext|>", "<|im_end|>"

# How Qwen2-VL cuts text before merging: words with the sign before them, digits, signs, spaces.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# ChatML; parts of a message stand in their order, an image or a video between its two marks.
CHAT_TEMPLATE = """\
{%- if messages[0].role != 'system' %}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}
{{- message.content }}
{%- else %}
{%- for part in message.content %}
{%- if part.type in ('image', 'image_url') %}
{{- '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif part.type == 'video' %}
{{- '<|vision_start|><|video_pad|><|vision_end|>' }}
{%- else %}
{{- part.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def read_ranks() -> dict[bytes, int]:
    """Qwen's tokens and their ids, in the order in which they are merged."""
    folder = Path(find_spec("dashscope").origin).parent  # not imported: that needs more packages
    lines = (folder / RANKS).read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    assert list(ranks.values()) == list(range(FIRST_SPECIAL)), RANKS
    return ranks


def qwen_tokenizer() -> Tokenizer:
    """The tokenizer of Qwen2-VL."""
    ranks = read_ranks()
    letters = _letters_of_bytes()
    names = {token: "".join(letters[byte] for byte in token) for token in ranks}
    merges = []
    for token in ranks:
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [(one, two) for one, two in pairs if one in ranks and two in ranks]
        merges += sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    tokenizer = Tokenizer(
        models.BPE(
            vocab={names[token]: rank for token, rank in ranks.items()},
            merges=[(names[one], names[two]) for one, two in merges],
        )
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(name, special=True, normalized=False) for name in SPECIAL]
    tokenizer.add_special_tokens(special)
    assert tokenizer.token_to_id(SPECIAL[0]) == FIRST_SPECIAL
    return tokenizer


def _letters_of_bytes() -> list[str]:
    """The letter that stands for each byte in such tokenizers: printable ones for themselves, the
    others for those from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = dict(zip(others, map(chr, range(256, 256 + len(others))), strict=True))
    return [letters.get(byte) or chr(byte) for byte in range(256)]


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer as the files that transformers reads, with the chat template."""
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))  # vocab.json, merges.txt
    added = {
        str(tokenizer.token_to_id(name)): {
            "content": name,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for name in SPECIAL
    }
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": SPECIAL[1:],
        "bos_token": None,
        "eos_token": END_OF_TURN,
        "pad_token": PAD,
        "unk_token": None,
        "errors": "replace",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "model_max_length": CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})


def save_image_processor(folder: Path) -> None:
    """Write how images become patches, with few pixels."""
    config = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "min_pixels": MIN_PIXELS,
        "max_pixels": MAX_PIXELS,
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    write_json(folder / "preprocessor_config.json", config)


def save_model(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model of one layer of language and one of vision, with random weights."""
    ids = {name: tokenizer.token_to_id(name) for name in SPECIAL}
    marks = {
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
    }
    ends = {"bos_token_id": ids[PAD], "eos_token_id": ids[END_OF_TURN], "pad_token_id": ids[PAD]}
    rope = {"type": "mrope", "mrope_section": MROPE_SECTION}
    language = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
    }
    vision = {
        "depth": 1,
        "embed_dim": HIDDEN,
        "hidden_size": HIDDEN,
        "num_heads": HEADS,
        "mlp_ratio": 2,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
    }
    config = Qwen2VLConfig(**language, rope_scaling=rope, **marks, **ends, vision_config=vision)
    torch.manual_seed(SEED)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.update(**ends)
    model.save_pretrained(folder)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def make_model(folder: Path) -> None:
    """Write the whole folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = qwen_tokenizer()
    save_tokenizer(tokenizer, folder)
    save_image_processor(folder)
    save_model(tokenizer, folder)
    AutoProcessor.from_pretrained(folder)  # it loads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    make_model(args.output)


if __name__ == "__main__":
    main()
