"""Drives the guest of save.sh on its console."""
import os, re, subprocess, sys, threading, time

vmm, work = os.environ["vmm"], os.environ["work"]
LOAD = (
    "n=0; while [ ! -e /stop ]; do n=$((n+1)); f=/mnt/f$((n%8)); "
    "dd if=/dev/urandom of=$f bs=64k count=8 conv=fsync 2>/dev/null; sha256sum $f >$f.sum; sync; echo count $n; done; echo load-ended"
)


class Console:
    """The guest's console by `vmm console`, from now on."""

    def __init__(self):
        self.process = subprocess.Popen([vmm, "console", "saved"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text, self.lock = "", threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while data := os.read(self.process.stdout.fileno(), 65536):
            with self.lock:
                self.text += data.decode("latin-1")
                self.lock.notify_all()

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, pattern, patience=600):
        """Waits for a pattern behind what was found before."""
        end = time.monotonic() + patience
        with self.lock:
            while not (found := re.search(pattern, self.text)):
                if not self.lock.wait(end - time.monotonic()) and time.monotonic() > end:
                    sys.exit(f"no '{pattern}' in: {self.text[-2000:]}")
            self.text = self.text[found.end():]
            return found

    def run(self, command):
        self.send(f"{command}; echo code=$?=")
        code = self.expect(r"code=(\d+)=").group(1)
        if code != "0":
            sys.exit(f"'{command}' ends with {code}")

    def close(self):
        self.process.kill()
        self.process.wait()


def verb(*words):
    begin = time.monotonic()
    subprocess.run([vmm, *words], check=True)
    return time.monotonic() - begin


verb("create", "-q", f"{work}/saved.cfg")
console = Console()
if os.environ.get("SHELL_ONLY"):
    console.expect(r"\(none\):/# ")
    console.run("export PATH=/usr/sbin:/usr/bin:/sbin:/bin; stty -echo; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; modprobe virtio_net || true")
    POWER_OFF = "sync; mount -o remount,ro /; poweroff -ff"
else:
    console.expect("login: ")
    console.send("root")
    console.expect("Password: ")
    console.send("vmm")
    console.expect(r"debian:~# ")
    POWER_OFF = "poweroff"
console.run("stty -echo; mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt")
console.run("dev=$(ls /sys/class/net | grep -v lo | head -1); ip link set $dev up; dhclient -1 $dev 2>/dev/null || ip addr add 10.0.2.15/24 dev $dev; ip neigh; ip addr show $dev")
file = f"{work}/saved.vmm"
idle_save = verb("save", "saved", file)
size = os.path.getsize(file)
idle_restore = verb("restore", "-q", file)
console.close()
print(f"idle: saved in {idle_save:.2f} s, restored in {idle_restore:.2f} s, {size / 1e6:.0f} MB", flush=True)
console = Console()
console.run("cat /proc/uptime >/dev/null")
# In the background: a shell that is the first process lets nobody interrupt what it does.
console.send(f"({LOAD}) &")
last = int(console.expect(r"count (\d+)").group(1))
for number in range(int(sys.argv[1])):
    seconds = int(console.expect(r"count (\d+)").group(1))
    save = verb("save", "saved", file)
    size = os.path.getsize(file)
    console.close()
    restore = verb("restore", "-q", file)
    console = Console()
    now = int(console.expect(r"count (\d+)").group(1))
    if now < last or now > last + 1000:
        sys.exit(f"the count was {last} and is {now}")
    last = now
    print(f"round {number + 1}: saved in {save:.2f} s, restored in {restore:.2f} s, {size / 1e6:.0f} MB, count {now}", flush=True)
    os.unlink(file)
    time.sleep(2)
console.send("touch /stop")
console.expect("load-ended")
console.run("cd /mnt && sha256sum -c *.sum >/dev/null")
console.run("ip neigh flush all; for i in 1 2 3 4 5; do ping -c 1 -W 5 10.0.2.2 >/dev/null && break; done || (echo >/dev/tcp/10.0.2.2/9; ip neigh | grep -q lladdr)")
console.run("dmesg | grep -iE 'i/o error|ext4-fs error|rcu.*stall|BUG:|hung task' && false || true")
console.run("cd /; umount /mnt")
console.send(POWER_OFF)
for _ in range(300):
    if subprocess.run([vmm, "domid", "saved"], capture_output=True).returncode != 0:
        break
    time.sleep(1)
else:
    sys.exit("the guest does not power off")
