"""Images: read, coded, drawn, steered, measured; what holds of them at once, and (slow) of digits learned."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from foretell.border import load_spec
from foretell.data.codecs.images import Pictures, arrays, grid, pixels_of, png, read_folder
from foretell.errors import DataError
from foretell.generation import images
from foretell.generation.likeness import coverage, frechet
from foretell.generation.pictures import PictureGenerator
from foretell.spec import GenerateSpec, Spec
from foretell.training.progress import silent

FAMILIES = ("next", "flow", "vae", "gan")
DIGITS = Path(__file__).parents[2] / "shared" / "data" / "image" / "mnist.npz"
CAPTIONS = np.array(["a flat bar", "an upright bar"])
Image = pytest.importorskip("PIL.Image", reason="files of images need Pillow")


def bars(count: int, seed: int = 0) -> Pictures:
    """Return 16 x 16 images of a bar, flat or upright, somewhere."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 24, (count, 16, 16, 1)).astype(np.uint8)
    upright, place = rng.integers(0, 2, count), rng.integers(1, 12, count)
    for image, turned, start in zip(pixels, upright, place, strict=True):
        (image.swapaxes(0, 1) if turned else image)[start : start + 3, 2:14] = 230
    return Pictures(pixels=pixels, labels=tuple(CAPTIONS[upright].tolist()))


def spec_of(source: Path, family: str, **generate) -> Spec:
    return load_spec(
        {
            "source": str(source),
            "task": {"name": "generate"},
            "train": {"epochs": 8, "threads": 1},
            "generate": {"family": family, **generate},
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "bars.npz"
    images.write(bars(400), path)
    return path


@pytest.fixture(scope="module")
def generators(source) -> dict[str, PictureGenerator]:
    found = {}
    for family in FAMILIES:
        spec = spec_of(source, family)
        found[family] = images.fit(images.read(spec), spec, folder=None, progress=silent)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_draws_the_same_also_from_what_was_kept(generators, family):
    asked, kept = GenerateSpec(), images.opened(generators[family].files())
    first, again = (each.draw(12, asked, seed=3) for each in (generators[family], kept))
    other = kept.draw(12, asked, seed=4)
    assert first.pixels.dtype == np.uint8 and first.pixels.shape == (12, 16, 16, 1)
    assert np.array_equal(first.pixels, again.pixels) and first.labels == again.labels
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_asked_for_is_what_the_images_are_called(generators, family):
    draw = generators[family].draw
    assert draw(4, GenerateSpec(prompt="upright bar", guidance=2), seed=0).labels == ("upright bar",) * 4
    both = draw(4, GenerateSpec(given={"class": CAPTIONS.tolist()}), seed=0)
    assert both.labels == (*CAPTIONS.tolist(), *CAPTIONS.tolist())
    with pytest.raises(DataError, match="'zebra'"):
        draw(4, GenerateSpec(prompt="an upright zebra"), seed=0)


def test_what_no_image_shows_is_refused_before_the_fit(source, tmp_path):
    spec = spec_of(source, "flow", given={"class": "zebra"})
    with pytest.raises(DataError, match="'zebra'"):
        images.fit(images.read(spec), spec, folder=tmp_path / "training", progress=silent)
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize("family", ["flow", "vae", "gan"])
def test_the_way_between_two_seeds_begins_and_ends_with_theirs(generators, family):
    asked = GenerateSpec(prompt="flat bar")
    way = generators[family].interpolate(1, 2, 5, asked).pixels
    for seed, end in ((1, way[0]), (2, way[-1])):
        alone = generators[family].draw(1, asked, seed=seed).pixels[0]
        assert np.abs(end.astype(int) - alone).max() <= 2
    with pytest.raises(DataError, match="next"):
        generators["next"].interpolate(1, 2, 5, asked)


def test_only_what_is_masked_is_drawn_anew(generators):
    real, mask = bars(6, seed=9), np.zeros((16, 16), bool)
    mask[:, 8:] = True
    drawn = generators["flow"].inpaint(real, mask, GenerateSpec(), seed=0)
    assert np.array_equal(drawn.pixels[:, ~mask], real.pixels[:, ~mask])
    assert not np.array_equal(drawn.pixels[:, mask], real.pixels[:, mask])
    with pytest.raises(DataError, match="`gan`"):
        generators["gan"].inpaint(real, mask, GenerateSpec(), seed=0)


def test_tokens_have_a_probability_and_noise_surprises_more(generators):
    real = bars(50, seed=5)
    noise = np.random.default_rng(0).permuted(real.pixels, axis=1)
    told = generators["next"].surprise(real)
    assert told is not None and told.shape == (50,) and (told > 0).all()
    assert told.mean() < generators["next"].surprise(Pictures(pixels=noise, labels=real.labels)).mean()
    assert generators["flow"].surprise(real) is None


@pytest.mark.parametrize("family", ["flow"])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(source, generators, tmp_path, family):
    spec, seen = spec_of(source, family), []
    material = images.read(spec)

    def stop(advance) -> None:
        seen.append(advance.step)
        if len(seen) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        images.fit(material, spec, folder=tmp_path / "fit", progress=stop)
    resumed = images.fit(material, spec, folder=tmp_path / "fit", progress=silent)
    assert resumed.files() == generators[family].files()


def test_real_images_measure_as_real_and_noise_does_not(source):
    spec = spec_of(source, "flow")
    material = images.read(spec)
    real, noise = bars(300, seed=7), bars(300, seed=8)
    noise.pixels.reshape(300, -1)[:] = np.random.default_rng(0).permuted(
        noise.pixels.reshape(300, -1), axis=1
    )
    good, bad = (
        {fact.name: fact for fact in images.fidelity(material, each, spec)} for each in (real, noise)
    )
    assert good["frechet"].value < 4 * good["frechet"].detail["floor"] < bad["frechet"].value
    assert good["coverage"].value > 0.7 > bad["coverage"].value
    assert good["accuracy"].value > 0.95 > bad["accuracy"].value


def test_a_copy_is_at_no_distance_and_nothing_else_is():
    real, copies = bars(40), bars(60, seed=1)
    copies.pixels[:40] = real.pixels
    found = images.distances(copies, real)
    assert found[:40].max() < 1e-3 < found[40:].min()


@settings(deadline=None)
@given(npst.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3, st.sampled_from([1, 3]))))
def test_pixels_come_back_from_arrays_and_from_a_png(pixels):
    assert np.array_equal(pixels_of(arrays(pixels)), pixels)
    sheet = grid(pixels, 2)
    with Image.open(io.BytesIO(png(sheet))) as image:
        assert np.array_equal(np.asarray(image).reshape(sheet.shape), sheet)


def test_what_is_written_is_read_and_copies_are_held_out_together(source, tmp_path):
    material = images.read(spec_of(source, "flow"))
    path = tmp_path / "twice.npz"
    images.write(images.take(material.items, np.arange(200).repeat(2)), path)
    twice = images.read(spec_of(path, "flow"))
    assert np.array_equal(twice.items.pixels[::2], material.items.pixels[:200])
    assert twice.items.labels[::2] == material.items.labels[:200]
    assert not set(twice.teach // 2) & set(twice.holdout // 2)


def test_a_folder_of_classes_is_read_and_sizes_that_differ_are_refused(tmp_path):
    for name, size in (("cat", 8), ("dog", 8), ("dog", 9)):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("L", (size, 8), color=size).save(tmp_path / name / f"{size}.png")
    with pytest.raises(DataError, match="8x8 and 9x8"):
        read_folder(tmp_path)
    found = read_folder(tmp_path, 8)
    assert found.labels == ("cat", "dog", "dog") and found.pixels.shape == (3, 8, 8, 1)
    (tmp_path / "dog" / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match=r"torn\.png"):
        read_folder(tmp_path, 8)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"images": np.zeros((30, 8, 8), np.uint8)}, "alike"),
        ({"images": np.ones((2, 8, 8), np.float32)}, "float32"),
        ({"other": np.zeros(3)}, "other"),
        ({"images": np.eye(24, dtype=np.uint8).reshape(9, 8, 8), "labels": np.arange(3)}, "3 labels"),
    ],
)
def test_what_cannot_teach_is_refused(tmp_path, content, what):
    path = tmp_path / "bad.npz"
    np.savez(path, **content)
    with pytest.raises(DataError, match=what):
        images.read(spec_of(path, "flow"))


def test_too_few_images_are_refused(tmp_path):
    path = tmp_path / "few.npz"
    images.write(bars(2), path)
    with pytest.raises(DataError, match="2 items"):
        images.read(spec_of(path, "flow"))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000), st.floats(0.0, 3.0))
def test_the_frechet_distance_is_that_of_means_and_widths(seed, shift):
    some = np.random.default_rng(seed).normal(size=(400, 3))
    assert frechet(some, some) == pytest.approx(0, abs=1e-6)
    assert frechet(some, some + shift) == pytest.approx(3 * shift**2, abs=1e-6)
    assert coverage(some, some) == 1 and coverage(some + 100, some) == 0


@pytest.mark.slow
@pytest.mark.skipif(not DIGITS.exists(), reason="the digits are not here")
@pytest.mark.parametrize("family", FAMILIES)
def test_digits_are_learned_in_about_a_minute(family):
    spec = load_spec(
        {
            "source": str(DIGITS),
            "task": {"name": "generate"},
            "train": {"epochs": 3, "threads": 1},
            "generate": {"family": family, "count": 2_000},
        }
    )
    material = images.read(spec)
    generator = images.fit(material, spec, folder=None, progress=silent)
    made = generator.draw(2_000, spec.generate, seed=0)
    facts = {fact.name: fact for fact in images.fidelity(material, made, spec)}
    noise = Pictures(pixels=np.random.default_rng(0).permuted(made.pixels, axis=0), labels=made.labels)
    nothing = {fact.name: fact for fact in images.fidelity(material, noise, spec)}
    assert facts["frechet"].value < 0.6 * nothing["frechet"].value
    assert facts["accuracy"].value > 0.6
