"""The figures beside what the standards recommend."""

from gateway.api.model import SECOND
from gateway.core.alarms.performance import DAY, HOUR, Entry, performance
from gateway.core.alarms.recommended import report

MINUTE = 60 * SECOND


def made(entries, end=DAY):
    rows = sorted(entries, key=lambda entry: entry.at)
    return report(rows, performance(rows, 0, end))


def raised(at, name="guard.flow.high", severity="low", **more):
    return Entry(at, f"{name}-{at}", name, "raised", severity, **more)


def of(report, name):
    return next(each for each in report.figures if each.name.startswith(name))


def test_a_quiet_day_meets_what_is_recommended():
    quiet = made([raised(HOUR), Entry(2 * HOUR, "x", "guard.flow.high", "returned", "low")])
    assert [each.name for each in quiet.figures if each.is_met is False] == []
    assert of(quiet, "alarms an hour").value == "0.04"
    assert quiet.hours == [0, 1] + [0] * 22


def test_every_figure_that_is_recommended_names_its_source():
    assert all(bool(each.source) == bool(each.recommended) for each in made([]).figures)
    assert of(made([]), "standing").source == "EEMUA 191"


def test_a_flood_is_told_by_its_figures():
    flood = made([raised(HOUR + n * SECOND, f"guard.t{n}.high") for n in range(40)], 12 * HOUR)
    wrong = {each.name for each in flood.figures if each.is_met is False}
    assert wrong == {
        "most alarms in 10 minutes",
        "hours with more than 30 alarms",
        "time in an alarm flood",
        "periods of 10 minutes with more than 10 alarms",
        "standing alarms (active at the end)",
    }
    assert of(flood, "hours with").value == "8.3 %"
    assert flood.hours[1] == 40


def test_seven_alarms_an_hour_are_too_many():
    busy = made([raised(n * HOUR // 7) for n in range(7 * 24)])
    assert (of(busy, "alarms an hour").is_met, of(busy, "alarms an hour").value) == (False, "7.00")


def test_less_than_an_hour_is_not_rated_by_what_is_meant_for_hours():
    short = made([raised(n * MINUTE) for n in range(12)], end=15 * MINUTE)
    assert of(short, "alarms an hour").is_met is None
    assert of(short, "hours with").is_met is None
    assert short.hours == [12]


def test_the_ten_most_frequent_of_few_alarms_are_not_rated():
    assert of(made([raised(HOUR)]), "share of the ten").is_met is None
    many = made([raised(n * MINUTE) for n in range(1_000)])
    assert of(many, "share of the ten").is_met is False


def test_the_highest_severity_is_rare_and_the_others_are_a_shape():
    grave = made(
        [raised(n * MINUTE, severity="critical" if n % 2 else "medium") for n in range(200)]
    )
    assert of(grave, "share of severity critical").is_met is False
    assert of(grave, "share of severity medium").is_met is None
    assert of(grave, "share of severity medium").value == "50.0 %"


def test_one_critical_alarm_of_few_is_not_rated_as_too_many():
    few = made([raised(n * MINUTE, severity="low" if n else "critical") for n in range(100)])
    assert of(few, "share of severity critical").is_met is None
    more = made([raised(n * MINUTE, severity="low" if n else "critical") for n in range(101)])
    assert of(more, "share of severity critical").is_met is True


def test_what_is_hidden_is_no_alarm():
    assert made([raised(HOUR, is_hidden=True)]).hours == [0] * 24


def test_acknowledgements_and_verdicts_are_said():
    rows = [
        raised(HOUR),
        Entry(HOUR + 3 * MINUTE, f"guard.flow.high-{HOUR}", "guard.flow.high", "acknowledged",
              "low", verdict="real"),
    ]  # fmt: skip
    some = made(rows)
    assert of(some, "time to acknowledge").value == "3.0 min, of 1 alarm"
    assert of(some, "verdicts").value == "1 real"
    assert of(made([]), "time to acknowledge").value == "none was acknowledged"
    assert of(made([]), "verdicts").value == "none"
