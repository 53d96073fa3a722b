"""From a trained model to an enhanced photo on another machine, byte for byte."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.enhancement.destinations import maker
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.enhancement.stores import open_store
from pipeline.errors import CheckpointError, ZooError
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.card import CARD, card_of
from pipeline.models.known_models import known_models
from pipeline.models.model_folder import load_model
from pipeline.models.own_models import add_model
from pipeline.models.package import CARD_PAGE, PACKAGE_MANIFEST, sha256
from pipeline.photos.headers import software
from pipeline.zoo.index import INDEX, read_index
from pipeline.zoo.installing import Update, add_from_zoo, card_here, card_there, search, update
from pipeline.zoo.packaging import package
from pipeline.zoo.publishing import publish
from pipeline.zoo.reading import open_zoo


def test_a_model_travels_whole(published, url: str, user: Path, trained: Path, demo_photos: Path) -> None:
    """Protects: what is added is what was published, and gives the same photo; the photo names the model."""
    files = published()
    zoo = open_zoo(url)
    [found] = search(zoo, "canon IPHONE")
    assert (found.name, found.version, found.licence, str(found.cameras[0])) == (
        "iphone-x", "1", "CC-BY-4.0", "apple iphone x",
    )  # fmt: skip
    assert search(zoo, "canon nikon") == []
    added = add_from_zoo("iphone-x", zoo)
    assert added.folder == user / "iphone-x"
    assert {path.name: path.read_bytes() for path in added.folder.iterdir()} == files
    assert files[WEIGHTS] == (trained / WEIGHTS).read_bytes()
    listed = json.loads(files[PACKAGE_MANIFEST])["files"]
    assert listed == {
        name: {"sha256": sha256(data), "bytes": len(data)}
        for name, data in files.items()
        if name != PACKAGE_MANIFEST
    }
    photo = demo_photos / "rocket.jpg"
    with photo.open("rb") as file:
        enhanced = enhance_photo(load_model(added.folder), file, ".jpg", Settings())
    with photo.open("rb") as file:
        original = enhance_photo(load_model(trained), file, ".jpg", Settings())
    result = photo.with_name("result.jpg")
    result.write_bytes(enhanced.data)
    assert software(result).startswith("wespe iphone-x ")
    result.with_name("other.jpg").write_bytes(original.data)
    assert maker(result) == maker(result.with_name("other.jpg")) == load_model(trained).sha256[:12]
    assert enhanced.data != photo.read_bytes()


def test_a_bucket_is_a_zoo(endpoint: str, user: Path, trained: Path, site: Path, monkeypatch) -> None:
    """Protects: the same bytes in S3 as in a folder, the index among them."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    files = package(trained, {"name": "iphone-x", "licence": "CC0-1.0"})
    assert publish(files, open_store("s3://models/zoo"))
    assert not publish(files, open_store("s3://models/zoo"))
    publish(files, open_store(str(site)))
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="models")["Contents"]]
    for key in keys:
        data = client.get_object(Bucket="models", Key=key)["Body"].read()
        assert data == (site / key.removeprefix("zoo/")).read_bytes(), key
    assert len(keys) == len(files) + 1
    with pytest.raises(ZooError, match="s3://models/zoo/iphone-x/1 is published already, with other files"):
        publish(package(trained, {"name": "iphone-x", "licence": "MIT"}), open_store("s3://models/zoo"))


def test_a_version_never_changes(published, site: Path) -> None:
    """Protects: whoever wrote down a version and its sha256 gets the same model for ever."""
    files = published()
    with pytest.raises(ZooError, match=r"iphone-x/1 is published already, with other.*higher --version"):
        published(summary="other")
    assert (site / "iphone-x/1" / CARD).read_bytes() == files[CARD]
    published()
    published(version="2", summary="other")
    index = read_index((site / INDEX).read_bytes(), "zoo")
    assert [(entry.name, entry.version) for entry in index] == [("iphone-x", "1"), ("iphone-x", "2")]


def test_a_publication_that_was_cut_off_is_repaired(published, site: Path) -> None:
    """Protects: readers, who never see a model without all its files; and publishers, who run it again."""
    published()
    whole = (site / INDEX).read_bytes()
    (site / "iphone-x/1" / PACKAGE_MANIFEST).unlink()
    (site / "iphone-x/1" / WEIGHTS).write_bytes(b"half")
    published(name="dash-cam")
    assert [one.name for one in read_index((site / INDEX).read_bytes(), "zoo")] == ["dash-cam"]
    published()
    shutil.rmtree(site / "dash-cam")
    published()
    assert (site / INDEX).read_bytes() == whole


def test_updates_replace_only_what_came_from_a_zoo(published, url: str, user: Path, trained: Path) -> None:
    published()
    zoo = open_zoo(url)
    add_from_zoo("iphone-x", zoo)
    assert update(zoo) == [Update(name="iphone-x", before="1", after="1")]
    for version in ("1.9", "1.10"):
        newest = published(version=version, summary=version)
    published(name="trained")
    add_model(trained)
    assert update(zoo) == [Update(name="iphone-x", before="1", after="1.10")]
    assert {path.name: path.read_bytes() for path in (user / "iphone-x").iterdir()} == newest
    with pytest.raises(ZooError, match="trained is not a model added from a zoo; those are iphone-x"):
        update(zoo, "trained")
    assert sorted(path.name for path in user.iterdir()) == ["iphone-x", "trained"]


def test_a_failed_update_keeps_the_older_model(published, url: str, site: Path, user: Path) -> None:
    files = published()
    add_from_zoo("iphone-x", open_zoo(url))
    published(version="2")
    (site / "iphone-x/2" / WEIGHTS).write_bytes(bytes(len(files[WEIGHTS])))
    with pytest.raises(ZooError, match="its sha256 differs from that in the manifest"):
        update(open_zoo(url))
    assert {path.name: path.read_bytes() for path in (user / "iphone-x").iterdir()} == files


def test_the_card_says_what_is_known_and_what_is_not(published, url: str) -> None:
    files = published(scores={"enhanced": {"psnr": {"mean": 25.87, "low": 24.0, "high": 27.5, "n": 10}}})
    card = card_of(files[CARD], "card")
    assert (card.method, card.preset, card.licence) == ("lut_residual", "unstated", "CC-BY-4.0")
    assert [(one.role, one.name, one.licence) for one in card.sets] == [
        ("photos", "phone", "unstated"), ("target", "dslr", "unstated"),
    ]  # fmt: skip
    page = files[CARD_PAGE].decode()
    assert "| PSNR, dB ↑ | 25.87 [24.00, 27.50] |" in page
    assert "- photos at night" in page
    assert card_there("iphone-x", open_zoo(url)) == page.strip()
    add_from_zoo("iphone-x", open_zoo(url))
    assert card_here("iphone-x") == page.strip()
    assert [model.card for model in known_models()] == [card]


def test_the_card_has_the_licences_of_public_sets(trained: Path) -> None:
    """Protects: whoever takes a model sees what its photos allow; one's own photos state nothing."""
    config = json.loads((trained / CONFIG).read_bytes())
    div2k = {
        "role": "target",
        "name": "div2k",
        "part": "train",
        "licence": "research",
        "commercial_use": "no",
    }
    (trained / CONFIG).write_text(json.dumps(config | {"data_sets": [div2k, "rubbish"]}))
    files = package(trained, {"licence": "MIT"})
    page = files[CARD_PAGE].decode()
    assert "| div2k train | target | research | no |" in page
    assert "| phone | photos | unstated | unstated |" in page
    assert "dslr" not in page


def test_a_zoos_folder_is_a_model_that_ships(published, site: Path, user: Path) -> None:
    """Protects: what docs say of shipping a model: copy its folder."""
    published()
    shutil.copytree(site / "iphone-x/1", user.parent / "shipped/iphone-x")
    [model] = known_models()
    assert (model.shipped, model.card and model.card.licence) == (True, "CC-BY-4.0")
    assert load_model(model.folder).config["name"] == "iphone-x"


def test_a_card_without_a_licence_is_not_published(trained: Path) -> None:
    for licence in ("", " ", "unstated", "Unstated"):
        with pytest.raises(ZooError, match=r"the card of .*trained states no licence.*--licence"):
            package(trained, {"licence": licence})
    for wrong in ({"version": "../1"}, {"version": "1-beta"}, {"name": "a/b"}, {"name": "Ä"}, {"cameras": 3}):
        with pytest.raises(ZooError, match=r"the card of .*trained.*correct it with"):
            package(trained, {"licence": "MIT"} | wrong)


def test_two_publishers_at_once_lose_nothing(trained: Path, site: Path, user: Path) -> None:
    """Protects: the index, which both write."""
    packages = [package(trained, {"name": f"phone-{number}", "licence": "MIT"}) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda files: publish(files, open_store(str(site))), packages))
    listed = [entry.name for entry in read_index((site / INDEX).read_bytes(), "zoo")]
    assert listed == [f"phone-{number}" for number in range(6)]


def test_an_added_name_is_not_replaced(published, url: str, trained: Path, user: Path) -> None:
    published()
    shutil.copytree(trained, trained.with_name("iphone-x"))
    add_model(trained.with_name("iphone-x"))
    with pytest.raises(CheckpointError, match="exists already; remove it, or run `wespe models update iph"):
        add_from_zoo("iphone-x", open_zoo(url))
    assert json.loads((user / "iphone-x" / CONFIG).read_bytes())["camera"] == "phone"
