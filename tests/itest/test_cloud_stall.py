"""A disk that takes five seconds for a sync: the tick, the devices and the clouds do not wait for it, an answer does."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cloudtest import CloudHome, R, preload, wait_for  # noqa: E402
from hearthtest import SLOW, run_tests, scratch  # noqa: E402

LATE_MS = 250 * SLOW * SLOW  # the figure of the design is a plain build's


def stalled_disk():
    stall_file = os.path.join(scratch(), "stall")
    with CloudHome(env={"STALL_FILE": stall_file, **preload("stall_sync")}) as home:
        before = home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]
        open(stall_file, "w").close()
        answered = []

        def ask():
            home.mqtt.ok(R, "reserve.set", {"pct": 33}, timeout=30)
            answered.append(time.monotonic())

        asked = time.monotonic()
        asking = threading.Thread(target=ask)
        asking.start()
        home.site(lambda s: s["floor_pct"] == 33, 3, "the floor in force before it is on disk")
        in_force = time.monotonic() - asked
        command = home.flip_command(starts_in_s=3600, duration_s=600)  # polled or not: Flip must not hear OK before the disk has it
        wait_for(lambda: time.monotonic() - asked > 4, 10, "four seconds")
        assert not answered, "reserve.set was answered before its sync was over"
        after = home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]
        ticks = after["ticks"] - before["ticks"]
        late = after["tick_late_ms_max"]
        os.unlink(stall_file)
        asking.join(30)
        assert answered and answered[0] - asked >= 4.5, "the answer did not wait for the disk"
        assert ticks >= 6, f"{ticks} ticks in four seconds at two a second"
        assert late < LATE_MS, f"a tick was {late} ms late"
        print(f"floor in force after {in_force:.2f} s, answered after {answered[0] - asked:.2f} s, {ticks} ticks meanwhile, "
              f"latest {late} ms late; command {command['id']} waits for its poll")


run_tests([stalled_disk])
