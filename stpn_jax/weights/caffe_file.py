"""Reads the blobs of a .caffemodel with Google's protobuf runtime, without Caffe.

Field numbers are those of BVLC/caffe, src/caffe/proto/caffe.proto. Only the fields that
lead to the blobs are described; the runtime skips the others, so files of forks with
layers of their own can be read.
"""

import functools
import math
from typing import Any

import numpy as np
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

_PACKAGE = "stpn_caffe"
_FIELD = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED

# Message -> field: number, how many, type or name of a message.
_SCHEMA = {
    "BlobShape": {"dim": (1, _MANY, _FIELD.TYPE_INT64)},
    "BlobProto": {
        "num": (1, _ONE, _FIELD.TYPE_INT32),
        "channels": (2, _ONE, _FIELD.TYPE_INT32),
        "height": (3, _ONE, _FIELD.TYPE_INT32),
        "width": (4, _ONE, _FIELD.TYPE_INT32),
        "data": (5, _MANY, _FIELD.TYPE_FLOAT),
        "shape": (7, _ONE, "BlobShape"),
        "double_data": (8, _MANY, _FIELD.TYPE_DOUBLE),
    },
    "V1LayerParameter": {
        "name": (4, _ONE, _FIELD.TYPE_STRING),
        "blobs": (6, _MANY, "BlobProto"),
    },
    "LayerParameter": {
        "name": (1, _ONE, _FIELD.TYPE_STRING),
        "blobs": (7, _MANY, "BlobProto"),
    },
    "NetParameter": {
        "layers": (2, _MANY, "V1LayerParameter"),
        "layer": (100, _MANY, "LayerParameter"),
    },
}


def read(data: bytes) -> dict[str, np.ndarray]:
    """Blobs by layer and position, as conv1_1/0 (kernel) and conv1_1/1 (bias).

    Layers may be of the old kind (`layers`, before 2014) or the new one, and blobs may
    have the old four axes or a shape.

    Raises:
        ValueError: a blob's values do not fill its shape, or two layers share a name.
        Exception: of the runtime, if the content is damaged or something else.
    """
    network = _network_message().FromString(data)
    tensors: dict[str, np.ndarray] = {}
    for layer in (*network.layers, *network.layer):
        for index, blob in enumerate(layer.blobs):
            name = f"{layer.name}/{index}"
            if name in tensors:
                raise ValueError(f"two layers are called {layer.name}")
            tensors[name] = _array(name, blob)
    return tensors


def _array(name: str, blob: Any) -> np.ndarray:
    values = blob.double_data or blob.data
    shape = (blob.num, blob.channels, blob.height, blob.width)
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise ValueError(f"{name} has {len(values)} values, not those of {shape}")
    dtype = np.float64 if blob.double_data else np.float32
    return np.fromiter(values, dtype, len(values)).reshape(shape)


@functools.cache
def _network_message() -> Any:
    """The class of NetParameter, in its own pool: Caffe's may be loaded, too."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2"
    )
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for name, (number, label, kind) in fields.items():
            field = described.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type_name = f".{_PACKAGE}.{kind}"
                kind = _FIELD.TYPE_MESSAGE
            field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(f"{_PACKAGE}.NetParameter")
    return message_factory.GetMessageClass(descriptor)
