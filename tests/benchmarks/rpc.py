#!/usr/bin/env python3
"""Round trips of a domain's JSON-RPC socket: rpc.py SOCKET [COUNT]. Median, 99th percentile and mean in microseconds, one request at a time."""

import socket
import sys
import time


def main(path, count="5000"):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    reader = connection.makefile("rb")
    for method in ("domain.info", "domain.vcpus", "device.list"):
        request = b'{"jsonrpc":"2.0","id":1,"method":"%s"}\n' % method.encode()
        times = []
        for _ in range(int(count) + 200):
            begin = time.perf_counter_ns()
            connection.sendall(request)
            answer = reader.readline()
            times.append((time.perf_counter_ns() - begin) / 1000)
            if b'"result"' not in answer:
                sys.exit(f"{method}: {answer!r}")
        # The first ones warm up.
        times = sorted(times[200:])
        print(f"{method}: median {times[len(times) // 2]:.1f} µs, 99 % below {times[len(times) * 99 // 100]:.1f} µs, mean {sum(times) / len(times):.1f} µs, {len(answer)} bytes")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
