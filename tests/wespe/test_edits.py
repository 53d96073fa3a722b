"""Edits: what each does to known colours, how 0 changes nothing, and a list from JSON."""

import json

import numpy as np
import pytest
import torch

from wespe.edits import AFFINE, EDITS, PARTS, EditList, affine_of, apply_affine, composed

COLOUR = (0.2, 0.5, 0.6)
LUMA = 0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.6
STEEP = [4.0] + [1.0] * (PARTS - 1)  # the first part of the curve is four times as steep
KNOWN = {
    "brightness": ([2.0], [0.4, 1.0, 1.2]),
    "contrast": ([2.0], [-0.1, 0.5, 0.7]),
    "saturation": ([2.0], [2 * one - LUMA for one in COLOUR]),
    "white_balance": ([2.0, 1.0, 0.5], [0.4, 0.5, 0.3]),
    "black_and_white": ([1.0], [LUMA] * 3),
    "gamma": ([2.0], [0.04, 0.25, 0.36]),
    "s_curve": ([1.0], [one * (0.5 - 0.5 * np.cos(np.pi * LUMA) + 1e-3) / (LUMA + 1e-3) for one in COLOUR]),
    # mean slope 11/8: the first eighth rises to 4/11, each of the others by 1/11
    "tone": (STEEP, [4 / 11 + 8 / 11 * (one - 1 / PARTS) for one in COLOUR]),
    "colour": (STEEP + [1.0] * 2 * PARTS, [4 / 11 + 8 / 11 * (0.2 - 1 / PARTS), 0.5, 0.6]),
}


def one_pixel() -> torch.Tensor:
    return torch.tensor(COLOUR, dtype=torch.float64).view(1, 3, 1, 1)


def random_values(name: str, seed: int = 0) -> torch.Tensor:
    raw = torch.randn(2, EDITS[name].count, generator=torch.Generator().manual_seed(seed))
    return EDITS[name].values(raw.double())


def photos(seed: int = 1) -> torch.Tensor:
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(seed)).double()


def test_every_edit_is_tried_here() -> None:
    assert KNOWN.keys() == EDITS.keys()


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_does_what_was_worked_out_by_hand(name: str) -> None:
    values, expected = KNOWN[name]
    found = EDITS[name].apply(one_pixel(), torch.tensor([values], dtype=torch.float64))
    np.testing.assert_allclose(found.flatten(), expected, atol=1e-12)


@pytest.mark.parametrize("name", EDITS)
def test_raw_zeros_change_hardly_anything(name: str) -> None:
    """Protects: a policy begins with outputs of 0, and should begin with the photo as it is."""
    neutral = EDITS[name].values(torch.zeros(2, EDITS[name].count).double())
    allowed = 0.02 if name == "black_and_white" else 1e-9
    torch.testing.assert_close(EDITS[name].apply(photos(), neutral), photos(), atol=allowed, rtol=0)


@pytest.mark.parametrize("name", EDITS)
def test_the_gradients_of_an_edit_are_those_of_its_values(name: str) -> None:
    shown, values = photos().requires_grad_(), random_values(name).requires_grad_()
    assert torch.autograd.gradcheck(EDITS[name].apply, (shown, values))


@pytest.mark.parametrize("name", EDITS)
def test_gradients_are_finite_at_black_white_and_beyond(name: str) -> None:
    flat = torch.tensor([-0.5, 0.0, 1.0, 1.5]).view(1, 1, 1, 4).repeat(2, 3, 1, 1).double().requires_grad_()
    values = random_values(name).requires_grad_()
    EDITS[name].apply(flat, values).sum().backward()
    assert flat.grad.isfinite().all()
    assert values.grad.isfinite().all()


@pytest.mark.parametrize("name", EDITS)
def test_whatever_a_network_says_is_within_the_limits_of_json(name: str) -> None:
    edit = EDITS[name]
    extreme = edit.values(torch.tensor([[-50.0], [50.0]]).double().repeat(1, edit.count))
    for row in extreme.tolist():
        assert edit.read(edit.named(row)) == pytest.approx(row, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", AFFINE)
def test_transforms_of_colour_are_the_edit_and_compose(name: str) -> None:
    values = random_values(name)
    alone = affine_of(name, values)
    torch.testing.assert_close(apply_affine(photos(), alone), EDITS[name].apply(photos(), values))
    other = affine_of("contrast", random_values("contrast", 5))
    torch.testing.assert_close(
        apply_affine(photos(), composed(alone, other)), apply_affine(apply_affine(photos(), alone), other)
    )


def test_a_list_from_json_is_applied_in_order() -> None:
    """Brightness before contrast is not contrast before brightness; and nothing is clipped in between."""
    listed = json.loads(
        '[{"edit": "brightness", "factor": 2}, {"edit": "contrast", "factor": 0.5},'
        ' {"edit": "gamma", "power": 2}]'
    )
    found = EditList(listed).double()(one_pixel()).flatten()
    between = (2 * np.array(COLOUR) - 0.5) * 0.5 + 0.5  # 1.2 comes back to 0.85
    np.testing.assert_allclose(found, between**2, atol=1e-12)
    assert found.max() < 1


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([{"edit": "blur", "px": 3}], "edit 1 must have `edit`, one of brightness"),
        (["brightness"], "edit 1 must have `edit`"),
        ([{"edit": ["gamma"]}], "edit 1 must have `edit`"),
        ([{"edit": "gamma", "power": 1}, {"edit": "gamma"}], "edit 2, gamma: needs power, and has nothing"),
        ([{"edit": "gamma", "power": float("nan")}], "power must be a number from 0.05 to 20"),
        ([{"edit": "gamma", "power": True}], "power must be a number"),
        ([{"edit": "brightness", "factor": "2"}], "factor must be a number from 0 to 64"),
        ([{"edit": "brightness", "factor": 1e9}], "factor must be a number from 0 to 64"),
        ([{"edit": "tone", "slopes": [1, 2]}], "slopes must be a list of 8 numbers"),
    ],
)
def test_an_invalid_list_says_which_edit_and_what(listed: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EditList(listed).double()(one_pixel())
