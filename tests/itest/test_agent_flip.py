"""Flip in queue mode through the real agent: events to their floor, forged and repeated envelopes, kill -9 in the middle."""
import json
import signal
import time

from agenttest import Home, KEY, R, stamp
from hearthtest import SLOW, run_tests, wait_for


def test_discharge_to_the_floor_and_back():
    with Home(battery_wh=120, soc=45) as home:
        c = home.command(setpoint_w=3000, reserve=30, starts_in=1, lasts=50)
        home.send(c)
        home.wait_ack(c["id"])
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -2700, what="the discharge")
        home.site(lambda s: s["mode"] == "event" and abs(s["battery_w"]) < 60 and s["soc_pct"] < 31.5, 60, "holding at the floor")
        lowest = 100.0
        until = time.monotonic() + 8
        while time.monotonic() < until:
            lowest = min(lowest, home.sim.get()["soc_pct"])
            time.sleep(0.1)
        assert lowest >= 29.5, f"the floor of 30 % was breached: {lowest}"
        home.site(lambda s: s["mode"] in ("plan", "self_use"), 60 * SLOW, "normal running")
        home.mqtt.wait(f"{R}/command/{c['id']}", lambda v: v["state"] == "done" and v["delivered_wh"] > 5)


def test_acknowledgements_leave_only_on_ack():
    with Home() as home:
        c = home.command(starts_in=3600)
        home.send(c)
        ack = home.wait_ack(c["id"])
        home.mqtt.wait(R + "/outbox", lambda o: o["promises"] == 1)
        home.kill()
        home.agent.start()
        home.ready()
        wait_for(lambda: len(home.acks(c["id"])) >= 2, 20, "the row to be sent again after a restart")
        assert {a["message_id"] for a in home.acks(c["id"])} == {ack["message_id"]}
        home.mqtt.publish(R + "/flip/ack", {"message_id": ack["message_id"], "status": 503})
        time.sleep(1)
        assert home.mqtt.wait(R + "/outbox")["promises"] == 1
        home.mqtt.publish(R + "/flip/ack", {"message_id": ack["message_id"], "status": 200})
        home.mqtt.wait(R + "/outbox", lambda o: o["promises"] == 0 and o["sent_total"] >= 1)


def test_what_is_refused():
    with Home() as home:
        good = home.command(starts_in=3600)
        body = json.dumps({"event_type": "command.created", "event_object": good, "timestamp": stamp(time.time())})
        home.send_body(body, key="whsec_" + "QUJD" * 8)                # forged
        home.send_body(body[:-20])                                     # signed, but cut
        home.send_body("x" * (300 * 1024))                             # too large
        home.mqtt.publish(R + "/flip/in", body)                        # no signature at all
        home.send_body(json.dumps({"event_type": "moon.rising", "event_object": {}}))
        time.sleep(2)
        assert not home.mqtt.topics(R + "/command/"), home.mqtt.topics(R + "/command/")
        rows = [
            (dict(device_id="somebody-else"), "unknown device"),
            (dict(battery_commands={"mode": "LEVITATE"}), "unsupported mode"),
            (dict(battery_commands={"mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": -5}), "bad setpoint"),
            (dict(battery_commands={"mode": "DISCHARGE", "backup_reserve_percentage": 180}), "bad reserve"),
            (dict(starts_at=stamp(time.time() - 7200), ends_at=stamp(time.time() - 3600)), "expired"),
        ]
        for changes, reason in rows:
            c = home.command(starts_in=3600)
            c.update(changes)
            home.send(c)
            ack = home.wait_ack(c["id"], "FAILED_FAULT")
            assert reason in ack["device_status_reason"], (reason, ack)
        c = home.command(setpoint_w=90000, starts_in=3600)             # above the rating: clamped, and said
        home.send(c, wrapped=True)
        assert "clamped" in (home.wait_ack(c["id"])["device_status_reason"] or "")
        home.site(lambda s: s["mode"] in ("plan", "self_use"), 20 * SLOW, "normal running, for none of it is in force")


def test_old_messages_are_not_refused_for_their_age_and_repeats_fall():
    with Home() as home:
        c = home.command(starts_in=3600)
        body = json.dumps({"event_type": "command.created", "event_object": c, "timestamp": stamp(time.time() - 86400)})
        home.send_body(body, webhook_id="msg_waited", timestamp=time.time() - 86400)
        home.wait_ack(c["id"])
        since = home.mqtt.count()
        home.send_body(body, webhook_id="msg_waited", timestamp=time.time() - 86400)
        time.sleep(1.5)
        assert not [m for m in home.mqtt.seen(R + "/flip/out/command_status", since)], "a repeated webhook-id was answered again"
        c["status"], c["device_status"], c["updated_at"] = "CANCELED", "PENDING", stamp(time.time() + 1)
        home.send(c, "command.canceled")
        home.mqtt.wait(f"{R}/command/{c['id']}", lambda v: v["state"] == "canceled")
        wait_for(lambda: len(home.acks(c["id"])) >= 2, 10, "the cancelation to be acknowledged")


def test_killed_in_the_middle_resumes():
    with Home(battery_wh=2000, soc=80) as home:
        c = home.command(setpoint_w=2000, reserve=20, starts_in=0.5, lasts=55)
        home.send(c)
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1800, what="the discharge")
        acks = len(home.acks(c["id"]))
        home.kill()
        home.sim.control("set", soc_pct=80)
        writes = home.sim.control("writes")["next"]
        since = home.mqtt.count()
        home.sim.control("fault", unit=1, kind="slow", ms=300, for_s=8)  # it answers, and is not known at once
        home.agent.start()
        wait_for(lambda: [m for m in home.mqtt.seen(R + "/status", since) if m.payload == "online"], 15, "the new agent")
        held = [0.0]                                                   # what is retained, or left at the device, proves nothing

        def driven():
            site = [m.json for m in home.mqtt.seen(R + "/site", since)][-1:]
            good = site and site[0]["mode"] == "event" and site[0].get("battery_w", 0) < -1800
            held[0] = (held[0] or time.monotonic()) if good else 0.0
            return held[0] and time.monotonic() - held[0] > 4
        wait_for(driven, 25, lambda: f"the discharge to go on after kill -9; {home.mqtt.get(R + '/site')}")
        assert home.sim.control("writes", since=writes, unit=1)["writes"], "the new agent wrote nothing to the battery"
        home.mqtt.wait(R + "/device/battery", lambda d: d["guarded_by"] == "device")
        later = [a for a in home.acks(c["id"])[acks:] if a["device_status"] != "OK"]
        assert not later, f"Flip was told of trouble that was none: {later}"
        home.site(lambda s: s["mode"] in ("plan", "self_use"), 70 * SLOW, "the end of the window")


def test_owner_opts_out():
    with Home(battery_wh=5000, soc=80) as home:
        c = home.command(setpoint_w=2000, starts_in=0.5, lasts=300)
        home.send(c)
        home.site(lambda s: s["mode"] == "event" and s["battery_w"] < -1800, what="the discharge")
        a = home.mqtt.request(R, "override.set", {"device": "battery", "mode": "hold", "duration_s": 60})
        assert a["error"]["code"] == "refused" and c["event_id"] in a["error"]["message"], a
        home.ctl("event", "opt-out", c["event_id"])
        home.site(lambda s: s["mode"] != "event", 10, "the event to stop at once")
        wait_for(lambda: home.mqtt.seen(R + "/flip/out/participation"), 10, "Flip to be told")
        c["updated_at"] = stamp(time.time())
        home.send(c, "command.updated")                                # Flip has not heard yet and says OK again
        time.sleep(2)
        assert home.mqtt.get(R + "/site")["mode"] != "event"
        home.kill()
        home.agent.start()
        home.ready()
        time.sleep(2)
        assert home.mqtt.get(R + "/site")["mode"] != "event", "the owner's word was forgotten by a restart"


def test_clock_gate():
    with Home(clock="auto") as home:
        trusted = home.mqtt.wait(R + "/agent")["clock_trusted"]
        if trusted:
            print("     this machine's clock is synchronised: the closed gate cannot be shown")
            return
        c = home.command(setpoint_w=2000, starts_in=0.2, lasts=120)
        body = json.dumps({"event_type": "command.created", "event_object": c, "timestamp": stamp(time.time() - 3600)})
        home.send_body(body, timestamp=time.time() - 3600)             # an hour on the broker: says nothing of our clock
        time.sleep(3)
        assert home.mqtt.get(R + "/site")["mode"] != "event", "ran although nobody vouched for the clock"
        home.send(home.command(starts_in=7200, lasts=60))              # a fresh one vouches
        home.site(lambda s: s["mode"] == "event", 15, "the waiting command to run once the clock is trusted")


if __name__ == "__main__":
    run_tests([test_discharge_to_the_floor_and_back, test_acknowledgements_leave_only_on_ack, test_what_is_refused,
               test_old_messages_are_not_refused_for_their_age_and_repeats_fall, test_killed_in_the_middle_resumes,
               test_owner_opts_out, test_clock_gate], abreast=4)
