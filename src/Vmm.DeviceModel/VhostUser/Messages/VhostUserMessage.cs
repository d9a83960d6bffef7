using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>One message with its descriptors, used again and again. What it holds came from the other end and is not to be trusted.</summary>
internal sealed class VhostUserMessage : IDisposable
{
    public const int HeaderBytes = 12;

    /// <summary>More than any message that is understood.</summary>
    public const int MostPayloadBytes = 1024;

    private readonly byte[] _bytes = new byte[HeaderBytes + MostPayloadBytes];

    /// <summary>What is asked or answered: a <see cref="VhostUserRequest"/> or a <see cref="VhostUserBackendRequest"/>.</summary>
    public uint Request { get; private set; }

    public VhostUserFlags Flags { get; private set; }

    /// <summary>The bytes behind the header.</summary>
    public Span<byte> Payload => _bytes.AsSpan(HeaderBytes, SizeBytes);

    /// <summary>The descriptors, closed with the message unless taken out.</summary>
    public List<LinuxFile> Files { get; } = [];

    /// <summary>It asks for an answer although it is of a kind that needs none.</summary>
    public bool NeedsReply => (Flags & VhostUserFlags.NeedReply) != 0;

    private int SizeBytes { get; set; }

    /// <summary>Takes the next message from a channel.</summary>
    /// <param name="channel">Where it comes from.</param>
    /// <param name="timeoutMs">How long to wait for it.</param>
    /// <returns>False when the other end is gone, silent, or sends what is no message.</returns>
    public bool TryReceive(UnixChannel channel, int timeoutMs)
    {
        Clear();
        if (!channel.TryReceive(_bytes.AsSpan(0, HeaderBytes), Files, timeoutMs)) return false;
        Request = MemoryMarshal.Read<uint>(_bytes);
        Flags = (VhostUserFlags)MemoryMarshal.Read<uint>(_bytes.AsSpan(4));
        uint size = MemoryMarshal.Read<uint>(_bytes.AsSpan(8));
        if ((Flags & VhostUserFlags.VersionMask) != VhostUserFlags.Version1 || size > MostPayloadBytes) return false;
        SizeBytes = (int)size;
        // What follows a header is there at once, or the other end means no good.
        const int PayloadTimeoutMs = 5000;
        return channel.TryReceive(Payload, Files, PayloadTimeoutMs);
    }

    /// <summary>Begins a message to be sent, without payload.</summary>
    public VhostUserMessage Begin(uint request, VhostUserFlags flags)
    {
        Clear();
        (Request, Flags) = (request, flags | VhostUserFlags.Version1);
        return this;
    }

    /// <summary>Adds to the payload.</summary>
    public VhostUserMessage Add<T>(T value) where T : unmanaged => Add(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>Adds to the payload.</summary>
    public VhostUserMessage Add(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.AsSpan(HeaderBytes + SizeBytes));
        SizeBytes += bytes.Length;
        return this;
    }

    /// <summary>Sends it.</summary>
    /// <returns>False when the other end is gone or takes nothing.</returns>
    public bool TrySend(UnixChannel channel, ReadOnlySpan<int> descriptors, int timeoutMs)
    {
        MemoryMarshal.Write(_bytes, Request);
        MemoryMarshal.Write(_bytes.AsSpan(4), (uint)Flags);
        MemoryMarshal.Write(_bytes.AsSpan(8), (uint)SizeBytes);
        return channel.TrySend(_bytes.AsSpan(0, HeaderBytes + SizeBytes), descriptors, timeoutMs);
    }

    /// <summary>The payload as one value. False when it has another size.</summary>
    public bool TryGet<T>(out T value) where T : unmanaged
    {
        bool isGood = SizeBytes == Unsafe.SizeOf<T>();
        value = isGood ? MemoryMarshal.Read<T>(Payload) : default;
        return isGood;
    }

    /// <summary>Takes the only descriptor out. Null when there is not exactly one.</summary>
    public LinuxFile? TakeFile()
    {
        if (Files.Count != 1) return null;
        LinuxFile file = Files[0];
        Files.Clear();
        return file;
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (LinuxFile file in Files) file.Dispose();
        Files.Clear();
        SizeBytes = 0;
    }
}
