"""The CSV connector keeps the contract of a connector."""

import csv
import math
from datetime import UTC, datetime

import pytest

from gateway.api.testing import ConnectorContract, ConnectorHarness


class CsvHarness(ConnectorHarness):
    """A file, and what the program that appends rows to it would do."""

    options = {
        "type": "csv",
        "path": "readings.csv",
        "period": "200ms",
        "tags": {
            "speed": {"column": "n", "unit": "rpm", "low": 0, "high": 3600},
            "temperature": {"column": "t", "unit": "°C", "low": -20, "high": 150},
        },
    }

    def __init__(self, folder):
        self.file = folder / "readings.csv"

    async def start(self):
        self.append("time", "t", "n")

    async def stop(self):
        self.file.unlink(missing_ok=True)

    async def publish(self, at, readings):
        cells = {tag: "" if math.isnan(value) else value for tag, value in readings.items()}
        moment = datetime.fromtimestamp(at / 1e9, UTC).isoformat()
        self.append(moment, cells["temperature"], cells["speed"])

    def append(self, *cells):
        with self.file.open("a", newline="") as file:
            csv.writer(file).writerow(cells)


class TestCsvConnector(ConnectorContract):
    @pytest.fixture
    def harness(self, places):
        return CsvHarness(places.config)
