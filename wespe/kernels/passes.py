"""Compiled passes over planes of one photo, each over a range of rows, without Python's lock.

Every function names its reference in torch. Photos are (3, h, w), planes (h, w), float32.
"""

import math

import numba
import numpy as np

_pass = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
_inline = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy", inline="always")

LOG_2, LOG2_E = np.float32(math.log(2)), np.float32(math.log2(math.e))


@_inline
def _looked_up(curve, value):
    """`tone.apply_curves` of one value, 0–1."""
    last = curve.shape[0] - 1
    place = min(max(value, np.float32(0)), np.float32(1)) * np.float32(last)
    below = max(min(np.int32(place), last - 1), 0)  # also where place is NaN
    return curve[below] + (curve[below + 1] - curve[below]) * (place - np.float32(below))


@_pass
def apply_curves(photo, start, end, curves, result):
    """`tone.apply_curves`."""
    for y in range(start, end):
        for c in range(photo.shape[0]):
            for x in range(photo.shape[2]):
                result[c, y, x] = _looked_up(curves[c], photo[c, y, x])


@_inline
def _shouldered(tone, bend, shoulder):
    """`tone._shouldered`."""
    above = max(tone - (np.float32(1) - shoulder), np.float32(0))
    return tone - above + above / (np.float32(1) + bend * above)


@_inline
def _luma(r, g, b):
    """`views.texture_view`."""
    return np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b


@_pass
def colour(
    photo,
    start,
    end,
    curves,
    slopes,
    gain,
    shift,
    saturation,
    shoulder,
    least_colour,
    quiet,
    span,
    tones,
    luma,
    louder,
    limit,
):
    """`Colour.apply_decision` without LUTs: writes tones and their luma; and for each pixel's noise,
    log(`Noise.louder`) / span, and the gain that leaves it as `quiet` as it may be.
    """
    one, none = np.float32(1), np.float32(0)
    excess = max(gain + shift - one, none)
    bright = excess / (shoulder * (shoulder + excess))
    excess = max(-shift, none)
    dark = excess / (shoulder * (shoulder + excess))
    rolls, wanted = bright > 0 or dark > 0, saturation - one
    width = photo.shape[2]
    for y in range(start, end):
        r, g, b = tones[0, y], tones[1, y], tones[2, y]
        for x in range(width):
            r[x] = _looked_up(curves[0], photo[0, y, x])
            g[x] = _looked_up(curves[1], photo[1, y, x])
            b[x] = _looked_up(curves[2], photo[2, y, x])
        for x in range(width):
            louder[y, x] = gain * _looked_up(slopes, _luma(r[x], g[x], b[x]))
        for x in range(width):
            limit[y, x] = quiet / louder[y, x]
            louder[y, x] = _log(louder[y, x]) / span
        for c in range(3):
            row = tones[c, y]
            for x in range(width):
                row[x] = row[x] * gain + shift
            if rolls:
                for x in range(width):
                    row[x] = one - _shouldered(one - _shouldered(row[x], bright, shoulder), dark, shoulder)
        if wanted > 0:
            for x in range(width):
                grey = _luma(r[x], g[x], b[x])
                above = max(r[x], max(g[x], b[x])) - grey
                below = grey - min(r[x], min(g[x], b[x]))
                most = min((one - grey) / max(above, least_colour), grey / max(below, least_colour))
                factor = one + _within(wanted, max(most - one, none))
                r[x] = grey + factor * (r[x] - grey)
                g[x] = grey + factor * (g[x] - grey)
                b[x] = grey + factor * (b[x] - grey)
        elif wanted < 0:
            for x in range(width):
                grey = _luma(r[x], g[x], b[x])
                r[x] = grey + saturation * (r[x] - grey)
                g[x] = grey + saturation * (g[x] - grey)
                b[x] = grey + saturation * (b[x] - grey)
        for x in range(width):
            r[x] = min(max(r[x], none), one)
            g[x] = min(max(g[x], none), one)
            b[x] = min(max(b[x], none), one)
            luma[y, x] = _luma(r[x], g[x], b[x])


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
            luma[y, x] = _luma(tones[0, y, x], tones[1, y, x], tones[2, y, x])


@_inline
def _cell(value, last):
    place = min(max(value, np.float32(0)), np.float32(1)) * np.float32(last)
    cell = max(min(np.int32(place), last - 1), 0)
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


@_inline
def _sigmoid(value):
    """Within 1e-5, by a polynomial of 2^x that compilers can vectorise."""
    place = min(max(value, np.float32(-20)), np.float32(20)) * -LOG2_E
    whole = math.floor(place)
    part = place - whole
    power = np.float32(0.01368398) * part + np.float32(0.05171774)
    power = power * part + np.float32(0.24162132)
    power = power * part + np.float32(0.69296955)
    power = power * part + np.float32(1)
    scale = np.int32((np.int32(whole) + 127) << 23).view(np.float32)
    return np.float32(1) / (np.float32(1) + power * scale)


@_pass
def change_of_band(band, square, louder, limit, start, end, gains, reach, fade, least, span, change):
    """What `Texture` adds for one band: band · (gain − 1), with the gain limited where there is noise.

    square: the band's local mean square. louder, limit: see `colour`. reach: activity up to which the band is
    noise, where the tone curves have made it no louder.
    """
    one, none = np.float32(1), np.float32(0)
    active = np.empty(band.shape[1], np.float32)
    gain = np.empty(band.shape[1], np.float32)
    for y in range(start, end):
        for x in range(band.shape[1]):
            active[x] = _log(square[y, x] / (least * least) + one) / (np.float32(2) * span)
        for x in range(band.shape[1]):
            gain[x] = _looked_up(gains, active[x])
        for x in range(band.shape[1]):
            noisy = _sigmoid((reach + louder[y, x] - active[x]) / fade)
            limited = gain[x] - noisy * max(gain[x] - limit[y, x], none)
            change[y, x] += band[y, x] * (limited - one)


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
