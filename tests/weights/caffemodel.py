"""Writes .caffemodel files byte by byte, from the wire format's specification alone.

Source: protobuf.dev/programming-guides/encoding and BVLC/caffe, caffe.proto.
"""

import numpy as np

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def tag(number, wire):
    return varint(number << 3 | wire)


def chunk(number, data):
    return tag(number, BYTES) + varint(len(data)) + data


def blob(array, legacy=False, packed=True, double=False, extra=b""):
    """A BlobProto; a legacy one has four axes, filled up with ones at the front."""
    if legacy:
        axes = (1,) * (4 - array.ndim) + array.shape
        out = b"".join(tag(i, VARINT) + varint(n) for i, n in enumerate(axes, 1))
    else:
        out = chunk(7, chunk(1, b"".join(map(varint, array.shape))))
    number, wire, dtype = (8, DOUBLE, "<f8") if double else (5, FLOAT, "<f4")
    values = array.astype(dtype)
    if packed:
        return out + chunk(number, values.tobytes()) + extra
    return out + b"".join(tag(number, wire) + v.tobytes() for v in values.ravel())


def layer(name, blobs, kind="Convolution"):
    """A LayerParameter."""
    data = chunk(1, name.encode()) + chunk(2, kind.encode())
    return chunk(100, data + b"".join(chunk(7, one) for one in blobs))


def layer_v1(name, blobs, kind=4):
    """A V1LayerParameter; 4 is a convolution, 14 a dense layer."""
    data = chunk(2, b"below") + chunk(3, b"above") + chunk(4, name.encode())
    data += tag(5, VARINT) + varint(kind)
    return chunk(2, data + b"".join(chunk(6, one) for one in blobs))


def network(*layers):
    """A NetParameter with a field that no reader of weights knows."""
    return chunk(1, b"net") + b"".join(layers) + chunk(3, b"data")


def arange(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 8
