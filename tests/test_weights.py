"""Published weights: found where they may lie, verified, and fetched whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from spoofproof import weights
from spoofproof.errors import MissingPart, UnknownName

CONTENT = {"a.bin": b"alpha" * 1000, "b.bin": b"beta" * 500}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of two files; nothing of it is anywhere yet. Returns the folder that will serve as the host."""
    files = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(weights, "SETS", {"toy": weights.Weights("SPOOFPROOF_TOY", files)})
    for name in ("SPOOFPROOF_TOY", "SPOOFPROOF_DATA", weights.BASE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "host" / "toy").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "host" / "toy" / name).write_bytes(content)
    return tmp_path / "host"


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


def test_own_folder_comes_before_shared_data_before_cache(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights.folder("toy") is None
    cache = put(tmp_path / "cache" / "spoofproof" / "weights" / "toy")
    assert weights.folder("toy") == cache
    shared = put(tmp_path / "data" / "weights" / "toy")
    monkeypatch.setenv("SPOOFPROOF_DATA", str(tmp_path / "data"))
    assert weights.folder("toy") == shared
    own = put(tmp_path / "own")
    monkeypatch.setenv("SPOOFPROOF_TOY", str(own))
    assert weights.folder("toy") == own
    assert weights.missing("toy") == "" and weights.read(own, "toy") == CONTENT
    (own / "b.bin").unlink()
    assert weights.folder("toy") == shared  # half a set is none


def test_what_is_missing_names_every_way(toy: Path) -> None:
    for way in ("SPOOFPROOF_TOY", "a.bin", "b.bin", weights.BASE, "spoofproof fetch toy"):
        assert way in weights.missing("toy")


def test_fetch_verifies_and_writes_whole_files(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.BASE, toy.as_uri() + "/")
    place = weights.fetch("toy")
    assert weights.read(place, "toy") == CONTENT
    assert sorted(path.name for path in place.iterdir()) == ["a.bin", "b.bin"]
    monkeypatch.delenv(weights.BASE)
    assert weights.fetch("toy") == place  # nothing left to fetch: no address needed


def test_fetch_mends_a_broken_file(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.BASE, toy.as_uri())
    place = weights.fetch("toy")
    (place / "a.bin").write_bytes(b"half")
    with pytest.raises(MissingPart, match=r"not the published file.*fetch toy"):
        weights.read(place, "toy")
    assert weights.read(weights.fetch("toy"), "toy") == CONTENT


def test_other_bytes_are_refused_and_leave_nothing(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.BASE, toy.as_uri())
    (toy / "toy" / "a.bin").write_bytes(b"something else")
    with pytest.raises(MissingPart, match=r"other bytes.*Nothing was written"):
        weights.fetch("toy")
    assert not list(tmp_path.glob("cache/**/*.*"))


def test_no_address_a_wrong_one_and_an_unknown_set(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPart, match=weights.BASE):
        weights.fetch("toy")
    for address in (toy.as_uri() + "/nowhere", "not an address"):
        monkeypatch.setenv(weights.BASE, address)
        with pytest.raises(MissingPart, match="cannot fetch"):
            weights.fetch("toy")
    with pytest.raises(UnknownName, match="Did you mean toy"):
        weights.fetch("toyy")


@pytest.mark.data
def test_lyras_checksums_are_those_of_the_published_files(data: Path) -> None:
    assert set(weights.read(data / "weights" / "lyra", "lyra")) == set(weights.SETS["lyra"].files)
