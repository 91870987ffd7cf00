"""hearth-sim's mock Flip and mock FlatPeak as an honest client sees them: every path, rule and shape of the references."""
import json
import unittest
from datetime import datetime, timedelta, timezone

from simclouds import CLIENT, FREE, VERSIONS, Clouds, call, offline, point, stamp, starts, utc


class Flip(Clouds):
    def test_tokens(self):
        for headers, want in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Basic eDp5"}, 401),
                              (CLIENT, 200)):
            self.assertEqual(self.flip("GET", "/v1/commands", headers=headers)[0], want, headers)
        status, body, _ = self.flip("POST", "/v1/auth/site/home%200042")
        self.assertEqual(status, 200)
        left = (utc(body["expires_at"]) - datetime.now(timezone.utc)).total_seconds()
        self.assertTrue(3590 < left <= 3600, left)
        site = {"Authorization": "Bearer " + body["site_access_token"]}
        self.assertEqual(self.flip("GET", "/v1/commands", headers=site)[0], 403)
        self.assertEqual(self.flip("GET", "/v1/site/home%200042/events", headers=site)[1], [])
        self.assertEqual(self.flip("GET", "/v1/site/other/events", headers=site)[0], 403)
        self.assertEqual(self.flip("GET", "/v1/site/home%200042/events")[0], 403)
        self.sim.control("flip_token", forbidden_status=401)
        self.assertEqual(self.flip("GET", "/v1/site/other/events", headers=site)[0], 401)
        self.sim.control("cloud_clock", offset_s=3601)
        self.assertEqual(self.flip("GET", "/v1/site/home%200042/events", headers=site)[0], 401)
        self.sim.control("flip_token", expire_after_s=0)
        self.assertEqual(self.flip("GET", "/v1/site/home/events", headers=self.site_token("home"))[0], 401)
        self.sim.control("flip_token", rotate="fl_new", expire_after_s=60)
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 401)
        self.assertEqual(self.flip("GET", "/v1/commands", headers={"Authorization": "Bearer fl_new"})[0], 200)
        self.assertGreaterEqual(self.sim.control("cloud_stats")["flip"]["unauthorized"], 9)

    def test_paths(self):
        for method, path, want in (("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/commands/", 404), ("GET", "/v1/command/x", 405),
                                   ("DELETE", "/v1/commands", 405), ("HEAD", "/v1/commands", 405), ("GET", "/v1/sites", 501),
                                   ("POST", "/v1/telemetry/BATTERY_COUNTER", 501), ("POST", "/v1/telemetry", 404),
                                   ("PATCH", "/v1/command/", 404), ("GET", "/v1/%zz", 400), ("GET", "/v1/a%00", 400),
                                   ("GET", "/v1/commands?limit=x", 422), ("GET", "/v1/commands?skip=-1", 422),
                                   ("GET", "/v1/commands?limit=0", 422), ("GET", "/v1/commands?skip=99&limit=3&new=1", 200)):
            status, text, _ = self.flip(method, path, raw=True)
            self.assertEqual(status, want, path)
            if want >= 400 and method != "HEAD":
                body = json.loads(text)
                self.assertTrue(body["detail"][0]["msg"], path)
                self.assertEqual("status_code" in body, want != 422)

    def test_command_life(self):
        id_ = self.sim.flip_command(mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=4000, reserve_pct=20,
                                    enable_grid_import=False, starts_in_s=600, duration_s=7200)
        (c,) = self.flip("GET", "/v1/commands")[1]
        self.assertEqual(set(c), {"id", "event_id", "device_id", "starts_at", "ends_at", "duration_s", "is_preparatory_action",
                                  "battery_commands", "status", "device_status", "device_status_reason", "created_at", "updated_at"})
        self.assertEqual((c["id"], c["status"], c["device_status"], c["device_id"]), (id_, "OK", "PENDING", "bat-0042-1"))
        self.assertEqual(c["battery_commands"], {"mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 4000,
                                                 "enable_grid_import": False, "backup_reserve_percentage": 20})
        self.assertEqual((utc(c["ends_at"]) - utc(c["starts_at"])).total_seconds(), 7200)
        for body in ({}, {"device_status": "PENDING"}, {"device_status": 7}, {"device_status": "OK", "device_status_reason": 7}, []):
            self.assertEqual(self.flip("PATCH", "/v1/command/" + id_, body)[0], 422, body)
        self.assertEqual(self.flip("PATCH", "/v1/command/nobody", {"device_status": "OK"})[0], 404)
        self.assertEqual(self.flip("PATCH", "/v1/command/" + id_, '{"device_status":"OK"}')[0], 415)
        for path, status, reason in (("command", "OK", "clamped to 3000 W"), ("commands", "OK", "clamped to 3000 W"),
                                     ("command", "FAILED_FAULT", None), ("command", "FAILED", None)):
            s, c, _ = self.flip("PATCH", f"/v1/{path}/{id_}", {"device_status": status, "device_status_reason": reason, "new": 1})
            self.assertEqual((s, c["id"], c["device_status"], c["device_status_reason"]), (200, id_, status, reason))
        seen = self.sim.flip_commands()[0]
        self.assertEqual([(a["device_status"], a["reason"]) for a in seen["acks"]],
                         [("OK", "clamped to 3000 W")] * 2 + [("FAILED_FAULT", ""), ("FAILED", "")])
        before = utc(c["updated_at"])
        for status in ("CANCELED", "OPT_OUT"):
            self.sim.control("flip_cancel", id=id_, status=status)
            (c,) = self.flip("GET", "/v1/commands")[1]
            self.assertEqual((c["status"], c["device_status"], c["device_status_reason"]), (status, "PENDING", None))
            self.assertGreater(utc(c["updated_at"]), before)
            before = utc(c["updated_at"])
        self.sim.control("flip_update", id=id_, setpoint_w=None, reserve_pct=30, duration_s=None, mode="CHARGE", power_mode=None)
        (c,) = self.flip("GET", "/v1/commands")[1]
        self.assertEqual((c["ends_at"], c["duration_s"], c["battery_commands"]["setpoint_w"], c["battery_commands"]["power_mode"],
                          c["battery_commands"]["backup_reserve_percentage"]), (None, None, None, None, 30))
        self.assertGreater(utc(c["updated_at"]), before)

    def test_time_forms_and_paging(self):
        for form, want in (("T", r"^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$"), ("space", r"^\d{4}-\d\d-\d\d [\d:]{8}\.\d{3}Z$"),
                           ("offset", r"^\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{3})?-07:00$")):
            id_ = self.sim.flip_command(form=form, starts_in_s=60)
            c = [c for c in self.flip("GET", "/v1/commands")[1] if c["id"] == id_][0]
            self.assertRegex(c["starts_at"], want)
            self.assertRegex(c["ends_at"], want)
            self.assertAlmostEqual((utc(c["starts_at"]) - datetime.now(timezone.utc)).total_seconds(), 60, delta=5)
        ids = [self.sim.flip_command(duration_s=None) for _ in range(110)]
        page = self.flip("GET", "/v1/commands")[1]
        self.assertEqual(len(page), 100)
        rest = self.flip("GET", "/v1/commands?skip=100&limit=100")[1]
        self.assertEqual([c["id"] for c in page + rest][3:], ids)
        self.sim.control("flip_cancel", id=ids[0])
        self.assertEqual(self.flip("GET", "/v1/commands?limit=1000")[1][-1]["id"], ids[0], "the newest updated_at comes last")

    def test_fifteen_minutes(self):
        quiet = self.sim.flip_command(duration_s=7200, setpoint_w=1234, power_mode="SETPOINT")
        answered = self.sim.flip_command(duration_s=7200)
        canceled = self.sim.flip_command(duration_s=7200)
        short = self.sim.flip_command(duration_s=600)
        self.flip("PATCH", "/v1/command/" + answered, {"device_status": "OK"})
        self.sim.control("flip_cancel", id=canceled)
        self.sim.control("cloud_clock", offset_s=890)
        self.assertEqual(len(self.flip("GET", "/v1/commands")[1]), 4)
        self.sim.control("cloud_clock", offset_s=901)
        status, rows, headers = self.flip("GET", "/v1/commands")
        by = {c["id"]: c for c in rows}
        self.assertEqual(len(rows), 5)
        self.assertEqual((by[quiet]["device_status"], by[short]["device_status"]), ("FAILED_OFFLINE", "FAILED_OFFLINE"))
        self.assertEqual((by[answered]["device_status"], by[canceled]["device_status"]), ("OK", "PENDING"))
        (new,) = [c for c in rows if c["id"] not in (quiet, answered, canceled, short)]
        self.assertEqual((new["battery_commands"], new["starts_at"], new["ends_at"], new["event_id"], new["device_status"]),
                         (by[quiet]["battery_commands"], by[quiet]["starts_at"], by[quiet]["ends_at"], by[quiet]["event_id"], "PENDING"))
        self.assertEqual([c["replaces"] for c in self.sim.flip_commands(id=new["id"])], [quiet])
        ahead = datetime.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").timestamp() - datetime.utcnow().timestamp()
        self.assertAlmostEqual(ahead, 901, delta=3)
        self.assertEqual(self.flip("PATCH", "/v1/command/" + quiet, {"device_status": "OK"})[0], 200, "late answers are taken")
        self.sim.control("cloud_clock", offset_s=8 * 86400)
        listed = {c["id"] for c in self.flip("GET", "/v1/commands")[1]}
        self.assertIn(canceled, listed, "unanswered")
        self.assertNotIn(answered, listed, "ended more than a week ago")
        self.sim.control("cloud_clock", offset_s=-86400)
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)

    def test_telemetry_rules(self):
        null = [k for k in point() if k not in FREE]
        bad = [({"battery_last_power_charge_w": -1}, "range"), ({"battery_last_state_of_charge_percentage": 100.1}, "range"),
               ({"duration_s": 0}, "duration"), ({"duration_s": -5}, "duration"), ({"start_time": "yesterday"}, "start_time"),
               ({"start_time": "absent"}, "start_time"), ({"device_id": ""}, "device_id"), ({"last_is_online": "absent"}, "online"),
               ({"last_is_online": None}, "online"), ({"last_mode": "PARTY"}, "range"), ({"oem_raw_data": 7}, "oem_raw_data"),
               ({"home_last_power_w": "7"}, "range"), ({"last_is_online": False}, "not null while offline")]
        bad += [({k: None}, "null while online") for k in null] + [({k: "absent"}, "missing") for k in null]
        points = [point(**changes) for changes, _ in bad] + [7, offline(home_last_power_w=1)]
        points += [point("2026-01-15 12:05:00Z"), point("2026-01-15T05:10:00-07:00", oem_raw_data="absent"), offline("2026-01-15T12:15:00Z")]
        status, body, _ = self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": points, "start_time": "x", "duration_s": 1})
        self.assertEqual(status, 200)
        rows = body["telemetry"]
        self.assertEqual([r["index"] for r in rows], list(range(len(points))))
        for row, (changes, why) in zip(rows, bad):
            self.assertEqual(row["status"], "FAILED", changes)
            self.assertIn(why, row["message"], changes)
        self.assertEqual([r["status"] for r in rows[len(bad):]], ["FAILED", "FAILED", "OK", "OK", "OK"])
        answer = self.sim.control("flip_telemetry")
        self.assertEqual(answer["points"], [["bat-0042-1", "2026-01-15T12:05:00.000Z", 300, 1, True, 0, 331.5, 61.5],
                                            ["bat-0042-1", "2026-01-15T12:10:00.000Z", 300, 1, True, 0, 331.5, 61.5],
                                            ["bat-0042-1", "2026-01-15T12:15:00.000Z", 300, 1, False, None, None, None]])
        self.assertEqual(answer["latest"]["bat-0042-1"], points[-1])
        self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point("2026-01-15T12:05:00Z", battery_total_energy_charge_wh=7.25)]})
        answer = self.sim.control("flip_telemetry", device_id="bat-0042-1")
        self.assertEqual(answer["points"][0], ["bat-0042-1", "2026-01-15T12:05:00.000Z", 300, 2, True, 7.25, 331.5, 61.5])
        self.assertEqual(answer["next"], 3)
        stats = self.sim.control("cloud_stats")["flip"]
        self.assertEqual((stats["points"], stats["points_failed"], stats["points_repeated"], stats["points_kept"]),
                         (len(points) + 1, len(bad) + 2, 1, 3))
        self.sim.control("flip_devices", known=["bat-7"])
        batch = {"telemetry": [point(), point(device_id="bat-7")]}
        self.assertEqual([r["status"] for r in self.flip("POST", "/v1/telemetry/BATTERY", batch)[1]["telemetry"]], ["FAILED", "OK"])
        self.sim.control("flip_devices", known=None)
        self.assertEqual([r["status"] for r in self.flip("POST", "/v1/telemetry/BATTERY", batch)[1]["telemetry"]], ["OK", "OK"])

    def test_telemetry_sizes_and_rejects(self):
        times = starts(2500)
        for n, want in ((0, 422), (1001, 422), (1000, 200)):
            status, body, _ = self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point(t) for t in times[:n]]})
            self.assertEqual(status, want, n)
        self.assertEqual(len(body["telemetry"]), 1000)
        for wrong in ({}, {"telemetry": {}}, {"telemetry": None}):
            self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", wrong)[0], 422)
        for at in (1000, 2000):
            self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point(t) for t in times[at:at + 1000]]})
        first = self.sim.control("flip_telemetry")
        self.assertEqual((len(first["points"]), first["next"], first["total"]), (2000, 2000, 2500))
        self.assertEqual([p[1][:19] for p in self.sim.flip_points()], [t[:19] for t in times])
        self.sim.control("flip_reject", every=10)
        batch = {"telemetry": [point(t) for t in times[:100]]}
        failed = [r["index"] for r in self.flip("POST", "/v1/telemetry/BATTERY", batch)[1]["telemetry"] if r["status"] == "FAILED"]
        self.assertEqual(len(failed), 10)
        one = {"telemetry": [point(times[failed[0]])]}
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", one)[1]["telemetry"][0]["status"], "FAILED", "again")
        self.sim.control("flip_reject", device_id="bat-9", status=422)
        mixed = {"telemetry": [point("2026-03-01T00:00:00Z"), point("2026-03-01T00:00:00Z", device_id="bat-9")]}
        kept = self.sim.control("cloud_stats")["flip"]["points_kept"]
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", mixed)[0], 422)
        self.assertEqual(self.sim.control("cloud_stats")["flip"]["points_kept"], kept, "nothing of it is kept")
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", batch)[0], 200)
        self.sim.control("flip_reject")
        self.assertEqual([r["status"] for r in self.flip("POST", "/v1/telemetry/BATTERY", mixed)[1]["telemetry"]], ["OK", "OK"])

    def test_participation(self):
        made = self.sim.control("flip_command", starts_in_s=600, duration_s=3600)
        other = self.sim.control("flip_command", starts_in_s=600, duration_s=3600, event_id=made["event_id"], device_id="bat-2",
                                 preparatory=True, reserve_pct=10)
        site = self.site_token()
        path = f"/v1/site/home-0042/event/{made['event_id']}"
        for body in ({}, {"is_participating": 1}, {"device_settings": {}}):
            self.assertEqual(self.flip("PATCH", path, body, site)[0], 422, body)
        self.assertEqual(self.flip("PATCH", path, {"is_participating": False})[0], 403, "the client's token")
        self.assertEqual(self.flip("PATCH", "/v1/site/home-0042/event/none", {"is_participating": False}, site)[0], 404)
        for id_ in (made["id"], other["id"]):
            self.flip("PATCH", "/v1/command/" + id_, {"device_status": "OK"})
        status, event, _ = self.flip("PATCH", path, {"is_participating": False}, site)
        self.assertEqual((status, event["status"], event["is_participating"], event["site_id"]), (200, "UPCOMING", False, "home-0042"))
        self.assertEqual([(c["status"], c["device_status"]) for c in self.sim.flip_commands()], [("OPT_OUT", "PENDING")] * 2)
        settings = {"device_settings": [{"device_id": "bat-2", "reserve_percentage": 30}], "is_participating": True}
        self.assertTrue(self.flip("PATCH", path, settings, site)[1]["is_participating"])
        rows = {c["device_id"]: c for c in self.flip("GET", "/v1/commands")[1]}
        self.assertEqual((rows["bat-2"]["status"], rows["bat-2"]["battery_commands"]["backup_reserve_percentage"]), ("OK", 30))
        self.assertEqual(self.sim.control("flip_participation")["patches"],
                         [{"site_id": "home-0042", "event_id": made["event_id"], "body": body}
                          for body in ({"is_participating": False}, settings)])
        self.assertEqual([e["id"] for e in self.flip("GET", "/v1/site/home-0042/events?status=UPCOMING", headers=site)[1]],
                         [made["event_id"]])
        self.sim.control("cloud_clock", offset_s=700)
        self.assertEqual(self.flip("GET", path, headers=site)[1]["status"], "ACTIVE")
        self.assertEqual(self.flip("GET", "/v1/site/home-0042/events?status=UPCOMING", headers=site)[1], [])
        self.sim.control("flip_token", expire_after_s=1e6)
        self.sim.control("cloud_clock", offset_s=9000)
        site = self.site_token()
        self.assertEqual(self.flip("PATCH", path, {"is_participating": False}, site)[0], 409)


class FlatPeak(Clouds):
    def test_login(self):
        self.assertEqual(self.login(key="wrong")[:2], (403, {"message": "Bad credentials"}))
        self.assertEqual(call(self.sim.flatpeak_port, "GET", "/login")[0], 403)
        self.sim.control("flatpeak_set", expires_in_s=120)
        status, body, _ = self.login()
        self.assertEqual((status, body["expires_in"], body["live_mode"]), (200, 120, False))
        bearer = {"Authorization": "Bearer " + body["bearer_token"]}
        tomorrow = stamp(datetime.now(timezone.utc) + timedelta(days=1))
        self.assertEqual(self.prices(None, tomorrow, bearer=bearer)[0], 200)
        self.sim.control("cloud_clock", offset_s=121)
        status, body, _ = self.prices(None, tomorrow, bearer=bearer)
        self.assertEqual((status, body["object"], body["code"]), (401, "error", "bearer_invalid"))
        self.sim.control("flatpeak_set", bearer_status=403)
        self.assertEqual(self.prices(None, tomorrow, bearer=bearer)[0], 403)
        self.assertEqual(self.sim.control("cloud_stats")["flatpeak"]["logins"], 1)

    def test_three_generations(self):
        bearer = self.bearer()
        a, b = "2026-03-01T08:00:00Z", "2026-03-02T08:00:00Z"
        for profile, kind in (("zero", "tariff_rate"), ("anode", "price"), ("busbar", "price")):
            status, body, _ = self.prices(a, b, profile, bearer)
            self.assertEqual((status, body["object"], body["location_id"], body["currency_code"]), (200, kind, "loc_sim", "GBP"))
            price = {"tariff": {"rate": 0.25, "confidence": 1}} if profile == "zero" else {"price": {"value": 0.25, "confidence": 1}}
            self.assertEqual(body["data"], [{"valid_from": a, "valid_to": b, **price}], profile)
            self.assertEqual("next_update" in body, profile != "busbar")
            self.assertEqual(self.prices(a, b, profile, bearer, tariff_direction="EXPORT")[1]["data"][0]
                             [list(price)[0]][list(list(price.values())[0])[0]], 0.05)
            last = self.sim.control("cloud_stats")["flatpeak"]["last"]
            self.assertEqual(last["version"], VERSIONS[profile])
        body = {"end_time": b, "start_time": a}
        for profile, method, path, want in (("anode", "POST", "/prices", 404), ("zero", "POST", "/prices/loc_sim", 404),
                                            ("busbar", "POST", "/prices/loc_sim", 200), ("busbar", "POST", "/prices", 400),
                                            ("anode", "POST", "/prices/loc_else", 404), ("anode", "GET", "/prices/loc_sim", 405),
                                            ("anode", "GET", "/tariffs/rates/loc_sim?end_time=" + b, 404)):
            headers = {**bearer, "Flatpeak-Version": VERSIONS[profile]}
            self.assertEqual(call(self.sim.flatpeak_port, method, path, body if method == "POST" else None, headers)[0], want,
                             (profile, path))
        self.assertEqual(call(self.sim.flatpeak_port, "POST", "/prices/loc_sim", body, {**bearer, "Flatpeak-Version": "1999"})[0], 400)
        self.sim.control("flatpeak_set", profile="busbar", element="tariff", currency="EUR")
        status, body, _ = call(self.sim.flatpeak_port, "POST", "/prices", {**body, "location_id": "loc_sim", "device_id": "dev_1"}, bearer)
        self.assertEqual((status, body["data"][0]["tariff"]["rate"], body["device_id"], body["currency_code"]), (200, 0.25, "dev_1", "EUR"))

    def test_validation(self):
        bearer = self.bearer()
        for start, end, code in ((None, None, "end_time_missing"), (None, "soon", "time_invalid"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z",
                                 "time_range_invalid"), ("2026-01-01T00:00:00Z", "2026-04-01T00:00:01Z", "time_range_invalid"),
                                 ("1960-01-01T00:00:00Z", "1960-01-02T00:00:00Z", "time_range_invalid")):
            status, body, _ = self.prices(start, end, "anode", bearer)
            self.assertEqual((status, body["object"], body["type"], body["code"]), (400, "error", "invalid_request", code))
        self.assertEqual(self.prices("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "anode", bearer)[0], 200, "90 days")
        self.assertEqual(self.prices("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "zero", bearer)[0], 409)
        body = self.prices("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "anode", bearer, tariff_direction="UP")[1]
        self.assertEqual(body["code"], "tariff_direction_invalid")
        for code in ("no_tariff_connected", "pending_connect", "no_price_data", "account_disabled"):
            self.sim.control("flatpeak_set", code=code)
            status, body, _ = self.prices("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "anode", bearer)
            self.assertEqual((status, body["code"], body["type"]), (422, code, "api_error"))
            self.assertEqual(self.login()[0], 422 if code == "account_disabled" else 200)
        self.sim.control("flatpeak_set", code=None, export=None)
        self.assertEqual(self.prices("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "anode", bearer)[0], 200)
        body = self.prices("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "anode", bearer, tariff_direction="EXPORT")[1]
        self.assertEqual(body["code"], "no_tariff_connected")

    def test_windows_and_offsets(self):
        bearer = self.bearer()
        self.sim.control("flatpeak_set", **{"import": [["05:30", "23:30", 0.2912], ["23:30", "05:30", 0.0885]]}, timezone="Europe/London")
        data = self.prices("2026-06-15T00:00:00Z", "2026-06-16T00:00:00Z", "anode", bearer)[1]["data"]
        self.assertEqual([(d["valid_from"][11:16], d["valid_to"][11:16], d["price"]["value"]) for d in data],
                         [("00:00", "04:30", 0.0885), ("04:30", "22:30", 0.2912), ("22:30", "00:00", 0.0885)], "summer time")
        data = self.prices("2026-01-15T00:00:00+01:00", "2026-01-16T00:00:00-07:00", "anode", bearer)[1]["data"]
        self.assertEqual(data[0]["valid_from"], "2026-01-14T16:00:00-07:00")
        self.assertEqual(data[-1]["valid_to"], "2026-01-16T00:00:00-07:00")
        self.assertEqual([utc(d["valid_from"]) for d in data[1:]], [utc(d["valid_to"]) for d in data[:-1]])
        self.sim.control("flatpeak_set", **{"import": [["08:00", "10:00", 0.1]]}, timezone="UTC")
        data = self.prices("2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z", "anode", bearer)[1]["data"]
        self.assertEqual([(d["valid_from"][11:16], d["valid_to"][11:16]) for d in data], [("08:00", "10:00")], "gaps stay gaps")
        self.sim.control("flatpeak_set", **{"import": [["00:00", "24:00", 0.1]]})
        self.assertEqual(len(self.prices("2026-01-15T00:00:00Z", "2026-02-16T00:00:00Z", "anode", bearer)[1]["data"]), 1)

    def test_half_hourly(self):
        bearer = self.bearer()
        self.sim.control("flatpeak_set", **{"import": "half-hourly", "export": "half-hourly"}, timezone="Europe/London")
        for start, end, n in (("2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z", 46), ("2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z", 50),
                              ("2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z", 48)):
            data = self.prices(start, end, "anode", bearer)[1]["data"]
            self.assertEqual(len(data), n, start)
            self.assertEqual((data[0]["valid_from"], data[-1]["valid_to"]), (start, end))
        values = [d["price"]["value"] for d in data]
        self.assertEqual([i for i, v in enumerate(values) if v < 0], list(range(24, 29)))
        again = self.prices("2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z", "busbar", bearer)[1]["data"]
        self.assertEqual(values, [d["price"]["value"] for d in again])
        export = self.prices("2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z", "zero", bearer, tariff_direction="EXPORT")[1]["data"]
        self.assertAlmostEqual(export[0]["tariff"]["rate"], values[0] * 0.6, places=5)
        self.assertEqual(len(self.prices("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "anode", bearer)[1]["data"]), 90 * 48)

    def test_horizon_and_confidence(self):
        now = datetime.now(timezone.utc).replace(microsecond=0)
        bearer = self.bearer()
        self.sim.control("flatpeak_set", horizon_h=30, forecast_after_h=12.25)
        data = self.prices(stamp(now), stamp(now + timedelta(days=5)), "anode", bearer)[1]["data"]
        self.assertEqual([d["price"]["confidence"] for d in data], [1, 0.8])
        self.assertEqual(data[0]["valid_to"], data[1]["valid_from"])
        self.assertAlmostEqual((utc(data[1]["valid_to"]) - now).total_seconds(), 30 * 3600, delta=5)
        self.assertAlmostEqual((utc(data[0]["valid_to"]) - now).total_seconds(), 12.25 * 3600, delta=5)
        self.sim.control("flatpeak_set", horizon_h=0)
        self.assertEqual(self.prices(stamp(now + timedelta(hours=1)), stamp(now + timedelta(days=1)), "anode", bearer)[1]["data"], [])
        self.sim.control("flatpeak_set", horizon_h=None, forecast_after_h=None)
        data = self.prices(stamp(now), stamp(now + timedelta(days=5)), "anode", bearer)[1]["data"]
        self.assertEqual([d["price"]["confidence"] for d in data], [1])
        got = self.sim.control("flatpeak_get")
        self.assertEqual((got["import"], got["horizon_h"], got["timezone"], got["profile"]), (0.25, None, "Europe/London", "anode"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
