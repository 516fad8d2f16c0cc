"""The programs that an artifact holds, made from a network."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Int, UInt8

from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.export import contract
from stpn_jax.input_pipeline import augmentation, sampling
from stpn_jax.ops import image, tvl1
from stpn_jax.video import flow_codec


def programs(
    networks: Mapping[str, nn.Module], preprocessing: contract.Preprocessing
) -> dict[str, dict[str, contract.Program]]:
    """Every program of an artifact, by kind and dtype.

    Args:
        networks: that attend, by the dtype of their activations; all take the same
            variables.
        preprocessing: how their input is made.
    """
    snippets = {name: from_snippets(network) for name, network in networks.items()}
    frames = {name: from_frames(one, preprocessing) for name, one in snippets.items()}
    return {"snippets": snippets, "frames": frames}


def from_snippets(network: nn.Module) -> contract.Program:
    """(variables, rgb, flow, box, flip) -> probabilities, attention, features."""

    def program(
        variables: Any, rgb: Array, flow: Array, box: Array, flip: Array
    ) -> tuple[Array, Array, contract.Features]:
        unused = jnp.zeros(flip.shape, jnp.int32)
        batch = Batch(rgb, flow, box, flip, unused, unused > 0, unused)
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        assert outputs.attention is not None  # It attends.
        features = {k: x.astype(jnp.float32) for k, x in outputs.features.items()}
        probabilities = jax.nn.softmax(outputs.logits.astype(jnp.float32))
        return probabilities, outputs.attention.astype(jnp.float32), features

    return program


def from_frames(
    snippets: contract.Program, settings: contract.Preprocessing
) -> contract.Program:
    """(variables, frames) -> the same, by TV-L1 and the central crop.

    Args:
        snippets: the program that it ends with.
        settings: gives the frames of one snippet with the largest tau.
    """
    shape = sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )
    flows = settings.span - 1
    centre, _ = sampling.centre_range(shape.tau[1], shape, flows)
    shown = sampling.frame_positions(centre, shape.tau[1], shape, flows + 1)
    paths = sampling.flow_positions(centre, shape.tau[1], shape, flows)
    ((y0, x0, y1, x1, _),) = augmentation.test_views(
        settings.size, settings.input_size, views=1
    )
    codes = functools.partial(_codes, paths=paths, settings=settings)

    def program(
        variables: Any, frames: UInt8[Array, "b t 3 y x"]
    ) -> tuple[Array, Array, contract.Features]:
        motion = jax.lax.map(codes, image.grey(frames))[..., y0:y1, x0:x1]
        rgb = frames[:, shown, :, y0:y1, x0:x1]
        b, size = rgb.shape[0], settings.input_size
        box = jnp.broadcast_to(jnp.array([0, 0, size, size], jnp.float32), (b, 4))
        return snippets(variables, rgb, motion, box, jnp.zeros(b, bool))

    return program


def span(shape: sampling.SnippetShape) -> int:
    """Consecutive frames that hold a snippet with the largest tau."""
    return sampling.flows_needed(shape, shape.tau[1]) + 1


def _codes(
    grey: UInt8[Array, "t y x"],
    paths: Int[np.ndarray, "k length"],
    settings: contract.Preprocessing,
) -> UInt8[Array, "k c y x"]:
    """Flow codes of the paths of one snippet, x and y in turn."""
    needed, places = np.unique(paths, return_inverse=True)
    solve = functools.partial(_solve, parameters=tvl1.Parameters(**settings.flow))
    found = flow_codec.quantise(solve(grey[needed], grey[needed + 1]), settings.bound)
    stacked = jnp.moveaxis(found, -1, 1)[places.reshape(paths.shape)]
    count, length = paths.shape
    return stacked.reshape(count, 2 * length, *grey.shape[1:])


def _solve(first: Array, second: Array, parameters: tvl1.Parameters) -> jax.Array:
    """One pair after the other on a processor, all side by side elsewhere."""

    def solver(together: int) -> Callable[[Array, Array], jax.Array]:
        return lambda one, other: tvl1.flow(one, other, parameters, together)

    return jax.lax.platform_dependent(
        first, second, cpu=solver(1), default=solver(len(first))
    )
