"""The bus over TCP against pymodbus: all functions, exceptions, absent units, a server that freezes, dies and comes."""

import signal
import time
import unittest

import hearthtest
import modbusdouble
from modbusdouble import NO_LINK, NOT_TRIED, OK, TIMEOUT, Bus

TIMEOUT_MS = round(400 * hearthtest.SLOW)


class BusTcp(unittest.TestCase):
    def setUp(self):
        self.folder = hearthtest.scratch()
        self.port = hearthtest.free_port()
        self.bus = None

    def tearDown(self):
        if self.bus:
            self.assertEqual(self.bus.close(), 0)

    def connect(self):
        self.bus = Bus("tcp", "127.0.0.1", self.port, TIMEOUT_MS)
        return self.bus

    def until_ok(self, bus, unit=1, timeout=20):
        hearthtest.wait_for(lambda: bus.read(unit, 5, 1) == [unit * 1000 + 5], timeout, "the bus joins", 0.1)

    def test_functions(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        for unit in 1, 7:
            for fc in 3, 4:
                self.assertEqual(bus.read(unit, 10, 125, fc), [unit * 1000 + a for a in range(10, 135)])
            for fc in 1, 2:
                self.assertEqual(bus.read(unit, 1, 21, fc), [int(a % 3 == 0) for a in range(1, 22)])
        words = list(range(123))
        for write, readback in (((6, 3, [65535]), (3, 3, 1)), ((16, 20, words), (3, 20, 123)), ((16, 4, [9]), (3, 4, 1)),
                                ((5, 1, [1]), (1, 1, 1)), ((15, 20, [1, 0, 0, 1, 1, 0, 1, 1, 1]), (1, 20, 9))):
            answer = bus.ask(1, write, readback)
            self.assertEqual(answer["status"], [OK, OK])
            self.assertEqual(answer["words"][1], write[2])
        self.assertEqual(bus.stats()["connects"], 1)
        server.stop()

    def test_exceptions_stop_a_batch(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        answer = bus.ask(1, (3, 150, 100), (6, 3, [1]))
        self.assertEqual(answer["status"], [2, NOT_TRIED])
        self.assertEqual(bus.read(1, 3, 1), [1003])
        self.assertEqual(bus.stats()["connects"], 1)
        server.stop()

    def test_absent_unit_does_not_harm_others(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        self.assertEqual(bus.read(1, 5, 1), [1005])
        answer = bus.ask(9, (3, 5, 1))
        self.assertEqual(answer["status"], [TIMEOUT])
        self.assertLess(answer["ms"], TIMEOUT_MS + 1000 * hearthtest.SLOW)
        self.assertEqual(bus.read(7, 6, 2), [7006, 7007])
        server.stop()

    def test_frozen_server(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        self.assertEqual(bus.read(1, 5, 1), [1005])
        server.signal(signal.SIGSTOP)
        answer = bus.ask(1, (6, 50, [4711]))
        self.assertEqual(answer["status"], [TIMEOUT])
        self.assertLess(answer["ms"], TIMEOUT_MS + 1000 * hearthtest.SLOW)
        statuses = {bus.ask(1, (3, a, 1))["status"][0] for a in range(10)}
        self.assertLessEqual(statuses, {TIMEOUT, NO_LINK})
        server.signal(signal.SIGCONT)
        for a in range(60, 80):  # what the server answers now to old requests must not be taken for new answers
            got = bus.read(1, a, 1)
            self.assertIn(got, ([1000 + a], TIMEOUT, NO_LINK))
            time.sleep(0.05)
        self.until_ok(bus)
        server.stop()

    def test_server_dies_and_comes_back(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        self.assertEqual(bus.read(1, 5, 1), [1005])
        server.kill()
        begun = time.monotonic()
        statuses = [bus.ask(1, (3, 5, 1))["status"][0] for _ in range(20)]
        self.assertLess(time.monotonic() - begun, 4 * hearthtest.SLOW)  # 20 timeouts are twice that
        self.assertEqual(statuses[-1], NO_LINK)
        self.assertEqual(bus.ask(1, (6, 5, [1]))["status"], [NO_LINK])
        server = modbusdouble.tcp_server(self.folder, self.port)
        self.until_ok(bus)
        self.assertEqual(bus.stats()["link_up"], 1)
        server.stop()

    def test_server_comes_later(self):
        bus = self.connect()
        self.assertEqual(bus.read(1, 5, 1), NO_LINK)
        self.assertIn("refused", bus.stats()["last_error"])
        server = modbusdouble.tcp_server(self.folder, self.port)
        self.until_ok(bus)
        server.stop()

    def test_link_is_made_without_being_asked(self):
        server = modbusdouble.tcp_server(self.folder, self.port)
        bus = self.connect()
        hearthtest.wait_for(lambda: bus.stats()["link_up"], 5, "the link")
        self.assertEqual(bus.stats()["requests"], 0)
        server.stop()


if __name__ == "__main__":
    unittest.main()
