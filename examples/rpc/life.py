#!/usr/bin/env python3
"""Drives a paused domain through its life over its JSON-RPC socket. Python's standard library is enough.

    life.py SOCKET [GREETING [COMMAND [ANSWER]]]

SOCKET is "socket" in the domain's folder (/run/vmm/ID, or $XDG_RUNTIME_DIR/vmm/ID). The guest is started, and when its console has shown
GREETING, COMMAND is typed and ANSWER awaited; a device comes and the domain gets another name; at last the power button is pressed, and if
the guest does not obey within VMM_SHUTDOWN_SECONDS (10), the domain is destroyed.
"""

import base64
import itertools
import json
import os
import queue
import socket
import sys
import threading

PATIENCE = float(os.environ.get("VMM_SECONDS", "120"))


class RpcError(Exception):
    """The domain refused: a stable code, one line, the causes and the end of its log."""

    def __init__(self, method, error):
        super().__init__(f"{method}: {error['message']} ({error['code']})")
        self.code = error["code"]
        self.causes = (error.get("data") or {}).get("causes", [])
        self.log = (error.get("data") or {}).get("log", [])


class Domain:
    """A connection to a domain. One thread reads; answers go to who asked, notifications to queues."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._ids = itertools.count(1)
        self._answers = {}
        self._lock = threading.Lock()
        self._screen = bytearray()
        self._output = threading.Condition()
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, method, **params):
        """Asks without waiting; take the answer with finish()."""
        answer = queue.Queue(1)
        with self._lock:
            ident = next(self._ids)
            self._answers[ident] = answer
            line = json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}) + "\n"
            self._socket.sendall(line.encode())
        return method, answer

    def finish(self, started, timeout=PATIENCE):
        """The result of what was asked; queue.Empty when it takes too long."""
        method, answer = started
        message = answer.get(timeout=timeout)
        if "error" in message:
            raise RpcError(method, message["error"])
        return message.get("result")

    def call(self, method, **params):
        """Asks and waits."""
        return self.finish(self.start(method, **params))

    def see(self, text):
        """Waits until the console has shown a text."""
        with self._output:
            if not self._output.wait_for(lambda: text.encode() in self._screen, PATIENCE):
                raise TimeoutError(f"the console does not show {text!r}, but {bytes(self._screen)!r}")

    def _read(self):
        for line in self._socket.makefile("rb"):
            message = json.loads(line)
            params = message.get("params")
            if message.get("method") == "console.output":
                with self._output:
                    self._screen += base64.b64decode(params["data"])
                    self._output.notify_all()
            elif message.get("method") == "domain.event":
                self.events.put(params)
            elif "id" in message:
                with self._lock:
                    answer = self._answers.pop(message["id"], None)
                if answer:
                    answer.put(message)


def main(path, greeting="", command="", answer=""):
    domain = Domain(path)
    methods = domain.call("rpc.discover")["methods"]
    info = domain.call("domain.info")
    print(f"== the domain serves {len(methods)} methods")
    print(f"== domain {info['id']}, {info['name']}: {info['state']}, {info['vcpus']} vCPUs, {info['memoryBytes'] >> 20} MiB")

    domain.call("domain.subscribe")
    domain.call("console.attach")
    domain.call("domain.unpause")
    if greeting:
        domain.see(greeting)
        print(f"== the console shows {greeting!r}")
    if command:
        domain.call("console.write", data=base64.b64encode(f"{command}\n".encode()).decode())
        domain.see(answer or command)
        print(f"== the console shows {answer or command!r}")

    added = domain.call("device.add", kind="rng", config={"id": "dice"})
    print(f"== added: {added}")
    try:
        domain.call("device.remove", id="nothing")
    except RpcError as error:
        print(f"== as it should be: {error}")
    domain.call("domain.rename", name="renamed-by-python")
    for vcpu in domain.call("domain.vcpus"):
        print(f"== vCPU {vcpu['index']} may run on {vcpu['affinity']} and has used {vcpu['cpuSeconds']:.3f} s")

    wait = domain.start("domain.wait")
    listens = domain.call("domain.shutdown")["isListening"]
    print(f"== the power button is pressed; the guest listens: {listens}")
    try:
        end = domain.finish(wait, timeout=float(os.environ.get("VMM_SHUTDOWN_SECONDS", "10")))
    except queue.Empty:
        print("== it takes its time: the domain is destroyed")
        domain.call("domain.destroy")
        end = domain.finish(wait)
    print(f"== the guest ended: {end['kind']}: {end['reason']}")
    while not domain.events.empty():
        event = domain.events.get()
        print(f"-- event {event['sequence']}: {event['kind']}: {event['message']}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
