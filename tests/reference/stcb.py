"""Float64 oracle of the compact bilinear operator, by the letter of Algorithm 1."""

import itertools

import numpy as np


def count_sketch(v, h, s, width):
    """Lines 7 to 11, one entry at a time."""
    sketched = np.zeros(width)
    for j in range(len(v)):
        sketched[h[j]] += s[j] * v[j]
    return sketched


def compact_bilinear(vectors, sketches, width):
    """Line 13, by the complex Fourier transform."""
    spectrum = np.ones(width, np.complex128)
    for v, (h, s) in zip(vectors, sketches, strict=True):
        spectrum *= np.fft.fft(count_sketch(np.asarray(v, np.float64), h, s, width))
    return np.fft.ifft(spectrum).real


def with_gradients(pathways, sketches, slope):
    """The products of rows, and the gradients of their inner product with the slope.

    Entry j of a pathway moves its sketch by s[j] at h[j], which turns the product of
    the other sketches around by h[j].
    """
    width = slope.shape[1]
    rows = list(zip(*pathways, strict=True))
    product = [compact_bilinear(row, sketches, width) for row in rows]
    gradients = []
    for i, (h, s) in enumerate(sketches):
        gradient = np.zeros(pathways[i].shape)
        for n, row in enumerate(rows):
            rest = row[:i] + row[i + 1 :], sketches[:i] + sketches[i + 1 :]
            others = compact_bilinear(*rest, width)
            for j in range(len(h)):
                gradient[n, j] = s[j] * (slope[n] @ np.roll(others, h[j]))
        gradients.append(gradient)
    return [np.array(product), *gradients]


def sketched_outer_product(vectors, sketches, width):
    """The explicit count sketch of the outer product: h adds up, s multiplies."""
    result = np.zeros(width)
    for index in itertools.product(*(range(len(v)) for v in vectors)):
        place = sum(h[j] for (h, _), j in zip(sketches, index, strict=True)) % width
        sign = np.prod([s[j] for (_, s), j in zip(sketches, index, strict=True)])
        value = np.prod([v[j] for v, j in zip(vectors, index, strict=True)])
        result[place] += sign * value
    return result
