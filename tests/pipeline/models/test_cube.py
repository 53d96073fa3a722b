"""A .cube file gives a photo the colours that the model gives it, wherever it is read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data

from pipeline.errors import PipelineError
from pipeline.models.cube import SIDE, export_cube, photos_in
from pipeline.models.model_folder import Model
from wespe.batch import photos_nchw
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.networks.detail import DetailConfig

PHOTO = np.ascontiguousarray(data.astronaut()[:300, 100:])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A dark photo and a bright one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, photo in (("dark", PHOTO // 3), ("bright", PHOTO)):
        Image.fromarray(photo).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def model() -> Model:
    """One that has learned smooth colours, each photo's its own, and no detail."""
    torch.manual_seed(0)
    generator = (
        build_generator(LutResidualConfig(detail=DetailConfig(width=4, blocks=1)))
        .eval()
        .requires_grad_(False)
    )
    colour = generator.colour
    level = colour.curves.clone()
    colour.curves.copy_(0.04 + 0.9 * level + level * (1 - level) * torch.tensor([[0.4], [0.3], [0.2]]))
    colour.slope.mul_(0.7)
    colour.offset.add_(0.1)
    colour.luts.add_(0.005 * torch.randn_like(colour.luts))
    return Model(generator, {"camera": 'my "old" phöne', "method": {"name": "lut_residual"}}, "5ea1")


def parsed(path: Path) -> tuple[dict[str, str], np.ndarray]:
    """Read a file as Adobe's text says: words and values, then the table, by blue, green and red."""
    lines = [line for line in path.read_text("ascii").splitlines() if line and line[0] != "#"]
    words = dict(line.split(" ", 1) for line in lines if line[0].isalpha())
    table = np.array([line.split() for line in lines if not line[0].isalpha()], float)
    side = int(words["LUT_3D_SIZE"])
    return words, table.reshape(side, side, side, 3)


def applied(table: np.ndarray, photo_hwc: np.ndarray) -> np.ndarray:
    """By Pillow, which has a table with red first in the file, as .cube has."""
    return np.asarray(Image.fromarray(photo_hwc).filter(ImageFilter.Color3DLUT(SIDE, table.ravel())))


def coloured(model: Model, photo_hwc: np.ndarray) -> np.ndarray:
    photos = photos_nchw(torch.from_numpy(photo_hwc)[None], "cpu")
    return model.generator.colour(photos).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255


def test_the_file_gives_a_photo_the_models_colours(model: Model, photos: Path, tmp_path: Path) -> None:
    """Within what 8 bits cost; by a level more where a colour clips between two of the 33 a side."""
    path = tmp_path / "new" / "photo.cube"
    cube = export_cube(model, path, [photos / "bright.png"])
    assert path.stat().st_size == cube.bytes
    difference = np.abs(applied(parsed(path)[1], PHOTO) - coloured(model, PHOTO))
    assert difference.mean() < 0.3  # rounding alone costs 0.25
    assert np.mean(difference > 1) < 0.02
    assert difference.max() < cube.most + 0.7 < 5
    assert np.abs(coloured(model, PHOTO) - PHOTO).mean() > 10


def test_the_file_includes_colour_from_the_detail_network(model: Model, tmp_path: Path) -> None:
    """Or a model that learned its colours there would lose them."""
    torch.nn.init.normal_(model.generator.detail.tail.weight, std=0.1)
    model.generator.detail.tail.bias.fill_(0.4)
    flat = np.tile(np.uint8([96, 160, 64]), (40, 40, 1))  # none of them lies on the lattice
    Image.fromarray(flat).save(tmp_path / "flat.png")
    cube = export_cube(model, tmp_path / "flat.cube", [tmp_path / "flat.png"])
    wanted = model.enhance(flat)[20, 20].astype(int)
    assert np.abs(applied(parsed(tmp_path / "flat.cube")[1], flat)[20, 20] - wanted).max() <= 1 + cube.most
    assert np.abs(coloured(model, flat)[20, 20] - wanted).max() > 6 + cube.most


def test_the_file_is_as_programs_expect_it(model: Model, tmp_path: Path) -> None:
    export_cube(model, tmp_path / "phone.cube")
    words, table = parsed(tmp_path / "phone.cube")
    assert words == {
        "TITLE": '"my old phne"',
        "LUT_3D_SIZE": "33",
        "DOMAIN_MIN": "0.0 0.0 0.0",
        "DOMAIN_MAX": "1.0 1.0 1.0",
    }
    assert table.shape == (SIDE, SIDE, SIDE, 3)
    assert table.min() >= 0
    assert table.max() <= 1
    red, green, blue = (table[0, 0, -1], table[0, -1, 0], table[-1, 0, 0])
    assert [colour.argmax() for colour in (red, green, blue)] == [0, 1, 2]


def test_an_untrained_models_file_contains_its_tone_curves(model: Model, tmp_path: Path) -> None:
    """Whatever photos would get of brightness and contrast."""
    model.generator.colour.luts.zero_()
    export_cube(model, tmp_path / "phone.cube")
    _, table = parsed(tmp_path / "phone.cube")
    greys = table[range(SIDE), range(SIDE), range(SIDE)]
    places = np.linspace(0, 255, SIDE)
    curves = [np.interp(places, np.arange(256), curve) for curve in model.generator.colour.curves.numpy()]
    np.testing.assert_allclose(greys, np.stack(curves, axis=1), atol=1e-5)


def test_the_file_depends_on_the_photo_or_the_mean_of_a_folder(
    model: Model, photos: Path, tmp_path: Path
) -> None:
    means = {}
    for path in (photos / "dark.png", photos / "bright.png", photos):
        export_cube(model, tmp_path / "photo.cube", photos_in(path))
        means[path.stem] = parsed(tmp_path / "photo.cube")[1].mean()
    low, high = sorted((means["dark"], means["bright"]))
    assert low + 0.01 < means["photos"] < high - 0.01


def test_a_folder_without_photos_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="contains no photos"):
        photos_in(tmp_path)


def test_a_model_without_separate_colours_is_rejected_in_one_line(tmp_path: Path) -> None:
    model = Model(build_generator(SrcnnConfig()), {"method": {"name": "srcnn"}}, "5ea1")
    with pytest.raises(
        PipelineError, match=r"srcnn model has no such part; export an \.onnx file"
    ) as refused:
        export_cube(model, tmp_path / "model.cube")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_as_destination_is_rejected(model: Model, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is a folder"):
        export_cube(model, tmp_path)


def test_progress_is_shown_and_one_broken_photo_of_many_is_skipped(model, tmp_path, demo_photos, capsys):
    """Protects: progress is visible, and one broken file does not lose the work on a folder."""
    (demo_photos / "broken.jpg").write_bytes(b"no photo")
    export_cube(model, tmp_path / "a.cube", photos_in(demo_photos))
    errors = capsys.readouterr().err
    assert "decide  4/4 photos" in errors
    assert "colours  2113/2113 rows" in errors
    assert "skipped" in errors
    assert "broken.jpg" in errors
