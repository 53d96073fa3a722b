"""Presets side by side: what is trained on what, what is scored, what is written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from pipeline.errors import PipelineError
from pipeline.evaluation.target_distance import TargetDistance
from pipeline.models.model_folder import load_model
from pipeline.params import Preset
from pipeline.patches.patches import Patches
from pipeline.research.comparison import Settings, compare
from pipeline.research.comparison_photos import Data, read_data
from pipeline.research.comparison_table import Enhance, score, table
from pipeline.training.settings import Training
from wespe.guard import GuardConfig
from wespe.learner import LearnerConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.wespe import WespeConfig
from wespe.metrics.lpips import Lpips
from wespe.networks.critic import CriticConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig
from wespe.optimisers import OptimiserConfig

SIZE = 32
PATCHES = Patches(size_px=SIZE, per_photo=20)
UNPAIRED = WespeConfig(
    generator=ResNetConfig(width=4, blocks=0, norm="none", output="residual"),
    critic=CriticConfig(width=0.1),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A camera that sees half the light, and the truth: a cup to learn from, a cat to be judged by."""
    pieces = {
        "train": [data.coffee()[y : y + 64, :64] for y in (0, 100, 200)],
        "test": [data.chelsea()[y : y + 64, 100:164] for y in (0, 100, 200)],
    }
    for split, photos in pieces.items():
        for number, photo in enumerate(photos):
            for camera, pixels in (("phone", photo // 2), ("dslr", photo)):
                folder = tmp_path / split / camera
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return {
        f"{split}-{camera}": tmp_path / split / camera for split in pieces for camera in ("phone", "dslr")
    }


def read(folders: dict[str, Path], paired: bool = True) -> Data:
    train, truth = folders["train-phone"], folders["train-dslr"]
    tests = (folders["test-phone"], folders["test-dslr"])
    return read_data(PATCHES, [train], [truth], (train, truth) if paired else None, tests)


def learner_at(rate: float) -> LearnerConfig:
    return LearnerConfig(optimiser=OptimiserConfig(learning_rate=rate))


def test_presets_are_trained_scored_and_kept(folders: dict[str, Path], tmp_path: Path) -> None:
    presets = {
        "srcnn": Preset(
            method=SrcnnConfig(), learner=LearnerConfig(optimiser=OptimiserConfig(learning_rate=1e-3))
        ),
        "unpaired": Preset(method=UNPAIRED),
    }
    settings = Settings(steps=40, batch_size=4, patches=PATCHES, seeds=[1, 2])
    photos = read(folders)
    rows = compare(presets, settings, photos, tmp_path / "out")
    scores = {row.name: row.scores for row in rows}
    names = ["untouched", "histogram match", "srcnn-start", "srcnn", "unpaired-start", "unpaired"]
    assert list(scores) == names
    assert [len(s) for s in scores.values()] == [1, 1, 2, 2, 2, 2]
    assert max(s.psnr for s in scores["srcnn-start"]) < min(s.psnr for s in scores["srcnn"])
    assert (
        min(s.psnr for s in scores["srcnn"]) > scores["untouched"][0].psnr + 3
    )  # it saw what light was lost
    assert scores["srcnn"][0] != scores["srcnn"][1]
    model = load_model(tmp_path / "out/models/srcnn-2")
    assert score(model.enhance, photos.tests) == scores["srcnn"][1]
    assert (tmp_path / "out/table.md").read_text() == table(rows, photos.tests) + "\n"
    row = json.loads((tmp_path / "out/scores.json").read_bytes())["rows"][3]
    assert row["name"] == "srcnn"
    assert row["nearest_seed"] in (1, 2)
    assert row["distances"][0]["colour"] < rows[0].distances[0].colour / 2, "it saw what light was lost"


def test_a_budget_of_time_gives_each_preset_the_steps_that_fit(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """Protects: methods are compared at the same cost; a dear one takes fewer steps than a cheap one."""
    large = replace(UNPAIRED, generator=replace(UNPAIRED.generator, width=32, blocks=4))
    presets = {"small": Preset(method=UNPAIRED), "large": Preset(method=large)}
    settings = Settings(minutes=0.02, batch_size=4, patches=PATCHES, seeds=[1], starts=False)
    *_, small, large = compare(presets, settings, read(folders), tmp_path / "out")
    assert small.steps > large.steps >= 1
    assert small.seconds < large.seconds


def test_with_weights_the_probe_tells_blurred_patches_from_sharp_ones(
    folders: dict[str, Path], shared_data: Path, tmp_path: Path
) -> None:
    weights = shared_data / "weights"
    lpips = Lpips(weights / "squeezenet1_1_fp16.safetensors", weights / "lpips_squeeze_lin.safetensors")
    scenes = [*np.split(data.astronaut(), 8), *np.split(data.coffee(), 8)]
    patches = np.stack([scene[8:40, x : x + 32] for scene in scenes for x in range(0, 512, 64)])
    soft = gaussian_filter(patches, (0, 1.5, 1.5, 0))
    names = [f"{number // 8:02d}" for number in range(len(patches))]
    known = replace(read(folders), source=soft, target=patches, photos=(names, names))
    settings = Settings(steps=0, patches=PATCHES, seeds=[1], lpips=lpips)
    untouched, _, start = compare({"srcnn": Preset(method=SrcnnConfig())}, settings, known, tmp_path / "out")
    assert untouched.probes[0] > 0.8
    assert start.probes == pytest.approx(untouched.probes)


def test_the_nearest_seed_is_found_without_pairs(folders: dict[str, Path]) -> None:
    """Too dark, too bright, as it should be, and as it should be but blurred."""
    known = read(folders)
    distance = TargetDistance(known.source, known.target)
    right: Enhance = lambda patch_hwc: np.minimum(patch_hwc * 2.0, 255).astype(np.uint8)  # noqa: E731
    tries: list[Enhance] = [
        lambda patch_hwc: patch_hwc,
        lambda patch_hwc: np.minimum(patch_hwc * 3.0, 255).astype(np.uint8),
        right,
        lambda patch_hwc: gaussian_filter(right(patch_hwc), (2, 2, 0)),
    ]
    found = [distance.measure(enhance) for enhance in tries]
    assert distance.nearest(found) == 2
    assert found[2].colour < 0.1 * found[0].colour
    assert found[3].texture > 2 * found[2].texture


def test_a_preset_that_diverges_is_listed_and_the_others_are_trained(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    presets = {
        "wild": Preset(
            method=SrcnnConfig(),
            learner=learner_at(1e3),
            guard=GuardConfig(min_psnr_db=10),
        ),
        "calm": Preset(method=SrcnnConfig()),
    }
    settings = Settings(steps=10, batch_size=2, patches=PATCHES, seeds=[1], starts=False)
    *_, wild, calm = compare(presets, settings, read(folders), tmp_path / "out")
    assert (len(wild.scores), len(calm.scores)) == (0, 1)
    assert "dB from their originals at step" in wild.failed[0]
    assert "| wild | – | – | – | – | – | – | – | – | – | 0, 1 failed |" in table([wild], [])


def test_scores_match_known_values(folders: dict[str, Path]) -> None:
    tests = read(folders).tests
    errors = [np.square(photo.astype(float) - truth).mean() for photo, truth in tests]
    untouched = score(lambda photo_hwc: photo_hwc, tests)
    assert untouched.psnr == pytest.approx(np.mean([10 * np.log10(255**2 / e) for e in errors]), abs=1e-3)
    assert untouched.psnr_pooled == pytest.approx(10 * np.log10(255**2 / np.mean(errors)))


def test_pairs_are_matched_by_name_and_must_have_one_size(folders: dict[str, Path]) -> None:
    Image.new("RGB", (40, 40)).save(folders["train-phone"] / "1.png")
    with pytest.raises(PipelineError, match=r"1.*differ in size"):
        read(folders)
    for path in folders["train-phone"].iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(PipelineError, match="have no name in common"):
        read(folders)


def test_a_paired_preset_without_pairs_says_what_is_missing(folders: dict[str, Path], tmp_path: Path) -> None:
    """Before any other preset has cost an hour."""
    settings = Settings(steps=1, batch_size=1, patches=PATCHES, seeds=[1])
    presets = {"unpaired": Preset(method=UNPAIRED), "srcnn": Preset(method=SrcnnConfig())}
    with pytest.raises(PipelineError, match="preset srcnn needs --pairs"):
        compare(presets, settings, read(folders, paired=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_formats_of_one_name_are_two_photos_to_learn_from(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: IMG_1.jpg beside IMG_1.png, as phones and editors leave them."""
    monkeypatch.chdir(folders["train-phone"])
    assert len(read(folders | {"train-phone": Path()}).source) == 60
    Image.open("1.png").save("1.jpg")
    source = read(folders, paired=False).source
    assert len(source) == 80
    assert not np.array_equal(source[20:40], source[40:60]), "each has places of its own"


def test_two_formats_of_one_name_make_pairs_ambiguous(folders: dict[str, Path]) -> None:
    folder = folders["train-phone"]
    Image.open(folder / "1.png").save(folder / "1.jpg")
    with pytest.raises(PipelineError, match=r"1\.png and .*1\.jpg differ only in their suffix"):
        read(folders)


@pytest.mark.parametrize("name", ["train-phone", "train-dslr", "test-phone", "test-dslr"])
def test_a_missing_folder_is_reported_as_missing(folders: dict[str, Path], name: str) -> None:
    missing = folders[name].with_name("no-such-folder")
    with pytest.raises(PipelineError, match=r"no-such-folder does not exist; give the path"):
        read(folders | {name: missing}, paired=False)


def test_test_photos_may_differ_in_size(folders: dict[str, Path]) -> None:
    """Each is scored by itself; MS-SSIM, which averages over a batch, is computed for each size."""
    same = score(lambda photo_hwc: photo_hwc, read(folders).tests)
    for camera in ("test-phone", "test-dslr"):
        path = folders[camera] / "1.png"
        Image.open(path).crop((0, 0, 40, 48)).save(path)
    tests = read(folders).tests
    mixed = score(lambda photo_hwc: photo_hwc, tests)
    assert mixed.psnr == pytest.approx(same.psnr, abs=2)
    assert mixed.ms_ssim_dped == pytest.approx(same.ms_ssim_dped, abs=0.1)
    assert "several sizes" in table([], tests)
    assert "several sizes" not in table([], tests[:1])


def test_zero_steps_only_score_the_initial_transform(folders: dict[str, Path], tmp_path: Path) -> None:
    settings = Settings(steps=0, batch_size=2, patches=PATCHES, seeds=[1])
    rows = compare({"srcnn": Preset(method=SrcnnConfig())}, settings, read(folders), tmp_path / "out")
    assert [row.name for row in rows] == ["untouched", "histogram match", "srcnn"]


def test_a_comparison_shows_the_time_left_after_its_first_step(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    presets = {"srcnn": Preset(method=SrcnnConfig(), training=Training(log_every=100))}
    settings = Settings(steps=3, batch_size=1, patches=PATCHES, seeds=[1], starts=False)
    compare(presets, settings, read(folders), tmp_path / "out")
    computes, first, *_ = capsys.readouterr().err.splitlines()
    assert computes.startswith("train srcnn-1: computes in ")
    assert re.fullmatch(r"train srcnn-1  1/3 steps  \S+/s  \d+ s left", first)
