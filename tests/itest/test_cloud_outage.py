"""Minutes without the clouds, for real: a command accepted before runs on, prices come from the cache, the owner's wishes and all
telemetry wait, also over a restart and a kill; then everything arrives, nothing twice where it matters, nothing lost."""
import datetime
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, DEVICE, R, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests  # noqa: E402

OUTAGE_S = 600 if os.environ.get("HEARTH_LONG") == "1" else 60 if SLOW == 1 else 50
INTERVAL_S = 2  # of telemetry: a tick that comes a second late on a busy machine leaves none out


def stamp_s(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def outage():
    with CloudHome(battery_wh=100, soc=60, tariff="0.77", telemetry_s=INTERVAL_S, grid_charging="no") as home:  # "no": not filled up for the event
        home.sim.control("set", load_w=200, pv_w=0)
        home.mqtt.wait(R + "/tariff/import", lambda t: t["source"] == "flatpeak", 20)
        prices = home.mqtt.get(R + "/tariff/import")["prices"]
        command = home.flip_command(reserve_pct=48, starts_in_s=30 * SLOW, duration_s=300 * SLOW)
        home.stop()  # a poll comes at once with a start, else within a minute
        home.agent.start()
        home.ready()
        wait_for(lambda: home.at_flip(command["id"])["device_status"] == "OK", 20, "the acknowledgement")

        home.sim.control("cloud", cloud="all", state="cut")
        begun = time.monotonic()
        home.outbox(lambda o: o["link"] == "down" and o["telemetry"]["rows"] > 0, 30, "the link seen as down")
        home.stop()  # an orderly restart without internet ...
        home.agent.start()
        home.mqtt.wait(R + "/tariff/import", lambda t: t["source"] == "flatpeak", 20, "the cached prices")
        cached = {p["from"]: p["value"] for p in home.mqtt.get(R + "/tariff/import")["prices"]}
        same = [cached[p["from"]] == p["value"] for p in prices if p["from"] in cached]  # midnight may pass meanwhile
        assert same and all(same), f"the cache tells other prices: {cached} after {prices}"
        home.kill()  # ... and one with the power cut
        home.agent.start()
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1500, 60, "the event, from memory")
        home.site(lambda s: abs(s["battery_w"]) < 100 and s["soc_pct"] < 49.5, 60, "its floor")
        assert home.sim.get()["soc_pct"] > 47.4, "the floor was breached"
        home.mqtt.ok(R, "event.participate", {"event_id": command["event_id"], "participating": False})
        home.site(lambda s: s["mode"] != "event", 10, "the owner out of it at once")
        while time.monotonic() - begun < OUTAGE_S:
            time.sleep(0.5)
        rows, promises = home.owed()
        state = home.outbox(lambda o: o["link"] == "down")
        assert len(rows) >= OUTAGE_S / INTERVAL_S / SLOW * 0.6 and state["rows"] >= len(rows) - 3, f"{len(rows)} rows waiting, {state}"
        assert any(kind == "participation" for kind, _ in promises.values()), f"the wish is not owed: {promises}"

        home.sim.control("cloud", cloud="all", state="up")
        back = time.monotonic()
        home.outbox(lambda o: o["link"] == "up" and o["rows"] <= 1, 120, "the outbox drained")
        drained = time.monotonic() - back
        home.delivered(rows)
        points = home.points()
        starts = sorted(stamp_s(start) for device, start in points if device == DEVICE)
        gaps = [b - a for a, b in zip(starts, starts[1:]) if b - a > 1.5 * INTERVAL_S]
        assert len(gaps) <= 4 and max(gaps, default=0) < 15 * SLOW, f"only the restarts may leave gaps: {gaps}"
        patches = [p for p in home.sim.control("flip_participation")["patches"] if p["event_id"] == command["event_id"]]
        assert patches, "Flip was not told of the opt-out"
        assert not state["quarantined"], state
        print(f"{len(rows)} points and {len(promises)} promises waited {OUTAGE_S} s; drained {drained:.1f} s after the internet was "
              f"back; 0 lost, {len(starts)} intervals at Flip")


run_tests([outage])
