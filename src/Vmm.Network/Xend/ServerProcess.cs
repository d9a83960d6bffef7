using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Vmm.Host;
using Vmm.Host.Processes;

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

    /// <summary>Where it remembers who has which address.</summary>
    public string LeasePath => Path.Combine(folder, $"{bridge}.leases");

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
        List<string> arguments = ["vmm", "network", "serve", bridge, "--subnet", plan.Network, "--state", folder];
        if (plan.Domain is not null) arguments.AddRange(["--domain", plan.Domain]);
        using DetachedProcess server = DetachedProcess.Start(program, arguments, []);
        byte[] word = new byte[Ready.Length];
        int length = 0, count;
        while (length < word.Length && (count = server.Output.Read(word.AsSpan(length))) > 0) length += count;
        if (length != word.Length) throw new LinuxException($"the server for DHCP and names does not start (exit code {server.WaitForExit()})");
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

        foreach (string path in (ReadOnlySpan<string>)[NumberPath, LeasePath, LockPath, LogPath]) File.Delete(path);
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
