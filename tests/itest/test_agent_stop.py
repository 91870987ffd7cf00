"""A stop that comes when it suits nobody: while the agent starts, reloads, or is stopping already. Each time it ends in order (exit 0)
and the battery, which was found or left under order, is under its own control by then. And hearthd --release, whatever became of
the store. Real agent, simulated home; the instants are random (HEARTH_SEED plays them again)."""
import os
import random
import shutil
import signal
import subprocess
import time

from agenttest import Home
from hearthtest import SLOW, run_tests, seed, wait_for
from test_sim import Client

ROUNDS = int(os.environ.get("HEARTH_STOPS", "5"))  # of each of the four
SEED = seed()
rng = random.Random(SEED)


def steers_itself(home):
    """By the switch in the registers, not by what the battery does: that follows 0.7 s behind."""
    if not hasattr(home, "registers"):
        home.registers = Client(home.modbus_port)
        home.switch = home.registers.chain()[704] + 22
    return home.registers.read(home.switch, 1) == [0]


def steered(home):
    wait_for(lambda: not steers_itself(home), 30, lambda: f"an order in force; log:\n{home.agent.tail()}")


def begin(home):
    """The agent, up to where it listens to signals: before that it has touched nothing."""
    before = home.agent.log().count(": version ")
    home.agent.start()
    wait_for(lambda: home.agent.log().count(": version ") > before, 10, "its first line", interval=0.002)


def stop(home, signals, longest_s):
    for number in signals:
        time.sleep(rng.random() * longest_s * SLOW)
        if home.agent.running():
            home.agent.signal(number)
    code = home.agent.wait(15)
    released = steers_itself(home)
    return None if (code, released) == (0, True) else (code, released, [s.name for s in signals], home.agent.tail(15))


def rounds(signals, longest_s, running):
    """Each round begins with a battery under the order of an agent that was killed."""
    wrong = []
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "2h")
        for i in range(ROUNDS):
            steered(home)
            if not running:
                home.agent.kill()
                begin(home)
            home.agent.configure(home.config().replace("soc_min_pct = 5", f"soh_pct = {70 + i % 40}"))  # another plant, for SIGHUP
            wrong.append(stop(home, signals, longest_s))
            home.agent.start()
        steered(home)
    print(f"     {ROUNDS} stops, HEARTH_SEED={SEED}")
    assert wrong == [None] * ROUNDS, "HEARTH_SEED=%d\n%s" % (SEED, "\n".join(str(w) for w in wrong))


def test_while_it_starts():
    rounds([signal.SIGTERM], 0.6, running=False)


def test_while_it_starts_twice():
    rounds([signal.SIGTERM, signal.SIGTERM], 0.3, running=False)


def test_while_it_reloads():
    rounds([signal.SIGHUP, signal.SIGTERM], 0.5, running=True)


def test_while_it_reloads_twice():
    rounds([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT], 0.3, running=True)


def test_release_needs_no_store():
    """No folder for it, none that can be one, a database that is rubbish, one that is in use: neither stops the release."""
    with Home(soc=60) as home:
        home.ctl("override", "charge", "battery", "--power", "2000", "--for", "2h")
        db = os.path.join(home.agent.state_dir, "hearth.db")

        def release(state_dir, code=0):
            done = subprocess.run(home.agent.argv + ["--release"], env=dict(home.agent.env, STATE_DIRECTORY=state_dir), timeout=30 * SLOW,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            assert done.returncode == code, (state_dir, done)

        for state_dir in ("/nonexistent", "/dev/null", "/proc/self", home.agent.state_dir):
            steered(home)
            home.agent.kill()
            if state_dir == home.agent.state_dir:
                shutil.copy(db, db + ".good")
                with open(db, "wb") as f:
                    f.write(b"rubbish " * 10000)
            release(state_dir)
            assert steers_itself(home), state_dir
            if state_dir == home.agent.state_dir:
                with open(db, "rb") as f:
                    assert f.read(8) == b"rubbish "                   # nor does it touch that
                os.replace(db + ".good", db)
            home.agent.start()
        steered(home)
        home.agent.kill()
        home.sim.stop()
        release("/nonexistent", 1)                                    # nobody answers


if __name__ == "__main__":
    run_tests([test_while_it_reloads_twice, test_while_it_reloads, test_while_it_starts_twice, test_while_it_starts, test_release_needs_no_store],
              abreast=3)
