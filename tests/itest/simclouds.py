"""What the tests of hearth-sim's mock clouds share: a simulator each, Python's own HTTP client, and bodies as they should be."""
import base64
import http.client
import json
import os
import sys
import unittest
from datetime import datetime, timedelta

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim"))
from simclient import Sim, SimError  # noqa: E402,F401  (SimError for those who import it from here)

CLIENT = {"Authorization": "Bearer fl_sim_token"}
JSON = {"Content-Type": "application/json"}
VERSIONS = {"zero": "2024-08-24.zero", "anode": "2025-09-14.anode", "busbar": "2026-05-01.busbar"}


def call(port, method, path, body=None, headers=None, timeout=5, tls=None, raw=False):
    """(status, decoded body, headers); raw leaves the body's bytes alone."""
    if tls:
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers = {**JSON, **headers}
        c.request(method, path, body, headers)
        r = c.getresponse()
        text = r.read()
        return r.status, text if raw else json.loads(text) if text else None, r.headers
    finally:
        c.close()


def utc(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def point(start="2026-01-15T12:00:00.000Z", **changes):
    p = {"start_time": start, "duration_s": 300, "device_id": "bat-0042-1", "last_is_online": True, "last_mode": "DISCHARGE",
         "battery_last_power_charge_w": 0, "battery_last_power_discharge_w": 4000, "battery_total_energy_charge_wh": 0,
         "battery_total_energy_discharge_wh": 331.5, "battery_last_stored_energy_wh": 6150, "battery_last_capacity_energy_wh": 10000,
         "battery_last_backup_reserve_percentage": 20, "battery_last_state_of_charge_percentage": 61.5,
         "battery_last_state_of_health_percentage": 97, "last_is_grid_online": True, "home_total_energy_wh": 75.2,
         "home_last_power_w": 890, "solar_total_energy_wh": 0, "solar_last_power_w": 0, "oem_raw_data": {}}
    p.update(changes)
    return {k: v for k, v in p.items() if v != "absent"}


FREE = ("start_time", "duration_s", "device_id", "last_is_online", "oem_raw_data")


def offline(start="2026-01-15T12:00:00.000Z", **changes):
    p = {k: v if k in FREE else None for k, v in point(start).items()}
    return {**p, "last_is_online": False, **changes}


def starts(n, first="2026-02-01T00:00:00Z", step=300):
    t = utc(first)
    return [stamp(t + timedelta(seconds=step * i)) for i in range(n)]


class Clouds(unittest.TestCase):
    args = ()

    def setUp(self):
        self.sim = Sim(*self.args)
        self.addCleanup(self.ended_well)

    def ended_well(self):
        self.assertEqual(self.sim.stop(), 0)

    def flip(self, method, path, body=None, headers=CLIENT, **more):
        return call(self.sim.flip_port, method, path, body, headers, **more)

    def login(self, account="acc_sim", key="sk_test_sim"):
        secret = base64.b64encode(f"{account}:{key}".encode()).decode()
        return call(self.sim.flatpeak_port, "GET", "/login", headers={"Authorization": "Basic " + secret})

    def bearer(self):
        return {"Authorization": "Bearer " + self.login()[1]["bearer_token"]}

    def prices(self, start, end, profile="anode", bearer=None, **more):
        headers = {**(bearer or self.bearer()), "Flatpeak-Version": VERSIONS[profile]}
        if profile == "zero":
            q = f"start_time={start}&end_time={end}&include_tariff=true".replace("+", "%2B")
            direction = f"&direction={more['tariff_direction']}" if more else ""
            return call(self.sim.flatpeak_port, "GET", f"/tariffs/rates/loc_sim?{q}{direction}", None, headers)
        body = {"start_time": start, "end_time": end, **more}
        if profile == "busbar":
            body["location_id"] = "loc_sim"
        path = "/prices" if profile == "busbar" else "/prices/loc_sim"
        return call(self.sim.flatpeak_port, "POST", path, {k: v for k, v in body.items() if v is not None}, headers)

    def site_token(self, site="home-0042"):
        status, body, _ = self.flip("POST", f"/v1/auth/site/{site}")
        self.assertEqual(status, 200)
        return {"Authorization": "Bearer " + body["site_access_token"]}
