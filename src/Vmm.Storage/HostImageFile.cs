using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.Storage;

/// <summary>An image's bytes in a file or on a block device of the host.</summary>
internal sealed class HostImageFile(BlockFile file, bool ignoreFlush = false) : IImageFile
{
    private const int ENOSPC = 28;
    private const int EDQUOT = 122;

    public string Name => file.Path;

    public bool IsReadOnly => file.IsReadOnly;

    public BlockFile File => file;

    public BlockFile? Host => file;

    public ulong AllocatedBytes => file.AllocatedBytes;

    public ulong Length
    {
        get
        {
            Check(file.GetLength(out ulong bytes), "measuring");
            return bytes;
        }
    }

    public void Read(ulong offset, Span<byte> data) => Check(file.Read(offset, data), "reading");

    public void Read(ulong offset, ReadOnlySpan<IoVec> vectors) => Check(file.Read(offset, vectors), "reading");

    public void Write(ulong offset, ReadOnlySpan<byte> data) => Check(file.Write(offset, data), "writing");

    public void Write(ulong offset, ReadOnlySpan<IoVec> vectors) => Check(file.Write(offset, vectors), "writing");

    public void Flush()
    {
        if (!ignoreFlush) Check(file.Flush(), "flushing");
    }

    public void SetLength(ulong bytes) => Check(file.SetLength(bytes), "resizing");

    public bool TryPunchHole(ulong offset, ulong count) => count == 0 || file.PunchHole(offset, count) == 0;

    public bool TryZero(ulong offset, ulong count) => count == 0 || file.ZeroRange(offset, count) == 0;

    public bool IsData(ulong offset, out ulong end) => file.IsData(offset, Length, out end);

    public void Dispose() => file.Dispose();

    public bool TryDiscard(ulong offset, ulong count) => count == 0 || file.Discard(offset, count) == 0;

    /// <summary>The failure that an error number of the host stands for.</summary>
    internal static ImageException Failure(string name, string action, int error)
    {
        BlockResult result = error is ENOSPC or EDQUOT ? BlockResult.NoSpace : BlockResult.IoError;
        return new ImageException(result, $"{action} {name}: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    private void Check(int error, string action)
    {
        if (error != 0) throw Failure(file.Path, action, error);
    }
}
