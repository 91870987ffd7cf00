"""The bus on a serial line (a socat pty pair; a pty cannot prove baud and parity): pymodbus, and scripted slaves that are
late, garbled or foreign."""

import os
import time
import unittest

import hearthtest
import modbusdouble
from modbusdouble import BAD_ANSWER, NO_LINK, OK, TIMEOUT, Bus, SerialSlave, registers

TIMEOUT_MS = round(300 * hearthtest.SLOW)
BAUD = 19200


class BusRtu(unittest.TestCase):
    def setUp(self):
        self.folder = hearthtest.scratch()
        self.ours = os.path.join(self.folder, "ours")
        self.theirs = os.path.join(self.folder, "theirs")
        self.bus = self.slave = self.pair = None

    def tearDown(self):
        if self.bus:
            self.assertEqual(self.bus.close(), 0)
        if self.slave:
            self.slave.stop()
        if self.pair:
            self.pair.kill()

    def lines(self):
        self.pair = modbusdouble.pty_pair(self.folder, self.ours, self.theirs)

    def scripted(self, answer):
        self.lines()
        self.slave = SerialSlave(self.theirs, answer)
        self.bus = Bus("rtu", self.ours, BAUD, TIMEOUT_MS)
        return self.bus

    def until_ok(self, bus, timeout=30):
        hearthtest.wait_for(lambda: bus.read(1, 5, 1) == [1005], timeout, "the bus joins", 0.1)

    def test_pymodbus(self):
        self.lines()
        server = modbusdouble.rtu_server(self.folder, self.theirs, BAUD)
        bus = self.bus = Bus("rtu", self.ours, BAUD, TIMEOUT_MS)
        self.until_ok(bus)
        self.assertEqual(bus.read(7, 10, 125), [7000 + a for a in range(10, 135)])
        self.assertEqual(bus.read(1, 1, 21, 1), [int(a % 3 == 0) for a in range(1, 22)])
        answer = bus.ask(1, (16, 20, list(range(50))), (6, 70, [12]), (5, 1, [1]), (15, 20, [1, 0, 1]), (3, 20, 51))
        self.assertEqual(answer["status"], [OK] * 5)
        self.assertEqual(answer["words"][4], list(range(50)) + [12])
        self.assertEqual(bus.ask(1, (3, 150, 100))["status"], [2])
        self.assertIn(bus.ask(9, (3, 5, 1))["status"][0], (11, TIMEOUT))  # absent (pymodbus says 11 as a gateway would)
        self.assertEqual(bus.read(7, 5, 1), [7005])
        self.assertEqual(bus.ask(0, (6, 90, [77]))["status"], [OK])  # broadcast: nobody answers
        self.assertEqual(bus.read(1, 90, 1), [77])
        self.assertEqual(bus.read(7, 90, 1), [77])
        server.stop()

    def test_late_answer_is_not_taken_for_the_next(self):
        # The first answer comes 1.0 to 1.9 timeouts after its request, with a number of its own.
        for lateness in (1.05, 1.3, 1.6, 1.9):
            with self.subTest(lateness=lateness):
                late = lateness * TIMEOUT_MS / 1000

                def answer(i, request):
                    return [(late if i == 0 else 0.02, registers(1, 1111 if i == 0 else 2222 + i))]

                bus = self.scripted(answer)
                first = bus.batch(1, (3, 5, 1))
                second = bus.batch(1, (3, 5, 1))
                self.assertEqual(bus.result(first)["status"], [TIMEOUT])
                result = bus.result(second)
                self.assertEqual((result["status"], result["words"]), ([OK], [[2223]]))
                self.assertEqual(bus.read(1, 5, 1), [2224])
                self.tearDown()
                self.setUp()

    def test_late_answer_to_another_unit(self):
        def answer(i, request):
            return [(1.5 * TIMEOUT_MS / 1000 if i == 0 else 0.02, registers(request[0], 1000 * request[0] + i))]

        bus = self.scripted(answer)
        numbers = [bus.batch(unit, (3, 5, 1)) for unit in (4, 1, 4)]
        results = [bus.result(n) for n in numbers]
        self.assertEqual([r["status"] for r in results], [[TIMEOUT], [OK], [OK]])
        self.assertEqual([r["words"] for r in results], [[[]], [[1001]], [[4002]]])

    def test_line_stays_quiet_after_a_timeout(self):
        bus = self.scripted(lambda i, request: [] if i == 0 else [(0, registers(1, 7))])
        numbers = [bus.batch(1, (3, 5, 1)) for _ in range(2)]
        self.assertEqual([bus.result(n)["status"] for n in numbers], [[TIMEOUT], [OK]])
        pause = self.slave.requests[1][0] - self.slave.requests[0][0]
        self.assertGreater(pause, 1.95 * TIMEOUT_MS / 1000)

    def test_dripping_slave_is_bounded(self):
        whole = registers(1, *range(12))
        bus = self.scripted(lambda i, request: [(0.05, bytes((b,))) for b in whole] if i == 0 else [(0, registers(1, 5))])
        first = bus.batch(1, (3, 5, 12))
        second = bus.batch(1, (3, 5, 1))
        result = bus.result(first)
        self.assertEqual(result["status"], [TIMEOUT])
        self.assertLess(result["ms"], TIMEOUT_MS + 600 * hearthtest.SLOW)
        # Drops fall for 1.5 s; the next request waits until the line is silent.
        result = bus.result(second)
        self.assertEqual((result["status"], result["words"]), ([OK], [[5]]))

    def test_garbled_answers(self):
        good = registers(1, 42)
        scripts = [
            good[:-1] + bytes((good[-1] ^ 1,)),      # CRC
            registers(2, 42),                         # unit
            registers(0, 42),                         # nobody answers as 0
            bytes((1, 4)) + good[2:-2] + b"\0\0",     # function, and its CRC
            bytes((1, 0x83, 12)) + modbusdouble.crc(bytes((1, 0x83, 12))),  # no exception of the specification
            registers(1, 42, 43),                     # longer than asked
            b"\xff\x00\xff" + good,                   # noise in front
        ]
        bus = self.scripted(lambda i, request: [(0.02, scripts[i // 2] if i % 2 == 0 else registers(1, 100 + i))])
        for i, script in enumerate(scripts):
            with self.subTest(script=script.hex()):
                status = bus.ask(1, (3, 5, 1))["status"][0]
                self.assertIn(status, (BAD_ANSWER, TIMEOUT))
                self.assertEqual(bus.read(1, 5, 1), [100 + 2 * i + 1])
        self.assertEqual(bus.stats()["connects"], 1)

    def test_exceptions(self):
        def answer(i, request):
            data = bytes((request[0], request[1] | 0x80, i + 1))
            return [(0, data + modbusdouble.crc(data))]

        bus = self.scripted(answer)
        self.assertEqual([bus.ask(1, (3, 5, 1))["status"][0] for _ in range(11)], list(range(1, 12)))

    def test_device_appears_goes_and_comes(self):
        bus = self.bus = Bus("rtu", self.ours, BAUD, TIMEOUT_MS)
        self.assertEqual(bus.read(1, 5, 1), NO_LINK)
        self.assertIn("No such file", bus.stats()["last_error"])
        for _ in range(2):
            self.lines()
            server = modbusdouble.rtu_server(self.folder, self.theirs, BAUD)
            self.until_ok(bus)
            self.pair.kill()
            for path in self.ours, self.theirs:
                if os.path.islink(path):
                    os.unlink(path)
            hearthtest.wait_for(lambda: bus.read(1, 5, 1) == NO_LINK, 15, "the line is gone")
            server.kill()

    def test_end_is_bounded(self):
        bus = self.scripted(lambda i, request: [])
        bus.batch(1, (3, 5, 1))
        bus.batch(1, (3, 5, 1))
        hearthtest.wait_for(lambda: self.slave.requests, 10, "the first request")
        begun = time.monotonic()
        self.assertEqual(bus.close(), 0)
        self.bus = None
        self.assertLess(time.monotonic() - begun, TIMEOUT_MS / 1000 + 2 * hearthtest.SLOW)

    def test_reserved_units_are_refused(self):
        self.lines()
        bus = self.bus = Bus("rtu", self.ours, BAUD, TIMEOUT_MS)
        self.assertEqual(bus.ask(248, (3, 5, 1)).get("error"), -22)
        self.assertEqual(bus.ask(0, (3, 5, 1)).get("error"), -22)


if __name__ == "__main__":
    unittest.main()
