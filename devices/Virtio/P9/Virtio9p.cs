using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Backends.Files;
using Vmm.Core.State;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <summary>
/// Shares a directory of the host by 9P2000.L (virtio device 9). What is read and written goes straight between guest memory and file.
/// Several requests are served at once.
/// </summary>
public sealed class Virtio9p : IVirtioDevice, IStateful<Virtio9pState>, IDisposable
{
    private const ushort NinePDevice = 9;
    private const uint OtherMassStorage = 0x018000;
    private const int MaxWorkers = 16;
    private const int PathBytes = 4096;

    // What Linux's transport counts with: more pages than a queue has entries it never sends.
    private const ushort QueueSize = 128;

    private static readonly ushort[] Sizes = [QueueSize];

    private readonly IFileTree _tree;
    private readonly byte[] _tag;
    private readonly P9Session _session;
    private readonly P9Server[] _servers;

    // A bit for each server that waits for work.
    private int _idle;

    /// <param name="tree">The directory. Stays the caller's, and is disposed after this.</param>
    /// <param name="options">How it shows itself.</param>
    /// <param name="workers">Who does the work.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public Virtio9p(IFileTree tree, Virtio9pOptions options, IWorkers workers)
    {
        _tag = Encoding.UTF8.GetBytes(options.Tag);
        if (_tag.Length is 0 or > Virtio9pOptions.MaxTagBytes)
            throw new ArgumentException($"a tag has 1 to {Virtio9pOptions.MaxTagBytes} bytes, not {_tag.Length}", nameof(options));
        if (options.Workers is < 1 or > MaxWorkers) throw new ArgumentException($"1 to {MaxWorkers} workers are possible, not {options.Workers}", nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxFids, 1);
        _tree = tree;
        // Each worker has one, and one waits for whoever is ready first.
        _session = new P9Session(options.Workers + 1, options.MaxFids);
        _servers = [.. Enumerable.Range(0, options.Workers).Select(i => new P9Server(i, this, _session, tree, workers, 2 * QueueSize))];
    }

    /// <inheritdoc/>
    public string Name => "virtio-9p";

    /// <inheritdoc/>
    public ushort DeviceId => NinePDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherMassStorage;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VIRTIO_9P_MOUNT_TAG;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => sizeof(ushort) + (uint)_tag.Length;

    /// <summary>What it has done.</summary>
    public Virtio9pStatistics Statistics
    {
        get
        {
            Virtio9pStatistics sum = default;
            foreach (P9Server server in _servers)
            {
                Virtio9pStatistics one = server.Statistics;
                sum = new(sum.Requests + one.Requests, sum.Reads + one.Reads, sum.Writes + one.Writes,
                    sum.ReadBytes + one.ReadBytes, sum.WrittenBytes + one.WrittenBytes, sum.Errors + one.Errors, 0);
            }

            return sum with { Fids = _session.FidCount };
        }
    }

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[sizeof(ushort) + Virtio9pOptions.MaxTagBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(config, (ushort)_tag.Length);
        _tag.CopyTo(config[sizeof(ushort)..]);
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        _session.Begin(activation.Queues[0]);
        _servers[0].Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => WakeOne();

    /// <inheritdoc/>
    public void Reset() => _session.End();

    /// <inheritdoc/>
    public Virtio9pState Save() => _session.Save(Describe);

    /// <inheritdoc/>
    public void Restore(Virtio9pState state)
    {
        bool isPossible = state.Version == Virtio9pState.CurrentVersion && state.MessageBytes <= MaxMessageBytes
            && state.Fids.Select(f => f.Fid).Distinct().Count() == state.Fids.Length
            && state.Fids.All(f => f.ExtendedValue is null || (f.ExtendedValue.Length <= MaxExtendedBytes && (uint)f.ExtendedWritten <= (uint)f.ExtendedValue.Length));
        if (!isPossible) throw new StateException($"virtio-9p: state version {state.Version} with {state.Fids.Length} fids cannot be restored");
        _session.Restore(state.MessageBytes, state.Fids.Select(Find));
    }

    /// <summary>Waits for the requests that are under way and drops all fids.</summary>
    public void Dispose()
    {
        foreach (P9Server server in _servers) server.End();
        _session.Clear();
    }

    /// <summary>Has somebody look into the queue: whoever waits, or else the first, as soon as it has time.</summary>
    internal void WakeOne()
    {
        int idle = Volatile.Read(ref _idle);
        _servers[idle == 0 ? 0 : int.TrailingZeroCount(idle)].Wake();
    }

    /// <summary>A server says whether it waits for work.</summary>
    internal void SetIdle(int server, bool isIdle)
    {
        if (isIdle) Interlocked.Or(ref _idle, 1 << server);
        else Interlocked.And(ref _idle, ~(1 << server));
    }

    private static P9FidState Describe(P9Fid fid)
    {
        if (fid.Lost is { } lost) return lost;
        Span<byte> path = stackalloc byte[PathBytes];
        bool hasPath = fid.Node is { } node && node.GetPath(path, out int length) == 0;
        length = 0;
        if (hasPath) fid.Node!.GetPath(path, out length);
        return new()
        {
            Fid = fid.Number,
            Uid = fid.Uid,
            Path = hasPath ? path[..length].ToArray() : null,
            Node = fid.Node?.Identity.Number ?? 0,
            Modes = fid.File is null ? null : fid.Modes,
            ExtendedValue = fid.Extended?.Value,
            ExtendedName = fid.Extended?.Name,
            ExtendedWritten = fid.Extended?.Written ?? 0,
            ExtendedFlags = fid.Extended?.Flags ?? 0,
        };
    }

    private P9Fid Find(P9FidState state)
    {
        P9Extended? extended = state.ExtendedValue is null ? null
            : new() { Value = state.ExtendedValue, Name = state.ExtendedName, Written = state.ExtendedWritten, Flags = state.ExtendedFlags };
        if (extended is not null && extended.Name is null) return new P9Fid(state.Fid, state.Uid) { Extended = extended };
        IFileNode? node = null;
        IOpenFile? file = null;
        bool isFound = state.Path is not null && _tree.Reopen(state.Path, out node) == 0 && node!.Identity.Number == state.Node
            && (state.Modes is not { } modes || node.Open(modes, out file) == 0);
        if (isFound) return new P9Fid(state.Fid, state.Uid) { Node = node, File = file, Modes = state.Modes ?? default, Extended = extended };
        node?.Dispose();
        return new P9Fid(state.Fid, state.Uid) { Lost = state };
    }
}
