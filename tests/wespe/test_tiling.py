"""Tiles give what the whole photo gives, for any generator, size and tile; scarce memory costs time alone."""

import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from random import Random

import pytest
import torch
from torch import nn

from wespe.generator import Generator, Place
from wespe.methods import METHODS, build_generator
from wespe.methods.distort_recover import DistortRecoverConfig
from wespe.methods.enhancegan import EnhanceGanConfig
from wespe.methods.hdrnet import HdrnetConfig
from wespe.methods.lut_residual import LutResidual, LutResidualConfig
from wespe.methods.lut_restore import LutRestoreConfig
from wespe.methods.restore import RestoreConfig
from wespe.methods.upe import UpeConfig
from wespe.methods.whitebox import WhiteboxConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.networks.restorer import RestorerConfig
from wespe.networks.srcnn import SRCNN
from wespe.networks.strided import Strided, StridedConfig
from wespe.networks.two_stream import TwoStream, TwoStreamConfig
from wespe.networks.unet import ThumbnailUNet, UNetConfig
from wespe.precision import Bfloat16Generator
from wespe.tiling import Tiling, TooLarge, _strips, bytes_per_pixel, reach_px


def lut_residual() -> Generator:
    return with_own_colours(build_generator(LutResidualConfig()))


def lut_restore() -> Generator:
    return with_own_colours(build_generator(LutRestoreConfig(detail=RestorerConfig(width=6, blocks=2))))


def restore() -> Generator:
    return with_own_colours(build_generator(RestoreConfig(detail=RestorerConfig(width=6, blocks=2))))


def enhancegan() -> Generator:
    content = ContentConfig(backbone="resnet18", layers={"layer1": 1.0}, weights="random")
    return build_generator(EnhanceGanConfig(content=content))


def whitebox() -> Generator:
    return opinionated(build_generator(WhiteboxConfig()))


def distort_recover() -> Generator:
    return opinionated(build_generator(DistortRecoverConfig()))


def opinionated(generator: Generator) -> Generator:
    """A policy that has much to change, and prefers some edits clearly."""
    for name, values in generator.named_parameters():
        if ".head." in name:
            nn.init.normal_(values, std=0.5)
    return generator


def with_own_colours(generator: LutResidual) -> LutResidual:
    """Colours that differ from photo to photo, and a texture that changes."""
    generator.colour.curves.sqrt_()
    generator.colour.slope.mul_(0.5)
    generator.colour.slopes.copy_(torch.linspace(0.25, 4, 256))
    generator.colour.saturation.fill_(1.5)
    generator.texture.gains.copy_(torch.linspace(0, 2, 256))
    generator.texture.fitted.fill_(1)
    nn.init.normal_(generator.colour.luts, std=0.05)
    return generator


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


GENERATORS: dict[str, Callable[[], Generator]] = {
    "srcnn": SRCNN,
    "lut residual": lut_residual,
    "lut restore": lut_restore,
    "restore": restore,
    "enhancegan": enhancegan,
    "dpe": lambda: ThumbnailUNet(UNetConfig(widths=(4, 8), thumbnail_px=24)),
    "hdrnet": partial(build_generator, HdrnetConfig()),
    "upe": partial(build_generator, UpeConfig()),
    "two streams": partial(TwoStream, TwoStreamConfig(widths=(4, 6, 8))),
    "whitebox": whitebox,
    "distort recover": distort_recover,
    "strided": partial(Strided, StridedConfig(width=4, blocks=1)),
    **{
        f"{width}x{blocks} {norm} {output}": partial(
            ResNet, ResNetConfig(width=width, blocks=blocks, norm=norm, output=output)
        )
        for width, blocks in ((4, 0), (8, 1), (6, 4))
        for norm in ("instance", "none")
        for output in ("tanh", "residual")
    },
}


class LooksEverywhere(Generator):
    """A generator with a statistic of the whole photo that is no norm."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        return self.layer(photos_nchw) - photos_nchw.mean((2, 3), keepdim=True)


class KnowsItsPlace(Generator):
    """A generator that treats corners otherwise than the middle, as a dark lens needs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        rows, columns = photos_nchw.shape[-2:]
        place = place or Place(0, 0, rows, columns)
        down = (torch.arange(rows) + place.top + 0.5) / place.height - 0.5
        across = (torch.arange(columns) + place.left + 0.5) / place.width - 0.5
        distance = down[:, None].square() + across.square()
        return self.layer(photos_nchw) * (1 + distance.to(photos_nchw))


def trained(name: str) -> Generator:
    """A generator none of whose layers is idle: fresh ones end in zeros, or start in grey."""
    torch.manual_seed(0)
    generator = GENERATORS[name]().eval().requires_grad_(False)
    for module in generator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
    return generator


def enhanced(generator: nn.Module, photo: torch.Tensor, tile_px: int) -> torch.Tensor:
    result = torch.full_like(photo, torch.nan)
    height, width = photo.shape[2:]
    Tiling(generator).enhance_tiles(reader(photo), writer(result), height, width, tile_px)
    return result


def reader(photo):
    return lambda rows, columns: photo[..., rows, columns]


def writer(result):
    def write(rows, columns, tile):
        result[..., rows, columns] = tile

    return write


def levels(photo: torch.Tensor) -> torch.Tensor:
    return photo.clamp(0, 1).mul(255).round()


def test_every_method_is_among_the_generators():
    tried = {type(make()) for make in GENERATORS.values()}
    assert {type(entry.generator(entry.config())) for entry in METHODS.values()} <= tried


@torch.inference_mode()
@pytest.mark.parametrize("name", GENERATORS)
def test_tiles_give_the_whole_photos_levels(name):
    """Protects: no seams, colour differences or borders, for any sizes of photo and tile."""
    generator, random = trained(name), Random(name)
    for _ in range(6):
        height, width, tile_px = random.randint(1, 90), random.randint(2, 90), random.randint(16, 70)
        photo = torch.rand(1, 3, height, width)
        whole, tiled = generator(photo), enhanced(generator, photo, tile_px)
        assert torch.isfinite(tiled).all()
        # A level may differ only where the two floats lie on either side of a half.
        torch.testing.assert_close(tiled, whole, atol=1e-5 if "instance" in name else 2e-6, rtol=1e-5)
        assert (levels(tiled) - levels(whole)).abs().max() <= 1
        assert (levels(tiled) != levels(whole)).double().mean() < 2e-3


@torch.inference_mode()
@pytest.mark.parametrize("name", GENERATORS)
def test_the_halo_is_the_smallest_sufficient_one(name):
    """Protects: speed, and the proof itself: one pixel less makes seams, so the test above can fail."""
    generator, photo = trained(name), torch.rand(1, 3, 80, 80)
    tiling = Tiling(generator)
    if tiling.halo_px == 0:  # each pixel by itself
        return
    tiling.halo_px -= generator.step_px  # the first row of a tile is rounded down to a multiple of it
    result = torch.empty_like(photo)
    tiling.enhance_tiles(reader(photo), writer(result), 80, 80, 32)
    whole = enhanced(generator, photo, 32)
    assert not torch.equal(result, whole)


@torch.inference_mode()
def test_a_generator_that_knows_its_place_gives_tiles_the_whole_photos_pixels():
    torch.manual_seed(0)
    generator, photo = KnowsItsPlace(), torch.rand(1, 3, 83, 121)
    torch.testing.assert_close(enhanced(generator, photo, 32), generator(photo), atol=2e-6, rtol=1e-5)


def test_the_reach_is_that_of_the_layers():
    assert reach_px(SRCNN()) == 4 + 2 + 2
    for blocks in (0, 4):
        assert reach_px(ResNet(ResNetConfig(width=2, blocks=blocks))) == 4 + 2 * blocks + 2 + 4
    assert reach_px(LooksEverywhere()) is None


@torch.inference_mode()
def test_a_generator_that_looks_everywhere_is_not_tiled():
    photo = torch.rand(1, 3, 64, 64)
    tiling, result = Tiling(LooksEverywhere()), torch.empty_like(photo)
    with pytest.raises(TooLarge):
        tiling.enhance(reader(photo), writer(result), 64, 64, tiling.bytes_per_pixel * 63 * 64)
    tiling.enhance(reader(photo), writer(result), 64, 64, tiling.bytes_per_pixel * 64 * 64)
    assert torch.equal(result, tiling.generator(photo))


class Greedy(Generator):
    """Runs out of memory above so many pixels, as a machine does that others use too."""

    def __init__(self, generator: Generator, pixels: int, error: Exception):
        super().__init__()
        self.generator, self.pixels, self.error, self.refused = generator, pixels, error, 0

    def forward(self, photos_nchw, decision=None, place=None) -> torch.Tensor:
        if photos_nchw[0, 0].numel() > self.pixels:
            self.refused += 1
            raise self.error
        return self.generator(photos_nchw, decision, place)


@torch.inference_mode()
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        MemoryError(),
    ],
)
def test_out_of_memory_retries_with_smaller_tiles_and_the_same_result(error):
    photo, result = torch.rand(1, 3, 150, 130), torch.empty(1, 3, 150, 130)
    generator = trained("8x1 none residual")
    tiling = Tiling(generator)
    tiling.generator = Greedy(generator, 64 * 64, error)
    tiling.enhance(reader(photo), writer(result), 150, 130, 10**9)
    assert (levels(result) - levels(generator(photo))).abs().max() <= 1

    tiling.generator = Greedy(generator, 8, error)
    with pytest.raises(type(error)):
        tiling.enhance(reader(photo), writer(result), 150, 130, 10**9)


@torch.inference_mode()
def test_other_errors_are_not_retried():
    tiling = Tiling(trained("4x0 none tanh"))
    tiling.generator = Greedy(tiling.generator, 8, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        tiling.enhance(lambda *area: torch.rand(1, 3, 9, 9), lambda *area: None, 9, 9, 10**9)


SCARCE = """
import resource, torch
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.tiling import Tiling

torch.set_num_threads(1)
with torch.inference_mode():
    tiling = Tiling(ResNet(ResNetConfig(width=32, blocks=1, norm="none")).eval())
    photo, result = torch.rand(1, 3, 900, 900), torch.zeros(1, 3, 900, 900)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
    def write(rows, columns, tile): result[..., rows, columns] = tile
    tiling.enhance(lambda rows, columns: photo[..., rows, columns], write, 900, 900, 2**40)
    assert (result[0, 0] != 0).any(1).all()
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits an address space reliably")
def test_a_process_that_really_has_no_more_memory_gets_through():
    """Protects: the errors that torch and oneDNN raise today. 900×900 pixels at once would need 0.4 GB."""
    ran = subprocess.run([sys.executable, "-c", SCARCE], capture_output=True, text=True, timeout=120)
    assert ran.stdout == "done\n", ran.stderr[-2000:]


def test_memory_is_estimated_from_the_widest_layer():
    wide = ResNet(ResNetConfig(width=64, blocks=1, norm="none"))
    assert bytes_per_pixel(wide) == 5 * 64 * 4 + 40 * 3 * 4


def test_tiles_are_equal_and_fit_with_their_halo():
    """Protects: speed and memory: changing shapes and narrow last tiles are slow."""
    tiling = Tiling(trained("4x0 none tanh"))
    for height, width, pixels in ((3000, 4000, 700_000), (200, 9000, 100_000), (1001, 999, 500_000)):
        rows, columns = tiling.tile(height, width, pixels)
        halos = 2 * tiling.halo_px
        assert min(height, rows + halos) * min(width, columns + halos) <= pixels
        assert math.ceil(height / rows) * rows - height < math.ceil(height / rows)
        assert math.ceil(width / columns) * columns - width < math.ceil(width / columns)


@torch.inference_mode()
@pytest.mark.parametrize(("height", "rows"), [(20, 64), (33, 64), (127, 64), (700, 96)])
def test_strips_decide_as_the_whole_photo(height, rows):
    colour, photo = lut_residual().colour, torch.rand(1, 3, height, 77)
    strips = list(_strips(height, rows, colour.strip_px))
    assert min(rows.stop - rows.start for rows in strips) >= min(height, colour.strip_px)
    decided = colour.decide_by_strips(photo[:, :, rows] for rows in strips)
    for part, whole in zip(decided, colour.decide(photo), strict=True):
        torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["lut residual", "lut restore"])
def test_bfloat16_generators_have_the_same_needs(name: str) -> None:
    """Protects: a wrapper that forgets one, such as where tiles may begin, makes seams on some processors."""
    generator = trained(name)
    wrapped = Bfloat16Generator(generator)
    needs = [key for key in Generator.__annotations__ if not key.startswith("_")]
    assert "step_px" in needs
    assert {key: getattr(wrapped, key) for key in needs} == {key: getattr(generator, key) for key in needs}
