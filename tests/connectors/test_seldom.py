from connectors.seldom import Seldom


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_an_event_is_said_once_a_minute_for_each_subject_and_counted_between():
    said, clock = [], Clock()
    say = Seldom(lambda event, **fields: said.append((event, fields)), clock)
    for now in (0, 1, 59):
        clock.now = now
        say("lost", node="a", why=str(now))
    say("lost", node="b")
    say("found", node="a")
    assert said == [
        ("lost", {"node": "a", "why": "0"}),
        ("lost", {"node": "b"}),
        ("found", {"node": "a"}),
    ]
    clock.now = 61
    say("lost", node="a")
    assert said[-1] == ("lost", {"node": "a", "repeated": 2})


def test_long_texts_are_cut():
    said = []
    Seldom(lambda _event, **fields: said.append(fields))("x", topic="t" * 60_000, count=3)
    assert said == [{"topic": "t" * 200 + "…", "count": 3}]


def test_the_subjects_that_are_remembered_are_bounded():
    say = Seldom(lambda _event, **_fields: None)
    for number in range(5_000):
        say("x", topic=str(number))
    assert len(say._said) <= 1_000
