"""Damage on disk is found, reported, set aside and repaired: never another number, never an error that stays."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from measured import probe_in

from n2vlib.files import sealed
from n2vlib.probe import load_probe
from n2vlib.store import Store, in_chunks, load_array, read_part, save_arrays, save_part

EXPECTED = np.arange(100.0)


def made(store: Store, name: str = "a") -> Path:
    """An entry as a process finds it that has read nothing yet."""
    sealed._read.clear()
    return store.entry("kind", {"name": name}, [], lambda folder: save_arrays(folder, values=EXPECTED + ord(name)))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0x10
    path.write_bytes(data)


def other_values(path: Path) -> None:
    np.save(path, EXPECTED[::-1].copy()) if path.suffix == ".npy" else path.write_text(json.dumps({"kind": "kind"}))


DAMAGE = {
    "a flipped bit of the data": lambda path: flip(path, 300),
    "a flipped bit of the header": lambda path: flip(path, 12),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "deleted": Path.unlink,
    "renamed": lambda path: path.rename(path.with_suffix(".old")),
    "a folder instead": lambda path: (path.unlink(), path.mkdir()),
    "other values of the same shape": other_values,
}


@pytest.mark.parametrize("file", ["values.npy", "record.json"])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_entry_is_reported_set_aside_and_made_again(what, file, tmp_path, capsys):
    store = Store(str(tmp_path))
    path = made(store) / file
    before = path.stat()
    DAMAGE[what](path)
    if path.is_file():
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # no time shows it
    folder = made(store)
    np.testing.assert_array_equal(load_array(folder, "values"), EXPECTED + ord("a"))
    assert "damaged on disk" in capsys.readouterr().out and folder.with_name(f"{folder.name}.damaged").is_dir()
    made(store)
    assert capsys.readouterr().out == ""


def test_files_and_folders_that_changed_places_are_found(tmp_path, capsys):
    store = Store(str(tmp_path))
    a, b, aside = made(store, "a"), made(store, "b"), tmp_path / "aside"
    for one, other in ((a / "values.npy", b / "values.npy"), (a, b)):
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
        for name in "ab":
            np.testing.assert_array_equal(load_array(made(store, name), "values"), EXPECTED + ord(name))
        assert capsys.readouterr().out.count("damaged") >= 2


def test_a_file_is_read_once_in_a_process_and_again_when_it_has_changed(tmp_path):
    store = Store(str(tmp_path))
    folder = made(store)
    store.entry("kind", {"name": "a"}, [], pytest.fail)
    stored = dict(sealed._read)
    store.entry("kind", {"name": "a"}, [], pytest.fail)
    assert sealed._read == stored and folder / "values.npy" in stored
    flip(folder / "values.npy", 300)  # in the same process
    store.entry("kind", {"name": "a"}, [], lambda work: save_arrays(work, values=EXPECTED))
    np.testing.assert_array_equal(load_array(folder, "values"), EXPECTED)


def test_equal_inputs_have_one_entry_and_the_record_says_what_computed_it(tmp_path):
    asked = []
    folders = Store(str(tmp_path)).entries("kind", [{"n": 1}, {"n": 2}, {"n": 1}], [], lambda todo: asked.extend(todo))
    assert folders[0] == folders[2] != folders[1] and asked == [0, 1]
    assert {"python", "torch", "numpy", "numba", "device"} <= set(sealed.read_record(folders[0])["made"])


@pytest.mark.parametrize("harm", [lambda p: flip(p, 200), lambda p: os.truncate(p, 100), lambda p: p.write_bytes(b"")])
def test_a_damaged_part_of_an_interrupted_run_is_computed_again(harm, tmp_path):
    def square(item: int) -> dict[str, np.ndarray]:
        if item == 3 and not done:
            raise KeyboardInterrupt
        return {"square": np.full(50, item**2)}

    done = []
    with pytest.raises(KeyboardInterrupt):
        in_chunks(tmp_path, range(4), square, "squares", size=1)
    harm(tmp_path / "chunk-1.npz")
    shutil.copy(tmp_path / "chunk-0.npz", tmp_path / "chunk-2.npz")  # whole, in the wrong place
    done.append(True)
    in_chunks(tmp_path, range(4), square, "squares", size=1)
    assert load_array(tmp_path, "square")[::50].tolist() == [0, 1, 4, 9]


def test_what_a_killed_run_had_half_written_is_not_in_the_entry(tmp_path):
    def killed(folder: Path) -> None:
        (folder / ".other.npy.01234567.partial").mkdir()
        (folder / ".other.npy.01234567.partial" / "lock").touch()
        raise KeyboardInterrupt

    store = Store(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        store.entry("kind", {"name": "a"}, [], killed)
    assert {path.name for path in made(store).iterdir()} == {"values.npy", "record.json"}


def test_a_part_keeps_what_it_was_given(tmp_path):
    save_part(tmp_path / "shard-0.npz", {"a": EXPECTED, "none": np.zeros((0, 3), np.uint32)})
    kept = read_part(tmp_path / "shard-0.npz")
    assert kept is not None and set(kept) == {"a", "none"} and kept["none"].shape == (0, 3)
    assert read_part(tmp_path / "shard-1.npz") is None


@pytest.mark.parametrize("name", ["maps.npy", "pair_area.npy", "holders.npy", "record.json"])
def test_a_damaged_label_cache_is_decoded_again(name, tmp_path, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    before = {name: np.array(each) for name, each in vars(probe_in(tmp_path, 8).labels).items()}
    (folder,) = (path.parent for path in (tmp_path / "data").rglob("maps.npy"))
    flip(folder / name, 200)
    sealed._read.clear()
    after = load_probe(str(tmp_path / "probe")).labels
    for field in ("maps", "map_ptr", "pair_ptr", "pair_concept", "pair_local", "pair_area", "concepts", "holders"):
        np.testing.assert_array_equal(getattr(after, field), before[field])


def test_a_damaged_memo_of_a_fingerprint_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    right = probe_in(tmp_path, 4).fingerprint
    (memo,) = (tmp_path / "data" / "fingerprints").iterdir()
    for text in (memo.read_text().replace(right[5], "0" if right[5] != "0" else "1", 1), "", "\xff", "00 " * 9):
        memo.write_text(text, encoding="latin-1")
        assert load_probe(str(tmp_path / "probe")).fingerprint == right
