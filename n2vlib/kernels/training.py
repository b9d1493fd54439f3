"""Training of concept weights on the CPU: hand-written gradients, one concept at a time, concepts in parallel."""

import numba
import numpy as np

_LOG2E = np.float32(1.4426950408889634)
_LN2 = np.float32(0.6931471805599453)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _exponential(z, power, scale_bits):
    """exp(-z) as power * 2^n, in a form the compiler vectorises; 2^n is left as the bits of a float32.

    -z = n ln(2) + r with |r| <= ln(2) / 2, and exp(r) by its Taylor polynomial: relative error below 1e-7.
    """
    for p in range(len(z)):
        v = min(max(-z[p], np.float32(-80)), np.float32(80))
        n = np.floor(v * _LOG2E + np.float32(0.5))
        r = v - n * _LN2
        scale_bits[p] = (np.int32(n) + np.int32(127)) << np.int32(23)
        t = np.float32(1 / 5040)
        t = t * r + np.float32(1 / 720)
        t = t * r + np.float32(1 / 120)
        t = t * r + np.float32(1 / 24)
        t = t * r + np.float32(1 / 6)
        t = t * r + np.float32(0.5)
        t = t * r + np.float32(1)
        power[p] = t * r + np.float32(1)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slope_of_equation_4(z, power, scale, target, here, beside):
    """dLoss/dz of -(alpha L M + (1 - alpha)(1 - L)(1 - M)), into z; M = sigma(z) = 1 / (1 + power * scale)."""
    for p in range(len(z)):
        m = np.float32(1) / (np.float32(1) + power[p] * scale[p])
        z[p] = m * (np.float32(1) - m) * (beside - (here + beside) * np.float32(target[p]))


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slope_of_log_loss(z, power, scale, target, here, beside):
    """dLoss/dz of -(alpha L log M + (1 - alpha)(1 - L) log(1 - M)), into z."""
    for p in range(len(z)):
        m, inside = np.float32(1) / (np.float32(1) + power[p] * scale[p]), np.float32(target[p])
        z[p] = inside * here * (m - np.float32(1)) + (np.float32(1) - inside) * beside * m


@numba.njit(cache=True, nogil=True)
def _combine(weights, bias, code, start, stop, cells, combined):
    """The combined map sum_k w_k 1[A_k > T_k] + b on the layer's grid."""
    combined[:] = bias
    for e in range(start, stop):
        combined[code[e] % cells] += weights[code[e] // cells]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _blend(row, upper, lower, a, b):
    for x in range(len(row)):
        row[x] = upper[x] * a + lower[x] * b


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(row, other, factor):
    for x in range(len(row)):
        row[x] += other[x] * factor


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _upsample(combined, down, across, broad, z):
    """The combined map enlarged: first each of its rows, (h, width), then between rows, (height, width)."""
    y0, y1, v0, v1 = down
    x0, x1, u0, u1 = across
    height, width = combined.shape
    for cy in range(height):
        for x in range(len(x0)):
            broad[cy, x] = combined[cy, x0[x]] * u0[x] + combined[cy, x1[x]] * u1[x]
    for y in range(len(y0)):
        _blend(z[y], broad[y0[y]], broad[y1[y]], v0[y], v1[y])


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _collect(z, down, across, broad, gradient):
    """Adjoint of _upsample: the slopes of all pixels gathered on the layer's grid."""
    y0, y1, v0, v1 = down
    x0, x1, u0, u1 = across
    broad[:] = 0
    for y in range(len(y0)):
        _add(broad[y0[y]], z[y], v0[y])
        _add(broad[y1[y]], z[y], v1[y])
    gradient[:] = 0
    for cy in range(len(gradient)):
        for x in range(len(x0)):
            gradient[cy, x0[x]] += broad[cy, x] * u0[x]
            gradient[cy, x1[x]] += broad[cy, x] * u1[x]


@numba.njit(cache=True, nogil=True)
def _compare(target, layer, local):
    for p in range(len(target)):
        target[p] |= layer[p] == local


@numba.njit(cache=True, nogil=True)
def _target(layers, local, target):
    """L of one image: where any of its maps carries the concept; everywhere for a whole-image label (local 0)."""
    target[:] = local == 0
    for m in range(len(layers) if local else 0):
        _compare(target, layers[m], local)


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
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    velocity, slope = np.zeros_like(weights), np.zeros_like(weights)
    combined, gradient = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    flat, flat_gradient = combined.ravel(), gradient.ravel()
    broad, z = np.zeros((height, wide), np.float32), np.zeros((tall, wide), np.float32)
    every, power, target = z.ravel(), np.zeros(tall * wide, np.float32), np.zeros(tall * wide, np.uint8)
    scale_bits = np.zeros(tall * wide, np.int32)
    scale = scale_bits.view(np.float32)
    for epoch in range(plan.shape[0]):
        for begin in range(0, plan.shape[1], batch):
            end = min(begin + batch, plan.shape[1])
            here, beside = alpha / np.float32(end - begin), (np.float32(1) - alpha) / np.float32(end - begin)
            slope[:] = 0
            for step in range(begin, end):
                example = plan[epoch, step]
                i = images[example]
                if pointers[i] == pointers[i + 1]:
                    continue  # nothing fired: no weight can change
                _combine(weights, np.float32(0), code, pointers[i], pointers[i + 1], cells, flat)
                _upsample(combined, down, across, broad, z)
                _exponential(every, power, scale_bits)
                _target(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
                if log_loss:
                    _slope_of_log_loss(every, power, scale, target, here, beside)
                else:
                    _slope_of_equation_4(every, power, scale, target, here, beside)
                _collect(z, down, across, broad, gradient)
                for e in range(pointers[i], pointers[i + 1]):
                    slope[code[e] // cells] += flat_gradient[code[e] % cells]
            for k in range(len(weights)):
                velocity[k] = momentum * velocity[k] + slope[k]
                weights[k] -= rate * velocity[k]


@numba.njit(cache=True, nogil=True)
def _overlap(z, target):
    """Pixels where z > 0, and those of them that are annotated."""
    intersection, predicted = 0, 0
    for p in range(len(z)):
        predicted += z[p] > 0
        intersection += (z[p] > 0) & (target[p] != 0)
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def count_combination(weights, bias, images, local, fired, labels, down, across):
    """Per example: intersection and predicted area of the combination's mask S(sum_k w_k fired_k) + b > 0."""
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    combined, broad = np.zeros((height, width), np.float32), np.zeros((height, wide), np.float32)
    z, target = np.zeros((tall, wide), np.float32), np.zeros(tall * wide, np.uint8)
    intersection, predicted = np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
    for example in range(len(images)):
        i = images[example]
        _combine(weights, bias, code, pointers[i], pointers[i + 1], cells, combined.ravel())
        _upsample(combined, down, across, broad, z)
        _target(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
        intersection[example], predicted[example] = _overlap(z.ravel(), target)
    return intersection, predicted


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
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
