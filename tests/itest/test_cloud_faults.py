"""Both clouds misbehave in every way there is: control is undisturbed, the log says what and why, nothing is lost.
That requests become rarer while trouble lasts: test_cloud_storm.py; points Flip does not want: test_cloud_refused.py."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests  # noqa: E402

KINDS = ["401", "403", "404", "429", "500", "503", "slow", "cut", "garbage", "html", "error200", "huge", "redirect", "empty"]
FOR_S = 2.5


def ticks(home):
    return home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]


def phase(home, kind, owed):
    """One fault for some seconds, from a link in good health to one; returns how many requests it drew. What the disk owes
    meanwhile joins @owed."""
    requests = 0
    before, had, t0, begun = home.stats()["flip"]["requests"], len(owed), ticks(home), time.monotonic()
    home.sim.control("cloud_fault", cloud="all", kind=kind, retry_after_s=1, ms=300)
    home.sim.control("set", load_w=700 if before % 2 else 900)
    while time.monotonic() - begun < FOR_S or (len(owed) == had or not requests) and time.monotonic() - begun < 10 * SLOW:
        time.sleep(0.5)
        owed |= home.owed()[0]
        requests = home.stats()["flip"]["requests"] - before
    t1, took = ticks(home), time.monotonic() - begun
    assert t1["ticks"] - t0["ticks"] >= FOR_S / SLOW, f"{kind}: control stood still, {t1['ticks'] - t0['ticks']} ticks"
    assert len(owed) > had, f"{kind}: nothing was owed meanwhile: the test tests nothing"
    assert 1 <= requests <= 14 * max(1, took / FOR_S), f"{kind}: {requests} requests in {took:.1f} s: a storm, or none at all"
    home.sim.control("cloud_clear", cloud="all")
    home.mqtt.ok(R, "outbox.retry")  # a pause is cut short
    home.outbox(lambda o: o["link"] == "up", 20, f"the link up again after {kind}")
    healed = home.stats()["flip"]["points"] + 2
    wait_for(lambda: home.stats()["flip"]["points"] >= healed, 20, f"telemetry again after {kind}")
    return requests


def refusing():
    misbehaving([kind for kind in KINDS if kind.isdigit()])


def talking_nonsense():
    misbehaving([kind for kind in KINDS if not kind.isdigit()])


def misbehaving(kinds):
    with CloudHome() as home:
        drawn, owed = {}, set()
        for kind in kinds:
            drawn[kind] = phase(home, kind, owed)
        home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["rows"] <= 1, 120, "all delivered after the faults")
        left = home.owed()[0]
        stats = home.stats()["flip"]
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["rows"] <= 1 and o["quarantined"] == 0, 60, "nothing left in quarantine")
        home.delivered(owed)
        print(f"requests drawn: {drawn}; {len(owed)} points were owed during faults, none of them lost; {stats['points']} at "
              f"Flip, {len(left)} rows left")
        log = home.agent.log()
        for kind in kinds:
            if kind.isdigit():
                assert f" {kind}" in log, f"the log does not name {kind}"
        lines = [line for line in log.splitlines() if " flip" in line or "flatpeak" in line or " prices" in line]
        assert len(lines) < 40 * len(kinds), f"{len(lines)} lines of log: once a change, not once a try"


def prices_fall_back():
    """FlatPeak has no tariff, then forgets us: the plan goes on with [tariff], and the agent says what to do."""
    with CloudHome(tariff="0.77", start_agent=False) as home:
        home.sim.control("flatpeak_set", code="no_tariff_connected")
        home.agent.start()
        home.ready()
        home.mqtt.wait(R + "/tariff/import", lambda t: t["source"] == "tariff" and t["prices"], 20)
        wait_for(lambda: any("connect it in FlatPeak's own pages; [tariff] is used meanwhile" in w for w in home.warnings()), 20, lambda: f"words that help; {home.warnings()}")
        home.mqtt.wait(R + "/plan", lambda p: p.get("status") in ("optimal", "feasible"), 20)
        answer = home.mqtt.request(R, "tariff.refresh")
        assert answer["status"] == "error" and answer["error"]["code"] == "busy", f"15 minutes must pass: {answer}"


run_tests([talking_nonsense, refusing, prices_fall_back], abreast=3)
