"""Images as arrays, and their captions as words. N: images, H, W: rows and columns, C: channels, M: words."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.errors import DataError

Pixels = NDArray[np.uint8]
ENDINGS = (".png", ".jpg", ".jpeg")
IMAGE_KEYS, LABEL_KEYS = ("images", "x"), ("captions", "labels", "y")
MOST_WORDS, LONGEST = 512, 12
"""Words that are known at most, the most frequent; and how many of one caption count."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Images of one size, with what each shows."""

    pixels: Pixels
    """[N, H, W, C]; C is 1 (grey) or 3 (red, green, blue)."""
    labels: tuple[str, ...]
    """Of each, its class or caption; empty: not told."""

    def __len__(self) -> int:
        return len(self.labels)


def arrays(pixels: Pixels) -> NDArray[np.float32]:
    """Return pixels as numbers from -1 to 1, float32 [N, C, H, W]."""
    return np.moveaxis(pixels, -1, 1).astype(np.float32) / 127.5 - 1


def pixels_of(values: NDArray[np.float32]) -> Pixels:
    """Return numbers as pixels, the nearest there are; undoes `arrays`."""
    return np.moveaxis((values.clip(-1, 1) + 1) * 127.5 + 0.5, 1, -1).astype(np.uint8)


def words(label: str) -> list[str]:
    return label.lower().split()


def vocabulary(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the words of the labels, the most frequent first."""
    counts = Counter(word for label in labels for word in words(label))
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS])


def coded(labels: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of each label's known words [N, M], -1 where it has no more."""
    number = {word: index for index, word in enumerate(known)}
    rows = [[number[word] for word in words(label) if word in number][:LONGEST] for label in labels]
    found = np.full((len(rows), max([1, *map(len, rows)])), -1, np.int64)
    for row, each in zip(found, rows, strict=True):
        row[: len(each)] = each
    return found


def read_npz(path: Path) -> tuple[Pictures, int | None]:
    """Return the images of a file of arrays, and how many of them teach where the file says it.

    Images stand in `images` or `x`, their classes or captions in `captions`, `labels` or `y`; or they do in
    `x_train`, `y_train`, `x_test`, `y_test`, and those of the test are held out.

    Raises:
        DataError: when it holds no images of one size, or not as many labels.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, zlib.error) as error:
        raise DataError(f"'{path}' cannot be read as arrays: {error}", "write it by numpy.savez") from error
    if "x_train" in found and "x_test" in found:
        pixels = np.concatenate([_checked(found["x_train"], path), _checked(found["x_test"], path)])
        halves = [found[name] for name in ("y_train", "y_test") if name in found]
        labels = np.concatenate(halves) if len(halves) == 2 else None
        return _pictures(pixels, labels, path), len(found["x_train"])
    images = next((found[name] for name in IMAGE_KEYS if name in found), None)
    if images is None:
        raise DataError(
            f"'{path}' holds no images, but {', '.join(found) or 'nothing'}", "call them `images` or `x`"
        )
    labels = next((found[name] for name in LABEL_KEYS if name in found), None)
    return _pictures(_checked(images, path), labels, path), None


def _checked(images: NDArray[Any], path: Path) -> Pixels:
    pixels = images[..., None] if images.ndim == 3 else images
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise DataError(
            f"the images of '{path}' are {images.dtype} {list(images.shape)}",
            "give uint8 [N, H, W], or [N, H, W, C] of 1 or 3 channels",
        )
    return pixels


def _pictures(pixels: Pixels, labels: NDArray[Any] | None, path: Path) -> Pictures:
    if labels is not None and len(labels) != len(pixels):
        raise DataError(f"'{path}' holds {len(pixels)} images and {len(labels)} labels", "give each its own")
    told = ("",) * len(pixels) if labels is None else tuple(str(each) for each in labels.reshape(-1).tolist())
    return Pictures(pixels=pixels, labels=told)


def read_folder(folder: Path, size: int = 0) -> Pictures:
    """Return the images below a folder, in the order of their names; the folder of each is its class.

    Args:
        size: bring all to so many rows and columns; 0: they are of one size.

    Raises:
        DataError: when one cannot be read, or they differ in size and none was asked for.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("files of images need Pillow", "pip install 'foretell[media]'") from error

    def loaded() -> Iterator[tuple[Path, Pixels]]:
        for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in ENDINGS):
            try:
                with Image.open(path) as image:
                    plain = image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")
                    yield path, np.asarray(plain.resize((size, size)) if size else plain)
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise DataError(f"'{path}' cannot be read as an image", "mend it or take it away") from error

    found = dict(loaded())
    if not found:
        raise DataError(f"there are no images in '{folder}'", f"put {', '.join(ENDINGS)} files there")
    sizes = Counter(image.shape[:2] for image in found.values())
    if len(sizes) > 1:
        (most, other), _ = zip(*sizes.most_common(2), strict=True)
        raise DataError(
            f"images of '{folder}' differ in size: {_by(most)} and {_by(other)}",
            "bring them to one: generate.given: {size: 64}",
        )
    grey = all(image.ndim == 2 for image in found.values())
    each = [
        image[..., None] if grey else np.broadcast_to(image[..., None], (*image.shape, 3)) if image.ndim == 2
        else image
        for image in found.values()
    ]  # fmt: skip
    labels = tuple("" if path.parent == folder else path.parent.name for path in found)
    return Pictures(pixels=np.stack(each), labels=labels)


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def png(pixels: Pixels) -> bytes:
    """Return one image [H, W, C] as a PNG file."""
    height, width, channels = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def grid(pixels: Pixels, columns: int) -> Pixels:
    """Return images side by side as one [H, W, C], a light line between them."""
    count, height, width, channels = pixels.shape
    lines = -(-count // columns)
    sheet = np.full((lines, columns, height + 1, width + 1, channels), 224, np.uint8)
    sheet.reshape(-1, height + 1, width + 1, channels)[:count, :height, :width] = pixels
    return sheet.swapaxes(1, 2).reshape(lines * (height + 1), columns * (width + 1), channels)
