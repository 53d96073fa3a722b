"""Compiled passes over one photo, each over a range of rows, without Python's lock.

Every function names its reference in torch. Photos are (3, h, w), float32.
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


@_inline
def _shouldered(tone, bend, shoulder):
    """`tone._shouldered`."""
    above = max(tone - (np.float32(1) - shoulder), np.float32(0))
    return tone - above + above / (np.float32(1) + bend * above)


@_inline
def _luma(r, g, b):
    """`views.texture_view`."""
    return np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b


@_inline
def _within(wanted, room):
    """`tone.within`."""
    return wanted * room / math.sqrt(max(room * room + wanted * wanted, np.float32(1e-12)))


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
def _power(exponent):
    """2^exponent, within 1e-5 of its size, by a polynomial that compilers can vectorise."""
    whole = math.floor(exponent)
    part = exponent - whole
    power = np.float32(0.01368398) * part + np.float32(0.05171774)
    power = power * part + np.float32(0.24162132)
    power = power * part + np.float32(0.69296955)
    power = power * part + np.float32(1)
    return power * np.int32((np.int32(whole) + 127) << 23).view(np.float32)


@_inline
def _sigmoid(value):
    """Within 1e-5."""
    return np.float32(1) / (
        np.float32(1) + _power(min(max(value, np.float32(-20)), np.float32(20)) * -LOG2_E)
    )


# How far `textured` looks: the widest edge and the widest window, ten pixels each; or the widest chroma.
REACH = 20
# Rings hold rows as long as they are needed; row y is at y & MASK. Rows are cut to so few columns that rings
# stay in the processor's cache.
RING, WIDE_RING, COLUMNS = 32, 64, 512
MASK, WIDE_MASK = RING - 1, WIDE_RING - 1
BLOCK = 16  # `activity.BLOCK_PX`


@_pass
def _saturate_row(r, g, b, wanted, least_colour):
    """`tone.saturated`, by a factor of 1 + wanted."""
    one, none = np.float32(1), np.float32(0)
    if wanted > 0:
        for x in range(r.shape[0]):
            grey = _luma(r[x], g[x], b[x])
            above = max(r[x], max(g[x], b[x])) - grey
            below = grey - min(r[x], min(g[x], b[x]))
            most = min((one - grey) / max(above, least_colour), grey / max(below, least_colour))
            factor = one + _within(wanted, max(most - one, none))
            r[x] = grey + factor * (r[x] - grey)
            g[x] = grey + factor * (g[x] - grey)
            b[x] = grey + factor * (b[x] - grey)
    elif wanted < 0:
        for x in range(r.shape[0]):
            grey = _luma(r[x], g[x], b[x])
            r[x] = grey + (one + wanted) * (r[x] - grey)
            g[x] = grey + (one + wanted) * (g[x] - grey)
            b[x] = grey + (one + wanted) * (b[x] - grey)


@_pass
def _tone_row(photo, curves, slopes, tone, tones, luma, louder, limit):
    """`Colour.apply_decision` without LUTs: writes tones and their luma; and for each pixel's noise,
    log(`Noise.louder`) / span, and the gain that leaves it as `quiet` as it may be.

    tone: gain, shift, saturation, shoulder, least colour, quiet, span.
    """
    one, none = np.float32(1), np.float32(0)
    gain, shift, saturation, shoulder, least_colour, quiet, span = tone
    excess = max(gain + shift - one, none)
    bright = excess / (shoulder * (shoulder + excess))
    excess = max(-shift, none)
    dark = excess / (shoulder * (shoulder + excess))
    rolls, wanted = bright > 0 or dark > 0, saturation - one
    width = photo.shape[1]
    r, g, b = tones[0], tones[1], tones[2]
    for x in range(width):
        r[x] = _looked_up(curves[0], photo[0, x])
        g[x] = _looked_up(curves[1], photo[1, x])
        b[x] = _looked_up(curves[2], photo[2, x])
    for x in range(width):
        louder[x] = gain * _looked_up(slopes, _luma(r[x], g[x], b[x]))
    for x in range(width):
        limit[x] = quiet / louder[x]
        louder[x] = _log(louder[x]) / span
    for c in range(3):
        row = tones[c]
        for x in range(width):
            row[x] = row[x] * gain + shift
        if rolls:
            for x in range(width):
                row[x] = one - _shouldered(one - _shouldered(row[x], bright, shoulder), dark, shoulder)
    _saturate_row(r, g, b, wanted, least_colour)
    for x in range(width):
        r[x] = min(max(r[x], none), one)
        g[x] = min(max(g[x], none), one)
        b[x] = min(max(b[x], none), one)
        luma[x] = _luma(r[x], g[x], b[x])


@_pass
def _lut_row(tones, lut, luma):
    """`lut.interpolate`: adds the offsets of a LUT to a row of tones, and updates their luma."""
    last = lut.shape[1] - 1
    for x in range(tones.shape[1]):
        i, fr = _cell(tones[0, x], last)
        j, fg = _cell(tones[1, x], last)
        k, fb = _cell(tones[2, x], last)
        for c in range(3):
            corner = lut[c, i : i + 2, j : j + 2, k : k + 2]
            low = _bilinear(corner[0], fg, fb)
            tones[c, x] += low + (_bilinear(corner[1], fg, fb) - low) * fr
        luma[x] = _luma(tones[0, x], tones[1, x], tones[2, x])


@_pass
def _blurred_row(ring, y, bottom, taps, padded, blurred):
    """`activity.blurred`, for row y of a ring of rows; there are none above 0 and from bottom on."""
    across, radius, mask = blurred.shape[0], taps.shape[0] // 2, ring.shape[0] - 1
    middle = padded[radius : radius + across]
    row = ring[y & mask]
    for x in range(across):
        middle[x] = taps[radius] * row[x]
    for k in range(1, radius + 1):
        above, below, tap = ring[max(y - k, 0) & mask], ring[min(y + k, bottom - 1) & mask], taps[radius + k]
        for x in range(across):
            middle[x] += tap * (above[x] + below[x])
    padded[:radius] = middle[0]
    padded[radius + across : across + 2 * radius] = middle[across - 1]
    for x in range(across):
        blurred[x] = taps[radius] * middle[x]
    for k in range(1, radius + 1):
        before, after, tap = padded[radius - k :], padded[radius + k :], taps[radius + k]
        for x in range(across):
            blurred[x] += tap * (before[x] + after[x])


@_pass
def _change_of_row(band, square, louder, limit, gains, reach, texture, active, gain, change):
    """What `Texture` adds for one band: band · (gain − 1), with the gain limited where there is noise.

    square: the band's local mean square. louder, limit: see `_tone_row`. reach: activity up to which the band
    is noise, where the tone curves have made it no louder. texture: fade, least, span. active, gain: scratch.
    """
    one, none = np.float32(1), np.float32(0)
    fade, least, span = texture
    for x in range(band.shape[0]):  # loops without look-ups are vectorised
        active[x] = _log(square[x] / (least * least) + one) / (np.float32(2) * span)
    for x in range(band.shape[0]):
        gain[x] = _looked_up(gains, active[x])
    for x in range(band.shape[0]):
        noisy = _sigmoid((reach + louder[x] - active[x]) / fade)
        limited = gain[x] - noisy * max(gain[x] - limit[x], none)
        change[x] += band[x] * (limited - one)


@_pass
def _joined_row(luma, rows, skip, count, enhanced):
    """The end of `Texture.forward`: luma and calm colour, plus the change as far as there is room.

    rows: red and blue, less luma, are its fourth and fifth; the change is its last.
    """
    one, none = np.float32(1), np.float32(0)
    for x in range(count):
        red, blue, wanted = rows[3, skip + x], rows[4, skip + x], rows[5, skip + x]
        green = -(np.float32(0.299) * red + np.float32(0.114) * blue) / np.float32(0.587)
        grey = luma[skip + x]
        r = min(max(grey + red, none), one)
        g = min(max(grey + green, none), one)
        b = min(max(grey + blue, none), one)
        room = one - max(r, max(g, b)) if wanted > 0 else min(r, min(g, b))
        wanted = _within(wanted, room)
        enhanced[x, 0], enhanced[x, 1], enhanced[x, 2] = r + wanted, g + wanted, b + wanted


@_pass
def textured(
    photo,
    start,
    end,
    curves,
    slopes,
    lut,
    tone,
    texture,
    gains,
    reaches,
    edges,
    windows,
    chroma,
    enhanced,
):
    """`LutResidual.textured`, for the rows from start to end. Each row is computed once, from rings of the
    rows around it, so that intermediate values never leave the processor's cache.

    lut: (3, side, side, side), or without entries. tone, texture: see `_tone_row`, `_change_of_row`.
    gains: per band. reaches: activity up to which each band is noise. edges, windows: taps of three Gaussians
    each. chroma: taps, or none. enhanced: (h, w, 3).
    """
    height, width = photo.shape[1:]
    for left in range(0, width, COLUMNS):
        right = min(width, left + COLUMNS)
        first, last = max(0, left - REACH), min(width, right + REACH)
        across = last - first
        tones = np.empty((3, across), np.float32)
        lumas = np.empty((RING, across), np.float32)
        louder, limits = np.empty((RING, across), np.float32), np.empty((RING, across), np.float32)
        smooth = np.empty((3, RING, across), np.float32)
        bands, squares = np.empty((3, RING, across), np.float32), np.empty((3, RING, across), np.float32)
        colours = np.empty((2, WIDE_RING, across), np.float32)
        padded = np.empty(across + 2 * REACH, np.float32)
        rows = np.empty((8, across), np.float32)
        due, done = np.zeros(3, np.int64), start  # the next row of each band; of the result
        top, bottom = max(0, start - REACH), min(height, end + REACH)
        due[:] = top
        for y in range(top, bottom):
            at = y & MASK
            _tone_row(photo[:, y, first:last], curves, slopes, tone, tones, lumas[at], louder[at], limits[at])
            if lut.size:
                _lut_row(tones, lut, lumas[at])
            for x in range(across):
                colours[0, y & WIDE_MASK, x] = tones[0, x] - lumas[at, x]
                colours[1, y & WIDE_MASK, x] = tones[2, x] - lumas[at, x]
            for band in range(3):
                radius = edges[band].shape[0] // 2
                while due[band] < bottom and min(due[band] + radius, bottom - 1) <= y:
                    row = due[band]
                    here = row & MASK
                    _blurred_row(lumas, row, bottom, edges[band], padded, smooth[band, here])
                    finer = lumas[here] if band == 0 else smooth[band - 1, here]
                    for x in range(across):
                        value = finer[x] - smooth[band, here, x]
                        bands[band, here, x] = value
                        squares[band, here, x] = value * value
                    due[band] += 1
            while done < end and min(done + REACH, bottom - 1) <= y:
                at = done & MASK
                for band in range(3):
                    _blurred_row(squares[band], done, bottom, windows[band], padded, rows[band])
                for side in range(2):
                    if chroma.size:
                        _blurred_row(colours[side], done, bottom, chroma, padded, rows[3 + side])
                    else:
                        rows[3 + side] = colours[side, done & WIDE_MASK]
                rows[5] = 0
                for band in range(3):
                    _change_of_row(
                        bands[band, at],
                        rows[band],
                        louder[at],
                        limits[at],
                        gains[band],
                        reaches[band],
                        texture,
                        rows[6],
                        rows[7],
                        rows[5],
                    )
                skip = left - first
                _joined_row(lumas[at], rows, skip, right - left, enhanced[done, left:right])
                done += 1


@_pass
def measured(
    photo, start, end, unit, window, curves, narrow, pivots, means, squares, block_means, block_squares
):
    """What `Colour._summarise` averages, for units from start to end, of `unit` rows each; the last one has
    the remaining rows too.

    window: side of a window. narrow: (3, h, thumbnail's width). pivots: luma of each window's first pixel.
    means, squares: of the difference from it, per window, initially 0; so there is no rounding in flat areas.
    block_means: of luma, per block. block_squares: mean square of three bands, per block.
    """
    height, width = photo.shape[1:]
    tones, lumas = np.empty((3, width), np.float32), np.empty((BLOCK, width), np.float32)
    bins = narrow.shape[2]
    halves = np.empty((BLOCK // 2, BLOCK // 2), np.float32)
    for y in range(start * unit, height if end == height // unit else end * unit):
        for c in range(3):
            for x in range(width):
                tones[c, x] = _looked_up(curves[c], photo[c, y, x])
            for i in range(bins):  # as torch's adaptive_avg_pool2d: bins may share a pixel
                first, last = i * width // bins, ((i + 1) * width + bins - 1) // bins
                narrow[c, y, i] = _sum(tones[c, first:last], np.float32(0)) / np.float32(last - first)
        row = lumas[y % BLOCK]
        for x in range(width):
            row[x] = _luma(tones[0, x], tones[1, x], tones[2, x])
        at = y // window
        if at < means.shape[0]:
            for i in range(means.shape[1]):
                part = row[i * window : (i + 1) * window]
                if y % window == 0:
                    pivots[at, i] = part[0]
                means[at, i] += _sum(part, pivots[at, i]) / (window * window)
                squares[at, i] += _sum_of_squares(part, pivots[at, i]) / (window * window)
        if y % BLOCK == BLOCK - 1:
            for i in range(block_means.shape[1]):
                block = lumas[:, i * BLOCK : (i + 1) * BLOCK]
                _block(block, halves, block_squares[:, y // BLOCK, i])
                total = np.float32(0)
                for line in range(BLOCK):
                    total += _sum(block[line], np.float32(0))
                block_means[y // BLOCK, i] = total / np.float32(BLOCK * BLOCK)


@_inline
def _sum(values, pivot):
    total = np.float32(0)
    for x in range(values.shape[0]):
        total += values[x] - pivot
    return total


@_inline
def _sum_of_squares(values, pivot):
    total = np.float32(0)
    for x in range(values.shape[0]):
        total += (values[x] - pivot) * (values[x] - pivot)
    return total


@_pass
def _block(finer, halves, squares):
    """`activity.block_activity` of one block, before the logarithm."""
    side = finer.shape[0]
    for band in range(3):
        side //= 2
        total = np.float32(0)
        for y in range(side):
            for x in range(side):
                a, b = finer[2 * y, 2 * x], finer[2 * y, 2 * x + 1]
                c, d = finer[2 * y + 1, 2 * x], finer[2 * y + 1, 2 * x + 1]
                mean = np.float32(0.25) * (a + b + c + d)
                total += (a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2 + (d - mean) ** 2
                halves[y, x] = mean  # where it replaces finer values, they have been read
        squares[band] = total / np.float32(4 * side * side)
        finer = halves


@_pass
def toned(photo, start, end, curves, slopes, lut, tone, enhanced):
    """`Colour.apply_decision`, within 0–1: what `textured` does where no texture is fitted."""
    width = photo.shape[2]
    tones, unused = np.empty((3, width), np.float32), np.empty((3, width), np.float32)
    for y in range(start, end):
        _tone_row(photo[:, y], curves, slopes, tone, tones, unused[0], unused[1], unused[2])
        if lut.size:
            _lut_row(tones, lut, unused[0])
        for x in range(width):
            for c in range(3):
                enhanced[y, x, c] = min(max(tones[c, x], np.float32(0)), np.float32(1))


@_pass
def to_blocks(photo, start, end, block, middle, blocks):
    """`pixel_unshuffle` of a photo less `middle`, for rows of blocks; the last repeat the photo's border.

    blocks: (rows, columns, 3 · block · block).
    """
    height, width = photo.shape[1:]
    for row in range(start, end):
        for c in range(3):
            for down in range(block):
                y, channel = min(row * block + down, height - 1), (c * block + down) * block
                for across in range(block):
                    for column in range(blocks.shape[1]):
                        x = min(column * block + across, width - 1)
                        blocks[row, column, channel + across] = photo[c, y, x] - middle


@_pass
def from_blocks(blocks, start, end, block, scale, photo, changed):
    """`pixel_shuffle` of blocks (see `to_blocks`) times `scale`, plus the photo, for rows of blocks.

    changed: (h, w, 3).
    """
    height, width = photo.shape[1:]
    for row in range(start, end):
        for down in range(block):
            y = row * block + down
            if y < height:
                for x in range(width):
                    for c in range(3):
                        channel = (c * block + down) * block + x % block
                        changed[y, x, c] = photo[c, y, x] + scale * blocks[row, x // block, channel]


@_pass
def _cells(first, count, size, cells, below, share):
    """Where pixels first … first + count − 1 of `size` lie between the centres of `cells` cells."""
    for i in range(count):
        place = np.float32((first + i + 0.5) * cells / size - 0.5)
        place = min(max(place, np.float32(0)), np.float32(cells - 1))
        below[i] = max(min(np.int32(place), cells - 2), 0)
        share[i] = place - np.float32(below[i])


@_pass
def lit(photo, start, end, stops, colours, place, enhanced):
    """`Light.forward`. stops: (depth, rows, columns). colours: three channels' stops, haze, saturation.
    place: top, left, height, width. enhanced: (h, w, 3).
    """
    one, none = np.float32(1), np.float32(0)
    top, left, height, width = place
    haze, wanted, least_colour = colours[3], colours[4] - one, np.float32(1e-3)
    room = one / (one - haze)
    depth, rows, columns = stops.shape
    across = photo.shape[2]
    cell, share = np.empty(across, np.int32), np.empty(across, np.float32)
    _cells(left, across, width, columns, cell, share)
    row_cell, row_share = np.empty(1, np.int32), np.empty(1, np.float32)
    bands, row = np.empty((depth, across), np.float32), np.empty(columns, np.float32)
    tones = np.empty((3, across), np.float32)
    level, gain = np.empty(across, np.float32), np.empty(across, np.float32)
    for y in range(start, end):
        _cells(top + y, 1, height, rows, row_cell, row_share)
        above, below = row_cell[0], min(row_cell[0] + 1, rows - 1)
        for band in range(depth):
            for i in range(columns):
                row[i] = (
                    stops[band, above, i] + (stops[band, below, i] - stops[band, above, i]) * row_share[0]
                )
            for x in range(across):
                following = min(cell[x] + 1, columns - 1)
                bands[band, x] = row[cell[x]] + (row[following] - row[cell[x]]) * share[x]
        for c in range(3):
            for x in range(across):
                tones[c, x] = photo[c, y, x]
        for x in range(across):  # loops without look-ups are vectorised
            luma = min(max(_luma(tones[0, x], tones[1, x], tones[2, x]), none), one)
            level[x] = min(max(luma * np.float32(depth) - np.float32(0.5), none), np.float32(depth - 1))
        for x in range(across):
            band = max(min(np.int32(level[x]), depth - 2), 0)
            low = bands[band, x]
            gain[x] = low + (bands[min(band + 1, depth - 1), x] - low) * (level[x] - np.float32(band))
        for x in range(across):
            gain[x] = _power(gain[x])
        for c in range(3):
            own = _power(colours[c])
            for x in range(across):
                factor = gain[x] * own
                clear = min(max((tones[c, x] - haze) * room, none), one)
                tones[c, x] = factor * clear / (one + (factor - one) * clear)
        _saturate_row(tones[0], tones[1], tones[2], wanted, least_colour)
        for x in range(across):
            for c in range(3):
                enhanced[y, x, c] = min(max(tones[c, x], none), one)
