"""The written .mp4 plays the frames at their rate."""

import av
import numpy as np
import pytest

from stpn_jax.figures import video_writer


@pytest.mark.parametrize("rate", [25.0, 29.97, 7.123456, 240.0])
def test_frames_and_rate_survive(tmp_path, rate):
    values = np.linspace(30, 220, 20).astype(np.uint8)
    frames = [np.full((41, 63, 3), value, np.uint8) for value in values]
    video_writer.write(tmp_path / "a.mp4", iter(frames), rate)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(rate, rel=1e-3)
        found = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(found) == 20 and found[0].shape == (40, 62, 3)
    for one, value in zip(found, values, strict=True):
        assert abs(one.mean() - value) < 4
