"""Detection on labelled data of real and simulated plants, as a table.

Every model is learnt by `andon train`'s own code with the same defaults for every data set, from
the normal part alone, and judged by the code that runs live, with the threshold of its own bundle.
Nothing in a run is chosen on the judged part; but all files had been looked at before the settings
in use were made, so none is an untouched test. The data lies outside the project: in $ANDON_DATA,
or in ../shared/data or shared/data beside it. What is absent is skipped, with the reason.

The simulated plant needs none of that data.

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
    only, data = set(sys.argv[1:]), place()
    rows = []
    for name, measure in (SETS | SIMULATED).items():
        if only and name not in only:
            continue
        if name in SIMULATED:
            rows += measure()
        elif data is None or not (data / name.split("-")[0]).is_dir():
            print(f"{name}: skipped, its data is not here (ANDON_DATA names the folder)")
        else:
            rows += measure(data / name.split("-")[0])
    for row in rows:
        print("{name:34} {value:>9} {must:>9} {aim:>9}  {met:6} {note}".format(**shown(row)))
    if os.environ.get("JSON"):
        Path(os.environ["JSON"]).write_text(json.dumps(rows, indent=1) + "\n")


def place():
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
    # Read as UTC: only differences of times matter here.
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
    """TrainedModel with the defaults, written, and loaded as a line would."""
    learnt = learn(recording, TrainingOptions(false_alarms=budget), lambda _step: None)
    with tempfile.TemporaryDirectory() as folder:
        identity = ModelIdentity(id="bench", version="1", created=datetime(2026, 1, 1, tzinfo=UTC))
        manifest = manifest_for(learnt, identity, {})
        write_bundle(Path(folder) / "bundle", manifest, learnt.graph)
        print(f"  learnt: {manifest.training.method}, threshold {learnt.threshold:.3g}",
              file=sys.stderr)  # fmt: skip
        return detector_for(Path(folder) / "bundle")


# --- the sets


def skab(folder):
    total, areas, found, events, waits, episodes, normal = Counts(), [], 0, 0, [], 0, 0.0
    apart = Counts()
    for path in sorted(folder.glob("*_*.csv")):
        names, times, values = table(path, ";")
        labels = values[:, names.index("anomaly")] > 0
        first, whole = split(names, times, values, 400)
        judged = judge(detector(first), whole).at_times(whole.times)
        part = slice(400, None)
        times, labels, alarms = times[part], labels[part], judged.alarm[part]
        here = count(labels, alarms)
        total = total.plus(here)
        apart = apart if path.stem == "other_2" else apart.plus(here)
        areas.append(vus_pr(labels, judged.score[part], 60))
        came = delays(times, labels, alarms)
        events, waits = events + len(came), waits + [d for d in came if d is not None]
        episodes, normal = episodes + false_episodes(labels, alarms), normal + hours(times, ~labels)
    found, least = len(waits), baselines(total)
    return [
        row("skab_f1", total.f1, ">= 0.8", ">= 0.86",
            f"always {least.always:.3f}, random {least.random:.3f}; published best 0.78"),
        row("skab_far_percent", 100 * total.far, "<= 25", "<= 14", "recovery counts as normal"),
        row("skab_mar_percent", 100 * total.mar),
        row("skab_vus_pr", np.mean(areas), ">= 0.9", note="mean of the files, up to 60 rows"),
        row("skab_f1_without_other_2", apart.f1, note="its learning part is mostly anomalous"),
        row("skab_events_found", found, note=f"of {events}"),
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
    least, came = baselines(counts), delays(times, labels, judged.alarm)
    return [
        row("batadal_f1", counts.f1, ">= 0.75", ">= 0.82",
            f"always {least.always:.3f}, random {least.random:.3f}"),
        row("batadal_attacks_found", sum(d is not None for d in came), ">= 7",
            note=f"of {len(came)}"),
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
    came = delays(times, labels, alarms)
    found = sum(delay is not None for delay in came)
    counts = count(labels, alarms)
    return [
        row(
            "nab_machine_final_found",
            came[-1] is not None,
            ">= 1",
            note=f"{found} of {len(came)} windows found",
        ),
        row("nab_machine_f1", counts.f1, note=f"always {baselines(counts).always:.3f}"),
        row("nab_machine_far_percent", 100 * counts.far),
    ]


def simulated_week():
    week = plant_week.measure(detector, lambda text: print(f"  {text}", file=sys.stderr))
    found = sum(each.in_time for each in week.found.values())
    budget = week.hours * HOUR / plant_week.BUDGET
    courses = "; ".join(f"{fault} {each}" for fault, each in week.found.items())
    return [
        row("plant_week_false_alarms", week.false_alarms, f"<= {budget:g}", "",
            f"{week.hours:g} h, budget 1 per day"),
        row("plant_week_faults_found", found, f">= {len(week.found)}", "",
            f"before the trip, from onset: {courses}"),
    ]  # fmt: skip


SETS = {"skab": skab, "skab-free": skab_free, "batadal": batadal, "tep": tep, "nab": nab}
SIMULATED = {"plant-week": simulated_week}

if __name__ == "__main__":
    main()
