"""Compares two fingerprints: lays one over the other, then asks whether their edges fall together.

Two frames of one scene differ by a small shift, zoom and turn, and in brightness and contrast. So a pair is first
aligned: by whole cells, then by a similarity transform that Gauss-Newton steps refine (inverse compositional form;
Baker and Matthews, IJCV 2004). What is compared then are gradients, because two different images of one kind share
their coarse light and dark, and because every edge is to count alike, not the strongest one alone: gradients are
compressed, ``g / (|g| + e)``, with e a part of the image's usual gradient.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .jit import jit as _jit

jit = partial(_jit, error_model="numpy")

#: Rows and columns of a fingerprint, its cells, and its middle.
_SIDE = 16
_CELLS = _SIDE * _SIDE
_MIDDLE = np.float32((_SIDE - 1) / 2)

#: Whole cells by which fingerprints are shifted; the steps refine that further.
_SHIFT = 2
_WIDE = _SIDE + 2 * _SHIFT
_STEPS = 4
#: Steps end where they improve the correlation by less.
_ENOUGH = np.float32(2e-4)
#: Pairs whose best whole shift correlates less are not copies, and not refined: of altered copies of photographs one in
#: 1,000 lies below 0.6.
_FLOOR = np.float32(0.4)
#: Cells that must overlap.
_OVERLAP = 100
#: A gradient of this share of the image's usual one counts half; besides, so does one of a single grey level, which
#: rounding makes.
_SOFT = np.float32(0.3)
_ROUNDING = np.float32(1)
#: Ridge on the steps, in shares of the mean squared gradient, for images with edges in one direction only.
_RIDGE_SHIFT = np.float32(0.02)
_RIDGE_ZOOM = np.float32(0.5)

_ONE, _ZERO, _HALF = np.float32(1), np.float32(0), np.float32(0.5)
_TINY = np.float32(1e-9)
_LAST = np.float32(_SIDE - 1.0001)
_EDGE = np.float32(_SIDE - 0.5)

#: Rows and columns of all cells as seen from the middle, and steps to the next cell and to the one below.
_FROM_Y, _FROM_X = np.indices((_SIDE, _SIDE)).reshape(2, -1).astype(np.float32) - _MIDDLE
_NEXT, _BELOW = np.uint32(1), np.uint32(_SIDE)

#: Weight of every cell: the borders of two fingerprints need not show the same.
_TAPER = np.sin(np.pi * np.arange(1, _SIDE + 1) / _SIDE)
_WEIGHT = np.maximum(np.outer(_TAPER, _TAPER), 0).astype(np.float32).ravel()


@jit
def read(fingerprints, row, cells):
    """Puts a fingerprint without its mean into ``cells``; returns its energy."""
    total = _ZERO
    for i in range(_CELLS):
        cells[i] = np.float32(fingerprints[row, i])
        total += cells[i]
    mean, energy = total / np.float32(_CELLS), _ZERO
    for i in range(_CELLS):
        cells[i] -= mean
        energy += cells[i] * cells[i]
    return energy


@jit
def widen(cells, wide, first):
    """Copies a fingerprint into rows that are wider by the shifts; what lies between them stays zero."""
    for y in range(_SIDE):
        for x in range(_SIDE):
            wide[first + y * _WIDE + x] = cells[y * _SIDE + x]


@jit
def best_shift(wide_a, wide_b, energies):
    """About the largest correlation over shifts by whole cells, and the shift.

    The energy of the part that overlaps is taken for its share of the cells, which saves most of the time.
    """
    scale = np.float32(_CELLS) / math.sqrt(energies + _TINY)
    best, best_y, best_x = np.float32(-2), 0, 0
    for dy in range(2 * _SHIFT + 1):
        for dx in range(2 * _SHIFT + 1):
            shifted, product = wide_b[dy * _WIDE + dx :], _ZERO
            for i in range(_SIDE * _WIDE):
                product += wide_a[i] * shifted[i]
            overlap = (_SIDE - abs(dy - _SHIFT)) * (_SIDE - abs(dx - _SHIFT))
            correlation = product * scale / np.float32(overlap)
            if correlation > best:
                best, best_y, best_x = correlation, dy - _SHIFT, dx - _SHIFT
    return best, best_y, best_x


@jit
def within(position):
    """A position moved to where four cells surround it."""
    position = position if position > _ZERO else _ZERO
    return position if position < _LAST else _LAST


@jit
def warp(b, pose, warped, inside, at, down, over):
    """Lays ``b`` over the grid by a similarity transform; returns how many cells it covers.

    The first loop vectorises because it does not look anything up.
    """
    zoom, turn, middle_y, middle_x = pose[0], pose[1], pose[2] + _MIDDLE, pose[3] + _MIDDLE
    count = _ZERO
    for i in range(_CELLS):
        to_y = middle_y + zoom * _FROM_Y[i] - turn * _FROM_X[i]
        to_x = middle_x + turn * _FROM_Y[i] + zoom * _FROM_X[i]
        covered = (to_y >= -_HALF) & (to_y <= _EDGE) & (to_x >= -_HALF) & (to_x <= _EDGE)
        to_y, to_x = within(to_y), within(to_x)
        y, x = np.int32(to_y), np.int32(to_x)
        down[i], over[i], at[i] = to_y - np.float32(y), to_x - np.float32(x), y * np.int32(_SIDE) + x
        inside[i] = _ONE if covered else _ZERO
        count += inside[i]
    for i in range(_CELLS):
        cell = np.uint32(at[i])  # unsigned: no look-up from the end
        upper = b[cell] + over[i] * (b[cell + _NEXT] - b[cell])
        lower = b[cell + _BELOW] + over[i] * (b[cell + _BELOW + _NEXT] - b[cell + _BELOW])
        warped[i] = upper + down[i] * (lower - upper)
    return count


@jit
def steepest(a, descent):
    """How ``a`` changes with zoom, turn, and shifts along both axes, (4, cells)."""
    for y in range(_SIDE):
        for x in range(_SIDE):
            i = y * _SIDE + x
            down = a[min(y + 1, _SIDE - 1) * _SIDE + x] - a[max(y - 1, 0) * _SIDE + x]
            over = a[y * _SIDE + min(x + 1, _SIDE - 1)] - a[y * _SIDE + max(x - 1, 0)]
            if 0 < y < _SIDE - 1:
                down *= _HALF
            if 0 < x < _SIDE - 1:
                over *= _HALF
            descent[0, i] = down * _FROM_Y[i] + over * _FROM_X[i]
            descent[1, i] = over * _FROM_Y[i] - down * _FROM_X[i]
            descent[2, i] = down
            descent[3, i] = over


@jit
def step(a, mean_a, warped, mean_b, gain, inside, descent, normal, pose):
    """One Gauss-Newton step of the pose."""
    v0, v1, v2, v3 = _ZERO, _ZERO, _ZERO, _ZERO
    h00, h01, h02, h03, h11, h12, h13 = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    h22, h23, h33 = _ZERO, _ZERO, _ZERO
    for i in range(_CELLS):
        error = inside[i] * (gain * (warped[i] - mean_b) - (a[i] - mean_a))
        d0, d1, d2, d3 = descent[0, i], descent[1, i], descent[2, i], descent[3, i]
        v0 += d0 * error
        v1 += d1 * error
        v2 += d2 * error
        v3 += d3 * error
        w0, w1, w2, w3 = inside[i] * d0, inside[i] * d1, inside[i] * d2, inside[i] * d3
        h00 += w0 * d0
        h01 += w0 * d1
        h02 += w0 * d2
        h03 += w0 * d3
        h11 += w1 * d1
        h12 += w1 * d2
        h13 += w1 * d3
        h22 += w2 * d2
        h23 += w2 * d3
        h33 += w3 * d3
    energy = h22 + h33 + _TINY
    normal[0, 0], normal[0, 1], normal[0, 2], normal[0, 3], normal[0, 4] = h00 + _RIDGE_ZOOM * energy, h01, h02, h03, v0
    normal[1, 0], normal[1, 1], normal[1, 2], normal[1, 3], normal[1, 4] = h01, h11 + _RIDGE_ZOOM * energy, h12, h13, v1
    normal[2, 0], normal[2, 1], normal[2, 2], normal[2, 3], normal[2, 4] = (
        h02,
        h12,
        h22 + _RIDGE_SHIFT * energy,
        h23,
        v2,
    )
    normal[3, 0], normal[3, 1], normal[3, 2], normal[3, 3], normal[3, 4] = (
        h03,
        h13,
        h23,
        h33 + _RIDGE_SHIFT * energy,
        v3,
    )
    for i in range(4):
        for k in range(i + 1, 4):
            factor = normal[k, i] / normal[i, i]
            for j in range(i, 5):
                normal[k, j] -= factor * normal[i, j]
    for i in range(3, -1, -1):
        for j in range(i + 1, 4):
            normal[i, 4] -= normal[i, j] * normal[j, 4]
        normal[i, 4] /= normal[i, i]
    # The step was one of a's; b takes the inverse of it.
    zoom, turn = _ONE + normal[0, 4], normal[1, 4]
    size = zoom * zoom + turn * turn + _TINY
    zoom, turn = zoom / size, -turn / size
    shift_y = turn * normal[3, 4] - zoom * normal[2, 4]
    shift_x = -turn * normal[2, 4] - zoom * normal[3, 4]
    pose[2] += pose[0] * shift_y - pose[1] * shift_x
    pose[3] += pose[1] * shift_y + pose[0] * shift_x
    old_zoom, old_turn = pose[0], pose[1]
    pose[0] = old_zoom * zoom - old_turn * turn
    pose[1] = old_turn * zoom + old_zoom * turn


@jit
def gradient(cells, i):
    """The gradient in the middle of four cells, down and over."""
    diagonal, other = cells[i + _SIDE + 1] - cells[i], cells[i + _SIDE] - cells[i + 1]
    return diagonal + other, diagonal - other


@jit
def edges_agree(a, b, inside):
    """Correlation of compressed gradients, at most 1; 0 where there are none."""
    count, energy_a, energy_b = _ZERO, _ZERO, _ZERO
    for y in range(_SIDE - 1):
        for x in range(_SIDE - 1):
            i = y * _SIDE + x
            counts = inside[i] * inside[i + 1] * inside[i + _SIDE] * inside[i + _SIDE + 1]
            down_a, over_a = gradient(a, i)
            down_b, over_b = gradient(b, i)
            energy_a += counts * (down_a * down_a + over_a * over_a)
            energy_b += counts * (down_b * down_b + over_b * over_b)
            count += counts
    if count < _OVERLAP // 2:
        return _ZERO
    soft_a = _SOFT * math.sqrt(energy_a / count) + _ROUNDING
    soft_b = _SOFT * math.sqrt(energy_b / count) + _ROUNDING
    ab, aa, bb = _ZERO, _ZERO, _ZERO
    for y in range(_SIDE - 1):
        for x in range(_SIDE - 1):
            i = y * _SIDE + x
            weight = _WEIGHT[i] * inside[i] * inside[i + 1] * inside[i + _SIDE] * inside[i + _SIDE + 1]
            down_a, over_a = gradient(a, i)
            down_b, over_b = gradient(b, i)
            length_a = math.sqrt(down_a * down_a + over_a * over_a)
            length_b = math.sqrt(down_b * down_b + over_b * over_b)
            part_a, part_b = _ONE / (length_a + soft_a), _ONE / (length_b + soft_b)
            ab += weight * (down_a * down_b + over_a * over_b) * part_a * part_b
            aa += weight * (length_a * part_a) ** 2
            bb += weight * (length_b * part_b) ** 2
    return ab / math.sqrt(aa * bb + _TINY)


@jit
def compare_pairs(fingerprints, left, right, agreement):
    """Fills in the agreement of p pairs; pairs of one left row stand together, for speed."""
    a, b = np.empty(_CELLS, np.float32), np.empty(_CELLS, np.float32)
    wide_a, wide_b = np.zeros(_SIDE * _WIDE, np.float32), np.zeros(_WIDE * (_WIDE + 1), np.float32)
    warped, inside = np.empty(_CELLS, np.float32), np.empty(_CELLS, np.float32)
    at, down, over = np.empty(_CELLS, np.int32), np.empty(_CELLS, np.float32), np.empty(_CELLS, np.float32)
    descent = np.empty((4, _CELLS), np.float32)
    normal = np.empty((4, 5), np.float32)
    pose, best_pose = np.empty(4, np.float32), np.empty(4, np.float32)
    last, energy_a = -1, _ZERO
    for p in range(len(left)):
        agreement[p] = _ZERO
        if left[p] != last:
            last = left[p]
            energy_a = read(fingerprints, last, a)
            widen(a, wide_a, 0)
            steepest(a, descent)
        energy_b = read(fingerprints, right[p], b)
        if energy_a <= _ZERO or energy_b <= _ZERO:
            continue
        widen(b, wide_b, _SHIFT * (_WIDE + 1))
        coarse, shift_y, shift_x = best_shift(wide_a, wide_b, energy_a * energy_b)
        if coarse < _FLOOR:
            continue
        pose[0], pose[1], pose[2], pose[3] = _ONE, _ZERO, np.float32(shift_y), np.float32(shift_x)
        best = np.float32(-2)
        for taken in range(_STEPS + 1):
            count = warp(b, pose, warped, inside, at, down, over)
            if count < _OVERLAP:
                break
            sum_a, sum_b, ab, aa, bb = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
            for i in range(_CELLS):
                of_a, of_b = a[i] * inside[i], warped[i] * inside[i]
                sum_a += of_a
                sum_b += of_b
                ab += of_a * warped[i]
                aa += of_a * a[i]
                bb += of_b * warped[i]
            mean_a, mean_b = sum_a / count, sum_b / count
            ab -= sum_a * mean_b
            aa -= sum_a * mean_a
            bb -= sum_b * mean_b
            correlation = ab / math.sqrt(max(aa * bb, _ZERO) + _TINY)
            gained = correlation - best
            if gained > _ZERO:
                best = correlation
                best_pose[:] = pose
            if gained < _ENOUGH or taken == _STEPS:
                break
            step(a, mean_a, warped, mean_b, max(ab / (bb + _TINY), _HALF * _HALF), inside, descent, normal, pose)
        if best > _FLOOR:
            warp(b, best_pose, warped, inside, at, down, over)
            agreement[p] = edges_agree(a, warped, inside)
