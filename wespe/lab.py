"""CIELab of sRGB photos under D65, and back, in torch; gradients are finite at every colour."""

import torch

WHITE = (0.95047, 1.0, 1.08883)  # D65 in XYZ
# sRGB to XYZ relative to white, and back.
TO_XYZ = torch.tensor(
    ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)),
    dtype=torch.float64,
) / torch.tensor(WHITE, dtype=torch.float64).unsqueeze(1)
FROM_XYZ = TO_XYZ.inverse()
BEND = 6 / 29  # below it, the cube root is replaced by a straight line


def lab_of(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Convert photos_nchw, float 0–1, to L (0–100), a and b (about −128 to 127), (n, 3, h, w)."""
    with torch.autocast(photos_nchw.device.type, enabled=False):
        xyz = _product(TO_XYZ, _linear(photos_nchw))
        # The root of the larger of both, so that its infinite slope at 0 does not reach the gradient.
        bent = torch.where(xyz > BEND**3, xyz.clamp(min=BEND**3).pow(1 / 3), xyz / (3 * BEND**2) + 4 / 29)
        x, y, z = bent.unbind(1)
        return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def rgb_of(lab_nchw: torch.Tensor) -> torch.Tensor:
    """Convert L, a and b back to photos_nchw; colours outside sRGB are clipped to 0–1."""
    with torch.autocast(lab_nchw.device.type, enabled=False):
        light, a, b = lab_nchw.unbind(1)
        y = (light + 16) / 116
        bent = torch.stack([y + a / 500, y, y - b / 200], dim=1)
        xyz = torch.where(bent > BEND, bent.pow(3), 3 * BEND**2 * (bent - 4 / 29))
        return _encoded(_product(FROM_XYZ, xyz)).clamp(0, 1)


def _product(matrix: torch.Tensor, photos_nchw: torch.Tensor) -> torch.Tensor:
    return torch.einsum("oc,nchw->nohw", matrix.to(photos_nchw), photos_nchw)


def _linear(srgb: torch.Tensor) -> torch.Tensor:
    return torch.where(srgb > 0.04045, ((srgb.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4), srgb / 12.92)


def _encoded(linear: torch.Tensor) -> torch.Tensor:
    return torch.where(
        linear > 0.0031308, 1.055 * linear.clamp(min=0.0031308).pow(1 / 2.4) - 0.055, 12.92 * linear
    )
