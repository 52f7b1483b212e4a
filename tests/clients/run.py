#!/usr/bin/env python3
"""Real, unmodified SDKs send one scenario to a real server; what the server exports is compared field by field.

    run.py --inyeon PATH [--only CLIENT]... [--work DIR]

Python 3.9 or newer, standard library only. See README.md beside this file.
"""

import argparse
import copy
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SCENARIO = HERE / "scenario.json"

INSTALL_SECONDS = 1800
START_SECONDS = 30
SEND_SECONDS = 120
ARRIVE_SECONDS = 30
STOP_SECONDS = 30
# How far the server's word for "when" may be from the sender's: both read the same clock.
CLOSE = timedelta(seconds=2)


# ---------------------------------------------------------------------------------------------------------------------
# What is known of each SDK. A peculiarity changes what is expected of that client alone.


def traits_in_context(step, expected, _state):
    """identify carries its traits in `context.traits`, as RudderStack's event format has it; the server may lift them."""
    if step["type"] == "identify":
        expected["context"] = dict(expected["context"] or {}, traits=expected["traits"])
        expected["traits"] = OneOf(None, expected["traits"])


def traits_in_context_too(step, expected, _state):
    """identify carries its traits a second time in `context.traits`."""
    if step["type"] == "identify":
        expected["context"] = dict(expected["context"] or {}, traits=expected["traits"])


def page_category_in_properties(step, expected, _state):
    """page() writes its category into the properties too."""
    if step["type"] == "page":
        expected["properties"]["category"] = step["category"]


def no_category(_step, expected, _state):
    """page() takes no category."""
    expected["category"] = None


def no_message_id(_step, expected, _state):
    """A message cannot be named; what the scenario sends again is sent once."""
    expected["messageId"] = None


def one_timestamp_for_the_batch(_step, expected, _state):
    """In a batch the SDK writes its own time over each event's timestamp."""
    expected["timestamp"] = None


def same_person(step, expected, state):
    """A browser is one person's: the last userId and anonymousId stay and go with every later event."""
    for member in ("userId", "anonymousId"):
        if step["type"] == "identify" or member == "anonymousId":
            state[member] = step.get(member, state.get(member))
        expected[member] = state.get(member)


def page_name_in_properties(step, expected, _state):
    """page() writes its name into the properties too."""
    if step["type"] == "page":
        expected["properties"]["name"] = step["name"]


def own_timezone(step, expected, _state):
    """The browser's own time zone replaces the one in the context."""
    if step.get("context"):
        expected["context"]["timezone"] = "UTC"


class Client:
    def __init__(self, package, runner, *peculiarities, write_key="acceptance-key", sent_at=True):
        self.package = package
        self.runner = runner
        self.peculiarities = peculiarities
        self.write_key = write_key
        # The SDK says when it sent: by the contract the server then adds the way's time to a timestamp.
        self.sent_at = sent_at


BROWSER = (same_person, page_category_in_properties, page_name_in_properties, own_timezone)
CLIENTS = {
    "segment-python": Client("segment-analytics-python 2.4.0", "python:segment"),
    "segment-python-gzip": Client("segment-analytics-python 2.4.0, gzip", "python:segment"),
    "segment-python-classic": Client("analytics-python 1.4.post1", "python:segment-classic"),
    "rudder-python": Client("rudder-sdk-python 2.1.9, gzip", "python:rudder", traits_in_context),
    "customerio-python": Client("customerio-cdp-analytics 1.1.0", "python:customerio"),
    # With a key of this shape the SDK sends `Authorization: Bearer` and no key in the body.
    "customerio-python-bearer": Client(
        "customerio-cdp-analytics 1.1.0, Bearer", "python:customerio", write_key="pk_us_acceptance"
    ),
    "segment-node": Client("@segment/analytics-node 3.1.0", "node", page_category_in_properties),
    "rudder-node": Client("@rudderstack/rudder-sdk-node 3.0.13, gzip", "node", traits_in_context_too),
    "segment-node-classic": Client("analytics-node 6.2.0", "node"),
    "customerio-node": Client("@customerio/cdp-analytics-node 0.5.9", "node", page_category_in_properties),
    "browser": Client("@segment/analytics-next 1.84.3", "browser", *BROWSER),
    "browser-batching": Client("@segment/analytics-next 1.84.3, batches", "browser", *BROWSER),
    "browser-leave": Client("@segment/analytics-next 1.84.3, page left", "browser", *BROWSER),
    "segment-rust": Client("segment 0.2.6", "rust", sent_at=False),
    "segment-rust-batch": Client("segment 0.2.6, batch", "rust", sent_at=False),
    "rudder-rust": Client("rudderanalytics 2.0.1", "rust", no_category, no_message_id),
    "rudder-rust-batch": Client(
        "rudderanalytics 2.0.1, batch", "rust", no_category, no_message_id, one_timestamp_for_the_batch
    ),
}


# ---------------------------------------------------------------------------------------------------------------------
# Comparing


class OneOf:
    def __init__(self, *values):
        self.values = values


def load(text):
    """JSON with every number as it stands: a whole number as int, any other as Decimal."""
    return json.loads(text, parse_float=Decimal)


def show(value):
    return json.dumps(value, ensure_ascii=False, default=lambda number: f"the number {number}")


def differences(path, expected, actual):
    if isinstance(expected, OneOf):
        all_of_them = [list(differences(path, value, actual)) for value in expected.values]
        yield from min(all_of_them, key=len)
    elif isinstance(expected, dict) and isinstance(actual, dict):
        for name in expected:
            if name not in actual:
                yield f"{path}.{name}: expected {show(expected[name])}, is missing"
            else:
                yield from differences(f"{path}.{name}", expected[name], actual[name])
        for name in actual:
            if name not in expected:
                yield f"{path}.{name}: not sent, is {show(actual[name])}"
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual)):
            yield from differences(f"{path}[{index}]", one, other)
    else:
        numbers = [isinstance(value, (int, Decimal)) and not isinstance(value, bool) for value in (expected, actual)]
        same = expected == actual if all(numbers) else type(expected) is type(actual) and expected == actual
        if not same:
            yield f"{path}: expected {show(expected)}, is {show(actual)}"


def instant(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    if not match:
        raise ValueError(f"{text} is no instant in UTC")
    whole = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return whole + timedelta(microseconds=int((match[2] or "0").ljust(9, "0")[:6]))


MEMBERS = ("userId", "anonymousId", "groupId", "previousId", "category", "messageId", "timestamp")


def expectations(client, steps):
    """By step: what must have come of it at the server, by the client's own peculiarities."""
    state = {}
    result = {}
    for step in copy.deepcopy(steps):
        expected = {member: step.get(member) for member in MEMBERS + ("type", "properties", "traits", "context")}
        expected["event"] = step.get("event", step.get("name"))
        for peculiarity in client.peculiarities:
            peculiarity(step, expected, state)
        result[step["step"]] = expected
    return result


def mark_of(event):
    """The scenario's step that an exported event says it is."""
    for payload in (event["properties"], event["traits"], (event["context"] or {}).get("traits")):
        if isinstance(payload, dict) and "step" in payload:
            return payload["step"]
    return event["type"]


def compare_event(client, mark, expected, event, called):
    for member in ("type", "userId", "anonymousId", "groupId", "previousId", "event"):
        yield from differences(f"{mark}: {member}", expected[member], event[member])
    yield from differences(f"{mark}: category", expected["category"], (event["rest"] or {}).get("category"))
    for member in ("properties", "traits"):
        if expected[member] is None and event[member] in (None, {}):
            continue
        yield from differences(f"{mark}: {member}", expected[member], event[member])
    context = event["context"] or {}
    for name, value in (expected["context"] or {}).items():
        if name not in context:
            yield f"{mark}: context.{name}: expected {show(value)}, is missing"
        else:
            yield from differences(f"{mark}: context.{name}", value, context[name])
    if expected["messageId"] is not None:
        yield from differences(f"{mark}: messageId", expected["messageId"], event["messageId"])
    elif not event["messageId"]:
        yield f"{mark}: messageId: is {show(event['messageId'])}, must be made where none is given"

    happened = instant(event["timestamp"])
    if expected["timestamp"] is None:
        if abs(happened - called) > CLOSE:
            yield f"{mark}: timestamp: sent at {called.isoformat()}, is {event['timestamp']}"
    else:
        way = happened - instant(expected["timestamp"])
        # Clocks are written in milliseconds at best: a way may seem to take a little less than no time.
        allowed = -timedelta(milliseconds=1) <= way <= CLOSE if client.sent_at else not way
        if not allowed:
            yield f"{mark}: timestamp: expected {expected['timestamp']}, is {event['timestamp']}"
    if abs(instant(event["receivedAt"]) - called) > timedelta(seconds=SEND_SECONDS):
        yield f"{mark}: receivedAt: sent at {called.isoformat()}, is {event['receivedAt']}"


def compare(client, steps, sent, events, dead_letters):
    expected = expectations(client, steps)
    if set(sent) != set(expected):
        yield f"the sender says it sent {sorted(sent)}, the scenario has {sorted(expected)}"
    by_mark = {}
    for event in events:
        by_mark.setdefault(mark_of(event), []).append(event)
    for mark, one in expected.items():
        found = by_mark.pop(mark, [])
        if not found:
            yield f"{mark}: is missing: {show(one)}"
        for event in found[1:]:
            yield f"{mark}: counted again: {show(event)}"
        if found and mark in sent:
            called = datetime.fromtimestamp(sent[mark] / 1000, timezone.utc)
            yield from compare_event(client, mark, one, found[0], called)
    for mark, extra in by_mark.items():
        for event in extra:
            yield f"{mark}: nobody sent this: {show(event)}"
    ids = [event["messageId"] for event in events]
    for one in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"messageId {one}: on {ids.count(one)} events"
    for letter in dead_letters:
        yield f"dead letter: {show(letter)}"


# ---------------------------------------------------------------------------------------------------------------------
# Running


class Failure(Exception):
    pass


def run(command, seconds, **options):
    """Runs to the end or to the time limit, with everything it started; gives its standard output."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        **options,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        out, err = process.communicate()
        raise Failure(f"{' '.join(map(str, command))}: not done after {seconds} s\n{out}{err}") from None
    finally:
        end(process)
    if process.returncode:
        raise Failure(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{out}{err}")
    return out


def end(process):
    """Ends what we started; it may put its own house in order first (a browser is in a process group of its own)."""
    for how, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, None)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, how)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass


def lines_of(stream):
    """A queue of the stream's lines; None at its end."""
    lines = queue.Queue()

    def read():
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


class Server:
    def __init__(self, inyeon, folder, write_key):
        self.inyeon = inyeon
        self.folder = folder
        self.store = folder / "store"
        self.write_key = write_key

    def __enter__(self):
        self.log = open(self.folder / "server.log", "w+", encoding="utf-8")
        command = [self.inyeon, "serve", "--store", self.store, "--listen", "127.0.0.1:0", "--write-key", self.write_key]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            encoding="utf-8",
            start_new_session=True,
        )
        lines = lines_of(self.process.stdout)
        deadline = time.monotonic() + START_SECONDS
        said = ""
        while True:
            try:
                line = lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                end(self.process)
                raise Failure(f"the server did not say where it listens: {said}{self.stderr()}")
            said += line
            match = re.search(r"http://127\.0\.0\.1:\d+", line)
            if match:
                self.host = match[0]
                return self

    def stderr(self):
        self.log.flush()
        return Path(self.log.name).read_text(encoding="utf-8")

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()
        self.log.close()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"the server did not stop within {STOP_SECONDS} s") from None
        if code:
            raise Failure(f"the server stopped with exit code {code}\n{self.stderr()}")

    def backlog(self):
        with urllib.request.urlopen(self.host + "/readyz", timeout=10) as answer:
            return json.load(answer)["backlog"]

    def export(self):
        out = run([self.inyeon, "events", "export", "--store", self.store, "--json"], START_SECONDS)
        # A line may hold U+2028, which splitlines() would take for an end.
        return [load(line) for line in out.split("\n") if line]

    def dead_letters(self):
        return load(run([self.inyeon, "dead-letters", "list", "--store", self.store, "--json"], START_SECONDS))

    def wait_for(self, count):
        """Until so many events have counted and none is waiting, or the time is up; the comparison says the rest."""
        deadline = time.monotonic() + ARRIVE_SECONDS
        while time.monotonic() < deadline:
            if self.backlog() == 0 and len(self.export()) >= count:
                return
            time.sleep(0.05)


def send(command, server, count, environment):
    """Runs a sender; its standard input ends when the server has everything."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        **environment,
    )
    try:
        out, err = lines_of(process.stdout), lines_of(process.stderr)
        deadline = time.monotonic() + SEND_SECONDS
        said = []
        report = None
        while report is None:
            try:
                line = out.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                end(process)
                line = None
            if line is None:
                late = "" if time.monotonic() < deadline else f" (ended after {SEND_SECONDS} s)"
                code = process.wait(STOP_SECONDS)
                raise Failure(f"the sender failed with exit code {code}{late}:\n{''.join(said)}{drain(err)}")
            said.append(line)
            if line.startswith('{"sent"'):
                report = json.loads(line)["sent"]
        server.wait_for(count)
        process.stdin.close()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"the sender did not end within {STOP_SECONDS} s") from None
        if code:
            raise Failure(f"the sender failed with exit code {code}:\n{drain(err)}")
        return report
    finally:
        end(process)


def drain(lines):
    result = ""
    while True:
        try:
            line = lines.get(timeout=STOP_SECONDS)
        except queue.Empty:
            return result
        if line is None:
            return result
        result += line


# ---------------------------------------------------------------------------------------------------------------------
# Installing


def note(text):
    print(text, file=sys.stderr, flush=True)


def polite(command):
    return (["nice", "-n", "15"] if shutil.which("nice") else []) + command


def need(program, packages, why):
    """The path of a program, installed by apt-get where that is possible."""
    found = shutil.which(program)
    if not found and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        note(f"installing {' '.join(packages)}")
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run(["apt-get", "update", "-qq"], INSTALL_SECONDS, env=environment)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        run(polite(command), INSTALL_SECONDS, env=environment)
        found = shutil.which(program)
    if not found:
        raise Failure(f"{program} is not on PATH; {why}")
    return found


class Install:
    """Installs once: a stamp says from what."""

    def __init__(self, work):
        self.work = work
        self.outcome = {}

    def __call__(self, runner):
        """The command that sends, without its four arguments, and its environment; a failure is not tried again."""
        if runner not in self.outcome:
            try:
                kind, _, name = runner.partition(":")
                self.outcome[runner] = getattr(self, kind)(*filter(None, [name]))
            except Failure as failure:
                self.outcome[runner] = failure
        if isinstance(self.outcome[runner], Failure):
            raise self.outcome[runner]
        return self.outcome[runner]

    def fresh(self, folder, made_from):
        """Whether `folder` was made from just this; where not, it is emptied."""
        stamp = folder / "installed-from"
        wanted = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return lambda: stamp.write_text(wanted)

    def python(self, name):
        venv = self.work / "python" / "venv"
        interpreter = venv / "bin" / "python"
        done = self.fresh(venv, [sys.version, sys.executable])
        if done:
            note("making a virtual environment")
            run([sys.executable, "-m", "venv", venv], INSTALL_SECONDS)
            done()
        # A folder for each SDK, for two of them share module names; no resolution, for their own limits disagree.
        requirements = HERE / "python" / "requirements" / f"{name}.txt"
        target = self.work / "python" / name
        done = self.fresh(target, [sys.version, requirements.read_text(encoding="utf-8")])
        if done:
            note(f"installing {requirements.relative_to(HERE)}")
            command = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            run(polite([*command, "--target", target, "--requirement", requirements]), INSTALL_SECONDS)
            done()
        # Not what the caller has set for Python, and no proxy between this machine and itself.
        environment = {name: value for name, value in local().items() if not name.startswith("PYTHON")}
        environment.update(PYTHONPATH=str(target), PYTHONIOENCODING="utf-8")
        return [interpreter, HERE / "python" / "send.py"], {"env": environment, "cwd": target}

    def packages(self):
        need("node", ["nodejs", "npm"], "install Node.js 18 or newer")
        npm = need("npm", ["npm"], "install Node.js 18 or newer")
        folder = self.work / "node"
        made_from = [(HERE / "node" / name).read_text(encoding="utf-8") for name in ("package.json", "package-lock.json")]
        done = self.fresh(folder, made_from)
        if done:
            note("installing node/package-lock.json")
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / "node" / name, folder)
            flags = ["--omit-lockfile-registry-resolved", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            run(polite([npm, "ci", *flags]), INSTALL_SECONDS, cwd=folder)
            done()
        return folder

    def node(self):
        return self.script(HERE / "node" / "send.mjs", "send.mjs", {})

    def browser(self):
        chromium = os.environ.get("CHROMIUM") or need("chromium", ["chromium"], "install it or name it in CHROMIUM")
        page = HERE / "browser" / "page.html"
        return self.script(page.with_name("send.mjs"), "browser.mjs", {"PAGE": str(page), "CHROMIUM": chromium})

    def script(self, source, name, more):
        """Node looks for packages from where the script lies: it is copied beside them."""
        folder = self.packages()
        shutil.copy(source, folder / name)
        return ["node", folder / name], {"env": dict(local(), **more), "cwd": folder}

    def rust(self):
        cargo = shutil.which("cargo")
        if not cargo:
            raise Failure("cargo is not on PATH; install Rust")
        target = self.work / "rust"
        if not target.exists():
            note("building rust/")
        environment = dict(os.environ, CARGO_TARGET_DIR=str(target))
        manifest = HERE / "rust" / "Cargo.toml"
        command = [cargo, "build", "--quiet", "--locked", "-j1", "--manifest-path", manifest]
        lower = ["nice", "-n", "19"] if shutil.which("nice") else []
        run([*lower, *command], INSTALL_SECONDS, env=environment, cwd=HERE / "rust")
        return [target / "debug" / "inyeon-clients"], {"env": local()}


def local():
    """The environment without proxies: everything is sent to this machine."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


# ---------------------------------------------------------------------------------------------------------------------


def check(name, client, steps, inyeon, install):
    command, environment = install(client.runner)
    with tempfile.TemporaryDirectory(prefix="inyeon-client-") as folder:
        with Server(inyeon, Path(folder), client.write_key) as server:
            arguments = [name, server.host, client.write_key, SCENARIO]
            try:
                sent = send([*command, *arguments], server, len(steps), environment)
            except Failure as failure:
                letters = "".join(f"dead letter: {show(letter)}\n" for letter in server.dead_letters())
                raise Failure(f"{failure}{letters}{server.stderr()}") from None
            server.stop()
            # Without the server: what is on disk.
            events = server.export()
            return list(compare(client, steps, sent, events, server.dead_letters()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inyeon", required=True, type=Path, metavar="PATH", help="the inyeon program")
    parser.add_argument("--only", action="append", choices=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--work", type=Path, default=REPOSITORY / "target" / "clients", metavar="DIR")
    arguments = parser.parse_args()
    inyeon = arguments.inyeon.resolve()
    if not inyeon.is_file():
        parser.error(f"{inyeon} is not there")
    steps = load(SCENARIO.read_text(encoding="utf-8"))["steps"]
    if len(steps) < 12 or len({step["step"] for step in steps}) != len(steps):
        parser.error("the scenario is too short or has a step twice")
    install = Install(arguments.work.resolve())
    # A signal unwinds, so that nothing we started stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    passed = failed = 0
    for name, client in CLIENTS.items():
        if arguments.only and name not in arguments.only:
            continue
        start = time.monotonic()
        try:
            wrong = check(name, client, steps, inyeon, install)
        except Failure as failure:
            wrong = [str(failure)]
        except Exception:  # an export of another shape, a server that is gone: one client's failure, told in full
            wrong = [traceback.format_exc()]
        took = f"{time.monotonic() - start:.1f} s"
        if wrong:
            failed += 1
            print(f"FAIL {name} ({client.package}) {took}")
            for line in wrong:
                print("     " + line.rstrip().replace("\n", "\n     "))
        else:
            passed += 1
            print(f"ok   {name} ({client.package}) {took}")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
