"""The writer `hf:FOLDER`: a checkpoint on this machine, through transformers, held to the claim grammar.

Each token is chosen among those with which a true narrative goes on, so that the first draft passes, whatever
the model would have liked to say; what is forced is read by it and not asked for.
Nothing leaves this machine, and no code of the checkpoint's own is run.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from foretell.errors import SpecError
from foretell.narration.asking import NoDraftError
from foretell.narration.masking import Acceptor, State
from foretell.records import Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.vocabulary import Node

MOST_CHOICES = 2_000
"""Tokens of a narrative that a model is asked for."""
ASKED = "Explain this prediction to the person who reviews it, shortly and truly. The facts, as JSON data:\n"


def local(where: str, spec: NarrateSpec) -> "Checkpoint":
    """Return the writer of a folder that transformers can open; it opens it for the first draft.

    Raises:
        SpecError: when the folder holds no checkpoint, or transformers is not installed.
    """
    folder = Path(where).expanduser()
    if not (folder / "config.json").is_file():
        raise SpecError(f"'{folder}' holds no config.json", "name the folder of a checkpoint: hf:FOLDER")
    if find_spec("transformers") is None:
        raise SpecError(f"the writer 'hf:{where}' needs transformers", "pip install 'foretell[llm]'")
    return Checkpoint(folder, f"hf:{where}")


class Checkpoint:
    """A writer that decodes under the grammar."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._opened: tuple[Any, Any, Node, list[int]] | None = None

    def __call__(self, evidence: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
        """Return the model's likeliest true narrative.

        Raises:
            NoDraftError: when asked again, since the same would come.
            SpecError: when the folder cannot be opened.
        """
        if attempt:
            raise NoDraftError(f"{self._name} wrote no whole text", final=True)
        tokenizer, model, tree, ends = self._opened = self._opened or self._open()
        prompt = tokenizer(_prompt(tokenizer, evidence), return_tensors="pt", add_special_tokens=False)
        acceptor = Acceptor(evidence, spec)
        return acceptor.narrative(decoded(model, prompt["input_ids"], acceptor, tree, ends), self._name)

    def _open(self) -> tuple[Any, Any, Node, list[int]]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            why = (str(error).splitlines() or [""])[0][:200]
            raise SpecError(f"'{self._folder}' cannot be opened: {why}", "see its files") from error
        told = model.generation_config.eos_token_id
        ends = told if isinstance(told, list) else [tokenizer.eos_token_id if told is None else told]
        if None in ends:
            raise SpecError(f"'{self._folder}' has no token that ends a text", "name one as eos_token_id")
        return tokenizer, model.eval().requires_grad_(False), _tree(tokenizer), ends


def decoded(model: Any, prompt: Any, acceptor: Acceptor, tree: Node, ends: Sequence[int]) -> State:
    """Return the state at the end of the likeliest text; where one way alone goes on, nobody is asked."""
    # transformers renames the argument during version 5
    name = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"
    state, waiting, cache = acceptor.start, prompt[0].tolist(), None
    for _ in range(MOST_CHOICES):
        forced, data = _spelled(tree, acceptor.forced(state))
        waiting += forced
        state = acceptor.advance(state, data) or state
        ways = choices(acceptor, state, tree) | dict.fromkeys(ends if acceptor.may_end(state) else (), b"")
        if not ways:
            break  # no token of this vocabulary goes on
        seen = model(input_ids=prompt.new_tensor([waiting]), use_cache=True, **{name: cache})
        cache, logits = getattr(seen, name), seen.logits[0, -1]
        token = max(ways, key=lambda each: logits[each].item())
        if token in ends:
            break
        waiting, state = [token], acceptor.advance(state, ways[token]) or state
    return state


def choices(acceptor: Acceptor, state: State, tree: Node) -> dict[int, bytes]:
    """Return each token with which a true narrative goes on, with its bytes."""
    found, walks = {}, [(tree, state, b"")]
    while walks:
        node, here, text = walks.pop()
        for byte in acceptor.next_bytes(here):
            child = node.children.get(byte)
            after = acceptor.advance(here, bytes([byte])) if child else None
            if child and after:
                longer = text + bytes([byte])
                if child.token >= 0:
                    found[child.token] = longer
                walks.append((child, after, longer))
    return found


def _spelled(tree: Node, data: bytes) -> tuple[list[int], bytes]:
    """Return the longest tokens that spell what is forced, and which bytes they spell.

    The last one is left to the model: it may go on past what is forced.
    """
    tokens: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        node, best = tree, (-1, at)
        for index in range(at, len(data)):
            if (child := node.children.get(data[index])) is None:
                break
            node = child
            best = (node.token, index + 1) if node.token >= 0 else best
        if best[0] < 0:
            break
        tokens.append(best)
        at = best[1]
    kept = tokens[:-1]
    return [token for token, _ in kept], data[: kept[-1][1]] if kept else b""


def _prompt(tokenizer: Any, evidence: Evidence) -> str:
    facts = [
        {"id": fact.id, "kind": fact.kind, "text": fact.text, "value": fact.value, "unit": fact.unit}
        for fact in evidence.facts
    ]
    asked = ASKED + json.dumps(facts, ensure_ascii=True)
    if not tokenizer.chat_template:
        return asked + "\n\n"
    message = {"role": "user", "content": asked}
    return tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)


def _tree(tokenizer: Any) -> Node:
    """Return the tokenizer's tokens by the bytes that they stand for."""
    root, special = Node(), {*tokenizer.all_special_ids}
    spelled = _by_bytes if "ByteLevel" in str(tokenizer.backend_tokenizer.decoder) else _by_text
    for token in range(len(tokenizer)):
        text = b"" if token in special else spelled(tokenizer, token)
        node = root
        for byte in text:
            node = node.children.setdefault(byte, Node())
        if text and node.token < 0:
            node.token = token
    return root


def _by_bytes(tokenizer: Any, token: int) -> bytes:
    """Return the bytes of a token that is spelled with one printable letter for each byte."""
    name = tokenizer.convert_ids_to_tokens(token) or ""
    return bytes(_LETTERS[letter] for letter in name) if _LETTERS.keys() >= {*name} else b""


def _by_text(tokenizer: Any, token: int) -> bytes:
    """Return the text that a token adds to another; nothing for one that stands for a part of a letter."""
    before = tokenizer.decode([token])
    added = tokenizer.decode([token, token])[len(before) :]
    return b"" if "\ufffd" in added else added.encode()


def _letters() -> dict[str, int]:
    """Return the letter by which a byte-level vocabulary spells each byte (Radford et al., 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_LETTERS = _letters()
