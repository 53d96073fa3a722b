"""METHODS: the table of all methods, with their configuration, training method and generator.

To add a method, add a file to this folder with the method's name, a line in METHODS, and its configuration in
MethodConfig.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from wespe.generator import Generator
from wespe.method import Method
from wespe.methods.distort_recover import DistortRecover, DistortRecoverConfig, Recoverer
from wespe.methods.dpe import Dpe, DpeConfig
from wespe.methods.dped import Dped, DpedConfig
from wespe.methods.enhancegan import EnhanceGan, EnhanceGanConfig, Operators
from wespe.methods.hdrnet import Hdrnet, HdrnetConfig
from wespe.methods.hdrnet_unpaired import HdrnetUnpaired, HdrnetUnpairedConfig
from wespe.methods.johnson import Johnson, JohnsonConfig
from wespe.methods.lut_residual import LutResidual, LutResidualConfig, LutResidualMethod
from wespe.methods.lut_restore import LutRestore, LutRestoreConfig, restoring_generator
from wespe.methods.muspe import Muspe, MuspeConfig
from wespe.methods.restore import Restore, RestoreConfig, Restored
from wespe.methods.srcnn import Srcnn, SrcnnConfig
from wespe.methods.upe import Upe, UpeConfig
from wespe.methods.wespe import Wespe, WespeConfig
from wespe.methods.whitebox import Retoucher, Whitebox, WhiteboxConfig
from wespe.networks.bilateral import Bilateral
from wespe.networks.illumination import Illuminated
from wespe.networks.resnet import ResNet
from wespe.networks.srcnn import SRCNN
from wespe.networks.strided import Strided
from wespe.networks.two_stream import TwoStream
from wespe.networks.unet import ThumbnailUNet

MethodConfig = (
    WespeConfig
    | LutResidualConfig
    | LutRestoreConfig
    | RestoreConfig
    | DpedConfig
    | SrcnnConfig
    | EnhanceGanConfig
    | DpeConfig
    | HdrnetConfig
    | HdrnetUnpairedConfig
    | UpeConfig
    | MuspeConfig
    | JohnsonConfig
    | WhiteboxConfig
    | DistortRecoverConfig
)


class Entry(NamedTuple):
    config: type
    method: type[Method]
    generator: Callable[[Any], Generator]


METHODS: dict[str, Entry] = {
    "wespe": Entry(WespeConfig, Wespe, lambda config: ResNet(config.generator)),
    "lut_residual": Entry(LutResidualConfig, LutResidualMethod, LutResidual.of),
    "lut_restore": Entry(LutRestoreConfig, LutRestore, restoring_generator),
    "restore": Entry(RestoreConfig, Restore, Restored),
    "dped": Entry(DpedConfig, Dped, lambda config: ResNet(config.generator)),
    "srcnn": Entry(SrcnnConfig, Srcnn, lambda config: SRCNN()),
    "enhancegan": Entry(EnhanceGanConfig, EnhanceGan, Operators),
    "dpe": Entry(DpeConfig, Dpe, lambda config: ThumbnailUNet(config.generator)),
    "hdrnet": Entry(HdrnetConfig, Hdrnet, lambda config: Bilateral(config.generator)),
    "hdrnet_unpaired": Entry(
        HdrnetUnpairedConfig, HdrnetUnpaired, lambda config: Bilateral(config.generator)
    ),
    "upe": Entry(UpeConfig, Upe, lambda config: Illuminated(config.generator)),
    "muspe": Entry(MuspeConfig, Muspe, lambda config: TwoStream(config.generator)),
    "johnson": Entry(JohnsonConfig, Johnson, lambda config: Strided(config.generator)),
    "whitebox": Entry(WhiteboxConfig, Whitebox, Retoucher),
    "distort_recover": Entry(DistortRecoverConfig, DistortRecover, Recoverer),
}


def build_method(
    config: MethodConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
) -> Method:
    """Build an untrained method for patches, or reduced whole photos, of size_px.

    features: weights of the content features from `read_weights`; not needed for random weights.
    Raises ValueError if they are missing.
    """
    return METHODS[config.name].method(config, size_px=size_px, features=features)  # type: ignore[call-arg]


def build_generator(config: MethodConfig) -> Generator:
    """Build an untrained generator, without the parts that only training needs."""
    return METHODS[config.name].generator(config)
