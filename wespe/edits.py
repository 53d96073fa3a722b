"""Edits of a photo editor: differentiable, in words and numbers, and applicable again at any size.

Each acts on every pixel alone. Edits do not clip, so that what leaves 0–1 can come back; curves continue with
their last slope. Whoever applies a list clips its result.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from wespe.generator import Generator, Place
from wespe.views import LUMA_WEIGHTS, texture_view

CHANNELS = ("red", "green", "blue")
PARTS = 8  # of a curve
DARKEST = 1e-3  # 0–1; keeps the slope of powers finite


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One kind of edit.

    fields: how many values each parameter has, by name; more than one is a list in JSON.
    apply: photos_nchw and values (n, count) → photos_nchw.
    values: any numbers (n, count), such as a network's, → values in their range. 0 changes nothing, or
        hardly anything.
    limits: of values that come from a file.
    """

    fields: Mapping[str, int]
    apply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    values: Callable[[torch.Tensor], torch.Tensor]
    limits: tuple[float, float] = (0.0, 64.0)

    @property
    def count(self) -> int:
        return sum(self.fields.values())

    def named(self, values: Sequence[float]) -> dict[str, Any]:
        """Return values by their names, rounded to four significant digits, for JSON."""
        rest = iter(float(f"{value:.4g}") for value in values)
        return {
            name: next(rest) if count == 1 else [next(rest) for _ in range(count)]
            for name, count in self.fields.items()
        }

    def read(self, named: Mapping[str, Any]) -> list[float]:
        """Undo `named`. Raises ValueError that says which value is invalid."""
        if named.keys() != self.fields.keys():
            raise ValueError(f"needs {', '.join(self.fields)}, and has {', '.join(named) or 'nothing'}")
        values: list[float] = []
        for name, count in self.fields.items():
            given = named[name] if count > 1 else [named[name]]
            if not (isinstance(given, list) and len(given) == count and all(map(self._fits, given))):
                what = "a number" if count == 1 else f"a list of {count} numbers"
                raise ValueError(f"{name} must be {what} from {self.limits[0]:g} to {self.limits[1]:g}")
            values += given
        return values

    def _fits(self, value: Any) -> bool:
        low, high = self.limits
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


class EditList(Generator):
    """Makes the same edits on every photo, in their order; it clips the result only.

    edits: each {"edit": its name, parameter: value}, as `Generator.explain` returns them under "edits", and
        as JSON keeps them. Raises ValueError that names the edit and what is invalid.
    """

    def __init__(self, edits: Iterable[Mapping[str, Any]]):
        super().__init__()
        self.names, values = list[str](), list[nn.Parameter]()
        for number, one in enumerate(edits, 1):
            if not isinstance(one, Mapping) or one.get("edit") not in list(EDITS):  # a list cannot be hashed
                raise ValueError(f"edit {number} must have `edit`, one of {', '.join(EDITS)}")
            name = one["edit"]
            try:
                read = EDITS[name].read({field: value for field, value in one.items() if field != "edit"})
            except ValueError as error:
                raise ValueError(f"edit {number}, {name}: {error}") from None
            self.names.append(name)
            values.append(nn.Parameter(torch.tensor([read]), requires_grad=False))
        self.values = nn.ParameterList(values)

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        for name, values in zip(self.names, self.values, strict=True):
            photos_nchw = EDITS[name].apply(photos_nchw, values)
        return photos_nchw.clamp(0, 1)

    def explain(self, decision: Any, index: int = 0) -> dict[str, Any]:
        edits = zip(self.names, self.values, strict=True)
        return {"edits": [{"edit": name} | EDITS[name].named(values[0].tolist()) for name, values in edits]}


def _each(values: torch.Tensor) -> torch.Tensor:
    """(n, 1) or (n, 3) → (n, 1 or 3, 1, 1)."""
    return values[:, :, None, None]


def brightened(photos: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return photos * _each(factor)


def contrasted(photos: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply distances from middle grey."""
    return (photos - 0.5) * _each(factor) + 0.5


def saturated(photos: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply distances from grey of the same luma."""
    return torch.lerp(texture_view(photos).expand_as(photos), photos, _each(factor))


def greyed(photos: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return saturated(photos, 1 - share)


def powered(photos: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Raise tones to a power; above 1 and below DARKEST they continue as straight lines."""
    power, inside = _each(power), photos.clamp(DARKEST, 1.0)
    return inside**power + (photos - inside) * power * inside ** (power - 1)


def s_curved(photos: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """Move each pixel's luma towards ½ − ½ cos(π luma), or away from it, with its colour in proportion."""
    luma = texture_view(photos).clamp(0, 1)
    curved = 0.5 - 0.5 * torch.cos(math.pi * luma)
    bent = torch.lerp(luma, curved, _each(amount))
    return photos * (bent + DARKEST) / (luma + DARKEST)


def toned(photos: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Apply one curve from 0 to 1 to all channels; its PARTS parts have slopes in these proportions."""
    return _curved(photos, slopes[:, None])


def coloured(photos: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Apply a curve from 0 to 1 to each channel."""
    return _curved(photos, slopes.unflatten(1, (3, PARTS)))


def _curved(photos: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Apply curves (n, 1 or 3, PARTS), each a sum of ramps that begin one after another."""
    slopes = slopes / slopes.mean(2, keepdim=True)
    result = torch.minimum(photos, photos.new_tensor(0.0)) * slopes[:, :, :1, None]
    for part, slope in enumerate(slopes.unbind(2)):
        begin = part / PARTS
        ramp = (photos - begin).clamp(min=0)
        result = result + slope[:, :, None, None] * (ramp if part == PARTS - 1 else ramp.clamp(max=1 / PARTS))
    return result


def _factors(greatest: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function to factors from 1 / greatest to greatest."""
    return lambda raw: (math.log(greatest) * raw.tanh()).exp()


def _balance(raw: torch.Tensor) -> torch.Tensor:
    """Return factors of the channels that keep the luma of grey."""
    factors = (0.5 * raw.tanh()).exp()
    return factors / (factors @ factors.new_tensor(LUMA_WEIGHTS))[:, None]


EDITS: dict[str, Edit] = {
    "brightness": Edit(fields={"factor": 1}, apply=brightened, values=_factors(4.0)),
    "contrast": Edit(fields={"factor": 1}, apply=contrasted, values=_factors(2.0)),
    "saturation": Edit(fields={"factor": 1}, apply=saturated, values=_factors(2.0)),
    "white_balance": Edit(fields=dict.fromkeys(CHANNELS, 1), apply=brightened, values=_balance),
    "black_and_white": Edit(
        fields={"share": 1}, apply=greyed, values=lambda raw: (raw - 4).sigmoid(), limits=(0.0, 1.0)
    ),
    "gamma": Edit(fields={"power": 1}, apply=powered, values=_factors(3.0), limits=(0.05, 20.0)),
    "s_curve": Edit(fields={"amount": 1}, apply=s_curved, values=torch.tanh, limits=(-1.0, 1.0)),
    "tone": Edit(fields={"slopes": PARTS}, apply=toned, values=_factors(2.0), limits=(0.01, 64.0)),
    "colour": Edit(
        fields=dict.fromkeys(CHANNELS, PARTS), apply=coloured, values=_factors(1.1), limits=(0.01, 64.0)
    ),
}
AFFINE = ("brightness", "contrast", "saturation", "white_balance")


def affine_of(name: str, values: torch.Tensor) -> torch.Tensor:
    """Return one of AFFINE as a transform of colour, (n, 3, 4): a matrix and what is added."""
    corners = torch.cat([torch.zeros(1, 3), torch.eye(3)]).to(values)  # black, red, green, blue
    photos = corners.T[None, :, :, None].expand(len(values), -1, -1, -1)
    moved = EDITS[name].apply(photos, values)[..., 0]
    return torch.cat([moved[:, :, 1:] - moved[:, :, :1], moved[:, :, :1]], dim=2)


def composed(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the transform (n, 3, 4) that applies `first`, then `second`."""
    matrix = second[..., :3]
    return matrix @ first + functional.pad(second[..., 3:], (3, 0))


def apply_affine(photos_nchw: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """Apply to each photo its transform, (n, 3, 4); does not clip."""
    with torch.autocast(photos_nchw.device.type, enabled=False):
        moved = torch.einsum("noc,nchw->nohw", transforms[..., :3], photos_nchw)
        return moved + transforms[..., 3, None, None]
