"""A model's ONNX file gives what torch gives, at any size, says what it is, and is never half right."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from skimage import data
from torch import nn

from pipeline.errors import PipelineError
from pipeline.models import onnx_model
from pipeline.models.model_folder import Model, method_config
from pipeline.models.onnx_model import INPUT, TOLERANCE_LEVELS, average_pool, export_model
from wespe.generator import Generator
from wespe.methods import METHODS, build_generator

SMALL = {"width": 4, "blocks": 1}
GENERATORS = {
    "wespe": {"name": "wespe", "generator": SMALL},
    "wespe-stable": {"name": "wespe", "generator": SMALL | {"norm": "none", "output": "residual"}},
    "dped": {"name": "dped", "generator": SMALL},
    "srcnn": {"name": "srcnn"},
    "lut_residual": {"name": "lut_residual"},
    "lut_restore": {"name": "lut_restore", "detail": SMALL},
    "restore": {"name": "restore", "detail": SMALL},
    "enhancegan": {
        "name": "enhancegan",
        "filters": True,
        "content": {"backbone": "resnet18", "layers": {"layer1": 1.0}, "weights": "random"},
    },
    "dpe": {"name": "dpe", "generator": {"widths": [4, 8], "thumbnail_px": 24}},
    "hdrnet": {"name": "hdrnet"},
    "hdrnet_unpaired": {"name": "hdrnet_unpaired"},
    "upe": {"name": "upe"},
    "muspe": {"name": "muspe", "generator": {"widths": [4, 6, 8]}},
    "johnson": {"name": "johnson", "generator": SMALL},
    "whitebox": {"name": "whitebox", "edits": 2},
    "distort_recover": {"name": "distort_recover", "edits": 3},
}
Make = Callable[[str], Model]


@pytest.fixture
def make() -> Make:
    """Make a model of any kind that has learned much, and nothing sensible."""

    def build(kind: str) -> Model:
        torch.manual_seed(0)
        generator = build_generator(method_config(GENERATORS[kind])).eval().requires_grad_(False)
        for values in generator.parameters():
            values.add_(0.1 * torch.randn_like(values))
        if kind in ("hdrnet", "hdrnet_unpaired", "upe"):
            generator.low.grid.weight.mul_(1e-3)  # or else all is black or white
        if kind in ("lut_residual", "lut_restore", "restore"):
            colour = generator.colour
            colour.curves.copy_(colour.curves.sqrt())
            colour.slope.mul_(0.7)
            colour.offset.add_(0.1)
            colour.slopes.copy_(torch.linspace(0.25, 4, 256))
            colour.saturation.fill_(1.5)
            generator.texture.gains.copy_(torch.linspace(0, 2, 256))
            generator.texture.fitted.fill_(1)
        return Model(generator, {"camera": "phone", "method": GENERATORS[kind]}, "5ea1")

    return build


def photo(height: int, width: int) -> torch.Tensor:
    part = np.ascontiguousarray(data.astronaut()[:height, -width:].transpose(2, 0, 1)[None])
    return torch.from_numpy(part).float() / 255


def run(path: Path, photos: torch.Tensor) -> torch.Tensor:
    [enhanced] = InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {INPUT: photos.numpy()})
    return torch.from_numpy(enhanced)


def facts(path: Path) -> dict[str, str]:
    return {fact.key: fact.value for fact in onnx.load(path).metadata_props}


def test_every_method_is_tried() -> None:
    assert {settings["name"] for settings in GENERATORS.values()} == set(METHODS)


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_generator_gives_the_same_result_in_onnx_and_torch(
    kind: str, make: Make, tmp_path: Path
) -> None:
    """Also at sizes that the export itself does not try, and not by doing nothing."""
    model, path = make(kind), tmp_path / "new" / "model.onnx"
    exported = export_model(model, path)
    assert path.stat().st_size == exported.bytes
    assert all(found.levels < TOLERANCE_LEVELS and found.rounded <= 1 for found in exported.differences)
    least_px = exported.least_px
    for size in ((least_px, least_px), (64, 64), (128, 65), (99, 333)):
        with torch.inference_mode():
            wanted = model.generator(photo(*size)).clamp(0, 1)
        found = run(path, photo(*size))
        assert (found - wanted).abs().max() * 255 < TOLERANCE_LEVELS
        assert (found - photo(*size)).abs().max() > 1 / 255


@pytest.mark.parametrize("size", [(1, 1), (8, 1000), (1000, 15), (15, 15)])
@pytest.mark.parametrize("kind", ["wespe", "lut_residual"])
def test_photos_below_16_px_are_refused(kind: str, size: tuple[int, int], make: Make, tmp_path: Path) -> None:
    """Protects: tiny pictures never get colours that differ from torch's."""
    path = tmp_path / "model.onnx"
    assert export_model(make(kind), path).least_px >= 16
    with pytest.raises(Exception, match="out of data bounds"):
        run(path, photo(*size))


@pytest.mark.parametrize("size", [(8, 8), (96, 160), (33, 64), (7, 5), (77, 1000)])
@pytest.mark.parametrize("bins", [(64, 64), (8, 3)])
def test_the_average_pool_is_torch_s_at_any_size(size: tuple[int, int], bins: tuple[int, int]) -> None:
    photos = torch.rand(2, 3, *size)
    torch.testing.assert_close(average_pool(photos, bins), nn.functional.adaptive_avg_pool2d(photos, bins))


def test_thumbnails_are_right_at_any_size(tmp_path: Path) -> None:
    """Protects: the exporter's own adaptive pooling is wrong wherever the size is not the traced one, and in
    a lut_residual, which takes one mean of the thumbnail's features, hardly shows."""
    shrink = Model(Shrink(), {"method": {"name": "shrink"}}, "")
    export_model(shrink, tmp_path / "shrink.onnx")
    for size in ((64, 64), (77, 93), (200, 333)):
        torch.testing.assert_close(
            run(tmp_path / "shrink.onnx", photo(*size)), shrink.generator(photo(*size))
        )


class Shrink(Generator):
    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(photos_nchw, (24, 17))


def test_an_instance_norm_is_exact_on_large_photos(tmp_path: Path) -> None:
    """Protects: onnxruntime's own is a thousandth of a deviation off at 4 megapixels, and worse beyond."""
    norm = Model(Norm().requires_grad_(False), {"method": {"name": "norm"}}, "")
    export_model(norm, tmp_path / "norm.onnx")
    large = photo(512, 512).tile(1, 1, 4, 4)
    wanted = norm.generator(large)
    torch.testing.assert_close(run(tmp_path / "norm.onnx", large), wanted, atol=2e-6, rtol=0)


class Norm(Generator):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(3, eps=1e-3, affine=True)
        nn.init.constant_(self.norm.weight, 0.1)
        nn.init.constant_(self.norm.bias, 0.5)

    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        return self.norm(photos_nchw)


def test_tiles_with_the_files_halo_match_the_whole_photo(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_model(make("wespe-stable"), path)
    halo_px = int(facts(path)["halo_px"])
    tile = run(path, photo(100, 120)[..., 20 : 80 + halo_px, 30 : 70 + halo_px])
    inside = run(path, photo(100, 120))[..., 20 + halo_px : 80, 30 + halo_px : 70]
    torch.testing.assert_close(tile[..., halo_px:60, halo_px:40], inside, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["wespe", "lut_residual"])
def test_generators_that_use_the_whole_photo_have_no_halo(kind: str, make: Make, tmp_path: Path) -> None:
    export_model(make(kind), tmp_path / "model.onnx")
    assert "halo_px" not in facts(tmp_path / "model.onnx")


def test_the_file_says_what_it_is_and_nothing_of_this_machine(
    make: Make, tmp_path: Path, repository: Path
) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    export_model(make("lut_residual"), first)
    export_model(make("lut_residual"), second)
    assert first.read_bytes() == second.read_bytes()
    onnx.checker.check_model(first, full_check=True)
    told = facts(first)
    assert told.keys() >= {"layout", "colour_space", "value_range", "wespe_version"}
    assert (told["camera"], told["method"], told["model_sha256"]) == ("phone", "lut_residual", "5ea1")
    assert told["least_px"] == "32"
    for place in (repository, Path(sys.prefix), Path.home(), "site-packages", ".py"):
        assert str(place).encode() not in first.read_bytes()


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        (
            lambda photos, bins: 0.5 * average_pool(photos, bins),
            r"differs from torch by [\d.]+ of 255 levels at \d+×",
        ),
        (lambda photos, bins: average_pool(photos[..., :64, :64], bins), "onnxruntime cannot run the model"),
    ],
)
def test_results_that_differ_from_torch_are_rejected_and_the_old_file_is_kept(
    pool: Callable, reason: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    model = make("lut_residual")
    model.generator.colour.mixer.head.weight.mul_(10)
    monkeypatch.setattr(onnx_model, "average_pool", pool)
    with pytest.raises(PipelineError, match=reason):
        export_model(model, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nan_weights_are_rejected(make: Make, tmp_path: Path) -> None:
    """Protects: a comparison with NaN must not pass the tolerance."""
    model = make("srcnn")
    model.generator.layers[-1].bias.fill_(torch.nan)
    with pytest.raises(PipelineError, match="differs from torch by nan of 255 levels"):
        export_model(model, tmp_path / "model.onnx")


def test_a_generator_that_cannot_be_traced_is_refused_in_one_line(tmp_path: Path) -> None:
    class Moody(Generator):
        def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
            return photos_nchw if photos_nchw.mean() > 0.5 else 1 - photos_nchw

    with pytest.raises(
        PipelineError, match=r"cannot be converted to ONNX, use it with torch: \w+"
    ) as refusal:
        export_model(Model(Moody(), {"method": {"name": "moody"}}, ""), tmp_path / "model.onnx")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", onnx_model.PACKAGES)
def test_a_missing_package_is_named_with_its_remedy(
    package: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PipelineError, match=re.escape(f"{package} is missing: pip install 'wespe[onnx]'")):
        export_model(make("srcnn"), tmp_path / "model.onnx")


def test_a_folder_or_photo_as_destination_is_rejected(make: Make, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is a folder; name a file"):
        export_model(make("srcnn"), tmp_path)
    (tmp_path / "beach.jpg").write_bytes(b"a photo")
    with pytest.raises(PipelineError, match=r"is not an \.onnx file"):
        export_model(make("srcnn"), tmp_path / "beach.jpg")
    assert (tmp_path / "beach.jpg").read_bytes() == b"a photo"
