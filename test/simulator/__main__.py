"""QuickBooks Online simulator: python3 test/simulator --port N [options].

Prints one JSON line when it serves; see doc/simulator.md.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True

import generate                                             # noqa: E402
import generate_more                                        # noqa: E402
import sample                                               # noqa: E402
import sample_kinds                                         # noqa: E402
from control import Control, companies                      # noqa: E402
from jsontext import dumps                                  # noqa: E402
from server import Server                                   # noqa: E402
from simulator import Simulator                             # noqa: E402
from store import Company                                   # noqa: E402

DEFAULT_COMPANY = "Paysages Laval inc."
FIRST_REALM = 9130000000000001


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="A QuickBooks Online company on this machine.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks one")
    parser.add_argument("--data", help="keep the whole state in this file")
    parser.add_argument("--company", action="append", help="name of a company; may be repeated")
    parser.add_argument("--first-realm", type=int, default=FIRST_REALM, help="id of the first company")
    parser.add_argument("--sample", action="append", choices=["laval", *sample_kinds.KINDS],
                        help="what the company is like; the n-th belongs to the n-th company")
    parser.add_argument("--customers", type=int, default=0, help="customers in all, per company")
    parser.add_argument("--invoices", type=int, default=0, help="invoices in all, per company")
    parser.add_argument("--estimates", type=int, default=0, help="estimates in all, per company")
    for entity in generate_more.MAKERS:
        words = re.sub(r"(?<!^)(?=[A-Z])", "-", re.sub("y$", "ie", entity)).lower()
        parser.add_argument(f"--{words}s", type=int, default=0, dest=entity, metavar="N", help="in all, per company")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same company")
    parser.add_argument("--date", help="base date of the sample, YYYY-MM-DD (today)")
    parser.add_argument("--control", action="store_true", help="serve the control API")
    parser.add_argument("--latency-ms", type=int, help="wait before every accounting answer")
    limits = parser.add_mutually_exclusive_group()
    limits.add_argument("--no-limits", action="store_true", help="no request limits")
    limits.add_argument("--limit-window", type=float, help="length of the limits' minute in seconds")
    return parser.parse_args()


def build(sim: Simulator, options: argparse.Namespace) -> None:
    """Fill a new simulator with its companies."""
    base = options.date or sample.default_base(sim.clock.now())
    for index, name in enumerate(options.company or [DEFAULT_COMPANY]):
        company = Company(str(options.first_realm + index), name)
        sim.companies[company.realm] = company
        kind = (options.sample or [])[index:index + 1] or ["laval"]
        if kind == ["laval"]:
            people = sample.build(sim, company, base)
            generate.fill(company, base, options.customers, options.invoices, options.seed)
            sample.estimates(sim, company, base, people)
            generate.estimates(company, base, options.estimates, options.seed)
            sample.trade(sim, company, base, people)
        else:
            sample_kinds.build(sim, company, base, kind[0])
            generate.fill(company, base, options.customers, options.invoices, options.seed)
            generate.estimates(company, base, options.estimates, options.seed)
        generate_more.fill(company, base, {e: getattr(options, e) for e in generate_more.MAKERS}, options.seed)
        sim.oauth.new_grant(company.realm, "com.intuit.quickbooks.accounting")
    sim.save_all()


def apply_options(sim: Simulator, options: argparse.Namespace) -> None:
    if options.no_limits:
        sim.settings["limits"] = False
    if options.limit_window:
        sim.settings["limits"], sim.settings["limit_window"] = True, options.limit_window
    if options.latency_ms is not None:
        sim.settings["latency_ms"] = options.latency_ms
    sim.save_settings()


def save_statistics(sim: Simulator) -> None:
    """Counters change without a write: keep them once a second."""
    last = None
    while True:
        time.sleep(1)
        with sim.lock:
            report = dumps(sim.report())
            if report != last:
                sim.save_settings()
                last = report


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    sim = Simulator(options.data, options.seed)
    gc.disable()                    # hundreds of thousands of lasting objects: nothing to collect
    if sim.file.filled:
        sim.load()
    else:
        build(sim, options)
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    gc.enable()
    apply_options(sim, options)
    server = Server(sim, Control(sim) if options.control else None, options.port)
    sim.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    if options.data:
        threading.Thread(target=save_statistics, args=(sim,), daemon=True).start()
    print(dumps({"base_url": sim.base_url, "client_id": sim.oauth.client_id,
                 "client_secret": sim.oauth.client_secret, "companies": companies(sim)}), flush=True)
    server.serve_forever(poll_interval=3600)


if __name__ == "__main__":
    main()
