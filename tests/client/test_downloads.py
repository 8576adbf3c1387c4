"""Downloads over bad connections: resumed, checked, and only then installed."""

import random
import time

import server
from boots import BootCase
from pythons import each_python

SIZE = 5_000_000
PIECE = 100_000
IMAGE = random.Random(4).getrandbits(8 * SIZE).to_bytes(SIZE, "big")


class BadLine:
    """Sends 503 twice, stalls once, closes the connection every 100 KB, and changes a byte once."""

    def __init__(self):
        self.asked = 0
        self.spoiled = False

    def __call__(self, request):
        if request.local_path != "/files/images/EOS.swi":
            return False
        self.asked += 1
        if self.asked <= 2:
            return request.fail(503, "busy")
        status, headers, body = request.forward()
        if self.asked == 3:
            request.reply(status, headers, body, break_after=1000)
            time.sleep(4)
            return True
        if not self.spoiled and len(body) < SIZE // 2:
            self.spoiled = True
            body = bytes([body[0] ^ 1]) + body[1:]
        request.reply(status, headers, body, break_after=PIECE)
        return True


@each_python
class Downloads(BootCase):
    def image_boot(self, *more):
        server.put_file("images/EOS.swi", IMAGE)
        server.put_file("imaged.config", "hostname imaged\n")
        image = {"url": "files/images/EOS.swi", "version": "4.31.0F"}
        server.define(self.serial, ("install_image", image), *more,
                      ("add_config", {"url": "files/imaged.config"}))

    def test_an_image(self):
        self.image_boot(("verify_image", {"url": "files/images/EOS.swi"}))
        switch = self.switch()
        self.boots(switch)
        self.assertEqual((switch.flash / "EOS-4.31.0F.swi").read_bytes(), IMAGE)
        self.assertEqual((switch.flash / "boot-config").read_text(), "SWI=flash:/EOS-4.31.0F.swi\n")

    def test_an_image_over_a_bad_connection(self):
        self.image_boot()
        line = BadLine()
        proxy = self.proxy(line)
        switch = self.switch()
        self.boots(switch, proxy.url, ZTP_TIMEOUT="1", ZTP_WAIT_SCALE="0.001")
        self.assertEqual((switch.flash / "EOS-4.31.0F.swi").read_bytes(), IMAGE)
        self.assertTrue(line.spoiled)
        self.assertGreaterEqual(line.asked, 2 + 1 + 2 * SIZE // PIECE)
        self.assertIn("stalled", self.output)
        self.assertIn("its sha1 is", self.output)

    def test_an_image_on_flash_is_not_fetched_again(self):
        self.image_boot()
        switch = self.switch()
        (switch.flash / "EOS-4.31.0F.swi").write_bytes(IMAGE)
        proxy = self.proxy()
        self.boots(switch, proxy.url)
        self.assertEqual(proxy.paths("^/files/images"), [])
        self.assertIn("is there already", self.output)

    def test_a_server_without_ranges(self):
        """If the server sends the complete file again, the client starts the file again."""
        server.put_file("whole", IMAGE[:300_000])
        server.define(self.serial,
                      ("copy_file", {"src_url": "files/whole", "dst_url": "/mnt/flash"}),
                      ("add_config", {"url": "files/end"}))
        server.put_file("end", "hostname end\n")
        drops = []

        def rule(request):
            if request.local_path != "/files/whole":
                return False
            request.headers.__delitem__("Range")
            status, headers, body = request.forward()
            drops.append(request.headers.get("If-Range"))
            request.reply(status, headers, body, 200_000 if len(drops) < 3 else None)
            return True

        switch = self.switch()
        self.boots(switch, self.proxy(rule).url)
        self.assertEqual((switch.flash / "whole").read_bytes(), IMAGE[:300_000])
        self.assertEqual(len(drops), 3)

    def test_a_file_that_changes_between_the_requests(self):
        server.put_file("changing", IMAGE[:300_000])
        server.put_file("end", "hostname end\n")
        server.define(self.serial,
                      ("copy_file", {"src_url": "files/changing", "dst_url": "/mnt/flash"}),
                      ("add_config", {"url": "files/end"}))
        asked = []

        def rule(request):
            if request.local_path != "/files/changing":
                return False
            asked.append(request.headers.get("Range"))
            if len(asked) == 2:
                server.put_file("changing", IMAGE[300_000:600_000])
            status, headers, body = request.forward()
            request.reply(status, headers, body, 200_000 if len(asked) == 1 else None)
            return True

        switch = self.switch()
        self.boots(switch, self.proxy(rule).url)
        self.assertEqual((switch.flash / "changing").read_bytes(), IMAGE[300_000:600_000])
        self.assertEqual(asked[:2], [None, "bytes=200000-"])
