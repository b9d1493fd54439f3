"""Training of concept weights on the CPU: hand-written gradients, one concept at a time, concepts in parallel."""

import numba
import numpy as np

_LOG2E = np.float32(1.4426950408889634)
_LN2 = np.float32(0.6931471805599453)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sigmoid(z, out, scale_bits, scale, start, stop):
    """1 / (1 + exp(-z)) for a run of a row, written so that the compiler vectorises it.

    exp(-z) = 2^n exp(r) with |r| <= ln(2) / 2; exp(r) by its Taylor polynomial, 2^n put together from its bits.
    Absolute error below 1e-7. scale_bits, scale: int32 scratch and the same memory as float32.
    """
    for x in range(start, stop):
        v = min(max(-z[x], np.float32(-80)), np.float32(80))
        n = np.floor(v * _LOG2E + np.float32(0.5))
        r = v - n * _LN2
        scale_bits[x] = (np.int32(n) + np.int32(127)) << np.int32(23)
        p = np.float32(1 / 5040)
        p = p * r + np.float32(1 / 720)
        p = p * r + np.float32(1 / 120)
        p = p * r + np.float32(1 / 24)
        p = p * r + np.float32(1 / 6)
        p = p * r + np.float32(0.5)
        p = p * r + np.float32(1)
        out[x] = p * r + np.float32(1)
    for x in range(start, stop):
        out[x] = np.float32(1) / (np.float32(1) + out[x] * scale[x])


@numba.njit(cache=True, nogil=True)
def _combine(weights, bias, code, start, stop, cells, combined, active):
    """The combined map sum_k w_k 1[A_k > T_k] on the layer's grid, and where anything fired at all."""
    combined[:] = bias
    active[:] = False
    for e in range(start, stop):
        place = code[e] % cells
        combined[place] += weights[code[e] // cells]
        active[place] = True


@numba.njit(cache=True, nogil=True)
def _extent(active, height, width):
    """Columns first .. last + 1 that hold something active, and rows likewise."""
    left, right, top, bottom = width, -1, height, -1
    for y in range(height):
        for x in range(width):
            if active[y * width + x]:
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    return left, right, top, bottom


@numba.njit(cache=True, nogil=True, fastmath=True)
def _interpolate_row(combined, width, y, down, across, narrow, row, start, stop):
    """One row of the upsampled map, columns start .. stop."""
    y0, y1, v0, v1, _ = down
    x0, x1, u0, u1, _ = across
    upper, lower = y0[y] * width, y1[y] * width
    for x in range(width):
        narrow[x] = combined[upper + x] * v0[y] + combined[lower + x] * v1[y]
    for x in range(start, stop):
        row[x] = narrow[x0[x]] * u0[x] + narrow[x1[x]] * u1[x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _slope(row, target, alpha, log_loss, n_images, start, stop):
    """Turn a row of sigma(z) into dLoss/dz of the weighted loss, in place.

    Equation 4 as released: -(alpha L M + (1 - alpha)(1 - L)(1 - M)); the log-loss the text names: the same with
    log M and log(1 - M). Both are summed over pixels and divided by the images of the batch.
    """
    here, beside = alpha / n_images, (np.float32(1) - alpha) / n_images
    for x in range(start, stop):
        m, inside = row[x], target[x] != 0
        if log_loss:
            row[x] = (m - np.float32(1)) * here if inside else m * beside
        else:
            row[x] = m * (np.float32(1) - m) * (-here if inside else beside)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _spread_row(row, width, y, down, across, narrow, gradient, start, stop):
    """Adjoint of _interpolate_row: add a row's slope to the gradient on the layer's grid."""
    y0, y1, v0, v1, _ = down
    x0, x1, u0, u1, first = across
    narrow[:] = 0
    for cell in range(width):
        a, b = np.float32(0), np.float32(0)
        for x in range(max(first[cell], start), min(first[cell + 1], stop)):
            a += row[x] * u0[x]
            b += row[x] * u1[x]
        narrow[cell] += a
        narrow[min(cell + 1, width - 1)] += b
    upper, lower = y0[y] * width, y1[y] * width
    for x in range(width):
        gradient[upper + x] += narrow[x] * v0[y]
        gradient[lower + x] += narrow[x] * v1[y]


@numba.njit(cache=True, nogil=True)
def _target_row(maps, first_map, last_map, local, at, start, stop, target):
    """L of one row: where any map of the image carries the concept; everywhere for a whole-image label."""
    target[start:stop] = 1 if local == 0 else 0
    if local:
        for m in range(first_map, last_map):
            for x in range(start, stop):
                target[x] |= maps[m, at + x] == local


@numba.njit(cache=True, nogil=True)
def train_segmentation(
    weights, images, local, plan, batch, alpha, rate, momentum, log_loss, fired, labels, down, across
):
    """SGD with momentum for one concept (Net2Vec 3.1.2); `weights` float32, (filter,), is changed in place.

    images, local   (example,) the training images and the concept's local label in each
    plan            int32, (epoch, example): the order in which examples are visited
    alpha, rate     weight of the concept's pixels in the loss; learning rate
    fired           pointers, codes, (h, w)     labels: maps, map_ptr
    down, across    float32 taps: i0, i1, w0, w1, first
    """
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, wide = height * width, len(across[0])
    velocity, slope = np.zeros_like(weights), np.zeros_like(weights)
    combined, gradient = np.zeros(cells, np.float32), np.zeros(cells, np.float32)
    active, narrow = np.zeros(cells, np.bool_), np.zeros(width, np.float32)
    row, sigma, target = np.zeros(wide, np.float32), np.zeros(wide, np.float32), np.zeros(wide, np.uint8)
    scale_bits = np.zeros(wide, np.int32)
    scale = scale_bits.view(np.float32)
    for epoch in range(plan.shape[0]):
        for begin in range(0, plan.shape[1], batch):
            end = min(begin + batch, plan.shape[1])
            slope[:] = 0
            for step in range(begin, end):
                example = plan[epoch, step]
                i = images[example]
                _combine(weights, np.float32(0), code, pointers[i], pointers[i + 1], cells, combined, active)
                left, right, top, bottom = _extent(active, height, width)
                if right < 0:
                    continue  # nothing fired: no weight can change
                # Pixels that read no active cell add nothing to any weight's gradient.
                start, stop = across[4][max(left - 1, 0)], across[4][right + 1]
                gradient[:] = 0
                for y in range(down[4][max(top - 1, 0)], down[4][bottom + 1]):
                    _interpolate_row(combined, width, y, down, across, narrow, row, start, stop)
                    _sigmoid(row, sigma, scale_bits, scale, start, stop)
                    _target_row(maps, map_ptr[i], map_ptr[i + 1], local[example], y * wide, start, stop, target)
                    _slope(sigma, target, alpha, log_loss, np.float32(end - begin), start, stop)
                    _spread_row(sigma, width, y, down, across, narrow, gradient, start, stop)
                for e in range(pointers[i], pointers[i + 1]):
                    slope[code[e] // cells] += gradient[code[e] % cells]
            for k in range(len(weights)):
                velocity[k] = momentum * velocity[k] + slope[k]
                weights[k] -= rate * velocity[k]


@numba.njit(cache=True, nogil=True)
def count_combination(weights, bias, images, local, fired, labels, down, across):
    """Per example: intersection and predicted area of the combination's mask S(sum_k w_k fired_k) + b > 0."""
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    combined, active = np.zeros(cells, np.float32), np.zeros(cells, np.bool_)
    narrow, row, target = np.zeros(width, np.float32), np.zeros(wide, np.float32), np.zeros(wide, np.uint8)
    intersection, predicted = np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
    for example in range(len(images)):
        i = images[example]
        _combine(weights, bias, code, pointers[i], pointers[i + 1], cells, combined, active)
        for y in range(tall):
            _interpolate_row(combined, width, y, down, across, narrow, row, 0, wide)
            _target_row(maps, map_ptr[i], map_ptr[i + 1], local[example], y * wide, 0, wide, target)
            for x in range(wide):
                inside = row[x] > 0
                predicted[example] += inside
                intersection[example] += inside and target[x] != 0
    return intersection, predicted


@numba.njit(cache=True, nogil=True, fastmath=True)
def train_classification(features, weights, bias, samples, truth, epoch_ptr, batch, rates, momentum):
    """SGD with momentum on the mean logistic loss, for one concept (Net2Vec 3.2.1); returns the bias.

    features   float32, (image, filter)     weights float32, (filter,), changed in place
    samples    int32, (sample,) images in the order visited; truth float32, (sample,) 1 where the concept is there
    epoch_ptr  int64, (epoch + 1,): samples of each epoch; rates float32, (epoch,) learning rates
    """
    n_filters = features.shape[1]
    velocity, slope, bias_velocity = np.zeros_like(weights), np.zeros_like(weights), np.float32(0)
    for epoch in range(len(rates)):
        for begin in range(epoch_ptr[epoch], epoch_ptr[epoch + 1], batch):
            end = min(begin + batch, epoch_ptr[epoch + 1])
            slope[:] = 0
            bias_slope = np.float32(0)
            for s in range(begin, end):
                x = features[samples[s]]
                z = bias
                for k in range(n_filters):
                    z += x[k] * weights[k]
                error = (np.float32(1) / (np.float32(1) + np.exp(-z)) - truth[s]) / np.float32(end - begin)
                bias_slope += error
                for k in range(n_filters):
                    slope[k] += error * x[k]
            bias_velocity = momentum * bias_velocity + bias_slope
            bias -= rates[epoch] * bias_velocity
            for k in range(n_filters):
                velocity[k] = momentum * velocity[k] + slope[k]
                weights[k] -= rates[epoch] * velocity[k]
    return bias
