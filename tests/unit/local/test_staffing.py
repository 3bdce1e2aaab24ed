"""Which workers stay when a stage is scaled."""

from hypothesis import given
from hypothesis import strategies as st

from local.control import staffing

NUMBERS = st.sets(st.integers(0, 40), max_size=20)


@given(now=NUMBERS, count=st.integers(0, 30), busy=NUMBERS)
def test_so_many_as_wanted_and_none_in_mid_job_goes_before_an_idle_one(
    now: set[int], count: int, busy: set[int]
) -> None:
    left, fresh = staffing(sorted(now), count, busy)
    assert len(left) + len(fresh) == count
    assert set(left) <= now
    assert not set(fresh) & now
    gone = now - set(left)
    assert not fresh or not gone
    assert not gone & busy or not (set(left) - busy), "a busy one went while an idle one stayed"


def test_new_ones_fill_the_gaps() -> None:
    assert staffing([0, 2], 5, set()) == ([0, 2], [1, 3, 4])
