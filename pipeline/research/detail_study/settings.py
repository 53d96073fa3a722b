"""The study's settings; each differs from a neighbouring one in a single option."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to learn detail.

    photos: the two unpaired sets, see `photo_sets.SETS`.
    texture: whether the fitted texture transform is applied before the network.
    dense: full 3×3 convolutions instead of separable ones. This exceeds the budget of 4,000 multiply-adds per
        pixel, and estimates the benefit of a larger network.
    restore: weight of the loss for restoring degraded target photos.
    pixels_only: use only the L1 distance in that loss.
    noise: noise of the degraded photos, as a multiple of the noise measured in the source.
    critic: weight of the critics on frozen features, after the share `critic_from` of the training.
    calm: weight of a penalty on increased activity in flat areas.
    paired: train on aligned pairs of source and target (oracle).
    """

    name: str
    photos: Literal["iphone-good", "iphone-canon", "city100"] = "iphone-good"
    texture: bool = False
    dense: bool = False
    width: int = 32
    blocks: int = 4
    restore: float = 0.0
    pixels_only: bool = False
    noise: float = 1.0
    critic: float = 0.0
    critic_from: float = 0.0
    calm: float = 0.0
    paired: bool = False


def _both(name: str, **changes) -> Setting:
    defaults = {"restore": 1.0, "critic": 0.3, "critic_from": 0.4, "calm": 1.0}
    return Setting(name=name, **(defaults | changes))


def _after(name: str, **changes) -> Setting:
    """Restore after the fitted texture match."""
    return Setting(name=name, **({"texture": True, "restore": 1.0} | changes))


SETTINGS = (
    Setting(name="restore", restore=1.0),
    _both("both"),
    Setting(name="critic-texture", texture=True, critic=1.0, calm=1.0),
    Setting(name="oracle", paired=True),
    Setting(name="restore-noise2", restore=1.0, noise=2.0),
    _both("both-noise2", noise=2.0),
    Setting(name="restore-texture", texture=True, restore=1.0),
    _both("both-strong", critic=1.0),
    Setting(name="critic", critic=1.0, calm=1.0),
    Setting(name="restore-l1", restore=1.0, pixels_only=True),
    _both("both-dense", dense=True),
    _both("both-loud", calm=0.0),
    Setting(name="oracle-dense", paired=True, dense=True),
    Setting(name="canon-restore", photos="iphone-canon", restore=1.0),
    _both("canon-both", photos="iphone-canon"),
    Setting(name="canon-critic", photos="iphone-canon", critic=1.0, calm=1.0),
    Setting(name="city-restore", photos="city100", restore=1.0),
    _both("city-both", photos="city100"),
    # The second round: restoring after the texture match, with less noise, and with a larger network.
    _after("texture-noise2", noise=2.0),
    _after("texture-calm", calm=1.0),
    _after("texture-noise2-calm", noise=2.0, calm=1.0),
    _after("texture-dense", dense=True),
    _after("texture-dense-noise2-calm", dense=True, noise=2.0, calm=1.0),
    _after("oracle-texture", restore=0.0, paired=True),
    _after("canon-texture", photos="iphone-canon"),
    _after("canon-texture-noise2-calm", photos="iphone-canon", noise=2.0, calm=1.0),
    _after("canon-texture-dense-noise2-calm", photos="iphone-canon", dense=True, noise=2.0, calm=1.0),
    _after("city-texture", photos="city100"),
    _after("city-texture-noise2-calm", photos="city100", noise=2.0, calm=1.0),
)
