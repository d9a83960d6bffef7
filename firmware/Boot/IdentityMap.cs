using System.Buffers.Binary;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>Page tables that map the first 4 GiB one to one with 2 MiB pages (Intel SDM vol. 3 §4.5).</summary>
internal static class IdentityMap
{
    private const int Entries = 512;
    private const int Directories = 4;
    private const int LargePageShift = 21;

    /// <summary>Writes the tables.</summary>
    /// <returns>What CR3 holds.</returns>
    public static ulong Write(GuestMemory memory)
    {
        const ulong Pml4 = BootLayout.PageTables;
        const ulong Pdpt = Pml4 + GuestAddress.PageSize;
        const ulong FirstDirectory = Pdpt + GuestAddress.PageSize;
        const ulong Table = ControlBits.PTE_P | ControlBits.PTE_RW;

        byte[] page = new byte[GuestAddress.PageSize];
        BinaryPrimitives.WriteUInt64LittleEndian(page, Pdpt | Table);
        memory.Put(new GuestAddress(Pml4), page);
        for (int i = 0; i < Directories; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(i * 8), (FirstDirectory + ((ulong)i << GuestAddress.PageShift)) | Table);
        memory.Put(new GuestAddress(Pdpt), page);
        for (int directory = 0; directory < Directories; directory++)
        {
            for (int i = 0; i < Entries; i++)
            {
                ulong address = (ulong)((directory * Entries) + i) << LargePageShift;
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(i * 8), address | Table | ControlBits.PTE_PS);
            }

            memory.Put(new GuestAddress(FirstDirectory + ((ulong)directory << GuestAddress.PageShift)), page);
        }

        return Pml4;
    }
}
