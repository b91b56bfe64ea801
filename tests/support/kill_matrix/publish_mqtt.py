"""What publishes to the broker, as a process: `publish_mqtt.py PORT EPOCH JOURNAL [tls]`.

Publishes each tag at every other tick and writes what the broker confirmed to a journal. Lines on
its standard input: `tags N` how many tags there are from now on, `bad` and `good` whether the
payloads hold null or a number.
"""

import json
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from kill_matrix.truth import TAGS, TICK_S, tick_of, value_of


@dataclass
class Wish:
    tags: int = TAGS
    is_bad: bool = False


def listen(wish):
    for line in sys.stdin:
        match line.split():
            case ["tags", number]:
                wish.tags = int(number)
            case [said]:
                wish.is_bad = said == "bad"


def publish(client, wish, epoch, journal):
    while True:
        now = tick_of(time.time(), epoch)
        now -= now % 2
        if client.is_connected() and publish_all(client, wish.tags, now, epoch, wish.is_bad):
            journal.write(f"{now} {wish.tags}\n")
        time.sleep(max(0.0, epoch + (now + 2) * TICK_S - time.time()))


def publish_all(client, tags, now, epoch, is_bad):
    """Whether the broker has all of them, and they are values."""
    sent = []
    for tag in range(tags):
        value = None if is_bad else value_of(tag, now)
        text = json.dumps({"value": value, "at": round((epoch + now * TICK_S) * 1e9)})
        sent.append(client.publish(f"plant/t{tag}", text, qos=1))
    for each in sent:
        each.wait_for_publish(1)
    return not is_bad and all(each.is_published() for each in sent)


def main(port, epoch, path, *tls):
    client, wish = Client(CallbackAPIVersion.VERSION2), Wish()
    if tls:
        # The publisher trusts whatever certificate the broker has; the gateway must not.
        client.tls_set(cert_reqs=ssl.CERT_NONE)
        client.tls_insecure_set(True)
    client.reconnect_delay_set(1, 1)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    threading.Thread(target=listen, args=(wish,), daemon=True).start()
    with Path(path).open("a", buffering=1) as journal:
        publish(client, wish, epoch, journal)


if __name__ == "__main__":
    port, epoch, path, *rest = sys.argv[1:]
    main(int(port), float(epoch), path, *rest)
