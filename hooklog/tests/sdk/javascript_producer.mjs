// Writes CloudEvents to Kafka with JavaScript's SDK:
//
//     javascript_producer.mjs MODULES BROKERS TOPIC
//
// MODULES is the folder whose node_modules has the packages. Each event's id says what it is;
// `tests/journey/sdk.rs` says what has to arrive.

import { createRequire } from "node:module";

const [modules, brokers, topic] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { CloudEvent, Kafka: binding } = require("cloudevents");
const { Kafka, logLevel } = require("kafkajs");

const json = { n: 1.5, t: "\u00e9\u{1F600}" };
const attributes = (id, datacontenttype) => ({
  id,
  source: "/sdk/javascript",
  type: "sdk.test",
  subject: "\u20ac 5",
  time: "2026-11-24T06:30:00.000Z",
  partitionkey: "k",
  datacontenttype,
});

const events = ["binary", "structured"].flatMap((mode) =>
  [
    // In binary mode the SDK puts the data into the record as it is: JSON has to be text.
    ["json", "application/json", mode === "binary" ? JSON.stringify(json) : json],
    ["text", "text/plain", "\u00e9 text"],
    ["bytes", "application/octet-stream", Buffer.from([0, 255])],
    ["no-data", undefined, undefined],
  ].map(([kind, type, data]) =>
    binding[mode](new CloudEvent({ ...attributes(`${mode}-${kind}`, type), data })),
  ),
);

// The SDK makes a header of every property, and kafkajs fails on one without a value.
const messages = events.map(({ key, value, headers, timestamp }) => ({
  key,
  value: value ?? null,
  headers: Object.fromEntries(Object.entries(headers).filter(([, v]) => v !== undefined)),
  timestamp,
}));

const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });
const producer = kafka.producer();
await producer.connect();
await producer.send({ topic, acks: -1, messages });
await producer.disconnect();
