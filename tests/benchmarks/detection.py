"""Detection metrics on labelled data of real and simulated plants, as a table.

Every model is trained by the code of `andon train` with the same defaults for every data set, on
the normal part alone, and evaluated by the code that runs live, with the threshold of its bundle.
Nothing in a run is chosen on the evaluated part; but the defaults were chosen after all files had
been examined, so none is an independent test. The data is outside the project: in $ANDON_DATA, or
in ../shared/data or shared/data beside it. A missing set is skipped, with the reason.

The simulated plant needs no data.

    make bench-detection            # JSON=FILE also writes the table as JSON
    make bench-detection ARGS="skab plant-week"         # these alone
"""

import csv
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import plant_week

from detectors.data.recordings import Recording
from detectors.evaluation.apply import detector_for, judge
from detectors.evaluation.metrics import (
    Counts,
    average_precision,
    baselines,
    count,
    delays,
    false_episodes,
    hours,
    vus_pr,
)
from detectors.training.learn import learn
from detectors.training.prepare import TrainingOptions
from detectors.training.publish import ModelIdentity, manifest_for, write_bundle
from gateway.api.model import SECOND

PROJECT = Path(__file__).parents[2]
START = 1_700_000_000 * SECOND // (180 * SECOND) * (180 * SECOND)
HOUR = 3600 * SECOND
NOT_TAGS = {"anomaly", "changepoint", "ATT_FLAG"}


def main():
    only, data = set(sys.argv[1:]), data_folder()
    rows = []
    for name, measure in (SETS | SIMULATED).items():
        if only and name not in only:
            continue
        if name in SIMULATED:
            rows += measure()
        elif data is None or not (data / name.split("-")[0]).is_dir():
            print(f"{name}: skipped, no data (set ANDON_DATA to its folder)")
        else:
            rows += measure(data / name.split("-")[0])
    for row in rows:
        print("{name:34} {value:>9} {must:>9} {aim:>9}  {met:6} {note}".format(**shown(row)))
    if os.environ.get("JSON"):
        Path(os.environ["JSON"]).write_text(json.dumps(rows, indent=1) + "\n")


def data_folder():
    named = os.environ.get("ANDON_DATA")
    beside = [Path(named)] if named else [PROJECT / "../shared/data", PROJECT / "shared/data"]
    return next((folder for folder in beside if folder.is_dir()), None)


def row(name, value, must="", aim="", note=""):
    number = None if value is None or np.isnan(value) else round(float(value), 4)
    return {"name": name, "value": number, "must": must, "aim": aim, "note": note}


def shown(row):
    value = "-" if row["value"] is None else f"{row['value']:g}"
    met = {True: "met", False: "MISSED", None: ""}[kept(row["value"], row["must"])]
    return {**row, "value": value, "met": met}


def kept(value, must):
    """Whether a value keeps its bound, "<= 3" or ">= 0.8"; None without a bound."""
    if not must:
        return None
    sign, bound = must.split()
    return value is not None and (value <= float(bound) if sign == "<=" else value >= float(bound))


# --- reading


def table(path, delimiter=",", form=None):
    """Names, times, values[row, column] of a CSV whose first column is the time."""
    with path.open() as file:
        header, *lines = csv.reader(file, delimiter=delimiter)
    texts = [line[0] for line in lines]
    # Read as UTC: only time differences matter.
    moments = [
        datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - see above
        for text in texts
    ]
    times = np.array([int(m.replace(tzinfo=UTC).timestamp()) * SECOND for m in moments])
    values = np.array([[float(cell) for cell in line[1:]] for line in lines])
    return [name.strip() for name in header[1:]], times, values


def split(names, times, values, cut):
    """The rows before `cut` and those from it, as recordings without the labels' columns."""
    kept = [n for n, name in enumerate(names) if name not in NOT_TAGS]
    tags = tuple(names[n] for n in kept)
    order = np.argsort(times, kind="stable")
    before = order[:cut]
    return Recording(tags, times[before], values[before][:, kept], {}), Recording(
        tags, times[order], values[order][:, kept], {}
    )


def detector(recording, budget=None):
    """Detector of a model trained with the defaults, written and loaded as by a line."""
    learnt = learn(recording, TrainingOptions(false_alarms=budget), lambda _step: None)
    with tempfile.TemporaryDirectory() as folder:
        identity = ModelIdentity(id="bench", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
        manifest = manifest_for(learnt, identity, {})
        write_bundle(Path(folder) / "bundle", manifest, learnt.graph)
        print(f"  trained: {manifest.training.method}, threshold {learnt.threshold:.3g}",
              file=sys.stderr)  # fmt: skip
        return detector_for(Path(folder) / "bundle")


# --- the sets


def skab(folder):
    total, areas, events, waits, episodes, normal = Counts(), [], 0, [], 0, 0.0
    without_other_2 = Counts()
    for path in sorted(folder.glob("*_*.csv")):
        names, times, values = table(path, ";")
        labels = values[:, names.index("anomaly")] > 0
        first, whole = split(names, times, values, 400)
        judged = judge(detector(first), whole).at_times(whole.times)
        part = slice(400, None)
        times, labels, alarms = times[part], labels[part], judged.alarm[part]
        here = count(labels, alarms)
        total = total.plus(here)
        if path.stem != "other_2":
            without_other_2 = without_other_2.plus(here)
        areas.append(vus_pr(labels, judged.score[part], 60))
        event_delays = delays(times, labels, alarms)
        events += len(event_delays)
        waits += [delay for delay in event_delays if delay is not None]
        episodes, normal = episodes + false_episodes(labels, alarms), normal + hours(times, ~labels)
    least = baselines(total)
    return [
        row("skab_f1", total.f1, ">= 0.8", ">= 0.86",
            f"always {least.always:.3f}, random {least.random:.3f}; published best 0.78"),
        row("skab_far_percent", 100 * total.far, "<= 25", "<= 14", "recovery counts as normal"),
        row("skab_mar_percent", 100 * total.mar),
        row("skab_vus_pr", np.mean(areas), ">= 0.9", note="mean of the files, up to 60 rows"),
        row("skab_f1_without_other_2", without_other_2.f1,
            note="its training part is mostly anomalous"),
        row("skab_events_found", len(waits), note=f"of {events}"),
        row("skab_median_delay_s", np.median(waits) / SECOND),
        row("skab_false_episodes_per_hour", episodes / normal),
    ]  # fmt: skip


def skab_free(folder):
    names, times, values = table(folder / "anomaly-free.csv", ";")
    half = len(times) // 2
    first, whole = split(names, times, values, half)
    judged = judge(detector(first), whole).at_times(whole.times)
    none = np.zeros(len(times) - half, dtype=bool)
    alarms, length = judged.alarm[half:], hours(times[half:], ~none)
    return [
        row("skab_free_alarms_per_hour", false_episodes(none, alarms) / length, "<= 1.5", "<= 0.3",
            f"{length:.1f} h"),
        row("skab_free_far_percent", 100 * alarms.mean()),
    ]  # fmt: skip


def batadal(folder):
    names, times, values = table(folder / "dataset03.csv", form="%d/%m/%y %H")
    first, _ = split(names, times, values, len(times))
    names, times, values = table(folder / "dataset04.csv", form="%d/%m/%y %H")
    labels = values[:, names.index("ATT_FLAG")] > 0
    _, whole = split(names, times, values, 0)
    judged = judge(detector(first), whole).at_times(times)
    counts = count(labels, judged.alarm)
    least, event_delays = baselines(counts), delays(times, labels, judged.alarm)
    return [
        row("batadal_f1", counts.f1, ">= 0.75", ">= 0.82",
            f"always {least.always:.3f}, random {least.random:.3f}"),
        row("batadal_attacks_found", sum(delay is not None for delay in event_delays), ">= 7",
            note=f"of {len(event_delays)}"),
        row("batadal_false_episodes", false_episodes(labels, judged.alarm), "", "<= 3",
            f"{hours(times, ~labels) / 24:.0f} normal days"),
        row("batadal_average_precision", average_precision(labels, judged.score)),
        row("batadal_vus_pr", vus_pr(labels, judged.score, 24), note="up to 24 rows"),
    ]  # fmt: skip


def tep(folder):
    def recording(values):
        times = START + np.arange(1, len(values) + 1, dtype=np.int64) * 180 * SECOND
        return Recording(tuple(f"x{n}" for n in range(values.shape[1])), times, values, {})

    model = detector(recording(np.loadtxt(folder / "d00.dat").T))
    hits = labelled = early = before = 0
    for path in sorted(folder.glob("d[0-9][0-9]_te.dat")):
        source = recording(np.loadtxt(path))
        alarms = judge(model, source).at_times(source.times).alarm
        if path.stem == "d00_te":
            free = alarms.mean()
            continue
        hits, labelled = hits + alarms[160:].sum(), labelled + len(alarms[160:])
        early, before = early + alarms[:160].sum(), before + 160
    return [
        row("tep_detection_rate_percent", 100 * hits / labelled, ">= 92", ">= 96", "six faults"),
        row("tep_far_before_fault_percent", 100 * early / before, "<= 2", "<= 2"),
        row("tep_far_normal_run_percent", 100 * free, "<= 2", "<= 2", "d00_te"),
    ]


def nab(folder):
    windows = json.loads((folder / "combined_windows.json").read_text())
    names, times, values = table(folder / "machine_temperature_system_failure.csv")
    spans = [
        [int(datetime.fromisoformat(t).replace(tzinfo=UTC).timestamp()) * SECOND for t in pair]
        for pair in windows["realKnownCause/machine_temperature_system_failure.csv"]
    ]
    cut = len(times) * 15 // 100
    first, whole = split(names, times, values, cut)
    judged = judge(detector(first), whole).at_times(whole.times)
    labels = np.zeros(len(times), dtype=bool)
    for start, end in spans:
        labels |= (whole.times >= start) & (whole.times <= end)
    labels, alarms, times = labels[cut:], judged.alarm[cut:], whole.times[cut:]
    event_delays = delays(times, labels, alarms)
    detected = sum(delay is not None for delay in event_delays)
    counts = count(labels, alarms)
    return [
        row(
            "nab_machine_final_found",
            event_delays[-1] is not None,
            ">= 1",
            note=f"{detected} of {len(event_delays)} windows detected",
        ),
        row("nab_machine_f1", counts.f1, note=f"always {baselines(counts).always:.3f}"),
        row("nab_machine_far_percent", 100 * counts.far),
    ]


def simulated_week():
    week = plant_week.measure(detector, lambda text: print(f"  {text}", file=sys.stderr))
    detected = sum(each.in_time for each in week.detections.values())
    budget = week.hours * HOUR / plant_week.BUDGET
    courses = "; ".join(f"{fault} {each}" for fault, each in week.detections.items())
    return [
        row("plant_week_false_alarms", week.false_alarms, f"<= {budget:g}", "",
            f"{week.hours:g} h, budget 1 per day"),
        row("plant_week_faults_found", detected, f">= {len(week.detections)}", "",
            f"before the trip, from onset: {courses}"),
    ]  # fmt: skip


SETS = {"skab": skab, "skab-free": skab_free, "batadal": batadal, "tep": tep, "nab": nab}
SIMULATED = {"plant-week": simulated_week}

if __name__ == "__main__":
    main()
