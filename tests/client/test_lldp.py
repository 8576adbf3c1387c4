"""LLDP that comes late: what the switch reads, when it asks the server, and with which facts."""

import json

import server
from boots import BootCase
from pythons import each_python
from switch import lldp
from test_boot import NEIGHBORDB

READING = "show lldp neighbors | json"
OOB = ("Management1", "oob1", "Ethernet7")
SPINE1 = ("Ethernet49", "spine1", "Ethernet7")
SPINE2 = ("Ethernet50", "spine2", "Ethernet7")
# A neighbour that has not sent its name yet: EOS shows the MAC addresses of chassis and port.
UNNAMED = ("Ethernet49", "001c.73aa.0001", "001c.73aa.0001")


@each_python
class LateNeighbors(BootCase):
    def late(self, *readings):
        """A switch whose neighbours are those at each reading of LLDP, then those of the last."""
        switch = self.switch()
        switch.facts["readings"] = [lldp(neighbors) for neighbors in readings]
        return switch

    def known(self):
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname known\n")

    def watch(self, refuse=lambda neighbors: False):
        """A proxy that answers 400 to facts of which `refuse` is true. `posted` lists all facts."""
        self.posted = []

        def rule(request):
            if request.local_path != "/nodes":
                return False
            neighbors = json.loads(request.request_body)["neighbors"]
            self.posted.append(sorted(neighbors))
            return bool(refuse(neighbors)) and request.fail(400, "not yet")

        return self.proxy(rule)

    def readings(self, switch):
        return (switch.home / "commands.log").read_text().splitlines().count(READING)

    def test_the_first_post_waits_until_two_readings_agree(self):
        self.known()
        switch = self.late([], [SPINE1], [SPINE1, SPINE2], [SPINE2, SPINE1])
        self.boots(switch, self.watch().url)
        self.assertEqual(self.posted, [["Ethernet49", "Ethernet50"]])
        self.assertEqual(self.readings(switch), 4)
        self.assertIn("LLDP shows spine2 on Ethernet50 (its port: Ethernet7)", self.output)

    def test_a_switch_that_sees_nobody_waits_35_seconds(self):
        self.known()
        for neighbors in ([], [OOB], [UNNAMED]):
            switch = self.late(neighbors)
            self.boots(switch, self.watch().url)
            self.assertEqual(len(self.posted), 1)
            self.assertEqual(self.readings(switch), 1 + 35 // 5, neighbors)

    def test_neighbours_that_change_all_the_time_do_not_hold_the_boot(self):
        self.known()
        switch = self.late(*[[SPINE1], [SPINE2]] * 20)
        self.boots(switch, self.watch().url)
        self.assertEqual(len(self.posted), 1)
        self.assertEqual(self.readings(switch), 1 + 90 // 5)

    def test_a_reading_that_fails_is_not_the_end(self):
        self.known()
        once = "if show == READS and not os.path.exists(home + '/once'):\n" \
               "        open(home + '/once', 'w').close()\n" \
               "        refuse('LLDP agent is not ready')\n    if show in facts:"
        switch = self.late([SPINE1])
        fastcli = switch.home / "bin" / "FastCli"
        fastcli.write_text(fastcli.read_text().replace(
            "if show in facts:", once.replace("READS", repr("show lldp neighbors"))))
        self.boots(switch, self.watch().url)
        self.assertIn("cannot read LLDP: 'show lldp neighbors' failed: % LLDP agent", self.output)
        self.assertEqual(self.posted, [["Ethernet49"]])
        self.assertEqual(self.readings(switch), 3)

    def test_lldp_that_cannot_be_read_for_35_seconds_ends_the_boot(self):
        self.known()
        switch = self.late([SPINE1])
        del switch.facts["show lldp neighbors"]
        switch.facts["readings"] = []
        self.refused(switch, "the boot failed: 'show lldp neighbors' failed", self.watch().url)
        self.assertEqual((self.posted, self.readings(switch)), ([], 1 + 35 // 5))

    def test_a_catch_all_does_not_catch_a_switch_whose_neighbours_come_later(self):
        """Two readings that agree on the management port alone do not count, nor does a MAC."""
        server.put_kv("neighbordb", NEIGHBORDB)
        for name in ("late", "quarantine"):
            server.put_file(f"{name}.config", f"hostname {name}\n")
            server.put_kv(f"definitions/{name}", {"name": name, "actions": [
                {"action": "add_config", "attributes": {"url": f"files/{name}.config"}}]})
        at_0s, at_10s, at_40s = [OOB], [OOB, UNNAMED], [OOB, SPINE1, SPINE2]
        switch = self.late(*[at_0s] * 2, *[at_10s] * 6, at_40s)
        proxy = self.watch()
        self.assertEqual(self.boots(switch, proxy.url), "hostname late\n")
        self.assertEqual(self.posted, [["Ethernet49", "Ethernet50", "Management1"]])

    def test_a_refused_node_asks_again_only_when_its_neighbours_change(self):
        self.known()
        settled = [[SPINE1]] * 2
        switch = self.late(*settled, [SPINE1], [OOB, SPINE1], [OOB, SPINE1], [SPINE1, SPINE2])
        proxy = self.watch(lambda neighbors: "Ethernet50" not in neighbors)
        self.boots(switch, proxy.url)
        self.assertEqual(self.posted, [
            ["Ethernet49"], ["Ethernet49", "Management1"], ["Ethernet49", "Ethernet50"]])
        self.assertEqual(self.readings(switch), 6)
        self.assertIn("the server refuses this node (400): not yet", self.output)
        self.assertIn("LLDP shows spine2 on Ethernet50", self.output)
        self.assertIn("LLDP lost oob1 on Management1", self.output)

    def test_a_refused_node_gives_up_after_90_seconds(self):
        switch = self.late([SPINE1])
        proxy = self.watch(lambda _: True)
        self.refused(switch, "the server refuses this node (400): not yet", proxy.url)
        self.assertEqual(self.posted, [["Ethernet49"]])
        self.assertEqual(self.readings(switch), 2 + 90 // 10)

    def test_a_known_node_sends_its_facts_again_when_they_change_while_it_has_no_definition(self):
        """Also if the first answer to them is another 400."""
        self.known()
        switch = self.late(*[[SPINE1]] * 4, [SPINE1, SPINE2])
        posts = self.watch(lambda _: len(self.posted) == 2).rule

        def rule(request):
            incomplete = request.local_path == f"/nodes/{self.serial}" and len(self.posted) < 3
            return posts(request) or incomplete and request.fail(400, "no longer fits")

        proxy = self.proxy(rule)
        self.assertEqual(self.boots(switch, proxy.url), "hostname known\n")
        both = ["Ethernet49", "Ethernet50"]
        self.assertEqual(self.posted, [["Ethernet49"], both, both])
