"""From a video file to its prediction: ours, and in torch with cv2's TV-L1.

    python -m benchmarks.predict --clips=VIDEOS [--backbone=resnet50] [--count=1]

Both read the same clips, compute the same flows with the same parameters and give the
same snippets to the same weights (random ones); how far their probabilities are apart
stands beside the seconds for decode, flow and network. What is done once (loading,
compiling) stands apart, and so does our --fast. It needs the extra `torch` and what
tests/parity/requirements.txt lists.
"""

import argparse
import pathlib
import sys
import tempfile
import time
from typing import Any

import cv2
import jax
import numpy as np
import torch

from benchmarks import from_frames
from benchmarks.torch_stpn import Pyramid
from configs import demo, variants
from stpn_jax import api
from stpn_jax import config as configs
from stpn_jax.experiment import export, initialize, setup
from stpn_jax.export import artifact, writer
from stpn_jax.inference import engine as inference
from stpn_jax.models import backbones
from stpn_jax.models import build as networks
from stpn_jax.video import decoding, imaging

sys.path.insert(0, "tests")  # Where other people's networks are at home.
from parity import oracles
from reference import golden, random_weights

SEED, CLASSES = 3, 101
CHANNELS = {"spatial": 3, "temporal": 20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, required=True)
    parser.add_argument("--backbone", default="resnet50", choices=oracles.ORACLES)
    parser.add_argument("--count", type=int, default=1, help="of clips")
    parser.add_argument("--snippets", type=int, default=3)
    parser.add_argument("--crops", type=int, default=1, choices=(1, 2, 10))
    parser.add_argument("--size", default="340x256")
    parser.add_argument("--input_size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3, help="of ours")
    parser.add_argument("--device", default="cpu", help="of torch")
    options = parser.parse_args()
    used = from_frames.preprocessing(options)
    print(
        f"{jax.devices()[0].device_kind}, jax {jax.__version__}, torch "
        f"{torch.__version__} with {torch.get_num_threads()} threads on "
        f"{options.device}, OpenCV {cv2.__version__} with {cv2.getNumThreads()}; "
        f"{options.backbone}, {options.size}, {used.snippets} snippets, "
        f"{used.crops} crops"
    )
    with tempfile.TemporaryDirectory() as folder:
        peer = build(options, used, pathlib.Path(folder))
        ours = {}
        for name, fast in (("ours", False), ("ours, fast", True)):
            started = time.perf_counter()
            ours[name] = api.Classifier.load(folder, fast=fast)
            loaded = time.perf_counter() - started
            ours[name].warm_up()
            total = time.perf_counter() - started
            print(f"{name}: start-up {total:.1f} s, of which loading {loaded:.1f} s")
    clips = sorted(options.clips.rglob("*.avi"))
    for path in clips[:: max(1, len(clips) // options.count)][: options.count]:
        compare(path, ours, peer, used, options.repeats)


def build(
    options: argparse.Namespace, used: artifact.Preprocessing, folder: pathlib.Path
) -> Pyramid:
    """Exports our network into a folder; gives the same in torch."""
    config = demo.get_config()
    config.model = variants.get_config().model
    config.model.update(backbone=options.backbone, weights="none")
    parsed = configs.from_config_dict(config)
    stage = parsed.stages[-1]
    network = networks.build(
        parsed.model,
        stage,
        classes=CLASSES,
        input_size=used.input_size,
        resize=False,
        axis_name=None,
    )
    blank = setup.blank_batch(inference.shape(used), used.input_size)
    variables: dict[str, Any] = networks.initialise(network, blank, SEED)
    streams = {}
    for name, channels in CHANNELS.items():
        oracle = oracles.ORACLES[options.backbone](channels)
        state = random_weights.state_dict(oracle.shapes(), SEED)
        taken = golden.loaded(options.backbone, state).variables
        inner = {kind: {"backbone": tree} for kind, tree in taken.items()}
        variables = initialize.replace_component(
            variables, (name,), inner, "random weights"
        )
        oracle.put(state, strict=False)
        oracle.module.eval().to(options.device)
        streams[name] = oracle.features
    lowered = export.programs({"float32": network}, used)
    labels = [f"class {i}" for i in range(CLASSES)]
    writer.write(folder, lowered, variables, labels, used)
    row = backbones.BACKBONES[options.backbone]
    return Pyramid(row, streams, variables, options.device)


def compare(
    path: pathlib.Path,
    ours: dict[str, api.Classifier],
    peer: Pyramid,
    used: artifact.Preprocessing,
    repeats: int,
) -> None:
    """Prints the seconds for one clip."""
    rows, distributions = {}, {}
    for name, classifier in ours.items():
        runs = []
        for _ in range(repeats):
            started = time.perf_counter()
            prediction = classifier.classify(path)
            total = time.perf_counter() - started
            runs.append((total, *vars(prediction.timings).values()))
        rows[name] = np.median(runs, axis=0)
        distributions[name] = prediction.distribution
    rows["torch, cv2"], distributions["torch, cv2"] = in_torch(path, peer, used)
    print(f"{path.name}, {prediction.num_frames} frames")
    theirs = rows["torch, cv2"]
    for name, (total, decode, flow, network) in rows.items():
        apart = np.abs(distributions[name] - distributions["torch, cv2"]).max()
        print(
            f"  {name:10s} {total:7.2f} s: decode {decode:.2f}, flow {flow:.2f}, "
            f"network {network:.2f}; {theirs[0] / total:.1f}x (flow "
            f"{theirs[2] / flow:.1f}x, network {theirs[3] / network:.1f}x); "
            f"probabilities up to {apart:.1e} apart",
            flush=True,
        )


def in_torch(
    path: pathlib.Path, peer: Pyramid, used: artifact.Preprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (all, decode, flow, network) and probabilities of the peer."""
    peer(*stack([inference.Sample(*blank(used), False)]))  # Its first call is slower.
    clock = [time.perf_counter()]
    frames = np.stack(
        [imaging.resize(frame, used.size) for frame in decoding.Video(path)]
    )
    plans = inference.plan_snippets(used, len(frames), used.snippets)
    clock.append(time.perf_counter())
    flows = opencv_flows(used, plans, frames)
    clock.append(time.perf_counter())
    samples = [
        sample
        for plan in plans
        for sample in inference.crop_samples(used, plan, frames, flows)
    ]
    size = inference.batch_size(len(samples), many=False)  # As ours.
    found = [
        peer(*stack(samples[start : start + size]))
        for start in range(0, len(samples), size)
    ]
    clock.append(time.perf_counter())
    return np.array([clock[-1] - clock[0], *np.diff(clock)]), np.concatenate(
        found
    ).mean(0)


def opencv_flows(
    used: artifact.Preprocessing, plans: list, frames: np.ndarray
) -> inference.Flows:
    """The flows that the snippets read, by OpenCV, as codes."""
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flows = {}
    for i in inference.needed_flows(plans).tolist():
        found = method.calc(grey[i], grey[i + 1], None)
        code = np.round(255 * (found + used.bound) / (2 * used.bound))
        flows[i] = np.clip(code, 0, 255).astype(np.uint8).transpose(2, 0, 1)
    return flows


def stack(samples: list[inference.Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Frames and flow of samples; mirrored ones are turned round, x with its sign."""
    rgb, flow = [], []
    for sample in samples:
        if sample.flip:
            turned = sample.flow[..., ::-1].copy()
            turned[:, ::2] = 255 - turned[:, ::2]
            sample = inference.Sample(sample.rgb[..., ::-1], turned, False)
        rgb.append(sample.rgb)
        flow.append(sample.flow)
    return np.stack(rgb), np.stack(flow)


def blank(used: artifact.Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    side = (used.input_size, used.input_size)
    return np.zeros((1, 3, *side), np.uint8), np.zeros((3, 20, *side), np.uint8)


if __name__ == "__main__":
    main()
