"""Writes CloudEvents to Kafka with Python's SDK: python_producer.py BROKERS TOPIC

Each event's id says what it is; `tests/journey/sdk.rs` says what has to arrive. The SDK has two
Kafka conversions, the current one (`core`) and the one that its first version had (`v1`), and
both are in use.
"""

import datetime
import sys

from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as older_kafka
from cloudevents.v1.http import CloudEvent as OlderCloudEvent
from kafka import KafkaProducer

JSON = {"n": 1.5, "t": "\u00e9\U0001f600"}
TIME = datetime.datetime(2026, 11, 24, 6, 30, tzinfo=datetime.timezone.utc)


def attributes(id, content_type, **more):
    given = {"specversion": "1.0", "id": id, "source": "/sdk/python", "type": "sdk.test"}
    if content_type is not None:
        given["datacontenttype"] = content_type
    return {**given, **more}


def current():
    more = {"subject": "\u20ac 5", "time": TIME, "partitionkey": "k"}
    modes = {"binary": kafka.to_binary_event, "structured": kafka.to_structured_event}
    for mode, convert in modes.items():
        for kind, content_type, data in [
            ("json", "application/json", JSON),
            ("text", "text/plain", "\u00e9 text"),
            ("bytes", "application/octet-stream", b"\0\xff"),
            ("no-data", None, None),
        ]:
            yield convert(CloudEvent(attributes(f"{mode}-{kind}", content_type, **more), data))


def older():
    more = {"subject": "\u20ac 5", "time": TIME.isoformat(), "partitionkey": "k"}
    modes = {"binary": older_kafka.to_binary, "structured": older_kafka.to_structured}
    for mode, convert in modes.items():
        given = attributes(f"older-{mode}-json", "application/json", **more)
        yield convert(OlderCloudEvent(given, JSON))
    given = attributes("older-structured-bytes", "application/octet-stream", **more)
    yield older_kafka.to_structured(OlderCloudEvent(given, b"\0\xff"))


def main(brokers, topic):
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all")
    for message in [*current(), *older()]:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        headers = list(message.headers.items())
        producer.send(topic, key=key, value=message.value, headers=headers).get(timeout=30)
    producer.close()


main(*sys.argv[1:])
