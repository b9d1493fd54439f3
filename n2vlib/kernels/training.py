"""Training of concept weights on the CPU: hand-written gradients, one concept at a time, concepts in parallel.

Segmentation is learned on several images side by side: the image is the last axis ("lane") of every array, so that
every loop runs over neighbours in memory, whatever the sizes of grid and map.
"""

import numba
import numpy as np

from n2vlib.kernels.combination import target_of

LANES = 32  # images side by side; a row of so many fits a core's own cache
_LOG2E = np.float32(1.4426950408889634)
_LN2 = np.float32(0.6931471805599453)
_ROUND = np.float32(3 << 22)
_KEEPS_ORDER = {"nnan", "ninf", "nsz", "arcp", "contract"}  # fast arithmetic that does not reorder sums


@numba.njit(cache=True, nogil=True, fastmath=_KEEPS_ORDER, error_model="numpy")
def _exponential(z, power):
    """exp(-z), in a form the compiler vectorises: 2^n exp(r) with -z = n ln(2) + r, |r| <= ln(2) / 2.

    Adding 3 * 2^22 rounds to the whole number n and leaves it in the last bits, from where a shift makes it the
    exponent. exp(r) by its Taylor polynomial: relative error below 2e-7.
    """
    for p in range(len(z)):
        v = min(max(-z[p], np.float32(-80)), np.float32(80))
        rounded = np.float32(v * _LOG2E + _ROUND)
        r = v - (rounded - _ROUND) * _LN2
        t = np.float32(1 / 720)
        t = t * r + np.float32(1 / 120)
        t = t * r + np.float32(1 / 24)
        t = t * r + np.float32(1 / 6)
        t = t * r + np.float32(0.5)
        t = t * r + np.float32(1)
        t = t * r + np.float32(1)
        exponent = (rounded.view(np.int32) + np.int32(127)) << np.int32(23)
        power[p] = t * np.int32(exponent).view(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slope_of_equation_4(z, power, words, here, beside):
    """dLoss/dz of -(alpha L M + (1 - alpha)(1 - L)(1 - M)), into z, (x, lane); M = sigma(z) = 1 / (1 + power)."""
    for x in range(len(z)):
        block, bit = x // 32, np.uint32(1) << np.uint32(x % 32)
        for lane in range(z.shape[1]):
            m = np.float32(1) / (np.float32(1) + power[x, lane])
            z[x, lane] = m * (np.float32(1) - m) * (-here if words[block, lane] & bit else beside)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slope_of_log_loss(z, power, words, here, beside):
    """dLoss/dz of -(alpha L log M + (1 - alpha)(1 - L) log(1 - M)), into z, (x, lane)."""
    for x in range(len(z)):
        block, bit = x // 32, np.uint32(1) << np.uint32(x % 32)
        for lane in range(z.shape[1]):
            m = np.float32(1) / (np.float32(1) + power[x, lane])
            z[x, lane] = here * (m - np.float32(1)) if words[block, lane] & bit else beside * m


@numba.njit(cache=True, nogil=True)
def fired_of(chosen, images, pointers, code, cells):
    """Where the chosen filters fire in some images (ascending): pointers and codes; the other images have no entries.

    chosen   bool, (filter,)     images   those of one concept; the entries of the others are not read
    """
    ends, room = np.zeros_like(pointers), 1
    for i in images:
        room += pointers[i + 1] - pointers[i]
    kept, n = np.empty(room, code.dtype), 0
    for i in images:
        for e in range(pointers[i], pointers[i + 1]):
            kept[n] = code[e]  # overwritten by the next entry unless its filter is chosen
            n += chosen[code[e] // np.uint32(cells)]
        ends[i + 1] = n
    for i in range(1, len(ends)):
        ends[i] = max(ends[i], ends[i - 1])
    return ends, kept[:n]


@numba.njit(cache=True, nogil=True)
def _events(images, fired):
    """Where filters fire in the examples: pointers (example + 1,), filters and cells, split once for all epochs."""
    pointers, code, height, width = fired
    cells, start = np.uint32(height * width), np.zeros(len(images) + 1, np.int64)
    for example, i in enumerate(images):
        start[example + 1] = start[example] + pointers[i + 1] - pointers[i]
    filters, places = np.empty(start[-1], np.int32), np.empty(start[-1], np.int32)
    for example, i in enumerate(images):
        for e in range(pointers[i + 1] - pointers[i]):
            filters[start[example] + e] = code[pointers[i] + e] // cells
            places[start[example] + e] = code[pointers[i] + e] % cells
    return start, filters, places


@numba.njit(cache=True, nogil=True)
def _annotated(images, local, labels, tall, wide):
    """L of every example as bits: uint32, (example, row, 32 columns)."""
    maps, map_ptr = labels
    bits, target = np.zeros((len(images), tall, -(-wide // 32)), np.uint32), np.zeros(tall * wide, np.uint8)
    for example, i in enumerate(images):
        target_of(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
        for y in range(tall):
            for x in range(wide):
                bits[example, y, x // 32] |= np.uint32(target[y * wide + x]) << np.uint32(x % 32)
    return bits


@numba.njit(cache=True, nogil=True)
def _combine(weights, events, chosen, combined):
    """The combined maps sum_k w_k 1[A_k > T_k] of the chosen examples on the layer's grid, (cell, lane)."""
    start, filters, places = events
    combined[:] = 0
    for lane in range(len(chosen)):
        for e in range(start[chosen[lane]], start[chosen[lane] + 1]):
            combined[places[e], lane] += weights[filters[e]]


@numba.njit(cache=True, nogil=True)
def _gather(slope, events, chosen, gradient):
    """Adjoint of _combine, added to the slopes of the weights."""
    start, filters, places = events
    for lane in range(len(chosen)):
        for e in range(start[chosen[lane]], start[chosen[lane] + 1]):
            slope[filters[e]] += gradient[places[e], lane]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _broaden(combined, across, broad):
    """Each row of the grid enlarged: (h, w, lane) to (h, width, lane)."""
    x0, x1, u0, u1 = across
    for cy in range(len(broad)):
        for x in range(len(x0)):
            left, right, a, b = x0[x], x1[x], u0[x], u1[x]
            for lane in range(broad.shape[2]):
                broad[cy, x, lane] = combined[cy, left, lane] * a + combined[cy, right, lane] * b


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _narrow(broad, across, combined):
    """Adjoint of _broaden."""
    x0, x1, u0, u1 = across
    combined[:] = 0
    for cy in range(len(broad)):
        for x in range(len(x0)):
            left, right, a, b = x0[x], x1[x], u0[x], u1[x]
            for lane in range(broad.shape[2]):
                combined[cy, left, lane] += broad[cy, x, lane] * a
            for lane in range(broad.shape[2]):
                combined[cy, right, lane] += broad[cy, x, lane] * b


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _blend(row, upper, lower, a, b):
    for p in range(len(row)):
        row[p] = upper[p] * a + lower[p] * b


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(row, other, factor):
    for p in range(len(row)):
        row[p] += other[p] * factor


@numba.njit(cache=True, nogil=True)
def _slopes(broad, down, bits, chosen, here, beside, log_loss, back):
    """Sum the slopes of all pixels, row by row, onto the rows of the grid: (h, width, lane), into `back`."""
    height, wide, lanes = broad.shape
    rows, back_rows = broad.reshape(height, wide * lanes), back.reshape(height, wide * lanes)
    z, power = np.empty(wide * lanes, np.float32), np.empty(wide * lanes, np.float32)
    places = z.reshape(wide, lanes), power.reshape(wide, lanes)
    words = np.zeros((bits.shape[2], lanes), np.uint32)
    back[:] = 0
    for y in range(len(down[0])):
        upper, lower, a, b = down[0][y], down[1][y], down[2][y], down[3][y]
        for lane in range(len(chosen)):
            for block in range(len(words)):
                words[block, lane] = bits[chosen[lane], y, block]
        _blend(z, rows[upper], rows[lower], a, b)
        _exponential(z, power)
        if log_loss:
            _slope_of_log_loss(*places, words, here, beside)
        else:
            _slope_of_equation_4(*places, words, here, beside)
        _add(back_rows[upper], z, a)
        _add(back_rows[lower], z, b)


@numba.njit(cache=True, nogil=True)
def train_segmentation(
    weights, images, local, plan, batch, alpha, rate, momentum, log_loss, fired, labels, down, across
):
    """SGD with momentum for one concept (Net2Vec 3.1.2); `weights` float32, (filter,), is changed in place.

    images, local   (example,) the training images and the concept's local label in each
    plan            int32, (epoch, example): the order in which examples are visited
    alpha, rate     weight of the concept's pixels in the loss; learning rate
    fired           pointers, codes, h, w     labels: maps, map_ptr
    down, across    float32 taps: i0, i1, w0, w1
    Both losses are summed over pixels and divided by the images of the batch.
    """
    height, width, tall, wide = fired[2], fired[3], len(down[0]), len(across[0])
    events, bits = _events(images, fired), _annotated(images, local, labels, tall, wide)
    lanes = min(LANES, -(-min(batch, len(images)) // 8) * 8)
    velocity, slope = np.zeros_like(weights), np.zeros_like(weights)
    combined = np.zeros((height, width, lanes), np.float32)
    broad, back = np.zeros((height, wide, lanes), np.float32), np.zeros((height, wide, lanes), np.float32)
    for epoch in range(plan.shape[0]):
        for begin in range(0, plan.shape[1], batch):
            end = min(begin + batch, plan.shape[1])
            here, beside = alpha / np.float32(end - begin), (np.float32(1) - alpha) / np.float32(end - begin)
            slope[:] = 0
            for first in range(begin, end, lanes):
                chosen = plan[epoch, first : min(first + lanes, end)]
                _combine(weights, events, chosen, combined.reshape(height * width, lanes))
                _broaden(combined, across, broad)
                _slopes(broad, down, bits, chosen, here, beside, log_loss, back)
                _narrow(back, across, combined)
                _gather(slope, events, chosen, combined.reshape(height * width, lanes))
            for k in range(len(weights)):
                velocity[k] = momentum * velocity[k] + slope[k]
                weights[k] -= rate * velocity[k]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def train_classification(features, weights, bias, samples, truth, epoch_ptr, batch, rates, momentum):
    """SGD with momentum on the mean logistic loss, for one concept (Net2Vec 3.2.1); returns the bias.

    features   float32, (image, filter)     weights float32, (filter,), changed in place
    samples    int32, (sample,) images in the order visited; truth float32, (sample,) 1 where they contain the concept
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
