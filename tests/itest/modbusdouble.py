"""Modbus servers nobody here wrote (Debian's pymodbus), scripted serial slaves, and the client that talks to them
through our bus (the program itest_bus).

As a program: `modbusdouble.py tcp PORT` or `modbusdouble.py rtu DEVICE BAUD` runs a pymodbus server with the units 1 and 7.
Every table of unit u starts at address 0 with 200 values: registers u * 1000 + address, coils address % 3 == 0."""

import json
import os
import select
import subprocess
import sys
import threading
import time

import hearthtest

OK, TIMEOUT, BAD_ANSWER, NO_LINK, EXPIRED, NOT_TRIED, REPLACED = 0, 32, 33, 34, 35, 36, 37


def serve(argv):
    from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
    from pymodbus.server import StartSerialServer, StartTcpServer
    from pymodbus.transaction import ModbusRtuFramer

    def unit(u):
        words = [u * 1000 + a for a in range(200)]
        bits = [a % 3 == 0 for a in range(200)]
        return ModbusSlaveContext(
            di=ModbusSequentialDataBlock(0, list(bits)), co=ModbusSequentialDataBlock(0, list(bits)),
            hr=ModbusSequentialDataBlock(0, list(words)), ir=ModbusSequentialDataBlock(0, list(words)), zero_mode=True)

    context = ModbusServerContext(slaves={1: unit(1), 7: unit(7)}, single=False)
    if argv[0] == "tcp":
        StartTcpServer(context=context, address=("127.0.0.1", int(argv[1])), allow_reuse_address=True)
    else:
        StartSerialServer(context=context, framer=ModbusRtuFramer, port=argv[1], baudrate=int(argv[2]), parity="N",
                          broadcast_enable=True)


def tcp_server(folder, port, wait=True):
    server = hearthtest.Program([sys.executable, os.path.abspath(__file__), "tcp", str(port)], folder, name="pymodbus")
    server.start()
    if wait:
        hearthtest.wait_for(lambda: hearthtest.listening(port), 20, "pymodbus listens")
    return server


def rtu_server(folder, device, baud=19200):
    server = hearthtest.Program([sys.executable, os.path.abspath(__file__), "rtu", device, str(baud)], folder, name="pymodbus")
    return server.start()


def pty_pair(folder, a, b):
    """Two serial lines joined by socat; returns the program that keeps them."""
    pair = hearthtest.Program(["socat", f"pty,raw,echo=0,link={a}", f"pty,raw,echo=0,link={b}"], folder, name="socat").start()
    hearthtest.wait_for(lambda: os.path.exists(a) and os.path.exists(b), 10, "socat made its lines")
    return pair


def crc(data):
    c = 0xFFFF
    for byte in data:
        c ^= byte
        for _ in range(8):
            c = c >> 1 ^ 0xA001 if c & 1 else c >> 1
    return bytes((c & 0xFF, c >> 8))


class SerialSlave(threading.Thread):
    """A slave that does what a script says: answer(request number, request) yields (delay in s, bytes) pairs."""

    def __init__(self, device, answer):
        super().__init__(daemon=True)
        self.fd = os.open(device, os.O_RDWR | os.O_NOCTTY)
        self.answer = answer
        self.requests = []
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            request = b""
            while len(request) < 8:  # only requests of 8 bytes are scripted
                request += os.read(self.fd, 8 - len(request))
            assert crc(request[:-2]) == request[-2:], request.hex()
            self.requests.append((time.monotonic(), request))
            for delay, data in self.answer(len(self.requests) - 1, request):
                time.sleep(delay)
                os.write(self.fd, data)

    def stop(self):
        self.ended = True
        self.join()
        os.close(self.fd)


def registers(unit, *values):
    """A right RTU answer to function 3."""
    data = bytes((unit, 3, 2 * len(values))) + b"".join(v.to_bytes(2, "big") for v in values)
    return data + crc(data)


class Bus:
    """Our bus. batch() submits without waiting, ask() waits for its result."""

    def __init__(self, *args):
        self.process = subprocess.Popen([hearthtest.program("itest_bus"), *map(str, args)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=hearthtest._die_with_parent)
        self.number = 0
        self.results = {}

    def batch(self, unit, *requests, command=None, device=1, expires_ms=0):
        """requests: (fc, address, count or [words], gap_ms = 0). Returns the number of the batch."""
        self.number += 1
        texts = []
        writes = False
        for fc, address, what, *gap in requests:
            words = what if isinstance(what, list) else []
            writes |= fc > 4
            texts.append(",".join(map(str, [fc, address, len(words) or what, gap[0] if gap else 0, *words])))
        lane = "c" if (writes if command is None else command) else "r"
        self._send(f"{self.number} {device} {unit} {lane} {expires_ms} {' '.join(texts)}")
        return self.number

    def result(self, number, timeout=20):
        while number not in self.results:
            answer = self._receive(timeout)
            self.results[answer["id"]] = answer
        return self.results.pop(number)

    def ask(self, unit, *requests, **how):
        return self.result(self.batch(unit, *requests, **how))

    def read(self, unit, address, count, fc=3):
        """The words, or the status when it is not 0."""
        answer = self.ask(unit, (fc, address, count))
        return answer["words"][0] if answer["status"][0] == OK else answer["status"][0]

    def stats(self):
        self._send("stats")
        while True:
            answer = self._receive(5)
            if "stats" in answer:
                return answer["stats"]
            self.results[answer["id"]] = answer

    def close(self):
        """Exit code; the time it took must stay within one transaction, which the caller knows."""
        self.process.stdin.close()
        with self.process.stdout as rest:
            rest.read()
        return self.process.wait(15 * hearthtest.SLOW)

    def _send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _receive(self, timeout):
        timer = threading.Timer(timeout * hearthtest.SLOW, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        assert line, "the bus program ended, or gave no result in time"
        return json.loads(line)


if __name__ == "__main__":
    serve(sys.argv[1:])
