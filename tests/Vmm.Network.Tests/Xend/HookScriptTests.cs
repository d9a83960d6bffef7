using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Netlink;
using Vmm.Network.Xend;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class HookScriptTests : IDisposable
{
    // What Xen's own scripts do, in their words: xen-hotplug-common.sh and vif-bridge.
    private const string Script = """
        #!/bin/bash
        exec 2>>"$(dirname "$0")/stderr"
        set -e
        echo "$@ | $vif | $INTERFACE | $XENBUS_TYPE | $XENBUS_PATH | $script | $netdev" >>"$(dirname "$0")/calls"
        bridge=$(xenstore-read "$XENBUS_PATH/bridge")
        ip=$(xenstore-read "$XENBUS_PATH/ip" 2>/dev/null || echo none)
        mac=$(xenstore-read "/local/domain/0/$XENBUS_PATH/mac")
        domain=$(xenstore-read "$(xenstore-read /local/domain/$(xenstore-read "$XENBUS_PATH/frontend-id")/vm)/name")
        echo "$bridge $ip $mac $domain $(xenstore-list "$XENBUS_PATH" | grep -c .)" >>"$(dirname "$0")/calls"
        dev=$vif; [ "$1" = add -o "$1" = remove ] && dev=$INTERFACE
        case "$1" in
            online|add) ip link set "$dev" address fe:ff:ff:ff:ff:ff; ip link set "$dev" master "$bridge"; ip link set "$dev" up ;;
            offline|remove) ip link set "$dev" down nomaster ;;
        esac
        [ "$1" = online ] && xenstore-write "$XENBUS_PATH/hotplug-status" connected
        exit 0
        """;

    private readonly TestStore _test = new();
    private readonly List<string> _notes = [];

    public void Dispose() => _test.Dispose();

    [PrivateNetworkFact]
    public void Attach_WithAScript_RunAsXendDoes() => OnBridge(host =>
    {
        string script = Write(Script);
        Vif vif = Attach(Spec(script) with { HasTwin = true, Addresses = ["10.0.0.5", "10.0.0.6"] });
        Assert.Equal((host.FindLink("xenbr0")!.Index, true, "fe:ff:ff:ff:ff:ff"), (host.FindLink("vif9.0")!.MasterIndex, host.FindLink("vif9.0")!.IsUp, host.FindLink("vif9.0-emu")!.Mac.ToString()));
        vif.Dispose();
        Assert.Equal(0, host.FindLink("vif9.0")!.MasterIndex);
        vif.Queues[0].Dispose();
        string[] calls = File.ReadAllLines(Path.Combine(_test.Store.Folder, "calls"));
        string common = $"vif9.0 | vif9.0-emu | vif | backend/vif/9/0 | {script} | ";
        Assert.Equal(
            [$"online type_if=vif | {common}", $"add type_if=tap | {common}", $"remove type_if=tap | {common}", $"offline type_if=vif | {common}"],
            calls.Where((_, i) => i % 2 == 0));
        Assert.StartsWith("xenbr0 10.0.0.5 10.0.0.6 00:16:3e:00:00:05 web ", calls[1], StringComparison.Ordinal);
        Assert.Empty(_notes);
    });

    [PrivateNetworkFact]
    public void Attach_ScriptFails_ItsOwnWords() => OnBridge(host =>
    {
        string fatal = Write("#!/bin/sh\nxenstore-write \"$XENBUS_PATH/hotplug-error\" \"Could not find bridge device $bridge\" \"$XENBUS_PATH/hotplug-status\" error\nexit 1\n");
        LinuxException failure = Assert.Throws<LinuxException>(() => Attach(Spec(fatal)));
        Assert.Contains("Could not find bridge device xenbr0", failure.Message, StringComparison.Ordinal);
        string loud = Write("#!/bin/sh\necho no way >&2\nexit 3\n");
        failure = Assert.Throws<LinuxException>(() => Attach(Spec(loud)));
        Assert.Contains("no way", failure.Message, StringComparison.Ordinal);
        Assert.Contains(_notes, note => note.EndsWith("online: no way", StringComparison.Ordinal));
        Assert.Null(host.FindLink("vif9.0"));
    });

    [Fact]
    public void Run_LongerThanAllowed_EndedWithItsChildren()
    {
        HostProgramResult result = new HostProgram("/bin/sh", ["-c", "echo begun; sleep 100"]) { Patience = TimeSpan.FromSeconds(0.3) }.Run();
        Assert.Equal((null, "begun\n"), (result.ExitCode, result.Output));
    }

    [Fact]
    public void Run_DaemonLeftBehind_NotWaitedFor()
    {
        HostProgramResult result = new HostProgram("/bin/sh", ["-c", "sleep 5 & echo done; exit 4"]) { Patience = TimeSpan.FromSeconds(20) }.Run();
        Assert.Equal((4, "done\n"), (result.ExitCode, result.Output));
    }

    private static VifSpec Spec(string script) => new() { DomainId = 9, DeviceId = 0, DomainName = "web", Mac = "00:16:3e:00:00:05", Bridge = "xenbr0", Script = script };

    private static void OnBridge(Action<RouteNetlink> test) => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        host.CreateBridge("xenbr0", new MacAddress(0x5254_0000_0001), 1500);
        test(host);
    });

    private string Write(string text)
    {
        string path = Path.Combine(_test.Store.Folder, $"script{text.Length}");
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    // The programs that scripts know are the executable under their names.
    private Vif Attach(VifSpec spec) => Vif.Attach(spec, _test.Store, TestProgram.Path, _notes.Add);
}
