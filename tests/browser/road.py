"""A bad road between two networks, for the browser tests: what the kernel's own tools for it do (netem) is not in every kernel.

Two TUN devices, packets copied from one to the other by this program, which may be told, a JSON object a line on standard
input, each answered with "ok": delay_ms, jitter_ms, loss (0 to 1), rate_bps (0: any), closed (nothing passes),
drop ([{"proto": "udp" | "tcp", "port": far-off port, "ip": its address}], port and ip may be absent), nat_shift (UDP leaves
with its source port moved by so much, as behind a NAT; another number is a rebind, the old mapping is forgotten).
Settings that are not named go back to their default. It ends with its standard input: nothing is left behind.

    road.py NEAR FAR       the names of the two devices; NEAR is the servers' side
"""

import errno
import fcntl
import heapq
import ipaddress
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
PROTOCOLS = {"tcp": 6, "udp": 17}
# What waits for a slow road before the rest is dropped: as a home router's buffer, not the worst of them.
QUEUE_S = 0.4
EASY = {"delay_ms": 0, "jitter_ms": 0, "loss": 0, "rate_bps": 0, "closed": False, "drop": [], "nat_shift": 0}


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def transport(packet):
    """(protocol, offset of its header), of IPv4 without options' surprises and of IPv6 without extension headers."""
    if packet[0] >> 4 == 6:
        return packet[6], 40
    return packet[9], (packet[0] & 15) * 4


def far_end(packet, up):
    """The address at the servers' side."""
    if packet[0] >> 4 == 6:
        return packet[24:40] if up else packet[8:24]
    return packet[16:20] if up else packet[12:16]


class Direction:
    def __init__(self, out, up, seed):
        self.out, self.up = out, up
        self.random = random.Random(seed)
        self.free_at = 0.0  # when the last bit of the last packet has left
        self.due_at = 0.0  # packets do not overtake each other

    def due(self, packet, settings, now):
        """When the packet arrives; None if never."""
        if settings["closed"] or self.random.random() < settings["loss"] or self.forbidden(packet, settings["drop"]):
            return None
        if settings["rate_bps"]:
            if self.free_at - now > QUEUE_S:
                return None
            self.free_at = max(self.free_at, now) + len(packet) * 8 / settings["rate_bps"]
        else:
            self.free_at = now
        late = (settings["delay_ms"] + self.random.random() * settings["jitter_ms"]) / 1000
        self.due_at = max(self.due_at, self.free_at + late)
        return self.due_at

    def forbidden(self, packet, rules):
        protocol, at = transport(packet)
        if not rules or protocol not in PROTOCOLS.values():
            return False
        ports = struct.unpack_from("!HH", packet, at)
        port = ports[1] if self.up else ports[0]
        address = far_end(packet, self.up)
        return any(
            PROTOCOLS[rule["proto"]] == protocol
            and rule.get("port", port) == port
            and ("ip" not in rule or ipaddress.ip_address(rule["ip"]).packed == address)
            for rule in rules
        )

    def behind_nat(self, packet, shift):
        """The packet as the other side sees it; None if no mapping is there for it any more."""
        protocol, at = transport(packet)
        if protocol != PROTOCOLS["udp"]:
            return packet
        where = at if self.up else at + 2
        (port,) = struct.unpack_from("!H", packet, where)
        moved = port + (shift if self.up else -shift)
        if not 1024 <= moved <= 65535:
            return None
        packet = bytearray(packet)
        struct.pack_into("!H", packet, where, moved)
        (checksum,) = struct.unpack_from("!H", packet, at + 6)
        if checksum:  # RFC 1624
            total = (~checksum & 0xFFFF) + (~port & 0xFFFF) + moved
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            struct.pack_into("!H", packet, at + 6, (~total & 0xFFFF) or 0xFFFF)
        return bytes(packet)


def main():
    near, far = tun(sys.argv[1]), tun(sys.argv[2])
    directions = {far: Direction(near, True, 1), near: Direction(far, False, 2)}
    settings = dict(EASY)
    waiting, number, words = [], 0, b""
    poll = select.poll()
    for fd in (0, near, far):
        poll.register(fd, select.POLLIN)
    os.write(1, b"ok\n")
    while True:
        left = None if not waiting else max(0, (waiting[0][0] - time.monotonic()) * 1000)
        for fd, _ in poll.poll(left):
            if fd == 0:
                read = os.read(0, 65536)
                if not read:
                    return
                *lines, words = (words + read).split(b"\n")
                for line in lines:
                    settings = EASY | json.loads(line)
                    os.write(1, b"ok\n")
                continue
            try:
                packet = os.read(fd, 65536)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):
                    poll.unregister(fd)  # the device was deleted: that is what the test is about
                continue
            direction = directions[fd]
            due = direction.due(packet, settings, time.monotonic())
            if due is not None and settings["nat_shift"]:
                packet = direction.behind_nat(packet, settings["nat_shift"])
            if due is not None and packet is not None:
                number += 1
                heapq.heappush(waiting, (due, number, direction.out, packet))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            *_, out, packet = heapq.heappop(waiting)
            try:
                os.write(out, packet)
            except OSError:
                pass  # the device is down or gone: so is the packet


main()
