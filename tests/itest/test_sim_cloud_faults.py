"""hearth-sim's mock clouds when they fail or are treated badly: every fault, cut, hang, odd bytes, TLS, options."""
import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone

from simclouds import CLIENT, JSON, Clouds, Sim, SimError, call, point, stamp, starts


class Faults(Clouds):
    def test_statuses(self):
        for code in (401, 403, 404, 422, 429, 500, 503):
            for cloud, method, path, h in (("flip", "GET", "/v1/commands", CLIENT), ("flatpeak", "GET", "/login", {})):
                port = self.sim.flip_port if cloud == "flip" else self.sim.flatpeak_port
                self.sim.control("cloud_fault", cloud=cloud, kind=str(code), count=2, retry_after_s=7)
                for _ in range(2):
                    status, body, headers = call(port, method, path, headers=h)
                    self.assertEqual((status, headers["Retry-After"]), (code, "7"))
                    self.assertTrue("detail" in body or "message" in body)
                self.assertNotEqual(call(port, method, path, headers=h)[0], code if code != 403 else 500, "used up")
        self.assertEqual(self.sim.control("cloud_stats")["flip"]["by_status"]["429"], 2)
        self.sim.control("cloud_fault", cloud="flip", kind="503", retry_after_s=90, retry_after_date=True)
        at = datetime.strptime(self.flip("GET", "/v1/commands")[2]["Retry-After"], "%a, %d %b %Y %H:%M:%S GMT")
        self.assertAlmostEqual((at - datetime.utcnow()).total_seconds(), 90, delta=3)

    def test_paths_order_and_time(self):
        self.sim.control("cloud_fault", cloud="all", kind="500", path="/v1/telemetry")
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point()]})[0], 500)
        self.sim.control("cloud_fault", cloud="flip", kind="401", count=1, path="/v1/telemetry")
        self.sim.control("cloud_fault", cloud="flip", kind="429", count=1, path="/v1/telemetry", behind=True)
        got = [self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point()]})[0] for _ in range(3)]
        self.assertEqual(got, [401, 429, 200])
        self.sim.control("cloud_fault", cloud="flip", kind="500", for_s=4)
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 500)
        time.sleep(4.05)
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        self.sim.control("cloud_fault", cloud="flip", kind="500")
        self.sim.control("cloud_clear", cloud="flip")
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        self.sim.control("cloud_fault", cloud="flip", kind="500", count=1, carried_out=True)
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", {"telemetry": [point("2026-05-01T00:00:00Z")]})[0], 500)
        self.assertEqual(len(self.sim.flip_points()), 2, "it took effect all the same")

    def test_strange_answers(self):
        def ask(kind, **more):
            self.sim.control("cloud_fault", cloud="flip", kind=kind, count=1, **more)
            return self.flip("GET", "/v1/commands", raw=True)

        status, text, _ = ask("garbage")
        self.assertEqual(status, 200)
        self.assertRaises((ValueError, UnicodeDecodeError), json.loads, text)
        status, text, headers = ask("html")
        self.assertEqual((status, headers["Content-Type"], text[:9]), (200, "text/html", b"<!DOCTYPE"))
        self.assertEqual((ask("empty")[:2]), (200, b""))
        status, text, _ = ask("huge")
        self.assertEqual((status, len(text), json.loads(text)), (200, 8 << 20, []))
        status, text, headers = ask("redirect")
        self.assertEqual((status, headers["Location"], text), (302, "/redirected", b""))
        status, text, _ = ask("error200")
        self.assertEqual((status, json.loads(text)["status_code"]), (200, 500))
        self.sim.control("cloud_fault", cloud="flatpeak", kind="error200", count=1)
        self.assertEqual(self.login()[1]["object"], "error")
        with self.assertRaises(http.client.RemoteDisconnected):
            ask("close")
        self.assertEqual(self.flip("GET", "/v1/commands", raw=True)[1], b"[]")

    def test_cut_answer_took_effect(self):
        id_ = self.sim.flip_command()
        self.sim.control("cloud_fault", cloud="flip", kind="cut", count=1)
        with self.assertRaises(http.client.IncompleteRead):
            self.flip("PATCH", "/v1/command/" + id_, {"device_status": "OK"})
        self.assertEqual(self.sim.flip_commands()[0]["device_status"], "OK")

    def test_slow(self):
        self.sim.flip_command()
        self.sim.control("cloud_fault", cloud="flip", kind="slow", ms=150, count=2)
        begin = time.monotonic()
        results = []
        slow = threading.Thread(target=lambda: results.append(self.flip("GET", "/v1/commands")))
        slow.start()
        time.sleep(0.1)
        self.assertEqual(self.sim.control("cloud_clear", cloud="all")["ok"], True)
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        self.assertTrue(slow.is_alive(), "others are served meanwhile")
        slow.join()
        self.assertEqual(len(results[0][1]), 1)
        self.assertTrue(1.1 <= time.monotonic() - begin < 10)
        self.sim.control("cloud_fault", cloud="flip", kind="slow", ms=300, count=1)
        with self.assertRaises((socket.timeout, TimeoutError)):
            self.flip("GET", "/v1/commands", timeout=0.15)
        self.sim.control("cloud_fault", cloud="flip", kind="slow", ms=5000, count=1)
        with self.assertRaises((socket.timeout, TimeoutError)):
            self.flip("GET", "/v1/commands", timeout=0.1)
        self.sim.clouds("cut")  # while an answer is under way

    def test_cut_hang_restore(self):
        self.sim.clouds("cut", "flip")
        with socket.socket() as thief, self.assertRaises(OSError, msg="the port stays ours"):
            thief.bind(("127.0.0.1", self.sim.flip_port))
        self.sim.clouds("up")
        kept = http.client.HTTPConnection("127.0.0.1", self.sim.flip_port, timeout=5)
        kept.request("GET", "/v1/commands", headers=CLIENT)
        kept.getresponse().read()
        self.sim.flip_command()
        for _ in range(3):
            self.sim.clouds("cut", "flip")
            self.assertRaises(ConnectionRefusedError, self.flip, "GET", "/v1/commands")
            self.assertEqual(self.login()[0], 200, "the other one stays")
            self.assertEqual(kept.sock.recv(1) if kept.sock else b"", b"", "existing connections are closed")
            self.sim.clouds("up")
            self.assertEqual(len(self.flip("GET", "/v1/commands")[1]), 1, "the same port, and nothing forgotten")
        kept.close()
        self.sim.clouds("hang")
        waiting = http.client.HTTPConnection("127.0.0.1", self.sim.flip_port, timeout=0.3)
        waiting.request("GET", "/v1/commands", headers=CLIENT)
        self.assertRaises((socket.timeout, TimeoutError), waiting.getresponse)
        stats = self.sim.control("cloud_stats")["flip"]
        self.assertEqual(stats["state"], "hang")
        self.sim.clouds("up")
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        waiting.sock.settimeout(3)
        self.assertEqual(waiting.sock.recv(1), b"", "what hung is closed, not answered late")
        waiting.close()
        self.sim.clouds("hang")
        for _ in range(3):
            with self.assertRaises((socket.timeout, TimeoutError)):
                self.flip("GET", "/v1/commands", timeout=0.05)
        self.sim.clouds("cut")
        self.sim.clouds("hang")
        with self.assertRaises((socket.timeout, TimeoutError)):
            self.flip("GET", "/v1/commands", timeout=0.05)  # and the end of the program with one that hangs


class Oddities(Clouds):
    def raw(self, data, port=None):
        with socket.create_connection(("127.0.0.1", port or self.sim.flip_port), timeout=5) as s:
            s.sendall(data)
            got = b""
            try:
                while True:
                    more = s.recv(65536)
                    if not more:
                        return got
                    got += more
            except OSError:
                return got

    def test_bodies(self):
        big = b'{"telemetry":[' + b" " * (2 << 20) + b"]}"
        self.assertEqual(self.flip("POST", "/v1/telemetry/BATTERY", big, {**CLIENT, **JSON})[0], 413)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.flip("POST", "/v1/telemetry/BATTERY", b" " * (20 << 20), {**CLIENT, **JSON})
        most = b'{"telemetry":[' + b" " * ((2 << 20) - 16) + b"]}"
        self.assertEqual((len(most), self.flip("POST", "/v1/telemetry/BATTERY", most, {**CLIENT, **JSON})[0]), (2 << 20, 422))
        bodies = (b"", b"{bad", b'{"telemetry":[', b"[" * 100000, b'{"telemetry":' + b"[" * 33 + b"]" * 33 + b"}", b"null", b"\xff\xfe", b'"x"',
                  b'{"telemetry":[1e999]}x')
        bearer = self.bearer()
        for body in bodies:
            status, answer, _ = self.flip("POST", "/v1/telemetry/BATTERY", body, {**CLIENT, **JSON})
            self.assertEqual((status, answer["detail"][0]["type"]), (422, "value_error"), body[:20])
            status, answer, _ = call(self.sim.flatpeak_port, "POST", "/prices/loc_sim", body, {**bearer, **JSON})
            self.assertEqual((status, answer["code"]), (400, "data_json_invalid"), body[:20])
        self.assertEqual(call(self.sim.flatpeak_port, "POST", "/prices/loc_sim", "{}", bearer)[0], 415)
        text = json.dumps({"telemetry": [point()]}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 100]), text[i:i + 100]) for i in range(0, len(text), 100)) + b"0\r\n\r\n"
        got = self.raw(b"POST /v1/telemetry/BATTERY HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                       b"Authorization: bearer fl_sim_token\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        self.assertIn(b" 200 ", got[:20])
        got = self.raw(b"POST /v1/telemetry/BATTERY HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                       b"Authorization: Bearer fl_sim_token\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        self.assertIn(b"100 Continue", got[:30])
        self.assertIn(b"200 OK", got)

    def test_sockets(self):
        for data in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"nonsense\r\n\r\n", b"GET /v1/commands HTTP/9.9\r\n\r\n",
                     b"GET / HTTP/1.1\r\nX: " + b"y" * 300000 + b"\r\n\r\n", b"GET " + b"/a" * 200000 + b" HTTP/1.1\r\n\r\n",
                     b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.sim.flip_port), timeout=5) as s:
                try:
                    s.sendall(data)
                except OSError:
                    pass
        idle = [socket.create_connection(("127.0.0.1", self.sim.flip_port), timeout=5) for _ in range(100)]
        for s in idle[::2]:
            s.sendall(b"POST /v1/telemetry/BATTERY HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        self.assertEqual(self.flip("GET", "/v1/commands")[0], 200)
        for s in idle:
            s.close()
        connection = http.client.HTTPConnection("127.0.0.1", self.sim.flip_port, timeout=5)
        begin = time.monotonic()
        for _ in range(300):
            connection.request("GET", "/v1/commands", headers=CLIENT)
            connection.getresponse().read()
        connection.close()
        self.assertLess(time.monotonic() - begin, 20)
        stats = self.sim.control("cloud_stats")["flip"]
        self.assertGreater(stats["max_per_s"], 10)
        with open(f"/proc/{self.sim.process.pid}/stat") as f:
            before = sum(map(int, f.read().split()[13:15]))
        time.sleep(1)
        with open(f"/proc/{self.sim.process.pid}/stat") as f:
            self.assertLess(sum(map(int, f.read().split()[13:15])) - before, 20, "it sleeps when there is nothing to do")

    def test_control_refuses(self):
        for line, want in (('{"cmd":"cloud","state":"down"}', "up, cut or hang"), ('{"cmd":"cloud","cloud":"aws","state":"up"}', "aws"),
                           ('{"cmd":"cloud_fault","kind":"tired"}', "tired"), ('{"cmd":"cloud_fault","kind":"200"}', "200"),
                           ('{"cmd":"cloud_fault","kind":"500","cout":1}', "cout"), ('{"cmd":"cloud_fault"}', "kind"),
                           ('{"cmd":"cloud_clock","offset_s":"x"}', "offset_s"), ('{"cmd":"cloud_clock","offset_s":1e13}', "outside"),
                           ('{"cmd":"flip_command","form":"X"}', "form"), ('{"cmd":"flip_command","setpoint":1}', "setpoint"),
                           ('{"cmd":"flip_cancel","id":"x"}', "no command"), ('{"cmd":"flip_update"}', "no command"),
                           ('{"cmd":"flip_reject","status":422}', "needs"), ('{"cmd":"flip_reject","every":0}', "every"),
                           ('{"cmd":"flip_telemetry","since":-1}', "since"), ('{"cmd":"flip_devices"}', "known"),
                           ('{"cmd":"flip_devices","known":[7]}', "text"), ('{"cmd":"flatpeak_set","import":[["8","9",1]]}', "window"),
                           ('{"cmd":"flatpeak_set","import":[["08:00","10:00",1],["09:00","11:00",2]]}', "overlap"),
                           ('{"cmd":"flatpeak_set","import":[]}', "no window"), ('{"cmd":"flatpeak_set","import":true}', "schedule"),
                           ('{"cmd":"flatpeak_set","timezone":"Mars/Base"}', "Mars"), ('{"cmd":"flatpeak_set","code":"late"}', "late"),
                           ('{"cmd":"flatpeak_set","profile":"ohm"}', "ohm"), ('{"cmd":"flatpeak_set","currency":"EURO"}', "currency"),
                           ('{"cmd":"flatpeak_set","element":"x"}', "element")):
            self.assertIn(want, self.sim.send(line).get("error", "no error"), line)
        id_ = self.sim.flip_command(id="here")
        self.assertRaises(SimError, self.sim.flip_command, id=id_)
        for i in range(17):
            answer = self.sim.send(json.dumps({"cmd": "cloud_fault", "kind": "500", "path": f"/{i}"}))
        self.assertIn("16 faults", answer["error"])


class Tls(unittest.TestCase):
    def test_https(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                            "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
                           check=True, capture_output=True)
            trust = ssl.create_default_context(cafile=cert)
            with Sim("--cloud-cert", cert, "--cloud-key", key, "--flip-token", "t1") as sim:
                bearer = {"Authorization": "Bearer t1"}
                self.assertEqual(call(sim.flip_port, "GET", "/v1/commands", headers=bearer, tls=trust)[:2], (200, []))
                self.assertEqual(call(sim.flatpeak_port, "GET", "/login", tls=trust)[0], 403)
                self.assertRaises(ssl.SSLCertVerificationError, call, sim.flip_port, "GET", "/v1/commands", tls=ssl.create_default_context())
                with self.assertRaises((OSError, http.client.HTTPException)):
                    call(sim.flip_port, "GET", "/v1/commands", headers=bearer)
                batch = {"telemetry": [point(t) for t in starts(1000)]}
                self.assertEqual(len(call(sim.flip_port, "POST", "/v1/telemetry/BATTERY", batch, bearer, tls=trust)[1]["telemetry"]), 1000)
                sim.control("cloud_fault", kind="slow", ms=20, count=1)
                self.assertEqual(call(sim.flip_port, "GET", "/v1/commands", headers=bearer, tls=trust)[0], 200)
                sim.control("cloud_fault", kind="cut", count=1)
                with self.assertRaises((OSError, http.client.HTTPException, ssl.SSLError)):
                    call(sim.flip_port, "GET", "/v1/commands", headers=bearer, tls=trust)
                sim.clouds("cut")
                self.assertRaises(ConnectionRefusedError, call, sim.flip_port, "GET", "/", tls=trust)
                sim.clouds("up")
                self.assertEqual(call(sim.flip_port, "GET", "/v1/commands", headers=bearer, tls=trust)[0], 200)
            binary = os.path.join(os.environ["HEARTH_BUILD"], "tests", "hearth-sim")
            for args, want in ((("--cloud-cert", cert), "go together"), (("--cloud-cert", cert, "--cloud-key", folder + "/none"), "none"),
                               (("--cloud-cert", key, "--cloud-key", cert), "not usable")):
                r = subprocess.run([binary, "--port", "0", "--control-port", "0", *args], capture_output=True, text=True, timeout=10)
                self.assertNotEqual(r.returncode, 0)
                self.assertIn(want, r.stderr)


class Options(unittest.TestCase):
    def test_without_clouds(self):
        with Sim("--no-clouds") as sim:
            self.assertIsNone(sim.flip_port)
            self.assertIn("--no-clouds", sim.send('{"cmd":"cloud_stats"}')["error"])
            self.assertIn("cloud_fault", sim.send('{"cmd":"nonsense"}')["error"])

    def test_names_and_ports(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        with Sim("--flip-port", str(port), "--flatpeak-account", "acc_7", "--flatpeak-key", "sk_7", "--location", "loc_7") as sim:
            self.assertEqual(sim.flip_port, port)
            secret = base64.b64encode(b"acc_7:sk_7").decode()
            token = call(sim.flatpeak_port, "GET", "/login", headers={"Authorization": "Basic " + secret})[1]["bearer_token"]
            body = {"end_time": stamp(datetime.now(timezone.utc) + timedelta(hours=1))}
            headers = {"Authorization": "Bearer " + token}
            self.assertEqual(call(sim.flatpeak_port, "POST", "/prices/loc_7", body, headers)[0], 200)
            binary = os.path.join(os.environ["HEARTH_BUILD"], "tests", "hearth-sim")
            r = subprocess.run([binary, "--port", "0", "--control-port", "0", "--flip-port", str(port)], capture_output=True, text=True, timeout=10)
            self.assertEqual((r.returncode, "port" in r.stderr), (1, True))


if __name__ == "__main__":
    unittest.main(verbosity=2)
