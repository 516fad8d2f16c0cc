"""The committed golden files are what their script makes."""

import numpy as np
import pytest
from reference import golden

torch = pytest.importorskip("torch", reason="bash launch/test.sh --with-torch has it")
from golden import make  # noqa: E402
from parity import oracles  # noqa: E402

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize("row", oracles.ORACLES)
def test_the_script_makes_the_committed_files(row):
    torch.set_num_threads(2)
    made, committed = make.make(row), golden.Golden.read(row).values
    assert made.keys() == committed.keys()
    for name, value in made.items():
        if value.dtype == np.float32:
            np.testing.assert_allclose(value, committed[name], rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(value, committed[name])
