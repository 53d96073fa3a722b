"""The rater: what it sees of a photo, that it learns, when it stops."""

import numpy as np
import pytest
import torch
from torchvision import models

from wespe.rater import (
    Examples,
    Rater,
    RaterConfig,
    RaterTraining,
    cut_crops,
    learn,
    measure,
    shrink,
)

SMALL = RaterConfig(crop_px=32, long_side_px=64, width=4, hidden=16)
PHOTO = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def examples(count: int, crops: int = 1, seed: int = 0) -> Examples:
    """Bright crops are liked, dark ones are not."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 0
    pixels = random.integers(0, 128, (count, crops, 32, 32, 3)) + 127 * labels[:, None, None, None, None]
    return Examples(torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(labels))


def test_the_network_is_vgg19_with_one_output():
    """Protects: torchvision's ImageNet weights fit, all but the last layer."""
    with torch.device("meta"):
        ours, theirs = Rater(RaterConfig()).state_dict(), models.vgg19(weights=None).state_dict()
    shapes = {name: value.shape for name, value in ours.items() if not name.startswith("classifier.6")}
    assert shapes == {
        name: value.shape for name, value in theirs.items() if not name.startswith("classifier.6")
    }
    assert ours["classifier.6.weight"].shape == (1, 4096)


def test_with_the_same_weights_it_computes_what_torchvision_does():
    """Protects: normalisation, the order of layers, the pooling before the classifier."""
    rater = Rater(RaterConfig(width=64, hidden=1)).eval()
    with torch.device("meta"):
        theirs = models.vgg19(weights=None)
    theirs.features = theirs.features.to_empty(device="cpu")
    theirs.features.load_state_dict(rater.features.state_dict())
    crops = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = theirs.avgpool(theirs.features((crops - rater.mean) / rater.std)).flatten(1)
        assert torch.allclose(rater(crops), rater.classifier(wanted)[:, 0])


def test_crops_depend_on_the_seed_and_the_size_and_nothing_else():
    """Protects: an enhanced photo is scored by the very places of its original."""
    marked = np.stack([*np.indices((48, 64)), np.zeros((48, 64))], axis=2).astype(np.uint8)
    places = [tuple(crop[0, 0]) for crop in cut_crops(marked, SMALL, 5, seed=7).numpy()]
    assert len(set(places)) == 5
    for (top, left, _), crop in zip(places, cut_crops(PHOTO, SMALL, 5, seed=7).numpy(), strict=True):
        assert np.array_equal(crop, PHOTO[top : top + 32, left : left + 32])
    assert torch.equal(cut_crops(PHOTO, SMALL, 1, seed=7)[0], cut_crops(PHOTO, SMALL, 5, seed=7)[0])
    assert not torch.equal(cut_crops(PHOTO, SMALL, 5, seed=8), cut_crops(PHOTO, SMALL, 5, seed=7))


def test_crops_reach_every_corner():
    """Protects: no border of the photo that a crop never shows."""
    marked = np.stack([*np.indices((34, 34)), np.zeros((34, 34))], axis=2).astype(np.uint8)
    places = {tuple(crop[0, 0, :2].tolist()) for crop in cut_crops(marked, SMALL, 200, seed=1)}
    assert places == {(top, left) for top in range(3) for left in range(3)}


def test_large_photos_are_shrunk_and_small_ones_are_not():
    assert shrink(PHOTO, 64) is PHOTO
    assert shrink(PHOTO, 32).shape == (24, 32, 3)
    assert shrink(PHOTO.transpose(1, 0, 2), 32).shape == (32, 24, 3)
    assert abs(shrink(PHOTO, 32).mean() - PHOTO.mean()) < 1


def test_a_photo_smaller_than_a_crop_is_refused():
    with pytest.raises(ValueError, match="64×31 px is smaller than a crop of 32 px"):
        cut_crops(PHOTO[:31], SMALL, 1, seed=0)


def test_it_learns_what_is_liked_and_rates_photos_it_never_saw():
    rater = Rater(SMALL)
    settings = RaterTraining(learning_rate=3e-3, batch_size=8, patience=10, max_epochs=10)
    records = list(learn(rater, examples(32), examples(8, seed=1), settings))
    assert records[-1]["loss"] < records[0]["loss"]
    unseen = examples(16, crops=5, seed=2)
    assert measure(rater, unseen)["accuracy"] == 1
    ratings = [rater.rate(crops) for crops in unseen.crops]
    assert min(ratings[::2]) > 0.5 > max(ratings[1::2])


def test_it_stops_when_validation_no_longer_improves_and_keeps_the_best():
    """Protects: the validation labels are wrong on purpose, so every epoch makes them worse."""
    rater, wrong = Rater(SMALL), examples(8, seed=1)
    wrong = Examples(wrong.crops, ~wrong.labels)
    settings = RaterTraining(learning_rate=3e-3, batch_size=8, patience=2, max_epochs=30)
    records = list(learn(rater, examples(32), wrong, settings))
    losses = [record["validation_loss"] for record in records]
    best = losses.index(min(losses))
    assert len(records) == best + 1 + settings.patience < 30
    assert measure(rater, wrong)["loss"] == pytest.approx(min(losses))


def test_the_same_seed_gives_the_same_weights():
    def trained() -> torch.Tensor:
        torch.manual_seed(3)
        rater = Rater(SMALL)
        list(learn(rater, examples(8), examples(4), RaterTraining(batch_size=4, max_epochs=2)))
        return torch.cat([value.flatten() for value in rater.state_dict().values()])

    assert torch.equal(trained(), trained())


def test_a_loss_that_is_not_finite_stops_it():
    rater = Rater(SMALL)
    torch.nn.init.constant_(rater.classifier[6].bias, float("nan"))
    with pytest.raises(ArithmeticError, match="not finite in epoch 1"):
        next(learn(rater, examples(4), examples(4), RaterTraining()))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (RaterConfig, {"crops": 0}),
        (RaterConfig, {"crop_px": 31}),
        (RaterConfig, {"crop_px": 224, "long_side_px": 200}),
        (RaterTraining, {"learning_rate": 0.0}),
        (RaterTraining, {"patience": 0}),
    ],
)
def test_settings_out_of_range_are_refused_by_name(kind, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        kind(**settings)
