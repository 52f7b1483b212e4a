#!/usr/bin/env python3
"""Every page in a real browser: accessibility, both languages, a phone's width and a desk's, keys alone, no JavaScript.

    run.py --inyeon PATH [--work DIR] [--shots DIR]

Python 3.9 or newer, standard library only. See README.md beside this file.
"""

import argparse
import base64
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

# Installing and running are the same as for the clients.
specification = importlib.util.spec_from_file_location("clients", HERE.parent / "clients" / "run.py")
clients = importlib.util.module_from_spec(specification)
specification.loader.exec_module(clients)
Failure, run, need, note, local = clients.Failure, clients.run, clients.need, clients.note, clients.local

CHECK_SECONDS = 900
KEY = "pages"
PASSWORD = "a password of the pages"
STAFF = {"boss": "admin", "jun": "operations"}

# What can be promised, and what happens to the goods of one promise: nobody knows when they are there again.
RULES = """
time_zone: Asia/Seoul
places: { seoul: {}, busan: {} }
lanes:
  - { from: seoul, to: "*", hours: [[0.1, 10], [0.9, 30]], cost: { amount: 3000, currency: KRW } }
  - { from: busan, to: "*", hours: [[0.1, 12], [0.9, 36]], cost: { amount: 9000, currency: KRW } }
orders: { undo_minutes: 60 }
remedies:
  compensation: { share: 0.05 }
  owners: { supply_quality: inspection }
"""


class Shop:
    """A server with a customer, a printer, and things to decide on."""

    def __init__(self, inyeon, folder):
        self.inyeon = inyeon
        self.folder = folder
        self.store = folder / "store"

    def __enter__(self):
        for name, role in STAFF.items():
            command = ["staff", "add", name, "--role", role, "--password-stdin"]
            self.cli(*command, stdin=PASSWORD + "\n")
        self.log = open(self.folder / "server.log", "w+", encoding="utf-8")
        command = [self.inyeon, "serve", "--store", self.store, "--listen", "127.0.0.1:0", "--write-key", KEY]
        self.process = subprocess.Popen(
            [str(part) for part in [*command, "--company", "Toner House"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            encoding="utf-8",
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        if not match:
            clients.end(self.process)
            raise Failure(f"the server did not say where it listens: {line}{Path(self.log.name).read_text()}")
        self.host = match[0]
        return self

    def __exit__(self, *_):
        clients.end(self.process)
        self.process.stdout.close()
        self.log.close()

    def cli(self, *arguments, stdin=None):
        command = [str(self.inyeon), "--store", str(self.store), "--json", *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", timeout=60)
        if done.returncode:
            raise Failure(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def post(self, path, body, token=None):
        login = f"Bearer {token}" if token else "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
        headers = {"content-type": "application/json", "authorization": login}
        request = urllib.request.Request(self.host + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def track(self, event, properties, user=None):
        who = {"userId": user} if user else {"anonymousId": "operations"}
        self.post("/v1/track", {"event": event, "properties": properties, **who})

    def stock(self):
        rules = self.folder / "rules.yaml"
        rules.write_text(RULES, encoding="utf-8")
        self.cli("promise", "rules", "publish", rules)
        self.cli("playbook", "publish", REPOSITORY / "playbooks" / "toner.yaml")
        traits = {"name": "김하나", "email": "hana@example.com", "language": "ko", "time_zone": "Asia/Seoul"}
        self.post("/v1/identify", {"userId": "hana", "traits": traits})
        self.post("/v1/identify", {"userId": "minjun", "traits": {"name": "이민준", "email": "minjun@example.com"}})
        for item, name, price in [("toner-tn760", "TN-760", 58000), ("toner-tn760-recycled", "TN-760 재생 토너", 41000)]:
            fits = ["HL-L2370DW"]
            item = {"item_id": item, "name": name, "price": price, "cost": price * 2 // 3, "currency": "KRW", "fits": fits}
            self.track("item.published", item)
            for place, count in [("seoul", 9), ("busan", 20)]:
                self.track("stock.counted", {"item_id": item["item_id"], "place": place, "on_hand": count})
        slots = [{"slot": "black", "category": "toner"}]
        self.track("device.registered", {"device_id": "printer-1", "model": "HL-L2370DW", "slots": slots}, "hana")
        for level in (61, 47, 36):
            self.track("slot.level_reported", {"device_id": "printer-1", "slot": "black", "level": level})
        token = json.loads((self.store / "server.json").read_text())["token"]
        address = {"to": "KR-11", "address": {"city": "Seoul"}, "time_zone": "Asia/Seoul", "payment_token": "tok-1234"}
        for user in ("hana", "minjun"):
            self.post(f"/v1/customers/{user}/order-defaults", address, token)
        # A promise that needs help.
        self.cli("promise", "quote", "--item", "toner-tn760", "--user", "minjun", "--quote-id", "basket-7")
        self.cli("promise", "confirm", "basket-7", "--order-id", "o-1")
        self.track("stock.quarantined", {"item_id": "toner-tn760", "place": "seoul", "quantity": 9})
        deadline = time.monotonic() + 30
        while not self.cli("promise", "at-risk")["items"]:
            if time.monotonic() > deadline:
                raise Failure("no promise came to be at risk")
            time.sleep(0.1)

    def link(self, purpose, about=None):
        more = ["--about", about] if about else []
        return self.cli("customer", "link", "hana", "--purpose", purpose, *more)["url"]


class Install(clients.Install):
    """The packages of this folder, and a font with Hangul."""

    def packages(self):
        need("node", ["nodejs", "npm"], "install Node.js 18 or newer")
        npm = need("npm", ["npm"], "install Node.js 18 or newer")
        folder = self.work / "node"
        made_from = [(HERE / name).read_text(encoding="utf-8") for name in ("package.json", "package-lock.json")]
        done = self.fresh(folder, made_from)
        if done:
            note("installing pages/package-lock.json")
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            flags = ["--omit-lockfile-registry-resolved", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            run(clients.polite([npm, "ci", *flags]), clients.INSTALL_SECONDS, cwd=folder)
            done()
        return folder

    def hangul(self):
        listing = need("fc-list", ["fontconfig"], "install fontconfig")
        if run([listing, ":lang=ko", "family"], 60).strip():
            return
        if not shutil.which("apt-get") or os.geteuid() != 0:
            raise Failure("no font has Hangul; install one, such as fonts-noto-cjk")
        note("installing a font with Hangul")
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "fonts-noto-cjk"]
        run(["apt-get", "update", "-qq"], clients.INSTALL_SECONDS, env=environment)
        run(clients.polite(command), clients.INSTALL_SECONDS, env=environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inyeon", required=True, type=Path, metavar="PATH", help="the inyeon program")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "target" / "pages", metavar="DIR")
    parser.add_argument("--shots", type=Path, metavar="DIR", help="where pictures of the pages go; WORK/shots")
    arguments = parser.parse_args()
    inyeon = arguments.inyeon.resolve()
    if not inyeon.is_file():
        parser.error(f"{inyeon} is not there")
    # A signal unwinds, so that nothing we started stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install = Install(arguments.work.resolve())
    folder = install.packages()
    install.hangul()
    chromium = os.environ.get("CHROMIUM") or need("chromium", ["chromium"], "install it or name it in CHROMIUM")
    # Node looks for packages from where the script lies: it is copied beside them.
    shutil.copy(HERE / "check.mjs", folder / "check.mjs")
    shots = (arguments.shots or arguments.work / "shots").resolve()
    shutil.rmtree(shots, ignore_errors=True)
    shots.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="inyeon-pages-") as place:
        with Shop(inyeon, Path(place)) as shop:
            shop.stock()
            told = {
                "host": shop.host,
                "account": shop.link("account"),
                "staff": {"name": "boss", "password": PASSWORD, "other": "jun"},
                "shots": str(shots),
                "chromium": chromium,
                # By which the browser's walk asks for links to what came to be on it.
                "cli": [str(inyeon), "--store", str(shop.store), "--json"],
            }
            command = ["node", folder / "check.mjs", json.dumps(told, ensure_ascii=False)]
            try:
                print(run(command, CHECK_SECONDS, env=local(), cwd=folder), end="")
            except Failure as failure:
                print(failure)
                print(Path(shop.log.name).read_text(encoding="utf-8"))
                return 1
    print(f"pictures of the pages are in {shots}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
