"""What schemathesis cannot know of hooklog by the API document alone.

A drawn id names nothing, and a drawn signature is that of nobody: many well-formed requests ask for
what an earlier answer told of, and events for a subscription with a secret
are signed, over the canonical form of their body. The document says that a target is a URI; which
ones are taken is the operator's policy. Here all of them lead to the receiver on loopback that
`.ci/schemathesis` has started, so that deliveries end there and nowhere else.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import random
from collections import deque

import schemathesis
from hypothesis import strategies as st

RECEIVER = os.environ["SCHEMATHESIS_RECEIVER"]
INGEST = ("/ingest/{id}", "/api/v1/ingest/{id}")
OF_SUBSCRIPTION = "/v1/subscriptions/{id}"
STATUS = ("/status/{id}", "/api/v1/status/delivery_tasks/{id}")

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~"
words = st.text(LETTERS, max_size=12)
targets = st.builds(
    "{}://{}/{}{}".format,
    st.sampled_from(["http", "HTTP"]),
    st.just(RECEIVER),
    st.lists(words, max_size=4).map("/".join),
    st.one_of(st.just(""), words.map("?{}".format)),
)
schemathesis.openapi.format("uri", targets)

drawn = random.Random(0)
subscriptions = {}  # what was answered last about each one that is there, by id
deliveries = deque(maxlen=100)


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and "example.com" in str(body.get("target_url")):
        body["target_url"] = f"http://{RECEIVER}/example"  # the document's examples name others
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    path = case.operation.path
    if case.meta.phase.name.value == "stateful":
        # A step that is sent again as a part of a scenario must be the same, or it ends there.
        choices = random.Random(repr(case.body))
    else:
        choices = drawn
        if path in STATUS and deliveries and choices.random() < 0.5:
            case.path_parameters["id"] = choices.choice(deliveries)
        elif (path in INGEST or path.startswith(OF_SUBSCRIPTION)) and subscriptions and choices.random() < 0.8:
            case.path_parameters["id"] = choices.choice(list(subscriptions)[-50:])
    if path.startswith(OF_SUBSCRIPTION) and choices.random() < 0.8:
        case.headers.pop("If-Match", None)  # a drawn one is that of no version
    subscription = subscriptions.get(case.path_parameters.get("id"))
    if path in INGEST and subscription is not None and choices.random() < 0.8:
        address(case, subscription, choices)


def address(case, subscription, choices):
    """Makes an event what its subscription takes, most of the times."""
    only = subscription.get("event_type_filter")
    types = subscription.get("event_types") or ([only] if only else [])
    if types and choices.random() < 0.8:
        wanted = choices.choice(types)
        if case.operation.path == INGEST[0]:
            case.body["event_type"] = wanted
        elif wanted.isascii() and wanted.isprintable() and wanted == wanted.strip():
            case.headers["X-Event-Type"] = wanted
    if subscription.get("secret"):
        form = json.dumps(case.body, separators=(",", ":"), sort_keys=True).encode()
        signed = form if choices.random() < 0.8 else form + b" "
        digest = hmac.new(key(subscription["secret"]), signed, hashlib.sha256).hexdigest()
        case.headers["X-Hub-Signature-256"] = f"sha256={digest}"


def key(secret):
    encoded = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(encoded, validate=True) if encoded != secret else secret.encode()
    except binascii.Error:
        return secret.encode()


@schemathesis.hook
def after_call(context, case, response):
    if not 200 <= response.status_code < 300:
        return
    if case.method == "DELETE":
        subscriptions.pop(case.path_parameters["id"], None)
        return
    if not response.content:
        return
    answer = response.json()
    if isinstance(answer, dict) and "target_url" in answer and "id" in answer:
        subscriptions[answer["id"]] = answer
    elif isinstance(answer, dict) and case.method == "POST":
        deliveries.extend(filter(None, [answer.get("webhook_id"), answer.get("task_id")]))
