from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.modbus.plan import PolledTag, RequestLimits, make_plan
from connectors.modbus.registers import DTYPES, Encoding
from gateway.api.model import SECOND


@st.composite
def tags(draw, tag=0):
    table = draw(st.sampled_from(["holding", "input", "coil", "discrete"]))
    kinds = ["bool"] if table in ("coil", "discrete") else sorted(DTYPES)
    return PolledTag(
        tag=tag,
        unit=draw(st.integers(1, 3)),
        table=table,
        address=draw(st.integers(0, 300) | st.integers(65500, 65532)),
        period=draw(st.sampled_from([SECOND, 5 * SECOND])),
        encoding=Encoding(data_type=draw(st.sampled_from(kinds))),
    )


@st.composite
def problems(draw):
    count = draw(st.integers(1, 60))
    limits = RequestLimits(
        draw(st.integers(4, 125)), draw(st.integers(1, 2000)), draw(st.integers(0, 20))
    )
    return [draw(tags(tag)) for tag in range(count)], limits


def holding(*addresses, data_type="uint16"):
    encoding = Encoding(data_type=data_type)
    return [PolledTag(i, 1, "holding", a, SECOND, encoding) for i, a in enumerate(addresses)]


def spans(plan):
    return [(request.address, request.count) for request in plan]


@settings(deadline=None)
@given(problems())
def test_every_tag_is_read_once_and_whole_by_a_request_within_the_limits(problem):
    wanted, limits = problem
    plan = make_plan(wanted, limits)
    assert sorted(t.tag for request in plan for t in request.tags) == list(range(len(wanted)))
    for request in plan:
        assert 1 <= request.count <= limits.span_of(request.table)
        assert request.address + request.count <= 65536
        assert request.function in (1, 2, 3, 4)
        for tag in request.tags:
            same = (tag.unit, tag.table, tag.period)
            assert same == (request.unit, request.table, request.period)
            assert request.address <= tag.address
            assert tag.end <= request.address + request.count


@settings(deadline=None)
@given(problems())
def test_splitting_a_request_keeps_every_tag_and_never_shares_a_register(problem):
    for request in make_plan(*problem):
        halves = request.halves()
        if not halves:
            continue
        first, second = halves
        assert first.tags + second.tags == request.tags
        assert first.address + first.count <= second.address
        assert second.address + second.count == request.address + request.count


@settings(deadline=None)
@given(problems())
def test_no_gap_wider_than_the_limit_is_read(problem):
    wanted, limits = problem
    for request in make_plan(wanted, limits):
        assert request.idle <= limits.gap_of(request.table) * (len(request.tags) - 1)


def test_tags_are_joined_across_small_gaps_and_split_at_large_ones():
    plan = make_plan(holding(0, 5, 20), RequestLimits(gap=4))
    assert spans(plan) == [(0, 6), (20, 1)]
    assert plan[0].idle == 4


def test_a_value_that_would_cross_the_limit_starts_the_next_request():
    plan = make_plan(holding(0, 4, 8, data_type="float64"), RequestLimits(registers=10))
    assert spans(plan) == [(0, 8), (8, 4)]


def test_a_narrow_tag_inside_a_wide_one_does_not_split_it_from_its_neighbour():
    wide, narrow = Encoding(data_type="float64"), Encoding()
    sizes = [(0, wide), (1, narrow), (4, narrow)]
    tags = [PolledTag(i, 1, "holding", at, SECOND, size) for i, (at, size) in enumerate(sizes)]
    assert spans(make_plan(tags, RequestLimits(gap=0))) == [(0, 5)]


def test_coils_may_be_sixteen_times_as_far_apart():
    encoding = Encoding(data_type="bool")
    coils = [PolledTag(i, 1, "coil", a, SECOND, encoding) for i, a in enumerate((0, 33, 67))]
    assert spans(make_plan(coils, RequestLimits(gap=2))) == [(0, 34), (67, 1)]


def test_a_refused_request_is_split_at_its_widest_gap_else_in_the_middle():
    (gapped,) = make_plan(holding(0, 1, 2, 3, 9), RequestLimits())
    assert spans(gapped.halves()) == [(0, 4), (9, 1)]
    (dense,) = make_plan(holding(0, 1, 2, 3), RequestLimits())
    assert spans(dense.halves()) == [(0, 2), (2, 2)]


def test_tags_on_the_same_register_cannot_be_split():
    (request,) = make_plan(holding(3, 3, 3), RequestLimits())
    assert request.halves() == ()
    assert request.idle == 0


def test_a_request_prints_as_operators_know_it():
    assert str(make_plan(holding(0, 5), RequestLimits())[0]) == "unit 1 holding 0..5"
