using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Host;
using Vmm.Host.Sandbox;

// A process that confines itself and then tries what it may not do, for the tests of the sandbox: it says the error's number, 0 for none.
// Vmm.SandboxProbe POLICY ACTION [ARGUMENT…]; the action is done on a thread that was there before.
string[] policy = args[0].Split(',');
SandboxPolicy confined = new()
{
    Paths = [.. policy.Where(word => word.StartsWith('/')).Select(path => new SandboxPath(path, SandboxAccess.Read))],
    UsesInet = policy.Contains("inet"),
    ServesFiles = policy.Contains("files"),
};
using ManualResetEventSlim isConfined = new();
long result = -1;
Thread before = new(() =>
{
    isConfined.Wait();
    result = Try(args[1], args[2..]);
});
before.Start();
if (args[1] == "chain") StartChain(100);
ProcessSandbox.Enter(confined);
isConfined.Set();
before.Join();
using LinuxFile output = LinuxFile.Standard(1);
output.Write(System.Text.Encoding.ASCII.GetBytes(result.ToString(CultureInfo.InvariantCulture)));
return 0;

static long Try(string action, string[] arguments)
{
    switch (action)
    {
        case "open":
            return Open(arguments[0], 0);
        case "call":
            long[] numbers = [.. arguments.Select(text => long.Parse(text, CultureInfo.InvariantCulture)), 0, 0, 0, 0, 0, 0];
            return Result(Native.Call((nint)numbers[0], (nint)numbers[1], (nint)numbers[2], (nint)numbers[3], (nint)numbers[4], (nint)numbers[5], (nint)numbers[6]));
        case "kill-parent":
            return Result(Native.Call(62, (nint)Native.ParentId(), 0, 0, 0, 0, 0));
        case "threads":
            return Threads();
        case "chain":
            return 0;
        case "wait":
            using (LinuxFile input = LinuxFile.Standard(0))
            using (LinuxFile ready = LinuxFile.Standard(1))
            {
                ready.Write("ready\n"u8);
                input.Read(new byte[1]);
            }

            return 0;
        default:
            throw new ArgumentException(action);
    }
}

// One thread starts the next: some of them are started by one that is confined already.
static void StartChain(int length) => new Thread(() =>
{
    Thread.Sleep(1);
    if (length > 0) StartChain(length - 1);
}).Start();

static unsafe long Open(string path, int flags)
{
    nint text = Marshal.StringToCoTaskMemUTF8(path);
    const int SYS_openat = 257, AT_FDCWD = -100;
    return Result(Native.Call(SYS_openat, AT_FDCWD, text, flags, 0, 0, 0));
}

// What a runtime does all day: threads, garbage, timers.
static long Threads()
{
    long sum = 0;
    Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() =>
    {
        for (int i = 0; i < 100; i++) Interlocked.Add(ref sum, new byte[10_000].Length);
        GC.Collect();
    }))];
    foreach (Thread thread in threads) thread.Start();
    foreach (Thread thread in threads) thread.Join();
    using ManualResetEventSlim rang = new();
    using Timer timer = new(_ => rang.Set(), null, 1, Timeout.Infinite);
    return rang.Wait(TimeSpan.FromSeconds(10)) && sum == 8_000_000 ? 0 : -2;
}

static long Result(nint result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Call(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [LibraryImport("libc", EntryPoint = "getppid")]
    public static partial int ParentId();
}
