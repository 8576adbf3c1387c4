"""Late LLDP: the readings of the switch, the time of its first POST, and the facts in it."""

import json
import logging
import random
import types
import unittest

import server
from boots import BootCase
from pythons import each_python
from small_server import bootstrap
from switch import lldp
from test_boot import NEIGHBORDB

READING = "show lldp neighbors | json"
OOB = ("Management1", "oob1", "Ethernet7")
SPINE1 = ("Ethernet49", "spine1", "Ethernet7")
SPINE2 = ("Ethernet50", "spine2", "Ethernet7")
# A neighbor before it has sent its name: EOS shows the MAC addresses of chassis and port.
UNNAMED = ("Ethernet49", "001c.73aa.0001", "001c.73aa.0001")
STATUS = "show interfaces status"


@each_python
class LateNeighbors(BootCase):
    def late(self, *readings):
        """A switch with the given neighbors at each reading of LLDP; the last ones stay."""
        switch = self.switch()
        switch.facts["readings"] = [lldp(neighbors) for neighbors in readings]
        return switch

    def known(self):
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname known\n")

    def watch(self, refuse=lambda neighbors: False):
        """A proxy that sends 400 for facts for which `refuse` is true. `posted` lists all facts."""
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

    def test_a_switch_without_neighbors_waits_35_seconds(self):
        self.known()
        for neighbors in ([], [OOB], [UNNAMED]):
            switch = self.late(neighbors)
            self.boots(switch, self.watch().url)
            self.assertEqual(len(self.posted), 1)
            self.assertEqual(self.readings(switch), 1 + 35 // 5, neighbors)

    def test_readings_that_agree_do_not_end_the_wait_while_a_connected_port_has_no_neighbor(self):
        self.known()
        switch = self.late(*[[SPINE1]] * 5, [SPINE1, SPINE2])
        self.boots(switch, self.watch().url)
        self.assertEqual(self.posted, [["Ethernet49", "Ethernet50"]])
        self.assertEqual(self.readings(switch), 7)
        self.assertIn("waiting until LLDP shows nothing new for 35 s: these ports are connected,"
                      " and show no neighbor by its name yet: Ethernet50 (hosts may", self.output)

    def test_a_leaf_with_servers_waits_35_seconds_and_the_log_names_20_of_its_ports(self):
        self.known()
        switch = self.late([SPINE1, SPINE2])
        servers = ["Ethernet{}/1".format(number) for number in range(1, 31)]
        logical = ["Management1", "Port-Channel1", "Vlan1", "Loopback0", "Vxlan1", "Ethernet31.1"]
        switch.facts["connected"] = [*reversed(servers), *logical, "Ethernet49", "Ethernet50"]
        self.boots(switch, self.watch().url)
        self.assertEqual(self.readings(switch), 1 + 35 // 5)
        self.assertIn(": " + ", ".join(servers[:20]) + " and 10 more (hosts", self.output)
        self.assertEqual(self.output.count("waiting until LLDP shows nothing new"), 1)
        switch.facts["connected"] = [*servers[:20], "Ethernet49", "Ethernet50"]
        self.boots(switch, self.watch().url)
        self.assertIn(": " + ", ".join(servers[:20]) + " (hosts", self.output)

    def test_ports_that_are_not_connected_are_not_waited_for(self):
        self.known()
        switch = self.late([SPINE1, SPINE2])
        switch.facts[STATUS] = {"interfaceStatuses": {
            "Management1": {"linkStatus": "connected"}, "Vlan1": {"linkStatus": "connected"},
            "Ethernet1": {"linkStatus": "notconnect"}, "Ethernet2": {"linkStatus": "errdisabled"},
            "Ethernet49": {"linkStatus": "connected"}, "Ethernet50": {"linkStatus": "connected"}}}
        self.boots(switch, self.watch().url)
        self.assertEqual(self.readings(switch), 2)
        self.assertNotIn("waiting until", self.output)

    def test_without_the_status_of_interfaces_it_waits_35_seconds(self):
        """In an old EOS the command may fail, print text, or print another JSON object."""
        self.known()
        for odd in (None, {}, {"interfaceStatuses": []}, {"interfaceStatuses": {"Ethernet1": None}},
                    {"interfaceStatuses": {"Ethernet1": {"status": "up"}}}, "Port Name Status"):
            switch = self.late([SPINE1], [SPINE1], [SPINE1, SPINE2])
            if odd is None:
                switch.facts["messages"] = {STATUS: "Invalid input"}
            else:
                switch.facts[STATUS] = odd
            self.boots(switch, self.watch().url)
            self.assertEqual(self.posted, [["Ethernet49", "Ethernet50"]])
            self.assertEqual(self.readings(switch), 1 + 2 + 35 // 5, odd)
            commands = (switch.home / "commands.log").read_text()
            self.assertEqual(commands.count(STATUS), 1)
            lines = [line for line in self.output.splitlines() if "waiting until" in line]
            self.assertEqual(len(lines), 1, self.output)
            self.assertIn("cannot tell which ports may bring a neighbor: '" + STATUS, lines[0])

    def test_the_wait_for_neighbors_that_keep_changing_is_bounded(self):
        self.known()
        switch = self.late(*[[SPINE1], [SPINE2]] * 20)
        self.boots(switch, self.watch().url)
        self.assertEqual(len(self.posted), 1)
        self.assertEqual(self.readings(switch), 1 + 90 // 5)

    def test_a_failed_reading_is_retried(self):
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

    def test_a_catch_all_does_not_catch_a_switch_whose_neighbors_come_later(self):
        """Two equal readings with only the management port do not count, nor does a MAC."""
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

    def test_a_refused_node_posts_again_only_when_its_neighbors_change(self):
        self.known()
        settled = [[SPINE1]] * 2
        switch = self.late(*settled, [SPINE1], [OOB, SPINE1], [OOB, SPINE1], [SPINE1, SPINE2])
        switch.facts["connected"] = ["Ethernet49"]  # The other link comes up later.
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
        """Also if the first response to them is another 400."""
        self.known()
        switch = self.late(*[[SPINE1]] * 4, [SPINE1, SPINE2])
        switch.facts["connected"] = ["Ethernet49"]  # The other link comes up later.
        posts = self.watch(lambda _: len(self.posted) == 2).rule

        def rule(request):
            incomplete = request.local_path == f"/nodes/{self.serial}" and len(self.posted) < 3
            return posts(request) or incomplete and request.fail(400, "no longer matches")

        proxy = self.proxy(rule)
        self.assertEqual(self.boots(switch, proxy.url), "hostname known\n")
        both = ["Ethernet49", "Ethernet50"]
        self.assertEqual(self.posted, [["Ethernet49"], both, both])


class Rule(unittest.TestCase):
    """The rule for the time of the first POST, without a process and without waits."""

    SEEDS = range(60)

    def setUp(self):
        self.client = types.ModuleType("client").__dict__
        exec(bootstrap("http://127.0.0.1:9"), self.client)
        log = self.client["log"]
        self.addCleanup(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)

    def settled(self, neighbors, status):
        """(the ports with a neighbor in the first POST, its second).

        `neighbors` has for each port the second of its announcement. `status` has for each
        connected port the second of its link; None is an EOS that does not say.
        """
        now, client = [0], self.client

        def pause(seconds):
            now[0] += seconds

        class Node:
            def neighbors(self):
                return {"neighbors": {
                    port: [{"device": "spine", "port": "Ethernet7"}]
                    for port, second in neighbors.items() if second <= now[0]}}

            def connected_ports(self):
                if status is None:
                    raise client["ZtpError"]("Invalid input")
                return {port for port, second in status.items() if second <= now[0]}

        client["pause"] = pause
        conversation = client["Conversation"](None, Node(), {})
        conversation._settle()
        return set(conversation._facts["neighbors"]), now[0]

    def sites(self, uplinks):
        """Uplinks whose neighbors announce themselves at independent moments, for each seed."""
        for seed in self.SEEDS:
            draw = random.Random(seed)
            yield {f"Ethernet{49 + at}": draw.uniform(0, 30) for at in range(uplinks)}

    def test_facts_are_complete_for_neighbors_at_independent_moments(self):
        for uplinks in (2, 4):
            misled = 0
            for neighbors in self.sites(uplinks):
                links = dict.fromkeys(neighbors, 0)
                servers = {f"Ethernet{number}": 0 for number in range(1, 4)}
                last = max(neighbors.values())
                ports, second = self.settled(neighbors, links)
                self.assertEqual(ports, set(neighbors))
                self.assertLess(second, last + 10)  # No later than two readings after the last.
                for status in ({**links, **servers}, None):
                    ports, second = self.settled(neighbors, status)
                    self.assertEqual(ports, set(neighbors), (neighbors, status))
                    self.assertTrue(35 <= second < last + 40, second)
                # The rule of two equal readings alone would have missed some of the neighbors.
                counts = [sum(at <= now for at in neighbors.values()) for now in range(0, 36, 5)]
                misled += any(0 < one == two < uplinks for one, two in zip(counts, counts[1:]))
            self.assertGreater(misled, len(self.SEEDS) / 3)

    def test_a_link_that_comes_up_meanwhile_is_waited_for_like_the_others(self):
        """Its neighbor may announce itself 30 s after that."""
        for neighbors in self.sites(2):
            links = {"Ethernet49": 0, "Ethernet50": 4}
            later = {port: links[port] + second for port, second in neighbors.items()}
            for status in (links, {**links, "Ethernet1": 0}):
                self.assertEqual(self.settled(later, status)[0], set(later), later)
