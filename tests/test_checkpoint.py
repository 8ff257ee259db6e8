"""Laws of the one checkpoint: what is opened is what was saved, or an error that names what is wrong."""

import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.errors import CheckpointError
from foretell.training.checkpoint import (
    FORMAT,
    MANIFEST,
    digest,
    exists,
    open_checkpoint,
    pack_arrays,
    pack_tensors,
    save,
    upgraded,
)

FILES = {"spec.yaml": b"data: {}\n", "metrics.json": b'{"auc":0.9}', "weights.safetensors": os.urandom(5000)}
names = st.text("abcdefgh.-_", min_size=1, max_size=12).filter(lambda name: name not in (".", "..", MANIFEST))


def tamper(folder: Path, **changes) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))


@given(st.dictionaries(names, st.binary(max_size=200), max_size=6), st.text(max_size=20))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_saved_is_what_is_opened(tmp_path, files, data):
    written = save(tmp_path / "model", files, kind="model", data=data)
    checkpoint = open_checkpoint(tmp_path / "model")
    assert dict(checkpoint.files) == files
    assert checkpoint.digest == written == digest(tmp_path / "model")
    assert (checkpoint.kind, checkpoint.manifest["data"], checkpoint.manifest["format"]) == (
        "model",
        data,
        FORMAT,
    )
    assert set(checkpoint.manifest["versions"]) == {"foretell", "numpy", "torch"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_keep_type_shape_and_bits(dtype, tmp_path):
    shared = torch.arange(6).to(dtype).reshape(2, 3)
    tensors = {"a": shared, "tied": shared, "turned": shared.T, "scalar": shared[0, 1], "none": shared[:0]}
    save(tmp_path / "m", {"weights.safetensors": pack_tensors(tensors)}, kind="model")
    read = open_checkpoint(tmp_path / "m").tensors("weights.safetensors")
    assert {name: tensor.dtype for name, tensor in read.items()} == dict.fromkeys(tensors, dtype)
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_arrays_are_read_without_torch(tmp_path):
    arrays = {"state": np.arange(12.0).reshape(3, 4).T, "codes": np.array([3, 1], np.int32)}
    save(tmp_path / "m", {"stream.safetensors": pack_arrays(arrays)}, kind="model")
    script = (
        "import sys; from pathlib import Path; from foretell.training.checkpoint import open_checkpoint;"
        "arrays = open_checkpoint(Path(sys.argv[1])).arrays('stream.safetensors');"
        "assert 'torch' not in sys.modules; print(arrays['state'].shape, arrays['codes'].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "m"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(4, 3) [3, 1]"


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_one_altered_byte_in_any_file_is_found_and_the_file_named(tmp_path, data):
    save(tmp_path / "m", FILES, kind="model")
    name = data.draw(st.sampled_from(sorted(FILES)))
    content = bytearray(FILES[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "m" / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"'{name}' of the checkpoint .* was altered"):
        open_checkpoint(tmp_path / "m")


@given(st.sampled_from(sorted(FILES)), st.floats(0, 0.999))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_file_cut_short_is_found_and_named(tmp_path, name, share):
    save(tmp_path / "m", FILES, kind="model")
    size = len(FILES[name])
    os.truncate(tmp_path / "m" / name, int(share * size))
    with pytest.raises(
        CheckpointError, match=f"'{name}' .* is cut short: {int(share * size)} of {size} bytes"
    ):
        open_checkpoint(tmp_path / "m")


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_manifest_of_any_bytes_is_refused(tmp_path, content):
    save(tmp_path / "m", FILES, kind="model")
    (tmp_path / "m" / MANIFEST).write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        open_checkpoint(tmp_path / "m")


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"f": {"bytes": "x", "sha256": ""}}, {"f": []}])
@pytest.mark.parametrize("field", ["format", "files"])
def test_a_manifest_with_a_wrong_field_is_refused(field, value, tmp_path):
    save(tmp_path / "m", FILES, kind="model")
    tamper(tmp_path / "m", **{field: value})
    if (field, value) == ("files", {}):
        assert open_checkpoint(tmp_path / "m").files == {}
    else:
        with pytest.raises(CheckpointError, match=r"is damaged|has format"):
            open_checkpoint(tmp_path / "m")


def test_a_missing_folder_manifest_or_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"There is no checkpoint at '.*nowhere'"):
        open_checkpoint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"its manifest\.json cannot be read"):
        open_checkpoint(tmp_path / "empty")
    save(tmp_path / "m", FILES, kind="model")
    (tmp_path / "m" / "spec.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"lacks 'spec\.yaml'"):
        open_checkpoint(tmp_path / "m")


def test_a_file_that_the_checkpoint_never_had_is_asked_for_in_vain(tmp_path):
    save(tmp_path / "m", FILES, kind="model")
    with pytest.raises(CheckpointError, match=r"has no file 'boosting\.txt'") as caught:
        open_checkpoint(tmp_path / "m").text("boosting.txt")
    assert caught.value.hint == "it holds: metrics.json, spec.yaml, weights.safetensors"


def test_a_newer_format_asks_for_a_later_release(tmp_path):
    save(tmp_path / "m", FILES, kind="model")
    tamper(tmp_path / "m", format=FORMAT + 1)
    with pytest.raises(CheckpointError, match=f"has format {FORMAT + 1}; release .* reads up to {FORMAT}"):
        open_checkpoint(tmp_path / "m")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", "a\\b", "a\0b", MANIFEST])
def test_a_name_that_leaves_the_folder_is_refused(name, tmp_path):
    (tmp_path / "secret").write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a plain file name"):
        save(tmp_path / "m", {name: b""}, kind="model")
    save(tmp_path / "m", {}, kind="model")
    tamper(tmp_path / "m", files={name: {"bytes": 0, "sha256": "e3b0c442"}})
    with pytest.raises(CheckpointError, match="not a plain file name"):
        open_checkpoint(tmp_path / "m")


def test_upgrades_are_applied_one_after_the_other():
    steps = {
        1: lambda manifest, files: ({**manifest, "format": 2, "b": 1}, {**files, "new": b""}),
        2: lambda manifest, files: ({**manifest, "format": 3, "c": manifest["b"] + 1}, files),
    }
    assert upgraded({"format": 1}, {"x": b"1"}, upgrades=steps, wanted=3) == (
        {"format": 3, "b": 1, "c": 2},
        {"x": b"1", "new": b""},
    )


@pytest.mark.parametrize("what", ["part", "new", "old", "new old"])
def test_leftovers_of_a_killed_save_are_finished_or_undone(what, tmp_path):
    """At each point at which a save can be killed, the newest complete folder is what opens."""
    folder = tmp_path / "model"
    save(folder, {"n": b"1"}, kind="model")
    save(tmp_path / "later", {"n": b"2"}, kind="model")
    if what == "part":
        (tmp_path / "later" / "n").unlink()
        (tmp_path / "later").rename(tmp_path / ".model.part")
    elif what == "new":
        (tmp_path / "later").rename(tmp_path / ".model.new")
    elif what == "old":
        (tmp_path / "later").rename(tmp_path / ".spare")
        folder.rename(tmp_path / ".model.old")
        (tmp_path / ".spare").rename(folder)
    else:
        folder.rename(tmp_path / ".model.old")
        (tmp_path / "later").rename(tmp_path / ".model.new")
    assert exists(folder)
    assert open_checkpoint(folder).read("n") == (b"1" if what == "part" else b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def save_forever(folder: Path) -> None:
    for number in range(1_000_000):
        save(folder, {f"{part}.bin": b"%d" % number * 20_000 for part in "abc"}, kind="model")


def whole(folder: Path) -> bool:
    """Open; true when the files are all of one save."""
    return len(set(open_checkpoint(folder).files.values())) == 1


def test_a_reader_and_a_killed_writer_never_meet_a_mixture(tmp_path):
    folder, delays = tmp_path / "model", random.Random(0)
    save_forever_in = multiprocessing.get_context("forkserver").Process
    save(folder, dict.fromkeys(("a.bin", "b.bin", "c.bin"), b""), kind="model")
    for _ in range(8):
        writer = save_forever_in(target=save_forever, args=(folder,))
        writer.start()
        for _ in range(delays.randint(1, 12)):
            assert whole(folder)
        writer.join(delays.uniform(0, 0.05))
        writer.kill()
        writer.join()
        assert whole(folder)


def test_a_full_disk_is_told_and_the_old_checkpoint_stays(tmp_path):
    """A limit on the size of files fails a write halfway, as a full disk does, on any machine."""
    folder = tmp_path / "model"
    save(folder, FILES, kind="model")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"\(0\.2 MB\) could not be written: File too large"):
            save(folder, {"weights.safetensors": bytes(200_000)}, kind="model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert dict(open_checkpoint(folder).files) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_disk_without_space_is_told_and_the_old_checkpoint_stays(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk needs privileges that this run lacks")
    try:
        save(disk / "model", FILES, kind="model")
        with pytest.raises(CheckpointError, match="No space left on device"):
            save(disk / "model", {"weights.safetensors": bytes(400_000)}, kind="model")
        assert dict(open_checkpoint(disk / "model").files) == FILES
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_unwritable_folder_is_told_and_still_read():
    """The superuser may write everywhere, so it steps down for the test."""
    superuser = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        save(folder, FILES, kind="model")
        folder.parent.chmod(0o555)
        if superuser:
            os.seteuid(65534)
        try:
            with pytest.raises(CheckpointError, match="could not be written: Permission denied"):
                save(folder, {}, kind="model")
            assert dict(open_checkpoint(folder).files) == FILES
        finally:
            if superuser:
                os.seteuid(0)
            folder.parent.chmod(0o755)


def test_a_folder_under_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"could not be written: (Not a directory|File exists)"):
        save(tmp_path / "file" / "model", FILES, kind="model")
