"""Folders of photos: found in full, in order, untouched; what is missing is named."""

import os
from pathlib import Path

import pytest

from pipeline.errors import PipelineError, SourceError
from pipeline.sources.folder import Folder


def names(*paths, tmp_path) -> list[str]:
    folder = Folder(kind="folder", paths=[str(path) for path in paths])
    return [found.name for found in folder.fetch(tmp_path, "fetch test")]


def test_photos_are_found_recursively_and_in_order(tmp_path):
    """Protects: sub-folders, upper-case suffixes; no hidden file, no other kind of file."""
    photos = ("b.JPG", "a.png", "sub/deep/c.tiff", "sub/d.webp", "e.HEIC")
    for name in (*photos, ".hidden.jpg", ".git/f.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path, tmp_path=tmp_path) == ["a.png", "b.JPG", "e.HEIC", "sub/d.webp", "sub/deep/c.tiff"]


def test_folders_that_systems_fill_are_skipped(tmp_path):
    """Protects: thumbnails and deleted photos of a NAS taken for photos."""
    hidden = ("@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/b.jpg", "@Recycle/c.jpg", "x/__MACOSX/._d.jpg")
    for name in ("a.jpg", *hidden, "$RECYCLE.BIN/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path, tmp_path=tmp_path) == ["a.jpg"]


def test_a_user_without_a_home_is_told_so(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(PipelineError, match="no home folder; set HOME"):
        list(Folder(kind="folder", paths=["~/photos"]).fetch(Path(), "fetch test"))


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert names("~", tmp_path=tmp_path) == ["a.jpg"]


def test_a_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere does not exist; correct source.paths in params.yaml"):
        names(tmp_path / "nowhere", tmp_path=tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"contains no photo \(.jpg, .*\); put photos there"):
        names(tmp_path, tmp_path=tmp_path)
    with pytest.raises(SourceError, match=r"notes.txt is a file, not a folder"):
        names(tmp_path / "notes.txt", tmp_path=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_an_error(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(SourceError, match="closed cannot be read"):
        names(tmp_path, tmp_path=tmp_path)


def test_at_least_one_path():
    with pytest.raises(ValueError, match="at least one folder"):
        Folder(kind="folder", paths=[])
