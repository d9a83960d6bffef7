using System.Runtime.InteropServices;

namespace Vmm.Host.Processes;

/// <summary>An array of C strings with a null at its end, as execve(2) takes it.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly int _count;

    public NativeStrings(IEnumerable<string> texts)
    {
        string[] all = [.. texts];
        _count = all.Length;
        Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(all.Length + 1), (nuint)sizeof(byte*));
        // SAFETY: the array has one more entry than there are texts.
        for (int i = 0; i < all.Length; i++) Pointer[i] = (byte*)Marshal.StringToCoTaskMemUTF8(all[i]);
    }

    /// <summary>The array, good until this is disposed.</summary>
    public byte** Pointer { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Pointer is null) return;
        for (int i = 0; i < _count; i++) Marshal.FreeCoTaskMem((nint)Pointer[i]);
        NativeMemory.Free(Pointer);
        Pointer = null;
    }
}
