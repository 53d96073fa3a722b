"""`Light.forward` on a CPU, several times as fast as torch."""

import numpy as np
import torch

from wespe.generator import Place
from wespe.kernels.compiled import on_rows, passes


def lit(photos_nchw: torch.Tensor, decision: tuple[torch.Tensor, ...], place: Place | None) -> torch.Tensor:
    """Apply a `LightDecision` to one photo or tile."""
    run, photo = passes(), photos_nchw[0].numpy()
    assert run is not None
    height, width = photo.shape[1:]
    place = place or Place(0, 0, height, width)
    stops, channels, haze, saturation = decision
    colours = (*channels.flatten().tolist(), haze.item(), saturation.item())
    enhanced = np.empty((height, width, 3), np.float32)
    on_rows(height)(run.lit, photo)(
        stops[0, 0].contiguous().numpy(), tuple(map(np.float32, colours)), tuple(place), enhanced
    )
    return torch.from_numpy(enhanced)[None].permute(0, 3, 1, 2)
