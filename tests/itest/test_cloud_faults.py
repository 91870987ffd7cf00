"""Both clouds misbehave in every way there is: control is undisturbed, the log says what and why, nothing is lost, nothing storms."""
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


def phase(home, kind):
    """One fault for some seconds, from a link in good health to one; returns how many requests it drew."""
    before, t0 = home.stats()["flip"]["requests"], ticks(home)
    home.sim.control("cloud_fault", cloud="all", kind=kind, retry_after_s=1, ms=300)
    home.sim.control("set", load_w=700 if before % 2 else 900)
    time.sleep(FOR_S)
    t1 = ticks(home)
    assert t1["ticks"] - t0["ticks"] >= FOR_S / SLOW, f"{kind}: control stood still, {t1['ticks'] - t0['ticks']} ticks"
    requests = home.stats()["flip"]["requests"] - before
    home.sim.control("cloud_clear", cloud="all")
    home.mqtt.ok(R, "outbox.retry")  # a pause is cut short
    home.outbox(lambda o: o["link"] == "up", 15, f"the link up again after {kind}")
    healed = home.stats()["flip"]["points"] + 2
    wait_for(lambda: home.stats()["flip"]["points"] >= healed, 20, f"telemetry again after {kind}")
    return requests


def misbehaving():
    with CloudHome() as home:
        drawn = {}
        for kind in KINDS:
            drawn[kind] = phase(home, kind)
            assert 1 <= drawn[kind] <= 14, f"{kind}: {drawn[kind]} requests in {FOR_S} s: a storm, or none at all"
        home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["rows"] <= 1, 120, "all delivered after the faults")
        rows, promises = home.owed()
        stats = home.stats()["flip"]
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["rows"] <= 1 and o["quarantined"] == 0, 60, "nothing left in quarantine")
        starts = sorted(start for _, start in home.points())
        print(f"requests drawn: {drawn}; {stats['points']} points at Flip, {len(rows)} rows and {len(promises)} promises left")
        assert len(starts) >= len(KINDS) * FOR_S * 0.8, f"only {len(starts)} intervals arrived"
        log = home.agent.log()
        for kind in KINDS:
            if kind.isdigit():
                assert f" {kind}" in log, f"the log does not name {kind}"
        lines = [line for line in log.splitlines() if " flip" in line or "flatpeak" in line or " prices" in line]
        assert len(lines) < 40 * len(KINDS), f"{len(lines)} lines of log: once a change, not once a try"


def refused_points():
    """One bad point among good ones, by point and by whole request: only it stays behind, with Flip's reason."""
    with CloudHome() as home:
        home.sim.control("cloud", cloud="flip", state="cut")
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] >= 8, 60, "rows waiting")
        home.sim.control("flip_reject", every=4)
        home.sim.control("cloud", cloud="flip", state="up")
        state = home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["rows"] <= 2 and o["telemetry"]["refused"] > 0, 60, "the refused")
        assert state["telemetry"]["refused_reason"], state
        home.sim.control("flip_reject")
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["telemetry"]["refused"] == 0 and o["rows"] <= 2, 60, "taken after all")

        home.sim.control("cloud", cloud="flip", state="cut")
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] >= 8, 60, "rows waiting")
        home.sim.control("flip_reject", every=5, status=422)
        home.sim.control("cloud", cloud="flip", state="up")
        state = home.outbox(lambda o: o["link"] == "up" and o["telemetry"]["refused"] >= 2, 90, "halved until alone")
        home.sim.control("flip_reject")
        home.mqtt.ok(R, "outbox.retry")
        home.outbox(lambda o: o["telemetry"]["refused"] == 0 and o["rows"] <= 2, 60, "taken after all")


def prices_fall_back():
    """FlatPeak has no tariff, then forgets us: the plan goes on with [tariff], and the agent says what to do."""
    with CloudHome(tariff="0.77", start_agent=False) as home:
        home.sim.control("flatpeak_set", code="no_tariff_connected")
        home.agent.start()
        home.ready()
        home.mqtt.wait(R + "/tariff/import", lambda t: t["source"] == "tariff" and t["prices"], 20)
        wait_for(lambda: any("connect" in w for w in home.warnings()), 20, lambda: f"words that help; {home.warnings()}")
        home.mqtt.wait(R + "/plan", lambda p: p.get("status") in ("optimal", "feasible"), 20)
        answer = home.mqtt.request(R, "tariff.refresh")
        assert answer["status"] == "error" and answer["error"]["code"] == "busy", f"15 minutes must pass: {answer}"


run_tests([misbehaving, refused_points, prices_fall_back])
