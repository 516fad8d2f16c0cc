"""The benchmarks of speed run at a tiny size and print what they promise."""

import re

from benchmarks import stcb


def test_stcb(capsys):
    sizes = ["--rows=6", "--channels=8", "--width=16", "--pathways", "2", "3"]
    device = ["--bandwidth=100", "--peak=100"]
    stcb.main([*sizes, *device, "--repeats=1", "--forms", "--no_compile"])
    printed = capsys.readouterr().out
    assert len(re.findall(r"forward +ours +[\d.]+ ms", printed)) == 2
    for form in stcb.FORMS:
        assert len(re.findall(rf"with gradients +{form} +[\d.]+ ms", printed)) == 2
    assert all(float(x) < 1e-5 for x in re.findall(r"apart (\S+)", printed))
