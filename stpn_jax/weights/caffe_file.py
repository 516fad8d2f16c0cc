"""Reads the blobs of a .caffemodel with Google's protobuf runtime, without Caffe.

Field numbers are those of BVLC/caffe, src/caffe/proto/caffe.proto. Only what leads to
the blobs is described; the runtime skips every other field, so the files of forks with
layers of their own can be read.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

TYPES = descriptor_pb2.FieldDescriptorProto
PACKAGE = "stpn_caffe"


class Field(NamedTuple):
    """A field of a message; `of` is the message it holds, "" for a plain value."""

    name: str
    number: int
    type: int
    repeated: bool = False
    of: str = ""


SCHEMA = {
    "BlobShape": (Field("dim", 1, TYPES.TYPE_INT64, repeated=True),),
    "BlobProto": (
        Field("num", 1, TYPES.TYPE_INT32),
        Field("channels", 2, TYPES.TYPE_INT32),
        Field("height", 3, TYPES.TYPE_INT32),
        Field("width", 4, TYPES.TYPE_INT32),
        Field("data", 5, TYPES.TYPE_FLOAT, repeated=True),
        Field("shape", 7, TYPES.TYPE_MESSAGE, of="BlobShape"),
        Field("double_data", 8, TYPES.TYPE_DOUBLE, repeated=True),
    ),
    "V1LayerParameter": (
        Field("name", 4, TYPES.TYPE_STRING),
        Field("blobs", 6, TYPES.TYPE_MESSAGE, repeated=True, of="BlobProto"),
    ),
    "LayerParameter": (
        Field("name", 1, TYPES.TYPE_STRING),
        Field("blobs", 7, TYPES.TYPE_MESSAGE, repeated=True, of="BlobProto"),
    ),
    "NetParameter": (
        Field("layers", 2, TYPES.TYPE_MESSAGE, repeated=True, of="V1LayerParameter"),
        Field("layer", 100, TYPES.TYPE_MESSAGE, repeated=True, of="LayerParameter"),
    ),
}


def read(data: bytes) -> dict[str, np.ndarray]:
    """Blobs by layer and position, as conv1_1/0 (kernel) and conv1_1/1 (bias).

    Layers may be of the old kind (`layers`, before 2014) or the new one, and blobs may
    have the old four axes or a shape.

    Raises:
        ValueError: a blob's values do not fill its shape, or two layers share a name.
        Exception: of the runtime, where the content is damaged or something else.
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
    """The class of NetParameter, in a pool of its own: Caffe may be loaded, too."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{PACKAGE}.proto", package=PACKAGE, syntax="proto2"
    )
    for message, fields in SCHEMA.items():
        described = file.message_type.add(name=message)
        for field in fields:
            _describe(described.field.add(), field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(f"{PACKAGE}.NetParameter")
    return message_factory.GetMessageClass(descriptor)


def _describe(described: Any, field: Field) -> None:
    described.name, described.number, described.type = field[:3]
    described.label = TYPES.LABEL_REPEATED if field.repeated else TYPES.LABEL_OPTIONAL
    if field.of:
        described.type_name = f".{PACKAGE}.{field.of}"
