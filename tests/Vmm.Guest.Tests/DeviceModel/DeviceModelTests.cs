using System.Diagnostics;
using Vmm.Guest.Tests.Debian;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.DeviceModel;

/// <summary>The proofs of the device-model process, shorter than by hand: Debian's kernel verifies every byte.</summary>
public sealed class DeviceModelTests
{
    [GuestFilesTheory]
    [InlineData("raw", "")]
    [InlineData("qcow2", ",cache=none")]
    public void DeviceModel_KilledUnderVerifiedIo_LosesAndDoublesNothing(string format, string options)
        => Prove("device-model-kill.sh", ("KILLS", "5"), ("OPS", "800"), ("FORMAT", format), ("OPTIONS", options), ("PATIENCE", "150"));

    [GuestFilesFact]
    public void Peers_QemuAndItsDaemons_WorkWithBothEnds() => Prove("device-model-peers.sh", ("OPS", "300"), ("PATIENCE", "150"));

    private static void Prove(string script, params (string Name, string Value)[] settings)
    {
        ProcessStartInfo start = new(Path.Combine(Repository.Root, "tests", "proofs", script)) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in settings) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
    }
}
