using System.Runtime.InteropServices;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>Guest memory on the native heap, for tests that need no memfd.</summary>
public sealed unsafe class TestMemory : IDisposable
{
    private readonly List<nint> _blocks = [];

    /// <param name="regions">Start and size in bytes of each region.</param>
    public TestMemory(params (ulong Start, ulong SizeBytes)[] regions)
    {
        Memory = new GuestMemory(regions.Select(r =>
        {
            void* block = NativeMemory.AlignedAlloc((nuint)r.SizeBytes, GuestAddress.PageSize);
            NativeMemory.Clear(block, (nuint)r.SizeBytes);
            _blocks.Add((nint)block);
            return new GuestMemoryRegion(new GuestAddress(r.Start), r.SizeBytes, (nint)block);
        }));
    }

    /// <summary>One region of RAM from address 0.</summary>
    public TestMemory(ulong sizeBytes) : this((0, sizeBytes)) { }

    public GuestMemory Memory { get; }

    public void Dispose()
    {
        foreach (nint block in _blocks) NativeMemory.AlignedFree((void*)block);
        _blocks.Clear();
    }
}
