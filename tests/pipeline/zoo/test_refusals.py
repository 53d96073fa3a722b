"""A zoo may be broken, cut off or hostile: one clear line, and nothing half-installed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import PipelineError, ZooError
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.card import CARD, NEWER
from pipeline.models.own_models import add_model
from pipeline.models.package import CARD_PAGE, PACKAGE_MANIFEST, sha256
from pipeline.zoo.index import INDEX
from pipeline.zoo.installing import add_from_zoo, search
from pipeline.zoo.reading import open_zoo


def refuses(url: str, user: Path, match: str, name: str = "iphone-x") -> None:
    """Adding the model fails with one line, and leaves no file."""
    with pytest.raises(PipelineError, match=match) as caught:
        add_from_zoo(name, open_zoo(url))
    assert len(str(caught.value).splitlines()) == 1
    assert not user.exists() or list(user.iterdir()) == []


def edit(site: Path, name: str, change: Callable[[dict], object]) -> None:
    """Change a JSON file of the zoo; the sha256 above it, which an evil zoo could adapt, follow."""
    content = json.loads((site / name).read_bytes())
    change(content)
    rewrite(site, name, json.dumps(content).encode())


def rewrite(site: Path, name: str, data: bytes) -> None:
    (site / name).write_bytes(data)
    folder, _, file = name.rpartition("/")
    if file == PACKAGE_MANIFEST:
        edit(site, INDEX, lambda index: index["models"][0].update(manifest_sha256=sha256(data)))
        files = json.loads(data).get("files")
        if isinstance(files, dict):
            size = sum(int(facts.get("bytes", 0)) for facts in files.values())
            edit(site, INDEX, lambda index: index["models"][0].update(bytes=size))
    elif file != INDEX:
        facts = {"sha256": sha256(data), "bytes": len(data)}
        edit(site, f"{folder}/{PACKAGE_MANIFEST}", lambda manifest: manifest["files"].update({file: facts}))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"<!DOCTYPE html><html>please log in", r"index\.json is not valid JSON"),
        (b"\xff\xfe", r"index\.json is not valid JSON"),
        (b"[" * 100_000, r"index\.json is not valid JSON"),
        (b"[]", r"index\.json is not a JSON object"),
        (b"{}", r"index\.json is not the index of a zoo"),
        (b'{"models": {}}', r"index\.json is not the index of a zoo"),
        (b'{"models": [1]}', "its models must be objects"),
        (b'{"format": 2, "models": []}', NEWER),
        (b'{"format": "x", "models": []}', "format must be a number"),
    ],
)
def test_what_is_no_index(data: bytes, match: str, site: Path, url: str, user: Path) -> None:
    (site / INDEX).write_bytes(data)
    refuses(url, user, match)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../evil"}, {"name": "/etc/evil"}, {"name": ".."}, {"name": ""}, {"name": "a b"},
        {"name": 1}, {"name": "x" * 61}, {"name": "a\u202e"}, {"name": "a\n"}, {"version": "../2"},
        {"version": "1\n"}, {"version": 1}, {"version": "1/2"}, {"version": "٣"}, {"bytes": -1},
        {"bytes": "1"}, {"bytes": True},
        {"bytes": 10**15}, {"manifest_sha256": "x" * 64}, {"manifest_sha256": None}, {"cameras": "all"},
        {"cameras": [1]}, {"cameras": [{"make": 1}]}, {"summary": ["x"]},
    ],
)  # fmt: skip
def test_what_an_index_must_not_say(change: dict, published, site: Path, url: str, user: Path) -> None:
    """Protects: names become paths and addresses, and sizes become memory."""
    published()
    edit(site, INDEX, lambda index: index["models"][0].update(change))
    refuses(url, user, r"index\.json")
    assert not list(site.parent.rglob("evil"))


def test_an_index_that_lies_about_a_size(published, site: Path, url: str, user: Path) -> None:
    published()
    edit(site, INDEX, lambda index: index["models"][0].update(bytes=5))
    refuses(url, user, r"manifest\.json lists [\d,]+ bytes, but index\.json 5")


@pytest.mark.parametrize("file", [WEIGHTS, CARD, CONFIG, PACKAGE_MANIFEST])
def test_a_checksum_that_differs(file: str, published, site: Path, url: str, user: Path) -> None:
    published()
    path = site / "iphone-x/1" / file
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    refuses(url, user, rf"{file}: its sha256 differs")


@pytest.mark.parametrize("file", [WEIGHTS, CARD, PACKAGE_MANIFEST, INDEX])
def test_a_server_that_goes_away_half_way(file: str, published, server, url: str, user: Path) -> None:
    published()
    path = "/index.json" if file == INDEX else f"/iphone-x/1/{file}"
    server.cut[path] = 100
    refuses(url, user, r"ends after 100 bytes, too early; try again later")
    server.cut.clear()
    assert add_from_zoo("iphone-x", open_zoo(url)).name == "iphone-x"


def test_a_file_that_is_larger_or_smaller_than_listed(published, site: Path, url: str, user: Path) -> None:
    """Protects: memory; no more is read than the manifest lists."""
    published()
    path = site / "iphone-x/1" / WEIGHTS
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    refuses(url, user, rf"{WEIGHTS} is refused: it is larger than {len(whole):,} bytes")
    path.write_bytes(whole[:-1])
    refuses(url, user, rf"{WEIGHTS} ends after {len(whole) - 1:,} of {len(whole):,} bytes")
    path.unlink()
    refuses(url, user, rf"{WEIGHTS}: the server answers 404")


@pytest.mark.parametrize(
    "file", ["../../../evil", "/tmp/evil", "evil.pkl", "sub/config.json", "", "manifest.json", "CON"]
)
def test_a_path_that_no_model_has(file: str, published, site: Path, url: str, user: Path) -> None:
    published()
    facts = {"sha256": sha256(b"x"), "bytes": 1}
    edit(site, f"iphone-x/1/{PACKAGE_MANIFEST}", lambda manifest: manifest["files"].update({file: facts}))
    refuses(url, user, r"manifest\.json is refused: it lists .*, which no model has")


def test_a_manifest_that_is_not_whole(published, site: Path, url: str, user: Path) -> None:
    published()
    manifest = f"iphone-x/1/{PACKAGE_MANIFEST}"
    before = json.loads((site / manifest).read_bytes())
    huge = {"sha256": "0" * 64, "bytes": 2**25}
    for change, match in {
        '{"name": "other"}': "is of another model",
        '{"version": "7"}': "is of another model",
        '{"files": []}': "is not the manifest of a model",
        '{"format": 9}': NEWER,
        json.dumps({"files": before["files"] | {"model.cube": huge}}): "model.cube is larger than 16 MB",
        json.dumps({"files": before["files"] | {"model.cube": {}}}): "model.cube has no valid sha256",
        json.dumps({"files": {CONFIG: before["files"][CONFIG]}}): "lists no generator.safetensors",
    }.items():
        rewrite(site, manifest, json.dumps(before | json.loads(change)).encode())
        refuses(url, user, match)


def test_a_model_that_this_version_cannot_use(published, site: Path, url: str, user: Path) -> None:
    """Protects: the advice is to update, and no name is taken by a model that does not load."""
    published()
    config = json.loads((site / "iphone-x/1" / CONFIG).read_bytes())
    for change, match in (
        ({"format": 2}, "format 2 is unknown to this version of wespe; update wespe"),
        ({"method": {"name": "magic"}}, "method 'magic' is unknown to this version of wespe"),
        ({"weights_sha256": "0" * 64}, "its sha256 differs from config.json"),
        ({"method": config["method"] | {"colour": {"bases": 99}}}, "incompatible with this version"),
    ):
        rewrite(site, f"iphone-x/1/{CONFIG}", json.dumps(config | change).encode())
        refuses(url, user, match)


def test_a_card_that_does_not_say_enough(published, site: Path, url: str, user: Path) -> None:
    published()
    card = json.loads((site / "iphone-x/1" / CARD).read_bytes())
    for change, match in (
        ({"licence": ""}, "states no licence"),
        ({"licence": 5}, "expected text, not '5'"),
        ({"name": "other"}, "is of another model"),
        ({"format": 2}, NEWER),
        ({"cameras": [5]}, "cameras must be a list of objects"),
        ({"scores": {"enhanced": {"psnr": "good"}}}, "scores must be variants with metrics"),
        ({"limits": ["x"] * 101}, "limits must be a list of at most 100 entries"),
    ):
        rewrite(site, f"iphone-x/1/{CARD}", json.dumps(card | change).encode())
        refuses(url, user, match)


def test_a_name_that_does_not_exist(published, url: str, user: Path) -> None:
    published()
    refuses(url, user, r"has no model ipone-x; did you mean iphone-x\?; see `wespe models search`", "ipone-x")
    refuses(url, user, "has no model ../iphone-x;", "../iphone-x")


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("http://example.org/zoo", r"http://example\.org/zoo is refused: a zoo's address begins with https"),
        ("http://127.0.0.1.example.org", "is refused"),
        ("http://localhost@example.org/", "without a user"),
        ("https://me:secret@example.org/zoo", r"^https://example\.org/zoo: write the address without a user"),
        ("https://example.org/zoo?token=secret", r"^https://example\.org/zoo: write"),
        ("ftp://example.org/zoo", "is refused"),
        ("file:///etc", "is refused"),
        ("https://", "is refused"),
        ("http://[", "address of the zoo is invalid"),
    ],
)
def test_addresses_that_are_not_safe(address: str, match: str) -> None:
    """Protects: nobody on the way can replace a model; secrets are not shown."""
    with pytest.raises(ZooError, match=match) as caught:
        open_zoo(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("target", ["http://example.org/x", "ftp://127.0.0.1/x", "http://169.254.169.254/"])
def test_a_redirect_that_is_not_safe(target: str, published, server, url: str, user: Path) -> None:
    published()
    server.moved["/index.json"] = target
    refuses(url, user, r"is refused: it redirects to .*, not https://")


def test_a_redirect_on_this_machine_is_followed(published, server, url: str) -> None:
    published()
    server.moved["/old/index.json"] = f"{url}/index.json"
    assert [entry.name for entry in search(open_zoo(f"{url}/old"))] == ["iphone-x"]


def test_a_zoo_that_is_not_there(tmp_path: Path, user: Path, monkeypatch) -> None:
    refuses(str(tmp_path / "none"), user, r"none/index\.json does not exist; check the address")
    refuses("http://127.0.0.1:9", user, r"index\.json cannot be read \(.*refused\); try again later")
    with pytest.raises(ZooError, match=r"no zoo; name one with --zoo https://…, or set WESPE_ZOO"):
        open_zoo()
    monkeypatch.setenv("WESPE_ZOO", "https://example.org/zoo/index.json")
    assert open_zoo().address == "https://example.org/zoo"


def test_a_full_disk_leaves_nothing(published, url: str, user: Path, monkeypatch) -> None:
    """Protects: a name is given only to a whole model. /dev/full is a disk without room."""
    import errno

    published()
    import pipeline.models.own_models as own_models

    write = own_models.write_atomically

    def full(path: Path, data: bytes) -> None:
        if path.name == WEIGHTS:
            with open("/dev/full", "wb") as file:
                file.write(data)
        write(path, data)

    monkeypatch.setattr(own_models, "write_atomically", full)
    with pytest.raises(OSError, match="No space left") as caught:
        add_from_zoo("iphone-x", open_zoo(url))
    assert caught.value.errno == errno.ENOSPC
    assert list(user.iterdir()) == []


def test_a_slow_download_shows_its_progress(published, url: str, user: Path, monkeypatch, capsys) -> None:
    published()
    add_from_zoo("iphone-x", open_zoo(url))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("pipeline.zoo.transport.QUIET_S", 0)
    monkeypatch.setattr("pipeline.zoo.transport.CHUNK_BYTES", 2**14)
    open_zoo(url).fetch(search(open_zoo(url))[0])
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("download generator.safetensors  ") and " kB " in line for line in lines)


def test_a_package_that_was_changed_on_the_way_is_refused(published, site: Path, user: Path) -> None:
    """Protects: folders and archives that people pass on, as far as they have a manifest."""
    published()
    (site / "iphone-x/1" / CARD_PAGE).write_text("# other")
    with pytest.raises(PipelineError, match=r"CARD\.md differs from manifest\.json; fetch it again"):
        add_model(site / "iphone-x/1")
    assert list(user.iterdir()) == []
