"""Each photo gets its camera's model, and no other."""

import io
from pathlib import Path

import pytest
from PIL import Image

from pipeline import params
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Route, Router
from pipeline.errors import ParamsError
from pipeline.photos.headers import HEAD_BYTES, Header, read_header

ROUTES = [
    Route(make="apple", model="iphone 3g*", use="old-iphone"),
    Route(make="Apple", use="models:/wespe-any-iphone/3"),
    Route(make="NIKON*", use="coolpix"),
]


def shot(path: Path, make: str, model: str) -> None:
    exif = Image.Exif()
    exif[271], exif[272] = make, model
    path.parent.mkdir(exist_ok=True)
    Image.linear_gradient("L").convert("RGB").save(path, exif=exif)


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Apple", "iPhone 3GS", "models:/wespe-old-iphone@champion"),
        ("Apple", "iPhone 12", "models:/wespe-any-iphone/3"),
        ("NIKON CORPORATION", "COOLPIX P6000", "models:/wespe-coolpix@champion"),
        ("Canon", "EOS 70D", ""),
        ("", "", ""),
    ],
)
def test_the_first_route_that_matches_counts(make: str, model: str, expected: str) -> None:
    assert Router(routes=ROUTES).choose(Header(pixels=1, make=make, model=model)) == expected


def test_a_last_route_of_use_alone_is_for_all_others() -> None:
    router = Router(routes=[*ROUTES, Route(use="any")])
    assert router.choose(Header(pixels=1)) == "models:/wespe-any@champion"


def test_photos_are_planned_by_camera_and_the_unmatched_are_listed(model: Path, tmp_path: Path) -> None:
    shot(tmp_path / "in/a.jpg", "Apple", "iPhone 3GS")
    shot(tmp_path / "in/b.jpg", "NIKON", "COOLPIX P6000")
    shot(tmp_path / "in/c.jpg", "Canon", "EOS")
    fetched = []

    def fetch(uri: str) -> Path:
        fetched.append(uri)
        return model

    plan = make_plan([str(tmp_path / "in")], str(tmp_path / "out"), Router(routes=ROUTES), fetch, Settings())

    assert {task.photo: task.model for task in plan.tasks} == {
        "a.jpg": "models:/wespe-old-iphone@champion",
        "b.jpg": "models:/wespe-coolpix@champion",
    }
    assert plan.unmatched == ("c.jpg",)
    assert sorted(fetched) == sorted(set(fetched)), "a model is fetched once, and only if a photo needs it"


def test_camera_and_size_are_read_from_the_first_bytes(shared_data: Path) -> None:
    for path in sorted((shared_data / "exif").glob("*.jpg")):
        data = path.read_bytes()
        header = read_header(data[:HEAD_BYTES], len(data))
        with Image.open(path) as image:
            assert header.pixels == image.width * image.height, path.name
            assert header.model == str(image.getexif().get(272, "")).strip("\0 "), path.name


def test_unknown_sizes_are_estimated_from_the_file_size() -> None:
    assert read_header(b"", 4_000_000).pixels == 10_000_000
    assert read_header(b"\xff\xd8 broken", 400).pixels == 1_000
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "PNG")
    assert read_header(file.getvalue()[:60], 4_000).pixels == 64 * 48


def test_a_route_to_an_unknown_camera_is_refused(repository: Path, tmp_path: Path) -> None:
    text = (repository / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("routes: []", "routes: [{use: demo-phon}]"))
    with pytest.raises(ParamsError, match=r"routes\.0\.use: there is no camera 'demo-phon', did you mean"):
        params.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text(text.replace("routes: []", "routes: [{mak: x, use: demo-phone}]"))
    with pytest.raises(ParamsError, match=r"routes\.0\.mak: unknown key, did you mean 'make'"):
        params.load(tmp_path / "params.yaml")
