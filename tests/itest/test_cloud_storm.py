"""Trouble that lasts: requests to Flip become rarer and rarer, whatever waits on disk, and a wish for patience is obeyed."""
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R  # noqa: E402
from hearthtest import SLOW, run_tests  # noqa: E402

HOLD_S = 45
WAITS_S = [2, 4, 8, 16, 32, 64]  # of the back-off, each spread over its upper half


def expected(hold_s, late_s):
    """Fewest and most requests of a link that waits as WAITS_S between failures: the first one, and each whose wait is over.
    @late_s  what a busy machine may add to each wait"""
    def requests(factor, late):
        return 1 + sum(1 for i in range(len(WAITS_S)) if sum(w * factor + late for w in WAITS_S[:i + 1]) < hold_s)
    return requests(1.0, late_s), requests(0.5, 0.0)


def watch(homes, begun, hold_s):
    """Looks for this long at who hears what when: {name: [UTC ms of requests that failed, or None]}, {name: rows on disk}."""
    heard, owed = {name: [] for name in homes}, {name: set() for name in homes}
    before = {name: home.stats()["flip"] for name, home in homes.items()}
    counted = {name: s["requests"] for name, s in before.items()}
    while time.monotonic() - begun < hold_s:
        time.sleep(0.1)
        for name, home in homes.items():
            flip = home.stats()["flip"]
            new = flip["requests"] - counted[name]
            heard[name] += [None] * (new - 1) + [flip["last_request_ms"]] * (new > 0)  # None: looked too seldom to know when
            counted[name] = flip["requests"]
            owed[name] |= home.owed()[0] if len(heard[name]) else set()
    return heard, owed


def held(homes):
    """The same trouble for long: requests become rarer and rarer, whatever waits; a wish for patience is obeyed. All homes at
    once, each with a trouble of its own."""
    for name, home in homes.items():
        home.sim.control("cloud_fault", cloud="flip", kind=name, **({"retry_after_s": 20} if name == "429" else {}))
    heard, owed = watch(homes, time.monotonic(), HOLD_S)
    gaps = {name: [(b - a) / 1000 if a and b else None for a, b in zip(at, at[1:])] for name, at in heard.items()}
    fewest, most = expected(HOLD_S - 3 * SLOW, 1.5 * SLOW)[0], expected(HOLD_S, 0)[1]
    print(f"requests in {HOLD_S} s, of {fewest}..{most}: { {name: len(at) for name, at in heard.items()} }; seconds between them: {gaps}")
    for name in ("500", "401"):
        assert fewest <= len(heard[name]) <= most, f"{name}: {len(heard[name])} requests in {HOLD_S} s; {fewest}..{most} expected: {gaps}"
        for gap, wait in zip(gaps[name], WAITS_S):
            assert gap is None or gap > wait / 2 - 0.15 * SLOW * SLOW, f"{name}: asked again after {gap} s, the back-off says {wait / 2}..{wait}: {gaps}"
    assert 2 <= len(heard["429"]) <= 3, f"429, come back in 20 s: {gaps}"
    assert min(gap for gap in gaps["429"] if gap) >= 18, f"Flip asked for 20 s of patience: {gaps}"
    for name, home in homes.items():
        state = home.outbox(lambda o: o["link"] == "down")
        assert len(owed[name]) >= HOLD_S / SLOW * 0.6 and state["rows"] >= len(owed[name]) * 0.9, f"{name}: {len(owed[name])} rows, {state}"
        home.sim.control("cloud_clear", cloud="flip")
        home.mqtt.ok(R, "outbox.retry")
    for name, home in homes.items():
        home.outbox(lambda o: o["link"] == "up" and o["rows"] <= 1 and o["quarantined"] == 0, 60, f"all delivered after {name}")
        home.delivered(owed[name], what=name)


def no_storm():
    with contextlib.ExitStack() as stack:
        held({name: stack.enter_context(CloudHome(flatpeak_mode="off")) for name in ("500", "401", "429")})


run_tests([no_storm])
