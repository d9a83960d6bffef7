using System.Buffers.Binary;
using Vmm.Host;

namespace Vmm.DeviceModel.Control;

/// <summary>
/// Whole messages between a VMM and the process that serves its devices, beside the sockets of the devices: a length, then so many bytes,
/// with descriptors. Any thread sends; one receives. Nothing throws because of the peer.
/// </summary>
/// <param name="channel">Becomes this object's.</param>
public sealed class ControlChannel(UnixChannel channel) : IDisposable
{
    /// <summary>The longest message.</summary>
    public const int MostBytes = 256 << 10;

    private const int HeaderBytes = sizeof(uint), SendTimeoutMs = 10_000;

    private readonly Lock _gate = new();

    /// <summary>Sends a message; the descriptors stay the caller's, too.</summary>
    /// <returns>False when the peer is gone, or does not take anything: the channel is of no use then.</returns>
    public bool TrySend(ReadOnlySpan<byte> message, ReadOnlySpan<int> descriptors)
    {
        if (message.Length > MostBytes) return false;
        byte[] whole = new byte[HeaderBytes + message.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(whole, (uint)message.Length);
        message.CopyTo(whole.AsSpan(HeaderBytes));
        lock (_gate) return channel.TrySend(whole, descriptors, SendTimeoutMs);
    }

    /// <summary>Waits for the next message.</summary>
    /// <param name="descriptors">Takes what came with it; the caller closes them, also after null.</param>
    /// <returns>Null at the end, or when it makes no sense.</returns>
    public byte[]? Receive(List<LinuxFile> descriptors)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (!channel.TryReceive(header, descriptors, UnixChannel.Forever)) return null;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length > MostBytes) return null;
        byte[] message = new byte[length];
        return channel.TryReceive(message, descriptors, SendTimeoutMs) ? message : null;
    }

    /// <summary>Ends it; who receives gets null. Any thread.</summary>
    public void Shutdown() => channel.Shutdown();

    /// <inheritdoc/>
    public void Dispose() => channel.Dispose();
}
