"""A network link with a round trip of some milliseconds, made of two TUN devices and a process that holds each packet back.

`tc … netem` would do the same, but many kernels (containers, CI machines) come without it, while TUN is nearly always
there. Nothing but the delay is simulated: TCP's slow start, windows and acknowledgments are those of the kernel.
"""

import collections
import ctypes
import fcntl
import os
import select
import signal
import struct
import subprocess
import time

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 1, 2
# A packet is at most 64 KiB: the kernel hands TCP segments over in one piece and the other side takes them like that.
LARGEST_PACKET = 10 + 65536
CLIENT, SERVER = "10.9.8.1", "10.9.8.2"


class Unavailable(Exception):
    """This machine does not allow a link of its own; says why."""


class Link:
    """Moves this process into a network of its own, from which only 127.0.0.1 of the former one can be reached, over
    the link. It cannot go back: call it in a process made for it, after `start_server`.
    """

    def __init__(self, round_trip_ms, start_server):
        """`start_server` is called where the server belongs: on the far side of the link."""
        try:
            new_namespace()
            run("ip", "link", "set", "lo", "up")
            far = open_tun(SERVER, CLIENT)
            self.server = start_server()
            unshare(CLONE_NEWNET)
            near = open_tun(CLIENT, SERVER)
            # Without an address of its own, 127.0.0.1 is the far side's.
            run("ip", "route", "add", "127.0.0.0/8", "dev", "bench", "src", CLIENT)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable(f"no network namespace or TUN device here ({error})") from error
        self.relay = os.fork()
        if self.relay == 0:
            relay(near, far, round_trip_ms / 2000)

    def close(self):
        os.kill(self.relay, signal.SIGKILL)
        os.waitpid(self.relay, 0)


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_namespace():
    """A network for the server. Who is not root becomes root of a user namespace first."""
    if os.geteuid() == 0:
        return unshare(CLONE_NEWNET)
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def open_tun(address, peer):
    """The descriptor of a TUN device with large packets, as a network card has them."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"bench", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
    run("ip", "address", "add", address, "peer", peer, "dev", "bench")
    run("ip", "link", "set", "bench", "txqueuelen", "10000", "up")
    # Addresses of loopback may come over this device.
    with open("/proc/sys/net/ipv4/conf/bench/route_localnet", "w") as file:
        file.write("1")
    return tun


def relay(near, far, delay):
    """Passes packets on, each `delay` seconds after it came. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # A link does not wait for a processor.
        os.nice(-20)
    except PermissionError:
        pass
    other = {near: far, far: near}
    # The delay is the same for all, so they leave in the order in which they came.
    waiting = collections.deque()
    poll = select.poll()
    for tun in other:
        poll.register(tun, select.POLLIN)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, tun, packet = waiting.popleft()
            send(tun, packet)
        # Up to a millisecond early: spinning for the rest keeps the delay exact.
        timeout = None if not waiting else int((waiting[0][0] - now) * 1000)
        for tun, _ in poll.poll(timeout):
            receive(tun, other[tun], delay, waiting)


def receive(tun, to, delay, waiting):
    for _ in range(64):
        try:
            packet = os.read(tun, LARGEST_PACKET)
        except BlockingIOError:
            return
        waiting.append((time.monotonic() + delay, to, packet))


def send(tun, packet):
    try:
        os.write(tun, packet)
    except OSError:
        # Lost, as on any link.
        pass


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)
