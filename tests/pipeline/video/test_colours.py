"""Known colours through both matrices and ranges, both ways."""

import numpy as np
import pytest
from skimage import data

from pipeline.errors import FilmError
from pipeline.video.colours import BT601, BT709, ColourTags, Converter, FilmColours, colours_of

av = pytest.importorskip("av")
RED_BLUE = {BT601: (0.299, 0.114), BT709: (0.2126, 0.0722)}  # ITU-R BT.601 and BT.709, weights of luma
COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (204, 153, 102),
]


def coded(rgb: tuple[int, int, int], matrix: int, full: bool) -> tuple[float, float, float]:
    """Luma and chroma of a colour in 8 bits, by the standards' formulas."""
    red_share, blue_share = RED_BLUE[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    if full:
        return (255 * luma, *(255 * one + 128 for one in chroma))
    return (16 + 219 * luma, *(224 * one + 128 for one in chroma))


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("rgb", COLOURS)
def test_known_colours_both_ways(matrix: int, full: bool, rgb: tuple[int, int, int]) -> None:
    tags = ColourTags(matrix=matrix, range=2 if full else 1, transfer=1, primaries=1)
    converter = Converter(FilmColours(matrix=matrix, full=full, tags=tags))
    wanted = coded(rgb, matrix, full)
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane, value in zip(frame.planes, wanted, strict=True):
        plane.update(bytes([min(255, round(value))]) * plane.buffer_size)
    assert np.abs(converter.rgb(frame)[20, 20] - np.array(rgb, int)).max() <= 2
    back = converter.yuv(np.full((48, 64, 3), rgb, np.uint8), "yuv420p")
    found = [np.frombuffer(plane, np.uint8)[0] for plane in back.planes]
    assert np.abs(np.array(found, float) - wanted).max() <= 1.01


def test_there_and_back_changes_nothing() -> None:
    """Protects: a film of strength 0, and every pixel that a model leaves alone."""
    photo = data.astronaut()[:96, :128].copy()
    tags = ColourTags(matrix=BT709, range=1, transfer=1, primaries=1)
    converter = Converter(FilmColours(matrix=BT709, full=False, tags=tags))
    once = converter.yuv(photo, "yuv420p")
    again = converter.yuv(converter.rgb(once), "yuv420p")
    apart = np.abs(once.to_ndarray().astype(int) - again.to_ndarray())
    assert apart[:96].mean() < 0.01  # luma
    assert apart[96:].mean() < 0.3


@pytest.mark.parametrize(
    ("size", "pixels", "wanted"),
    [
        ((960, 540), "yuv420p", BT601),
        ((1024, 720), "yuv420p", BT709),
        ((1280, 540), "yuv420p", BT709),
        ((1920, 1080), "yuvj420p", BT601),
    ],
)
def test_without_tags_the_size_decides(size: tuple[int, int], pixels: str, wanted: int) -> None:
    colours = colours_of(av.VideoFrame(*size, pixels))
    assert colours.matrix == wanted
    assert colours.full == pixels.startswith("yuvj")
    assert colours.tags.matrix == (
        BT601 if colours.full else 2
    )  # where players would take another, it is written


@pytest.mark.parametrize(("transfer", "name"), [(16, "HDR10"), (18, "HLG")])
def test_hdr_is_refused(transfer: int, name: str) -> None:
    frame = av.VideoFrame(64, 64, "yuv420p10le")
    frame.color_trc = transfer
    with pytest.raises(FilmError, match=name):
        colours_of(frame)
