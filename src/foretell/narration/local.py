"""The writer `hf:FOLDER`: a checkpoint on this machine, through transformers, held to the claim grammar.

Each token is chosen among those with which a true narrative goes on, so that the first draft passes, whatever
the model would have liked to say. Nothing leaves this machine, and no code of the checkpoint's own is run.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from foretell.errors import SpecError
from foretell.narration.asking import NoDraftError
from foretell.narration.masking import Acceptor, State
from foretell.records import Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.vocabulary import Node

MOST_TOKENS = 2_000
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
        self._opened: tuple[Any, Any, Node] | None = None

    def __call__(self, evidence: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
        """Return the model's likeliest true narrative.

        Raises:
            NoDraftError: when asked again, since the same would come.
            SpecError: when the folder cannot be opened.
        """
        if attempt:
            raise NoDraftError(f"{self._name} wrote no whole text", final=True)
        tokenizer, model, tree = self._opened = self._opened or self._open()
        prompt = tokenizer(_prompt(tokenizer, evidence), return_tensors="pt", add_special_tokens=False)
        acceptor = Acceptor(evidence, spec)
        mask = Mask(acceptor, tree, prompt["input_ids"].shape[1], model.generation_config.eos_token_id)
        made = model.generate(
            input_ids=prompt["input_ids"],
            attention_mask=prompt["attention_mask"],
            do_sample=False,
            max_new_tokens=MOST_TOKENS,
            prefix_allowed_tokens_fn=mask,
        )
        mask.read(made[0].tolist())
        return acceptor.narrative(mask.state, self._name)

    def _open(self) -> tuple[Any, Any, Node]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            why = (str(error).splitlines() or [""])[0][:200]
            raise SpecError(f"'{self._folder}' cannot be opened: {why}", "see its files") from error
        ends = model.generation_config.eos_token_id
        if ends is None:
            model.generation_config.eos_token_id = ends = tokenizer.eos_token_id
        if ends is None:
            raise SpecError(f"'{self._folder}' has no token that ends a text", "name one as eos_token_id")
        if model.generation_config.pad_token_id is None:
            model.generation_config.pad_token_id = ends[0] if isinstance(ends, list) else ends
        return tokenizer, model.eval(), _tree(tokenizer)


class Mask:
    """Which tokens may come next, as `generate` asks: one greedy text, read as it grows."""

    def __init__(self, acceptor: Acceptor, tree: Node, start: int, ends: int | list[int]) -> None:
        self.state: State = acceptor.start
        self._acceptor, self._tree, self._read = acceptor, tree, start
        self._ends = ends if isinstance(ends, list) else [ends]
        self._spelled: dict[int, bytes] = {}

    def __call__(self, batch: int, tokens: Any) -> list[int]:
        self.read(tokens.tolist())
        found = list(self._ends) if self._acceptor.may_end(self.state) else []
        walks = [(self._tree, self.state, b"")]
        self._spelled = {}
        while walks:
            node, state, text = walks.pop()
            for byte in self._acceptor.next_bytes(state):
                child = node.children.get(byte)
                after = self._acceptor.advance(state, bytes([byte])) if child else None
                if child and after:
                    longer = text + bytes([byte])
                    if child.token >= 0:
                        self._spelled[child.token] = longer
                    walks.append((child, after, longer))
        return [*found, *self._spelled] or list(self._ends)

    def read(self, tokens: list[int]) -> None:
        """Go on with the tokens that were chosen since."""
        for token in tokens[self._read :]:
            after = self._acceptor.advance(self.state, self._spelled.get(token, b""))
            self.state = after or self.state
        self._read = len(tokens)


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
