"""Patches of one set, drawn evenly from its photos, to which an initial transform is fitted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from wespe.batch import photos_nchw

CHUNK = 64


@dataclass(frozen=True)
class Sample:
    """Patches of one set and the photos that they come from.

    patches_nhwc: uint8 (n, size, size, 3), in random order. photos: (n,) numbers from 0, one per photo.
    device: where the patches are measured.
    whole_nhwc: uint8 (m, px, px, 3), whole photos reduced to squares; None if the method needs none.
    """

    patches_nhwc: torch.Tensor
    photos: torch.Tensor
    device: torch.device | str = "cpu"
    whole_nhwc: torch.Tensor | None = None

    def chunks(self, size: int = CHUNK) -> Iterator[torch.Tensor]:
        """Yield all patches as photos_nchw, float 0–1, on the device."""
        for patches_nhwc in self.patches_nhwc.split(size):
            yield photos_nchw(patches_nhwc, self.device)

    def whole_chunks(self, size: int = CHUNK) -> Iterator[torch.Tensor]:
        """Yield all whole photos as photos_nchw, float 0–1, on the device."""
        assert self.whole_nhwc is not None, "the method asks for whole photos"
        for whole_nhwc in self.whole_nhwc.split(size):
            yield photos_nchw(whole_nhwc, self.device)

    def photo_means(self, measure: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Return each photo's mean of a measure of its patches, (photos, …), float64 on the CPU.

        measure: photos_nchw → (n, …). Each photo counts once, whatever its number of patches.
        """
        rows = torch.cat([measure(chunk).double().cpu() for chunk in self.chunks()])
        totals = rows.new_zeros(self.number_of_photos, *rows.shape[1:]).index_add_(0, self.photos, rows)
        counts = torch.bincount(self.photos, minlength=self.number_of_photos)
        return totals / counts.view(-1, *[1] * (rows.ndim - 1))

    @property
    def number_of_photos(self) -> int:
        return int(self.photos.max()) + 1
