import pytest

from gateway.api.addresses import bare_host, http_url


@pytest.mark.parametrize(
    "host",
    [
        *("broker", "broker.example.com", "192.168.0.10", "::1", "fe80::1%eth0", "2001:db8::10"),
        *("plc_1", "xn--lksk-6qa.example", "localhost"),
    ],
)
def test_a_name_or_an_address_is_a_host(host):
    assert bare_host(host) == host


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("broker:1883", "write `host: broker` and `port: 1883`"),
        ("127.0.0.1:5502", "write `host: 127.0.0.1` and `port: 5502`"),
        ("[::1]:1883", "write `host: ::1` and `port: 1883`"),
        ("[::1]", "write `host: ::1`"),
        ("mqtt://broker", "write `host: broker`"),
        ("mqtts://broker:8883", "write `host: broker` and `port: 8883`"),
        ("mqtt://me@broker", "holds a user"),
        ("broker/plant", "write `host: broker`"),
        ("tcp://10.0.0.1:502/", "write `host: 10.0.0.1` and `port: 502`"),
        ("broker ", "spaces"),
        ("my broker", "spaces"),
        ("", "is empty"),
        ("mqtt://", "write `host: NAME`"),
    ],
)
def test_what_is_more_than_a_host_is_told_apart(host, message):
    with pytest.raises(ValueError, match=r".") as refused:
        bare_host(host)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8086", "https://influx.example.com", "http://[::1]:8086"),
        *("https://eu-central-1-1.aws.cloud2.influxdata.com/", "http://gate/influx"),
    ],
)
def test_a_url_of_an_http_server_is_one(url):
    assert http_url(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8086", "write it as in http://127.0.0.1:8086"),
        ("localhost:8086", "write it as in http://localhost:8086"),
        ("influx.example.com", "write it as in https://influx.example.com"),
        ("//influx:8086", "write it as in https://influx:8086"),
        ("http:/influx", "write it as in https://influx"),
        ("", "has no scheme"),
        ("mqtt://broker", "must start with http:// or https://, not mqtt://"),
        ("htp://influx", "not htp://"),
        ("http://", "names no host"),
        ("http://:8086", "names no host"),
        ("http://influx:80a", "wrong host or port"),
        ("http://influx:99999", "wrong host or port"),
        ("http://[::1", "wrong host or port"),
        ("http://in flux", "spaces"),
        ("http://influx:8086?org=plant", "ends with ? or #"),
    ],
)
def test_what_is_not_one_is_told_with_what_would_be_right(url, message):
    with pytest.raises(ValueError, match=r".") as refused:
        http_url(url)
    assert message in str(refused.value)


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "a" * 254, "a\0b", "a\x07b"])
def test_a_host_that_cannot_be_looked_up_is_refused(host):
    for check, text in ((bare_host, host), (http_url, f"http://{host}/")):
        with pytest.raises(ValueError, match=r"name of a host|wrong host|must not contain"):
            check(text)
