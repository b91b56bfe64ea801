import structlog
from fakes import batch, tag

from gateway.api.model import SECOND
from gateway.core.freshness import FreshnessWatch
from gateway.line.tag_log import LOGGED, TagLog

T0 = 1_700_000_000 * SECOND
TAGS = [tag(f"t{number}") for number in range(LOGGED + 2)]


def test_tags_that_get_stale_are_logged_once_and_once_when_they_are_fresh_again():
    watch = FreshnessWatch(TAGS, 5.0, 3.0)
    tag_log, values = TagLog(watch), [1.0] * len(TAGS)
    with structlog.testing.capture_logs() as logs:
        for second in range(60):
            now = T0 + second * SECOND
            if second < 5 or second > 30:
                watch.push(batch(now, *values), now)
            watch.score(now)
            tag_log.note(now)
    events = [(entry["event"], entry["count"], len(entry["tags"])) for entry in logs]
    assert events[-2:] == [("tags.stale", LOGGED + 2, LOGGED), ("tags.fresh", LOGGED + 2, LOGGED)]
    assert len(events) == len(set(events))
