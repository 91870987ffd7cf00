"""Drives the real hearth-sim with clients nobody here wrote: pymodbus, mbpoll and mosquitto_sub."""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim"))
from hearthtest import Broker, SLOW, scratch, wait_for  # noqa: E402
from simclient import Sim, SimError  # noqa: E402

from pymodbus.client import ModbusTcpClient  # noqa: E402
from pymodbus.exceptions import ModbusIOException, ConnectionException  # noqa: E402

BATTERY, PV, METER, CHARGER = 1, 2, 10, 255
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Client:
    """A pymodbus client whose failures are exceptions: a number for a Modbus exception, TimeoutError for silence."""

    def __init__(self, port, timeout=10):
        self.modbus = ModbusTcpClient("127.0.0.1", port=port, timeout=timeout, retries=0)
        assert self.modbus.connect()

    def check(self, answer):
        if isinstance(answer, ModbusIOException):
            raise TimeoutError
        if answer.isError():
            raise SimError(answer.exception_code)
        return answer

    def read(self, address, count, unit=BATTERY):
        return self.check(self.modbus.read_holding_registers(address, count, slave=unit)).registers

    def float(self, address, unit=METER):
        words = self.check(self.modbus.read_input_registers(address, 2, slave=unit)).registers
        return struct.unpack(">f", struct.pack(">HH", *words))[0]

    def keba(self, address):
        words = self.read(address, 2, CHARGER)
        return words[0] << 16 | words[1]

    def write(self, address, *words, unit=BATTERY):
        self.check(self.modbus.write_registers(address, list(words), slave=unit))

    def write1(self, address, word, unit=CHARGER):
        self.check(self.modbus.write_register(address, word, slave=unit))

    def chain(self, unit=BATTERY):
        """Model id -> address of its ID register, walked as discovery does."""
        assert self.read(40000, 2, unit) == [0x5375, 0x6E53]
        at, models = 40002, {}
        while True:
            model, length = self.read(at, 2, unit)
            if model == 0xFFFF:
                return models
            models[model] = at
            at += 2 + length

    def close(self):
        self.modbus.close()


def words32(v):
    return [(v >> 16) & 0xFFFF, v & 0xFFFF]


class SimTest(unittest.TestCase):
    ARGS = ("--load", "400", "--sun", "0", "--noise", "0", "--devices", "2")

    def setUp(self):
        self.sim = Sim(*self.ARGS)
        self.addCleanup(lambda: self.assertEqual(self.sim.stop(), 0))
        self.client = Client(self.sim.port)
        self.addCleanup(self.client.close)

    def raises(self, code, call, *args, **keys):
        with self.assertRaises(SimError) as caught:
            call(*args, **keys)
        self.assertEqual(caught.exception.args[0], code)


class Devices(SimTest):
    def test_chain_is_walked_and_read(self):
        chain = self.client.chain()
        self.assertEqual(list(chain), [1, 103, 120, 64110, 124, 701, 702, 704, 713, 802])
        self.assertEqual(list(self.client.chain(PV)), [1, 103, 120, 123])
        name = b"".join(struct.pack(">H", w) for w in self.client.read(chain[1] + 2, 16))
        self.assertEqual(name.rstrip(b"\0"), b"Hearth")
        soc = self.client.read(chain[124] + 8, 1)[0] / 100
        self.assertAlmostEqual(soc, self.sim.get()["soc_pct"], delta=0.05)
        end = chain[802] + 64
        self.assertEqual(self.client.read(end, 2), [0xFFFF, 0])
        self.raises(2, self.client.read, end, 3)
        self.raises(2, self.client.read, 0, 2)
        self.raises(2, self.client.write, chain[124] + 8, 5000)

    def test_mbpoll_reads_and_writes(self):
        run = lambda *a: subprocess.run(["mbpoll", "-1", "-q", "-0", "-p", str(self.sim.port), *a], capture_output=True, text=True)
        out = run("-a", "1", "-r", "40000", "-c", "4", "-t", "4:hex", "127.0.0.1")
        self.assertIn("0x5375", out.stdout)
        self.sim.wait(lambda s: abs(s["battery_w"] + 400) < 1)
        self.sim.control("set", load_w=9000)
        self.sim.wait(lambda s: abs(s["grid_w"] - 4000) < 1)
        out = run("-a", "10", "-r", "52", "-c", "1", "-t", "3:float", "-B", "127.0.0.1")
        self.assertIn("4000", out.stdout)
        out = run("-a", "255", "-r", "5004", "-t", "4", "127.0.0.1", "12000")
        self.assertEqual(self.client.keba(1100), 12000, out.stderr)

    def test_setpoint_moves_power_and_reverts(self):
        base = self.client.chain()[704]
        self.sim.wait(lambda s: abs(s["battery_w"] + 400) < 1)
        self.client.write(base + 23, 1)
        self.client.write(base + 26, 0, 0)
        self.client.write(base + 30, 0, *words32(4))
        self.client.write(base + 24, *words32(20000))
        self.client.write(base + 22, 1)
        state = self.sim.wait(lambda s: abs(s["battery_w"] + 2000) < 1)
        self.assertEqual(state["setpoint"], {"mode": "power", "power_w": -2000, "min_w": -5000, "max_w": 5000, "reserve_pct": 5})
        self.assertAlmostEqual(state["grid_w"], -1600, delta=1)
        self.assertGreater(state["reversion_left_s"]["wset"], 0)
        for _ in range(3):  # refreshed, it stays
            time.sleep(1.5)
            start = time.monotonic()
            self.client.write(base + 24, *words32(20000))
        self.assertAlmostEqual(self.sim.get()["battery_w"], -2000, delta=1)
        rem, late = self.client.read(base + 33, 2), time.monotonic() - start
        self.assertTrue(3 - late <= rem[0] << 16 | rem[1] <= 4, (rem, late))
        self.sim.wait(lambda s: abs(s["battery_w"] + 400) < 1)
        self.assertGreater(time.monotonic() - start, 3.9)
        self.assertEqual(self.client.read(base + 22, 1), [0])
        writes = self.sim.control("writes", unit=BATTERY)["writes"]
        self.assertEqual([w["address"] - base for w in writes], [23, 26, 30, 24, 22, 24, 24, 24])
        self.assertEqual(writes[3]["values"], [0, 20000])
        self.assertLess(abs(writes[-1]["t_ms"] - time.monotonic() * 1000), 60000)

    def test_rates_of_124(self):
        base = self.client.chain()[124]
        self.client.write(base + 12, -4000 & 0xFFFF, 10000)  # OutWRte -40 %: at least 40 % charging
        self.client.write(base + 15, 60)
        self.client.write(base + 5, 3)
        self.sim.wait(lambda s: abs(s["battery_w"] - 2000) < 1)
        self.assertEqual(self.client.read(base + 11, 1), [4])
        self.client.write(base + 5, 0)
        self.sim.wait(lambda s: abs(s["battery_w"] + 400) < 1)

    def test_keba_rules_and_failsafe(self):
        self.raises(2, self.client.read, 1000, 4, CHARGER)
        self.raises(2, self.client.read, 1001, 2, CHARGER)
        self.raises(1, self.client.write, 5004, 8000, unit=CHARGER)
        self.raises(3, self.client.write1, 5004, 5000)
        self.client.write1(5004, 8000)
        self.client.write1(5016, 6000)
        self.client.write1(5018, 3)
        self.sim.control("set", car={"plugged": True, "soc_pct": 20})
        self.assertEqual(self.client.keba(1602), 3)
        self.sim.wait(lambda s: s["car"]["failed_safe"], 20)
        self.assertEqual(self.client.keba(1100), 6000)
        self.sim.wait(lambda s: abs(s["car_w"] - 6 * 690) < 1, 20)
        self.assertEqual(self.client.keba(1000), 3)
        self.assertAlmostEqual(self.client.keba(1020) / 1000, 6 * 690, delta=1)
        self.client.write1(5018, 0)
        self.sim.wait(lambda s: abs(s["car_w"] - 8 * 690) < 1, 20)
        self.client.write1(5014, 0)
        self.sim.wait(lambda s: s["car_w"] == 0, 20)
        self.assertEqual(self.client.keba(1000), 5)

    def test_phases_of_the_charger(self):
        self.raises(4, self.client.write1, 5052, 0)  # Modbus is not the one who switches
        self.sim.control("set", car={"plugged": True, "soc_pct": 20}, charger={"phase_source": 3})
        self.client.write1(5004, 8000)
        self.sim.wait(lambda s: abs(s["car_w"] - 8 * 690) < 1, 20)
        self.client.write1(5014, 0)
        self.sim.wait(lambda s: s["car_w"] == 0, 20)
        self.client.write1(5052, 0)
        self.client.write1(5014, 1)
        self.sim.wait(lambda s: abs(s["car_w"] - 8 * 230) < 1, 20)
        car = self.sim.control("get")["car"]
        self.assertEqual((car["phases_closed"], car["phase_switches"], car["switched_hot"], car["phase_fault"]), (1, 1, 0, False))
        self.client.write1(5052, 1)  # under current
        self.sim.wait(lambda s: s["car"]["phase_fault"] and s["car_w"] == 0, 20)
        self.assertEqual(self.client.keba(1000), 4)
        self.sim.control("set", charger={"phase_fault": False})
        self.sim.wait(lambda s: abs(s["car_w"] - 8 * 690) < 1, 20)
        with self.assertRaises(Exception):
            self.sim.control("set", charger={"phase_source": 5})

    def test_another_hand_at_limit_and_reserve(self):
        self.sim.control("set", pv_w=6000, pv_limit_pct=40, load_w=400, reserve_pct=90)
        self.sim.wait(lambda s: abs(s["pv_w"] - 2400) < 1 and s["pv_limit_w"] == 2400, 20)
        self.sim.wait(lambda s: s["setpoint"]["reserve_pct"] == 90, 20)
        self.sim.control("set", pv_limit_pct=None)
        self.sim.wait(lambda s: abs(s["pv_w"] - 6000) < 1 and "pv_limit_w" not in s, 20)

    def test_meter_block(self):
        words = self.client.check(self.client.modbus.read_input_registers(0, 80, slave=METER)).registers
        self.assertEqual(len(words), 80)
        self.raises(2, self.client.float, 80)
        self.raises(2, self.client.float, 1)
        self.assertAlmostEqual(self.client.float(0), 230, delta=2)
        self.assertGreaterEqual(self.client.float(342), 0)
        self.client.float(52, 101)
        self.client.float(52, 102)

    def test_island(self):
        self.sim.control("grid", lost=True)
        base = self.client.chain()[701]
        self.sim.wait(lambda s: s["grid_lost"] and abs(s["battery_w"] + 400) < 1)
        self.assertEqual(self.client.read(base + 5, 1), [0])
        quick = Client(self.sim.port, timeout=1)
        with self.assertRaises((TimeoutError, ConnectionException)):
            quick.float(52)
        quick.close()
        self.sim.control("grid", lost=True, meter="alive")
        self.assertEqual(self.client.float(0), 0)
        self.sim.control("grid", lost=False)
        self.sim.wait(lambda s: not s["grid_lost"])
        wait_for(lambda: self.client.read(base + 5, 1) == [1], 10, "the battery on the grid again")
        self.assertAlmostEqual(self.client.float(0), 230, delta=2)


class Faults(SimTest):
    def raw(self, unit=METER, seconds=10.0, fc=4, address=52):
        """One request over a bare socket; every byte of the answer, if there is one in time, and when they came."""
        with socket.create_connection(("127.0.0.1", self.sim.port)) as s:
            s.settimeout(seconds)
            start, times, data = time.monotonic(), [], b""
            s.sendall(struct.pack(">HHHBBHH", 7, 0, 6, unit, fc, address, 2))
            try:
                while len(data) < 6 or len(data) < min(13, 6 + int.from_bytes(data[4:6], "big")):
                    part = s.recv(64)
                    if not part:
                        return data, times, True
                    data += part
                    times.append(time.monotonic() - start)
            except socket.timeout:
                pass
            return data, times, False

    def test_each_kind(self):
        good, _, _ = self.raw()
        self.assertEqual(good[:9], bytes([0, 7, 0, 0, 0, 7, METER, 4, 4]))
        self.sim.control("fault", unit=METER, kind="exception", code=6)
        self.assertEqual(self.raw()[0], bytes([0, 7, 0, 0, 0, 3, METER, 0x84, 6]))
        self.sim.control("fault", unit=METER, kind="silent")
        self.assertEqual(self.raw(seconds=0.4)[0], b"")
        self.sim.control("fault", unit=METER, kind="slow", ms=500)
        data, times, _ = self.raw()
        self.assertEqual(len(data), 13)
        self.assertGreater(times[0], 0.45)
        self.sim.control("fault", unit=METER, kind="drip", ms=40)
        data, times, _ = self.raw()
        self.assertEqual(data, good[:9] + data[9:])
        self.assertGreater(len(times), 2)
        self.assertGreater(times[-1], 12 * 0.04 - 0.01)
        self.sim.control("fault", unit=METER, kind="close")
        self.assertEqual(self.raw()[0::2], (b"", True))
        self.sim.control("fault", unit=METER, kind="garbage")
        answers = {self.raw(seconds=0.5)[0] for _ in range(6)}
        self.assertEqual(len(answers), 6)
        self.assertFalse(any(a == good for a in answers))
        self.sim.control("clear", unit=METER)
        self.assertEqual(self.raw()[0][:9], good[:9])

    def test_fault_ends_by_itself_and_leaves_others_alone(self):
        self.sim.control("fault", unit=METER, kind="silent", for_s=4)
        self.assertEqual(self.client.chain()[1], 40002)
        self.assertEqual(self.raw(seconds=0.2)[0], b"")
        time.sleep(4.1)
        self.assertEqual(len(self.raw()[0]), 13)

    def test_writes_only(self):
        self.sim.control("fault", unit=CHARGER, kind="exception", code=4, on="write")
        self.client.keba(1000)
        self.raises(4, self.client.write1, 5004, 8000)
        self.assertEqual(self.sim.control("writes")["writes"][-1]["exception"], 4)

    def test_freeze_and_bad_soc(self):
        base = self.client.chain()[713]
        self.sim.control("fault", unit=METER, kind="freeze")
        before = self.client.float(52)
        self.sim.control("set", load_w=9000)
        self.sim.wait(lambda s: s["grid_w"] > 3000)
        self.assertEqual(self.client.float(52), before)
        self.sim.control("fault", unit=BATTERY, kind="bad_soc", value=65083)
        wait_for(lambda: self.client.read(base + 4, 1) == [65083], 10, "the false charge")
        self.sim.control("clear")
        wait_for(lambda: self.client.read(base + 4, 1)[0] < 1001, 10, "the right charge")
        wait_for(lambda: self.client.float(52) > 3000, 10, "a meter that moves")

    def test_slow_unit_holds_up_nobody(self):
        self.sim.control("fault", unit=METER, kind="slow", ms=4000)
        done = []
        slow = threading.Thread(target=lambda: done.append(self.raw(seconds=20)))
        slow.start()
        time.sleep(0.2)
        for _ in range(100):
            self.client.read(40000, 100)
        self.assertFalse(done, "the others were answered while it was slow")
        slow.join()
        self.assertEqual(len(done[0][0]), 13)


class Server(SimTest):
    ARGS = ("--extra-ports", "2", "--load", "400")

    def test_many_clients_and_ports(self):
        self.assertEqual(len(set(self.sim.ports)), 3)
        clients = [Client(self.sim.ports[i % 3]) for i in range(24)]
        for c in clients:
            self.assertEqual(c.read(40000, 2), [0x5375, 0x6E53])
        for c in clients:
            c.close()

    def test_more_clients_than_places(self):
        sockets = [socket.create_connection(("127.0.0.1", self.sim.port)) for _ in range(70)]
        time.sleep(0.2)
        for s in sockets:
            s.close()
        time.sleep(0.2)
        Client(self.sim.port).close()
        self.assertEqual(self.client.read(40000, 1), [0x5375])

    def test_nonsense_on_the_wire(self):
        for junk in (b"\0" * 12, os.urandom(300), b"GET / HTTP/1.0\r\n\r\n", struct.pack(">HHH", 1, 0, 255) + b"\1\3" * 200):
            with socket.create_connection(("127.0.0.1", self.sim.port)) as s:
                s.settimeout(2)
                s.sendall(junk)
                try:
                    while s.recv(4096):
                        pass
                except (ConnectionResetError, socket.timeout):
                    pass
        with socket.create_connection(("127.0.0.1", self.sim.port)) as s:  # in pieces, and two at once
            frame = struct.pack(">HHHBBHH", 9, 0, 6, 1, 3, 40000, 2)
            for b in frame:
                s.sendall(bytes([b]))
                time.sleep(0.005)
            self.assertEqual(s.recv(64)[9:], b"SunS")
            s.sendall(frame + frame)
            data = b""
            while len(data) < 26:
                data += s.recv(64)
            self.assertEqual(data[:13], data[13:])

    def test_control_refuses_bad_input(self):
        for line, want in (("{bad", "JSON"), ("[1]", "cmd"), ('{"cmd":1}', "cmd"), ('{"cmd":"nonsense"}', "unknown cmd"),
                           ('{"cmd":"set","lod_w":1}', "lod_w"), ('{"cmd":"set","load_w":-1}', "load_w"),
                           ('{"cmd":"set","soc_pct":"x"}', "soc_pct"), ('{"cmd":"set","soc_pct":1e999}', ""),
                           ('{"cmd":"set","car":7}', "car"), ('{"cmd":"set","time":"25:00"}', "HH:MM"),
                           ('{"cmd":"fault","unit":1,"kind":"tired"}', "tired"), ('{"cmd":"fault","unit":9,"kind":"slow"}', "unit 9"),
                           ('{"cmd":"fault","unit":10,"kind":"bad_soc"}', "state of charge"), ('{"cmd":"grid"}', "lost"),
                           ('{"cmd":"speed","speed":0}', "speed"), ('{"cmd":"flip"}', "key"),
                           ('{"cmd":"flip","key":"whsec_*"}', "whsec"), ("[" * 40, "")):
            answer = self.sim.send(line)
            self.assertIn(want, answer["error"], line)
        self.sim.control("set", load_w=None, pv_w=100, sun="auto", soc_pct=33, time="07:30", car={"plugged": True})
        self.assertAlmostEqual(self.sim.get()["soc_pct"], 33, delta=0.1)
        with socket.create_connection(("127.0.0.1", self.sim.control_port)) as s:
            s.sendall(b" " * 70000)
            s.settimeout(5)
            self.assertIn(b"longer than", s.recv(200))
        self.assertTrue(self.sim.get()["ok"])

    def test_speed_and_quit(self):
        self.sim.control("set", load_w=3000, pv_w=0, soc_pct=50)
        self.sim.control("speed", speed=1000)
        self.sim.wait(lambda s: s["soc_pct"] < 45, 20)
        self.sim.control("quit")
        self.assertEqual(self.sim.process.wait(timeout=10 * SLOW), 0)


class CommandLine(unittest.TestCase):
    def run_sim(self, *args):
        binary = os.path.join(os.environ["HEARTH_BUILD"], "tests", "hearth-sim")
        return subprocess.run([binary, *args], capture_output=True, text=True, timeout=60)

    def test_exit_codes(self):
        self.assertIn("Usage", self.run_sim("--help").stdout)
        for args, want in ((("--nonsense",), "nonsense"), (("--port", "x"), "not a number"), (("--port", "70000"), "outside"),
                           (("--soc", "nan"), "not a number"), (("--battery-models", "9"), "704, 124 or both"),
                           (("--time", "7"), "HH:MM"), (("--car-phases", "2"), "1 or 3"), (("extra",), "no arguments")):
            out = self.run_sim(*args)
            self.assertEqual(out.returncode, 2, args)
            self.assertIn(want, out.stderr)
        self.assertEqual(self.run_sim("--listen", "nowhere").returncode, 1)

    def test_port_taken(self):
        with Sim() as sim:
            out = self.run_sim("--port", str(sim.port))
            self.assertEqual(out.returncode, 1)
            self.assertIn("cannot listen", out.stderr)

    def test_unix_control_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "control")
            binary = os.path.join(os.environ["HEARTH_BUILD"], "tests", "hearth-sim")
            with subprocess.Popen([binary, "--port", "0", "--control", path], stdout=subprocess.PIPE, text=True) as p:
                p.stdout.readline()
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(path)
                    s.sendall(b'{"cmd":"quit"}\n')
                    self.assertEqual(s.recv(100), b'{"ok":true}\n')
                self.assertEqual(p.wait(timeout=10 * SLOW), 0)

    def test_models_and_charger(self):
        for models, want in (("124", [1, 103, 120, 64110, 124, 802]), ("704", [1, 64110, 701, 702, 704, 713, 802])):
            with Sim("--battery-models", models, "--charger", "p40", "--no-reversion") as sim:
                client = Client(sim.port)
                self.assertEqual(list(client.chain()), want)
                self.assertGreater(client.keba(1016), 1000000)
                client.write1(5004, 0)
                client.close()


class Flip(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(scratch()).start()
        self.port = self.broker.port
        self.addCleanup(self.broker.stop)
        self.sim = Sim()
        self.addCleanup(self.sim.stop)

    def listen(self, form):
        before = self.broker.log().count("Sending SUBACK")
        listener = subprocess.Popen(["mosquitto_sub", "-V", "5", "-p", str(self.port), "-t", "hearth/1/home-0042/flip/in", "-C", "1",
                                     "-W", "30", "-F", form], stdout=subprocess.PIPE, text=True)
        wait_for(lambda: self.broker.log().count("Sending SUBACK") > before, 10, "the subscription")
        return listener

    def heard_wrapped(self, **flip):
        """Sends a wrapped command; returns the answer and the headers and body a subscriber saw."""
        listener = self.listen("%p")
        answer = self.sim.control("flip", mqtt_host="127.0.0.1", mqtt_port=self.port, key=KEY, wrapped=True, **flip)
        wrapped = json.loads(listener.communicate(timeout=40)[0])
        return answer, wrapped["headers"], wrapped["body"]

    def check(self, headers, body):
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
        digest = hmac.new(base64.b64decode(KEY[6:]), text, hashlib.sha256).digest()
        self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(digest).decode())
        self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 30)

    def test_wrapped(self):
        answer, headers, body = self.heard_wrapped(mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=3000, reserve_pct=30,
                                                   starts_in_s=2, duration_s=60, site="home-0042", device_id="bat-0042-1")
        self.check(headers, body)
        self.assertEqual(headers["webhook-id"], answer["webhook_id"])
        command = json.loads(body)["event_object"]
        self.assertEqual(command["id"], answer["id"])
        self.assertEqual(command["battery_commands"], {"mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 3000,
                                                       "enable_grid_import": None, "backup_reserve_percentage": 30})
        self.assertEqual(answer["ends_at_ms"] - answer["starts_at_ms"], 60000)

    def test_user_properties(self):
        listener = self.listen("%P\n%p")
        answer = self.sim.control("flip", mqtt_port=self.port, key=KEY, id="11111111-2222-4333-8444-555555555555")
        first, body = listener.communicate(timeout=40)[0].rstrip("\n").split("\n", 1)
        headers = dict(pair.split(":", 1) for pair in first.split(" ") if ":" in pair)
        self.check(headers, body)
        self.assertEqual(json.loads(body)["event_object"]["id"], answer["id"])

    def test_forgery_and_missing_broker(self):
        _, headers, body = self.heard_wrapped(signature="v1,AAAA", body='{"any":"thing"}', timestamp="1")
        self.assertEqual((headers["webhook-signature"], headers["webhook-timestamp"], body), ("v1,AAAA", "1", '{"any":"thing"}'))
        self.broker.stop()
        with self.assertRaises(SimError) as caught:
            self.sim.control("flip", mqtt_port=self.port, key=KEY)
        self.assertIn("cannot be reached", str(caught.exception))


if __name__ == "__main__":
    unittest.main(verbosity=1)
