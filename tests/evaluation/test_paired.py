"""McNemar's exact test against scipy's binomial test."""

import numpy as np
import pytest
from scipy import stats

from stpn_jax.evaluation import intervals


@pytest.mark.parametrize(
    ("first", "second"), [(0, 1), (3, 9), (9, 3), (5, 5), (0, 57), (400, 520)]
)
def test_p_is_that_of_a_fair_coin(first, second):
    one = np.repeat([True, False, True, False], [first, second, 4, 2])
    other = np.repeat([False, True, True, False], [first, second, 4, 2])
    found = intervals.mcnemar(one, other)
    assert (found.only_first, found.only_second) == (first, second)
    expected = stats.binomtest(first, first + second, 0.5).pvalue
    assert found.p == pytest.approx(expected, rel=1e-9)


def test_rows_that_never_differ_are_no_evidence():
    right = np.array([True, False])
    assert intervals.mcnemar(right, right) == (0, 0, 1.0)
