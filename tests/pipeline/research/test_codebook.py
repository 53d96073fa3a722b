"""The recipe: faults are graded in order, and what it learns ranks faults of photos it has not seen."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipeline.errors import PipelineError
from pipeline.research.codebook import (
    DISTORTIONS,
    Recipe,
    cut_crops,
    distort,
    rank_agreement,
    save_cornia,
    train_cornia,
)
from wespe.metrics.cornia import Cornia

SMALL = Recipe(words=100, crops=3)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    folder = tmp_path / "others"
    folder.mkdir()
    Image.fromarray(data.astronaut()).save(folder / "astronaut.png")
    return folder


def test_every_distortion_is_graded_worse_with_every_level():
    crop = data.astronaut()[:256, 100:356]
    graded = list(distort(crop))
    assert (graded[0].kind, graded[0].grade) == ("clean", 0)
    for kind, (_, levels) in DISTORTIONS.items():
        grades = [one.grade for one in graded if one.kind == kind]
        assert len(grades) == len(levels)
        assert grades == sorted(grades)
        assert 0 < grades[0] < grades[-1] <= 100


def test_it_ranks_distortions_of_unseen_photos(demo_photos, others, tmp_path):
    cornia = train_cornia([demo_photos], SMALL)
    agreement = rank_agreement(cornia, [others], Recipe(crops=2))
    assert agreement.keys() == {"all", *DISTORTIONS}
    assert agreement["all"] > 0.5
    save_cornia(cornia, tmp_path / "new" / "cornia.safetensors")
    read = Cornia.from_bytes((tmp_path / "new" / "cornia.safetensors").read_bytes())
    assert read.score(data.chelsea()) == cornia.score(data.chelsea())


def test_the_same_photos_and_recipe_give_the_same_file(demo_photos):
    files = [train_cornia([demo_photos], Recipe(words=20, crops=2)).to_bytes("") for _ in range(2)]
    assert files[0] == files[1]


def test_crops_are_shared_out_among_photos_and_small_photos_give_none(demo_photos):
    Image.fromarray(np.zeros((100, 300, 3), np.uint8)).save(demo_photos / "a-small.png")
    crops = list(cut_crops([demo_photos], Recipe(crops=8)))
    assert len(crops) == 6
    assert {crop.shape for crop in crops} == {(256, 256, 3)}


def test_folders_without_usable_photos_are_one_line_with_a_remedy(tmp_path):
    with pytest.raises(PipelineError, match=r"no photo .* name folders"):
        list(cut_crops([tmp_path], SMALL))
    Image.fromarray(np.zeros((100, 300, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(PipelineError, match="256 px a side"):
        list(cut_crops([tmp_path], SMALL))


def test_the_stage_rejects_invalid_options_before_training(demo_photos, tmp_path, repository):
    for options, words in ((["--words", "0"], "words must be at least 1"), ([], "is a folder; give a file")):
        command = [sys.executable, "-m", "stages.cornia", demo_photos, "--out", tmp_path, *options]
        ended = subprocess.run(command, cwd=repository, capture_output=True, text=True)
        assert ended.returncode == 1
        assert words in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_the_stage_trains_tests_and_says_that_it_is_the_projects_own(
    demo_photos, others, tmp_path, repository
):
    out = tmp_path / "cornia.safetensors"
    command = [sys.executable, "-m", "stages.cornia", demo_photos, "--out", out, "--test", others]
    ended = subprocess.run(
        [*command, "--words", "20", "--crops", "2"], cwd=repository, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "words" in ended.stdout
    assert "cornia codes  42/42" in ended.stderr
    assert Cornia.from_bytes(out.read_bytes()).weights.shape == (40,)
