"""Compiled passes over planes of one photo, each over a range of rows, without Python's lock.

Every function names its reference in torch. Photos are (3, h, w), planes (h, w), float32.
"""

import math

import numba
import numpy as np

_pass = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
_inline = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy", inline="always")

LOG_2 = np.float32(math.log(2))
SIGMOID_SPAN, SIGMOID_STEPS = np.float32(10), 4096


def sigmoid_table() -> np.ndarray:
    """Return the sigmoid between ±SIGMOID_SPAN, for `texture`."""
    places = np.linspace(-SIGMOID_SPAN, SIGMOID_SPAN, SIGMOID_STEPS)
    return (1 / (1 + np.exp(-places))).astype(np.float32)


@_inline
def _looked_up(curve, value):
    """`tone.apply_curves` of one value, 0–1."""
    last = curve.shape[0] - 1
    place = min(max(value, np.float32(0)), np.float32(1)) * np.float32(last)
    below = min(np.int32(place), last - 1)
    return curve[below] + (curve[below + 1] - curve[below]) * (place - np.float32(below))


@_inline
def _shouldered(tone, excess, shoulder):
    """`tone._shouldered`; excess: white − 1."""
    if excess <= 0:
        return tone
    above = max(tone - (1 - shoulder), np.float32(0))
    bend = excess / (shoulder * (shoulder + excess))
    return tone - above + above / (1 + bend * above)


@_pass
def colour(
    photo, start, end, curves, slopes, gain, shift, saturation, shoulder, least_colour, tones, luma, louder
):
    """`Colour.apply_decision` without LUTs: writes tones, their luma, and `Noise.louder`."""
    one, none = np.float32(1), np.float32(0)
    bright, dark = max(gain + shift - one, none), max(-shift, none)
    wanted = saturation - one
    for y in range(start, end):
        for x in range(photo.shape[2]):
            r = _looked_up(curves[0], photo[0, y, x])
            g = _looked_up(curves[1], photo[1, y, x])
            b = _looked_up(curves[2], photo[2, y, x])
            grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            louder[y, x] = gain * _looked_up(slopes, grey)
            r, g, b = r * gain + shift, g * gain + shift, b * gain + shift
            if bright > 0 or dark > 0:
                r = one - _shouldered(one - _shouldered(r, bright, shoulder), dark, shoulder)
                g = one - _shouldered(one - _shouldered(g, bright, shoulder), dark, shoulder)
                b = one - _shouldered(one - _shouldered(b, bright, shoulder), dark, shoulder)
            if wanted != 0:
                grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
                factor = wanted
                if wanted > 0:
                    above = max(r, max(g, b)) - grey
                    below = grey - min(r, min(g, b))
                    limit = min((one - grey) / max(above, least_colour), grey / max(below, least_colour))
                    factor = _within(wanted, max(limit - one, none))
                r, g, b = (
                    grey + (one + factor) * (r - grey),
                    grey + (one + factor) * (g - grey),
                    grey + (one + factor) * (b - grey),
                )
            r, g, b = min(max(r, none), one), min(max(g, none), one), min(max(b, none), one)
            tones[0, y, x], tones[1, y, x], tones[2, y, x] = r, g, b
            luma[y, x] = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b


@_inline
def _within(wanted, room):
    """`tone.within`."""
    return wanted * room / math.sqrt(max(room * room + wanted * wanted, np.float32(1e-12)))


@_pass
def interpolate(tones, start, end, lut, luma):
    """`lut.interpolate`: adds the offsets of a LUT (3, side, side, side) to tones, and updates their luma."""
    last = lut.shape[1] - 1
    for y in range(start, end):
        for x in range(tones.shape[2]):
            i, fr = _cell(tones[0, y, x], last)
            j, fg = _cell(tones[1, y, x], last)
            k, fb = _cell(tones[2, y, x], last)
            for c in range(3):
                corner = lut[c, i : i + 2, j : j + 2, k : k + 2]
                low = _bilinear(corner[0], fg, fb)
                tones[c, y, x] += low + (_bilinear(corner[1], fg, fb) - low) * fr
            luma[y, x] = (
                np.float32(0.299) * tones[0, y, x]
                + np.float32(0.587) * tones[1, y, x]
                + np.float32(0.114) * tones[2, y, x]
            )


@_inline
def _cell(value, last):
    place = min(max(value, np.float32(0)), np.float32(1)) * np.float32(last)
    cell = min(np.int32(place), last - 1)
    return cell, place - np.float32(cell)


@_inline
def _bilinear(square, down, across):
    first = square[0, 0] + (square[0, 1] - square[0, 0]) * across
    second = square[1, 0] + (square[1, 1] - square[1, 0]) * across
    return first + (second - first) * down


@_pass
def blur(plane, start, end, taps, blurred):
    """`activity.blurred` of one plane."""
    height, width = plane.shape
    radius = taps.shape[0] // 2
    row = np.empty(width + 2 * radius, np.float32)
    for y in range(start, end):
        for x in range(width):
            row[radius + x] = taps[radius] * plane[y, x]
        for k in range(1, radius + 1):
            above, below, tap = max(y - k, 0), min(y + k, height - 1), taps[radius + k]
            for x in range(width):
                row[radius + x] += tap * (plane[above, x] + plane[below, x])
        row[:radius] = row[radius]
        row[radius + width :] = row[radius + width - 1]
        for x in range(width):
            blurred[y, x] = taps[radius] * row[radius + x]
        for k in range(1, radius + 1):
            tap = taps[radius + k]
            for x in range(width):
                blurred[y, x] += tap * (row[radius + x - k] + row[radius + x + k])


@_pass
def squared_difference(fine, coarse, start, end, band, square):
    """`activity.bands` of two neighbouring blurs, and its square."""
    for y in range(start, end):
        for x in range(fine.shape[1]):
            value = fine[y, x] - coarse[y, x]
            band[y, x] = value
            square[y, x] = value * value


@_inline
def _log(value):
    """Natural logarithm of a positive float32, within 1e-5: a polynomial that compilers can vectorise."""
    bits = np.float32(value).view(np.int32)
    exponent = np.float32((bits >> 23) - 127)
    m = np.int32((bits & 0x7FFFFF) | 0x3F800000).view(np.float32)  # 1 to 2
    log_2 = np.float32(0.04392863) * m - np.float32(0.40947559)
    log_2 = log_2 * m + np.float32(1.61017755)
    log_2 = log_2 * m - np.float32(3.52021884)
    log_2 = log_2 * m + np.float32(5.06975632)
    log_2 = log_2 * m - np.float32(2.79415368)
    return (exponent + log_2) * LOG_2


@_pass
def change_of_band(band, square, louder, start, end, gains, reach, fade, quiet, least, span, sigmoid, change):
    """What `Texture` adds for one band: band · (gain − 1), with the gain limited where there is noise.

    square: the band's local mean square. reach: activity up to which it is noise, without `louder`'s part.
    """
    half = np.float32(0.5) * np.float32(SIGMOID_STEPS - 1) / SIGMOID_SPAN
    for y in range(start, end):
        for x in range(band.shape[1]):
            active = _log(square[y, x] / (least * least) + np.float32(1)) / (np.float32(2) * span)
            gain = _looked_up(gains, active)
            limit = quiet / louder[y, x]
            if gain > limit:
                place = (reach + _log(louder[y, x]) / span - active) / fade
                place = min(max(place, -SIGMOID_SPAN), SIGMOID_SPAN)
                gain -= sigmoid[np.int32((place + SIGMOID_SPAN) * half + np.float32(0.5))] * (gain - limit)
            change[y, x] += band[y, x] * (gain - np.float32(1))


@_pass
def chroma(tones, luma, start, end, differences):
    """The difference of red and blue from luma; green's follows from them."""
    for y in range(start, end):
        for x in range(luma.shape[1]):
            differences[0, y, x] = tones[0, y, x] - luma[y, x]
            differences[1, y, x] = tones[2, y, x] - luma[y, x]


@_pass
def joined(luma, differences, change, start, end, photo):
    """The end of `Texture.forward`: luma and calm colour, plus the change as far as there is room."""
    one, none = np.float32(1), np.float32(0)
    for y in range(start, end):
        for x in range(luma.shape[1]):
            red, blue = differences[0, y, x], differences[1, y, x]
            green = -(np.float32(0.299) * red + np.float32(0.114) * blue) / np.float32(0.587)
            r = min(max(luma[y, x] + red, none), one)
            g = min(max(luma[y, x] + green, none), one)
            b = min(max(luma[y, x] + blue, none), one)
            wanted = change[y, x]
            room = one - max(r, max(g, b)) if wanted > 0 else min(r, min(g, b))
            wanted = _within(wanted, room)
            photo[0, y, x], photo[1, y, x], photo[2, y, x] = r + wanted, g + wanted, b + wanted
