"""What was set is kept, or it is said that it is not: a damaged row of the owner's, a database that is gone, a pause while limits
stand, two sources of limits; and that the agent is there, when another's goodbye comes late. Real agent, simulated home."""
import os
import shutil
import sqlite3
import subprocess
import sys

from agenttest import Home, R
from hearthtest import run_tests, wait_for

home = None


def warnings():
    return home.mqtt.ok(R, "state.get", {"parts": ["agent"]})["agent"]["warnings"]


def database(sql, *values):
    with sqlite3.connect(os.path.join(home.agent.state_dir, "hearth.db")) as db:
        db.execute(sql, values)
    db.close()


def restarted(change):
    home.stop()
    change()
    home.agent.start()
    home.ready()


def owner_row(body):
    home.ctl("reserve", "60")
    restarted(lambda: database("UPDATE setting SET body = ? WHERE key = 'owner'", body))


def test_a_late_goodbye_is_answered():
    """The old agent's, or the broker's will for it: its tools would believe that nobody is there."""
    for _ in range(2):
        since, said = home.mqtt.count(), home.agent.log().count("somebody else said offline")
        home.mqtt.publish(R + "/status", "offline", retain=True)
        wait_for(lambda: [m.payload for m in home.mqtt.seen(R + "/status", since)] == ["offline", "online"], 10, "its answer")
        assert home.agent.log().count("somebody else said offline") == said + 1
    home.ctl("ping")
    home.stop()                                                       # its own goodbye stays
    home.agent.start()
    home.ready()


def test_one_bad_member_takes_nothing_else():
    owner_row('{"reserve_pct":60,"reserve_config_pct":20,"overrides":[{"device":"battery","mode":"charge","power_w":"x","until":'
              '"2099-01-01T00:00:00Z"}],"evs":[{"device":"charger","mode":"off","energy_wh":[]}]}')
    assert home.mqtt.get(R + "/site")["floor_pct"] == 60
    assert home.mqtt.wait(R + "/owner")["ev"] == {"charger": "off"}
    assert any("overrides[1].power_w" in w for w in warnings()), warnings()


def test_a_reserve_that_cannot_be_read():
    owner_row('{"reserve_pct":"60","reserve_config_pct":20,"overrides":[],"evs":[]}')
    assert home.mqtt.get(R + "/site")["floor_pct"] == 100
    restarted(lambda: None)
    assert any("100 % is kept" in w for w in warnings()), warnings()
    home.ctl("reserve", "30")
    home.site(lambda s: s["floor_pct"] == 30)
    assert not any("100 % is kept" in w for w in warnings()), warnings()


def test_a_pause_names_the_limits_it_does_not_keep():
    home.mqtt.ok(R, "limit.set", {"import_w": 4000})
    said = home.ctl("override", "pause", "1h")
    assert "but: paused for service until" in said and "the limit from outside of 4000 W import" in said, said
    home.mqtt.wait(R + "/limit", lambda v: any("4000 W import" in w for w in v["warnings"]))
    home.mqtt.wait(R + "/agent", lambda v: any("not kept" in w for w in v["warnings"]))
    home.site(lambda s: s["not_kept"] == ["limit"] and s["limited_by"] == [], what="what nobody keeps")
    assert "warning: paused" in home.ctl("limit")
    home.ctl("override", "resume")
    home.mqtt.wait(R + "/limit", lambda v: v["warnings"] == [])


def test_a_looser_limit_of_another_source_is_named():
    with open(os.path.join(home.agent.state_dir, "users"), "w", encoding="ascii") as f:
        f.write("dso installer\nems installer\n")
    assert home.mqtt.request(R, "limit.set", {"import_w": 4000}, user="dso")["status"] == "ok"
    assert home.mqtt.request(R, "limit.set", {"import_w": 9000}, user="ems")["status"] == "ok"
    home.mqtt.wait(R + "/limit", lambda v: v["import_w"] == 9000 and any("4000 W of dso" in w for w in v["warnings"]))
    assert any("4000 W of dso" in w for w in warnings()), warnings()
    assert home.mqtt.request(R, "limit.set", {"import_w": 5000}, user="dso")["status"] == "ok"
    home.mqtt.wait(R + "/limit", lambda v: v["import_w"] == 5000 and v["warnings"] == [])


def test_a_limit_row_with_nothing_in_it():
    home.mqtt.ok(R, "limit.set", {"import_w": 4000})
    restarted(lambda: database("UPDATE setting SET body = '{}' WHERE key = 'limit'"))
    assert any("stored limit could not be read" in w for w in warnings()), warnings()


def test_a_database_that_is_gone():
    restarted(lambda: os.unlink(os.path.join(home.agent.state_dir, "hearth.db")))
    assert any("gone or empty" in w for w in warnings()), warnings()
    assert any("stored limit could not be read" in w for w in warnings()), warnings()


def test_a_full_disk():
    """Cut off, and begun again on a disk that has filled up: what was set holds, what is asked is refused until there is room."""
    state = home.agent.state_dir
    if os.geteuid() != 0 or shutil.which("mount") is None:
        print("not looked at: a small file system can be mounted by root only", file=sys.stderr)
        return
    home.stop()
    kept = state + "-kept"
    shutil.copytree(state, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", state], check=True)
    try:
        shutil.copytree(kept, state, dirs_exist_ok=True)
        home.agent.start()
        home.ready()
        home.ctl("reserve", "70")
        home.kill()
        with open(os.path.join(state, "filler"), "wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)):
                    pass
            except OSError:
                pass
        home.agent.start()
        home.ready()
        assert home.mqtt.get(R + "/site")["floor_pct"] == 70
        os.unlink(os.path.join(state, "filler"))
        home.ctl("reserve", "30")
        home.stop()
    finally:
        home.agent.kill()
        subprocess.run(["umount", "-l", state], check=True)
    home.agent.start()
    home.ready()


if __name__ == "__main__":
    run_tests([test_a_late_goodbye_is_answered, test_one_bad_member_takes_nothing_else, test_a_reserve_that_cannot_be_read,
               test_a_pause_names_the_limits_it_does_not_keep, test_a_looser_limit_of_another_source_is_named,
               test_a_limit_row_with_nothing_in_it, test_a_full_disk, test_a_database_that_is_gone], abreast=3, home=lambda: Home(soc=60))
