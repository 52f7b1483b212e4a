"""Sends the scenario with one Python SDK: send.py CLIENT HOST WRITE_KEY SCENARIO

Prints `{"sent": {step: milliseconds of its first call}}` once everything was answered; exits 1 when the SDK reports
that something was not.
"""

import copy
import json
import sys
import time
from datetime import datetime

ARGUMENTS = {
    "identify": ["traits"],
    "track": ["event", "properties"],
    "page": ["category", "name", "properties"],
    "screen": ["category", "name", "properties"],
    "group": ["group_id", "traits"],
    "alias": ["previous_id"],
}
COMMON = ["user_id", "anonymous_id", "context", "timestamp", "message_id"]


def open_client(name, host, write_key, on_error):
    if name.startswith("segment-python-classic"):
        from analytics.client import Client
    elif name.startswith("segment-python"):
        from segment.analytics.client import Client
    elif name.startswith("rudder-python"):
        from rudderstack.analytics.client import Client
    elif name.startswith("customerio-python"):
        from customerio.analytics.client import Client
    else:
        sys.exit(f"unknown client {name}")
    options = {"gzip": True} if name.endswith("-gzip") else {}
    return Client(write_key, host=host, on_error=on_error, **options)


def call(client, step):
    names = ARGUMENTS[step["type"]] + COMMON
    arguments = {}
    for argument in names:
        first, *rest = argument.split("_")
        member = first + "".join(word.capitalize() for word in rest)
        if member in step:
            arguments[argument] = copy.deepcopy(step[member])
    if "timestamp" in arguments:
        arguments["timestamp"] = datetime.fromisoformat(arguments["timestamp"].replace("Z", "+00:00"))
    getattr(client, step["type"])(**arguments)


def main():
    name, host, write_key, scenario = sys.argv[1:]
    with open(scenario, encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    errors = []
    sent = {}
    again = [step for step in steps if step.get("again")]
    for rounds in (steps, again):
        client = open_client(name, host, write_key, lambda error, batch: errors.append(str(error)))
        for step in rounds:
            sent.setdefault(step["step"], round(time.time() * 1000))
            call(client, step)
            if rounds is steps and step.get("again"):
                call(client, step)
        client.flush()
        client.join()
    if errors:
        sys.exit("the SDK reports: " + "; ".join(errors))
    print(json.dumps({"sent": sent}))


main()
