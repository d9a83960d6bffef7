using Vmm.Host;
using Vmm.Host.Processes;

namespace Vmm.DeviceModel;

/// <summary>
/// The process that serves a guest's devices: <c>vmm device-model</c>, with a socket for each device handed down. When it is found dead it is
/// started again, and a socket that its front end has lost means that it must be. It ends when all its sockets do.
/// </summary>
public sealed class DeviceModelProcess : IDisposable
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly string _executable;
    private readonly byte[] _config;
    private readonly int _devices;
    private readonly int[] _descriptors;
    private ChildProcess? _process;
    private UnixChannel?[] _waiting = [];
    private bool _isDisposed;

    /// <param name="executable">The path of vmm.</param>
    /// <param name="config">The configuration with the devices that it serves, as JSON.</param>
    /// <param name="devices">How many those are.</param>
    /// <param name="descriptors">Descriptors that the configuration names. They stay the caller's.</param>
    public DeviceModelProcess(string executable, byte[] config, int devices, IReadOnlyList<int> descriptors)
        => (_executable, _config, _devices, _descriptors) = (executable, config, devices, [.. descriptors]);

    /// <summary>Its number, while it runs.</summary>
    public int? ProcessId
    {
        get
        {
            lock (_gate) return _process is { HasEnded: false } process ? process.Id : null;
        }
    }

    /// <summary>Times that it was started.</summary>
    public int Starts { get; private set; }

    /// <summary>A connection to the back end of a device; null where there can be none now.</summary>
    /// <param name="device">Its place in the configuration.</param>
    public UnixChannel? TryConnect(int device)
    {
        lock (_gate)
        {
            if (_isDisposed) return null;
            try
            {
                // Whoever asks again has lost what it had.
                if (_process is null || _process.HasEnded || _waiting[device] is null) Start();
            }
            catch (LinuxException) when (Starts != 0)
            {
                // The host is short of something; it is tried again.
                return null;
            }

            UnixChannel channel = _waiting[device]!;
            _waiting[device] = null;
            return channel;
        }
    }

    /// <summary>Ends it, after the front ends have let go.</summary>
    public void Dispose()
    {
        ChildProcess? process;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (UnixChannel? channel in _waiting) channel?.Dispose();
            process = _process;
        }

        // It flushes what it has.
        process?.WaitOrKill(EndPatience);
    }

    private void Start()
    {
        _process?.Kill();
        _process = null;
        foreach (UnixChannel? channel in _waiting) channel?.Dispose();
        (UnixChannel First, UnixChannel Second)[] pairs = [.. Enumerable.Range(0, _devices).Select(_ => UnixChannel.Pair())];
        try
        {
            using SharedMapping memory = SharedMapping.Create("device-model-config", (ulong)_config.Length, out LinuxFile file);
            using (file)
            {
                for (ReadOnlySpan<byte> rest = _config; !rest.IsEmpty;) rest = rest[file.Write(rest)..];
                int[] sockets = [.. pairs.Select(pair => pair.Second.Fd)];
                _process = new ChildProcess(_executable, ["vmm", "device-model", "--config", $"/proc/self/fd/{file.Fd}", .. sockets.SelectMany(fd => new[] { "--fd", $"{fd}" })],
                    [file.Fd, .. sockets, .. _descriptors]);
            }
        }
        catch
        {
            foreach ((UnixChannel first, _) in pairs) first.Dispose();
            throw;
        }
        finally
        {
            foreach ((_, UnixChannel second) in pairs) second.Dispose();
        }

        Starts++;
        _waiting = [.. pairs.Select(pair => pair.First)];
    }
}
