"""Starts hearth-sim and talks to its control port. For tests and the demo; standard library only.

    with Sim("--battery-wh", "100") as sim:
        sim.control("set", load_w=800)
        print(sim.get()["grid_w"], sim.port)
"""
import json
import os
import socket
import subprocess
import time


SLOW = float(os.environ.get("HEARTH_SLOW", "1"))  # factor on every time limit, as in the integration tests


class SimError(Exception):
    pass


class Sim:
    def __init__(self, *args, binary=None):
        build = os.environ.get("HEARTH_BUILD", "build")
        self.binary = binary or os.path.join(build, "tests", "hearth-sim")
        self.process = subprocess.Popen(
            [self.binary, "--port", "0", "--control-port", "0", "--die-with-parent", *args], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SimError(f"hearth-sim did not start, exit {self.process.wait()}")
        ready = json.loads(line)
        self.port, self.ports, self.control_port = ready["modbus_port"], ready["modbus_ports"], ready["control_port"]
        self.flip_port, self.flatpeak_port = ready.get("flip_port"), ready.get("flatpeak_port")  # None with --no-clouds
        self.socket = socket.create_connection(("127.0.0.1", self.control_port), timeout=15 * SLOW)
        self.lines = self.socket.makefile("r")

    def send(self, text):
        """One line as it stands; returns the answer, also when it is an error."""
        self.socket.sendall(text.encode() + b"\n")
        return json.loads(self.lines.readline())

    def control(self, cmd, **keys):
        answer = self.send(json.dumps({"cmd": cmd, **keys}))
        if "error" in answer:
            raise SimError(answer["error"])
        return answer

    def get(self):
        return self.control("get")

    def flip_command(self, **keys):
        """A command at the mock Flip; returns its id."""
        return self.control("flip_command", **keys)["id"]

    def flip_commands(self, **keys):
        return self.control("flip_commands", **keys)["commands"]

    def flip_points(self, device_id=None):
        """Every telemetry point the mock Flip keeps, by first arrival."""
        points, since = [], 0
        while True:
            answer = self.control("flip_telemetry", since=since, **({"device_id": device_id} if device_id else {}))
            points += answer["points"]
            since = answer["next"]
            if since >= answer["total"]:
                return points

    def clouds(self, state, cloud="all"):
        """up, cut or hang."""
        self.control("cloud", cloud=cloud, state=state)

    def wait(self, what, timeout=10.0):
        """Waits until what(get()) is true and returns that state."""
        end = time.monotonic() + timeout * SLOW
        while True:
            state = self.get()
            if what(state):
                return state
            if time.monotonic() > end:
                raise SimError(f"waited {timeout * SLOW:g} s in vain; state: {json.dumps(state)}")
            time.sleep(0.05)

    def stop(self):
        """Ends it; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=10 * SLOW)
        self.lines.close()
        self.socket.close()
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
