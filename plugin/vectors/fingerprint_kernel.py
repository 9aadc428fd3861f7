"""Compares two fingerprints: lays one over the other, then asks whether their edges fall together.

Two frames of one scene differ by a small shift, zoom and turn, and in brightness and contrast. So a pair is first
aligned: by whole cells, then by a similarity transform that Gauss-Newton steps refine (inverse compositional form;
Baker and Matthews, IJCV 2004). What is compared then are gradients, because two different images of one kind share
their coarse light and dark, and because every edge is to count alike, not the strongest one alone: gradients are
compressed, ``g / (|g| + e)``, with e a part of the image's usual gradient.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import jit

#: Rows and columns of a fingerprint, its cells, and its middle.
_SIDE = 16
_CELLS = _SIDE * _SIDE
_MIDDLE = np.float32((_SIDE - 1) / 2)

#: Whole cells by which fingerprints are shifted; the steps refine that further.
_SHIFT = 2
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
def best_shift(a, b, padded):
    """About the largest correlation over shifts by whole cells, and the shift.

    The energy of the part that overlaps is taken for its share of the cells, which saves most of the time.
    """
    energy_a, energy_b = _ZERO, _ZERO
    for i in range(_CELLS):
        energy_a += a[i] * a[i]
        energy_b += b[i] * b[i]
    for y in range(_SIDE):
        for x in range(_SIDE):
            padded[y + _SHIFT, x + _SHIFT] = b[y * _SIDE + x]
    scale = np.float32(_CELLS) / math.sqrt(energy_a * energy_b + _TINY)
    best, best_y, best_x = np.float32(-2), 0, 0
    for dy in range(2 * _SHIFT + 1):
        for dx in range(2 * _SHIFT + 1):
            product = _ZERO
            for y in range(_SIDE):
                for x in range(_SIDE):
                    product += a[y * _SIDE + x] * padded[y + dy, x + dx]
            overlap = (_SIDE - abs(dy - _SHIFT)) * (_SIDE - abs(dx - _SHIFT))
            correlation = product * scale / np.float32(overlap)
            if correlation > best:
                best, best_y, best_x = correlation, dy - _SHIFT, dx - _SHIFT
    return best, best_y, best_x


@jit
def warp(b, pose, warped, inside):
    """Lays ``b`` over the grid by a similarity transform; returns how many cells it covers."""
    count = 0
    for y in range(_SIDE):
        from_y = np.float32(y) - _MIDDLE
        for x in range(_SIDE):
            from_x = np.float32(x) - _MIDDLE
            to_y = _MIDDLE + pose[0] * from_y - pose[1] * from_x + pose[2]
            to_x = _MIDDLE + pose[1] * from_y + pose[0] * from_x + pose[3]
            covered = (to_y >= -_HALF) and (to_y <= _EDGE) and (to_x >= -_HALF) and (to_x <= _EDGE)
            to_y = min(max(to_y, _ZERO), _LAST)
            to_x = min(max(to_x, _ZERO), _LAST)
            i, j = int(to_y), int(to_x)
            down, over, at = to_y - np.float32(i), to_x - np.float32(j), i * _SIDE + j
            upper = b[at] + over * (b[at + 1] - b[at])
            lower = b[at + _SIDE] + over * (b[at + _SIDE + 1] - b[at + _SIDE])
            warped[y * _SIDE + x] = upper + down * (lower - upper)
            inside[y * _SIDE + x] = _ONE if covered else _ZERO
            count += int(covered)
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
            from_y, from_x = np.float32(y) - _MIDDLE, np.float32(x) - _MIDDLE
            descent[0, i] = down * from_y + over * from_x
            descent[1, i] = over * from_y - down * from_x
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
    count, energy_a, energy_b = 0, _ZERO, _ZERO
    for y in range(_SIDE - 1):
        for x in range(_SIDE - 1):
            i = y * _SIDE + x
            if inside[i] * inside[i + 1] * inside[i + _SIDE] * inside[i + _SIDE + 1] > _ZERO:
                down_a, over_a = gradient(a, i)
                down_b, over_b = gradient(b, i)
                energy_a += down_a * down_a + over_a * over_a
                energy_b += down_b * down_b + over_b * over_b
                count += 1
    if count < _OVERLAP // 2:
        return _ZERO
    soft_a = _SOFT * math.sqrt(energy_a / np.float32(count)) + _ROUNDING
    soft_b = _SOFT * math.sqrt(energy_b / np.float32(count)) + _ROUNDING
    ab, aa, bb = _ZERO, _ZERO, _ZERO
    for y in range(_SIDE - 1):
        for x in range(_SIDE - 1):
            i = y * _SIDE + x
            if inside[i] * inside[i + 1] * inside[i + _SIDE] * inside[i + _SIDE + 1] > _ZERO:
                down_a, over_a = gradient(a, i)
                down_b, over_b = gradient(b, i)
                length_a = math.sqrt(down_a * down_a + over_a * over_a)
                length_b = math.sqrt(down_b * down_b + over_b * over_b)
                part_a, part_b = _ONE / (length_a + soft_a), _ONE / (length_b + soft_b)
                ab += _WEIGHT[i] * (down_a * down_b + over_a * over_b) * part_a * part_b
                aa += _WEIGHT[i] * (length_a * part_a) ** 2
                bb += _WEIGHT[i] * (length_b * part_b) ** 2
    return ab / math.sqrt(aa * bb + _TINY)


@jit
def compare_pairs(fingerprints, left, right, agreement):
    """Fills in the agreement of p pairs; pairs of one left row stand together, for speed."""
    a = np.empty(_CELLS, np.float32)
    b = np.empty(_CELLS, np.float32)
    padded = np.zeros((_SIDE + 2 * _SHIFT, _SIDE + 2 * _SHIFT), np.float32)
    warped = np.empty(_CELLS, np.float32)
    inside = np.empty(_CELLS, np.float32)
    descent = np.empty((4, _CELLS), np.float32)
    normal = np.empty((4, 5), np.float32)
    pose, best_pose = np.empty(4, np.float32), np.empty(4, np.float32)
    last, energy_a = -1, _ZERO
    for p in range(len(left)):
        agreement[p] = _ZERO
        if left[p] != last:
            last = left[p]
            energy_a = read(fingerprints, last, a)
            steepest(a, descent)
        if energy_a <= _ZERO or read(fingerprints, right[p], b) <= _ZERO:
            continue
        coarse, shift_y, shift_x = best_shift(a, b, padded)
        if coarse < _FLOOR:
            continue
        pose[0], pose[1], pose[2], pose[3] = _ONE, _ZERO, np.float32(shift_y), np.float32(shift_x)
        best = np.float32(-2)
        for taken in range(_STEPS + 1):
            count = warp(b, pose, warped, inside)
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
            mean_a, mean_b = sum_a / np.float32(count), sum_b / np.float32(count)
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
            warp(b, best_pose, warped, inside)
            agreement[p] = edges_agree(a, warped, inside)
