"""Runs a command with stdin, stdout and stderr on one new pty, by default without a size as a Colab cell does it.

usage: pty.py COLUMNSxROWS LIMIT_SECONDS INTERRUPT_AFTER_SECONDS|- COMMAND [ARGUMENT...]

The command leads its own session and has no controlling terminal. What it writes is copied to stdout, what comes from stdin is typed; when it has ended, one line of JSON
on stderr tells {"exitCode", "seconds"}, with 128 + n for an end by signal n. It is killed after the limit, or when it has written 16 MiB.
"""

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time

MOST_OUTPUT = 16 << 20

size, limit, interrupt_after, *command = sys.argv[1:]
columns, rows = (int(number) for number in size.split("x"))
master, slave = os.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
started = time.monotonic()
child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)

kill_at = started + float(limit)
interrupt_at = None if interrupt_after == "-" else started + float(interrupt_after)
written = 0
typing = [sys.stdin.fileno()]
while True:
    now = time.monotonic()
    if interrupt_at is not None and now >= interrupt_at:
        child.send_signal(signal.SIGINT)
        interrupt_at = None
    if now >= kill_at or written > MOST_OUTPUT:
        break
    wake_at = kill_at if interrupt_at is None else min(kill_at, interrupt_at)
    ready = select.select([master] + typing, [], [], wake_at - now)[0]
    if sys.stdin.fileno() in ready:
        typed = os.read(sys.stdin.fileno(), 4096)
        if typed:
            os.write(master, typed)
        else:
            typing = []
    if master not in ready:
        continue
    try:
        data = os.read(master, 65536)
    except OSError:  # EIO: the last holder of the other side has closed it
        break
    written += len(data)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

try:
    code = child.wait(max(0.0, kill_at - time.monotonic()) if written <= MOST_OUTPUT else 0)
except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
seconds = time.monotonic() - started
print(json.dumps({"exitCode": code if code >= 0 else 128 - code, "seconds": round(seconds, 3)}), file=sys.stderr)
