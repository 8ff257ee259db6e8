"""A small checkpoint as strangers have them: a Llama of some 300,000 weights, taught to answer our requests.

python small_model.py FOLDER STEPS trains it and prints CPU-seconds and the last loss. It learns to name the
first sentences of each group that is offered, from rows that no test uses.
"""

import json
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from evidences import evidence
from foretell.narration.asking import request
from foretell.narration.personal import Personal
from foretell.spec import NarrateSpec

FIRST_SEED = 10**7
LONGEST = 900
MARKS = ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"]
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content.split('\"offered\": ')[-1] }}"
    "{% elif m.role == 'assistant' %}<|assistant|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""It reads what is offered, and neither the instructions nor the facts: it is too small for them."""


def pairs(first: int, count: int) -> list[tuple[str, str]]:
    """Return (request, answer): the sentences of one whole narrative, which stand first in their groups."""
    found = []
    for seed in range(first, first + count):
        facts = evidence(seed)
        spec = NarrateSpec(length="short", seed=seed)
        told, _ = request(facts, spec, Personal(facts, ()))
        picked = [next(iter(group["sentences"])) for group in told["offered"]]
        found.append((json.dumps(told), json.dumps({"sentences": picked})))
    return found


def vocabulary(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=MARKS[0], pad_token=MARKS[3], chat_template=TEMPLATE
    )


def untrained(tokenizer: PreTrainedTokenizerFast, width: int = 96) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train(folder: Path, steps: int, *, batch: int = 8) -> tuple[float, float]:
    """Train and save; return the CPU-seconds and the loss of the last steps."""
    began = time.process_time()
    torch.set_num_threads(1)
    told = pairs(FIRST_SEED, 400)
    tokenizer = vocabulary([asked + answer for asked, answer in told])
    model = untrained(tokenizer)
    rate = 4e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    rows = []
    for asked, answer in told:
        messages = [{"role": "user", "content": asked}]
        before = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        start, end = (tokenizer.encode(text) for text in (before, answer + MARKS[0]))
        if len(start) + len(end) <= LONGEST:
            rows.append((start, end))
    losses = []
    for step in range(steps):
        chosen = [rows[(step * batch + index) % len(rows)] for index in range(batch)]
        size = max(len(start) + len(end) for start, end in chosen)
        padding = [size - len(start) - len(end) for start, end in chosen]
        ids = torch.tensor([s + e + [3] * p for (s, e), p in zip(chosen, padding, strict=True)])
        labels = torch.tensor(
            [[-100] * len(s) + e + [-100] * p for (s, e), p in zip(chosen, padding, strict=True)]
        )
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    save(folder, tokenizer, model)
    return time.process_time() - began, sum(losses[-10:]) / len(losses[-10:])


def save(folder: Path, tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM) -> None:
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    print(json.dumps(train(Path(sys.argv[1]), int(sys.argv[2]))))
