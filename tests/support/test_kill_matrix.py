"""The judge of the kill matrix finds what is wrong, and its tables say so."""

import numpy as np
import pytest
from kill_matrix import report
from kill_matrix.faults import FAULTS
from kill_matrix.plants import PLANTS
from kill_matrix.result import Cell, Figures
from kill_matrix.truth import are_wrong, tick_of, ticks_of, value_of

EPOCH, NOW = 1_000.0, 1_234.56
ALL = [fault for family in FAULTS.values() for fault in family]
GOOD = Figures(notice=0.5, recover=1.0, lost=0, wrong=0, leaked=0)


def is_wrong(value, tag=2, at=NOW):
    columns = (np.array([tag]), np.array([round(at * 1e9)]), np.array([float(value)]))
    return bool(are_wrong(*columns, EPOCH)[0])


def test_a_value_is_true_of_its_tag_at_its_time_and_of_nothing_else():
    value = value_of(2, tick_of(NOW, EPOCH))
    assert not is_wrong(value)
    assert ticks_of(np.array([float(value)])).tolist() == [tick_of(NOW, EPOCH)]
    assert is_wrong(value, tag=1), "a neighbour's"
    assert is_wrong(value, at=NOW + 1.0), "an old one"
    assert is_wrong(value, at=NOW - 1.0), "one of the future"
    assert is_wrong(value + 0.5), "an invented one"
    assert is_wrong(0.0)


@pytest.mark.parametrize(
    "figures",
    [
        {"recover": None},
        {"recover": 5.1},
        {"neighbours": 5.1},
        {"wrong": 1},
        {"leaked": 1},
    ],
)
def test_a_cell_that_misses_a_goal_is_shown_as_one(figures):
    cell = Cell("modbus", ALL[0], Figures(**vars_of(GOOD) | figures))
    assert not cell.meets_goal
    assert f"**{ALL[0].name}**" in report.tables([cell])


def vars_of(figures):
    return {name: getattr(figures, name) for name in figures.__dataclass_fields__}


def test_samples_may_be_lost_where_nobody_keeps_them_and_not_in_a_cut_of_opc_ua():
    cut = next(fault for fault in ALL if fault.is_cut)
    restart = ALL[0]
    lossy = Figures(**vars_of(GOOD) | {"lost": 3})
    assert Cell("modbus", cut, lossy).meets_goal
    assert Cell("opcua", restart, lossy).meets_goal
    assert not Cell("opcua", cut, lossy).meets_goal


def test_a_cell_that_could_not_be_measured_is_no_good_one():
    broken = Cell("opcua", ALL[0], None, "AssertionError: it never started")
    assert not broken.meets_goal
    assert "it never started" in report.tables([broken])


def test_each_fault_is_brought_about_for_every_protocol_or_says_why_not():
    assert len(ALL) >= 16
    assert len({fault.name for fault in ALL}) == len(ALL)
    cells = [
        Cell(kind, fault, None if kind in fault.without else GOOD)
        for kind in PLANTS
        for fault in ALL
    ]
    tables = report.tables(cells)
    for fault in ALL:
        assert set(fault.without) <= set(PLANTS)
        assert tables.count(f"| {fault.name} |") == len(PLANTS)
        assert all(f"n/a: {why}" in tables for why in fault.without.values())
    picture = report.picture(cells)
    assert picture.count(">1.0 s<") == sum(cell.figures is not None for cell in cells)
