from gateway.cases.file import load_cases
from gateway.cases.run import run_case

LINE = """\
version: 1
line: press
site: berlin
sources:
  plc: {type: modbus, host: plc-3, tags: {oil: {address: 0}}}
detectors:
  guard: {type: limits, tags: {oil: {high: 65, realarm_after: 3s, latch: true}}}
alarms: {escalate_after: [2s]}
"""
CASES = """\
version: 1
line: line.yaml
cases:
  - name: what is announced again is expected once
    samples: {oil: 40x5 70x10 40x5}
    alerts:
      - {at: 5s, alarm: guard.oil.high}
      - {at: 15s, alarm: guard.oil.high, state: latched_unacknowledged}
"""


async def test_what_is_announced_of_an_alarm_that_stays_active_is_no_alert_of_its_own(tmp_path):
    (tmp_path / "line.yaml").write_text(LINE)
    (tmp_path / "cases.yaml").write_text(CASES)
    result = await run_case(load_cases(tmp_path / "cases.yaml"), 0)
    assert (result.missing, result.unexpected) == ([], [])
    assert len(result.fitting) == 2
