using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>The process that serves the guests of a network: who holds the lock in the networks' folder is it.</summary>
/// <param name="folder">The networks' folder.</param>
/// <param name="bridge">The network's bridge.</param>
public sealed class ServerProcess(string folder, string bridge)
{
    /// <summary>What it says when it serves.</summary>
    public const string Ready = "ready";

    private const int PatienceMilliseconds = 10_000, LookMilliseconds = 10;

    /// <summary>Whether it runs.</summary>
    public bool IsAlive => LockFile.IsHeld(LockPath);

    /// <summary>Where it says what it does.</summary>
    public string LogPath => Path.Combine(folder, $"{bridge}.log");

    private string LockPath => Path.Combine(folder, $"{bridge}.server");

    private string NumberPath => Path.Combine(folder, $"{bridge}.pid");

    /// <summary>Makes this process the server, as long as the lock is held.</summary>
    /// <exception cref="LinuxException">There is one already.</exception>
    public LockFile Claim()
    {
        LockFile claim = LockFile.TryTake(LockPath) ?? throw new LinuxException($"another process serves {bridge} already");
        File.WriteAllText(NumberPath, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        return claim;
    }

    /// <summary>Starts it, unless it runs, and waits until it serves.</summary>
    /// <exception cref="LinuxException">It does not.</exception>
    public void Start(string program, NetworkPlan plan)
    {
        if (IsAlive) return;
        List<string> arguments = ["network", "serve", bridge, "--subnet", plan.Network, "--state", folder];
        if (plan.Domain is not null) arguments.AddRange(["--domain", plan.Domain]);
        ProcessStartInfo info = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process server = Process.Start(info)!;
            string? line = server.StandardOutput.ReadLine();
            if (line == Ready) return;
            string why = server.StandardError.ReadLine() ?? "it says nothing";
            throw new LinuxException($"the server for DHCP and names does not start: {why}");
        }
        catch (Win32Exception e)
        {
            throw new LinuxException($"the server for DHCP and names does not start: {program}: {e.Message}", e);
        }
    }

    /// <summary>Ends it, if it runs.</summary>
    /// <exception cref="LinuxException">It does not end.</exception>
    public void Stop()
    {
        long begin = Stopwatch.GetTimestamp();
        while (IsAlive)
        {
            Kill();
            if (Stopwatch.GetElapsedTime(begin).TotalMilliseconds > PatienceMilliseconds) throw new LinuxException($"the server of {bridge} does not end");
            Thread.Sleep(LookMilliseconds);
        }

        foreach (string path in (ReadOnlySpan<string>)[NumberPath, LockPath, LogPath]) File.Delete(path);
    }

    private void Kill()
    {
        try
        {
            // Nothing is lost: its leases are in the guests, which ask for them again.
            if (int.TryParse(File.ReadAllText(NumberPath), NumberStyles.None, CultureInfo.InvariantCulture, out int number)) Process.GetProcessById(number).Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception or IOException)
        {
            // It ends just now, or has not written its number yet.
        }
    }
}
