using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;

namespace Vmm.Cpu.State;

/// <summary>
/// The state components beyond x87 and SSE of a guest that another hypervisor runs: this CPU has no instructions that compute with them, but saves and
/// restores them for the other one (<see cref="SoftwareEmulator"/>). They stay in an XSAVE area of standard format (Intel SDM vol. 1 §13.4).
/// </summary>
internal sealed class ExtendedState
{
    public const int LegacyBytes = 512, HeaderBytes = 64, XstateBv = 512, XcompBv = 520;
    public const ulong X87 = 1, Sse = 2, Avx = 4, Legacy = X87 | Sse, Compacted = 1UL << 63;

    private const int FirstComponent = 2, LastComponent = 62, Leaf = 0xd;
    private const int SupervisorBit = 1, AlignBit = 2;

    private static readonly (int Offset, int Size, bool Aligned)[] Layout = ReadLayout();

    /// <summary>The whole area.</summary>
    public byte[] Area { get; set; } = [];

    public ulong Xcr0 { get; set; }

    /// <summary>Components that are not in their initial state. x87 and SSE always count as such.</summary>
    public ulong InUse
    {
        get => BinaryPrimitives.ReadUInt64LittleEndian(Area.AsSpan(XstateBv)) | Legacy;
        set => BinaryPrimitives.WriteUInt64LittleEndian(Area.AsSpan(XstateBv), value);
    }

    /// <summary>Where a component stands in the area; empty when the host has none of that number.</summary>
    public Span<byte> Component(int number) => Area.AsSpan(Layout[number].Offset, Layout[number].Size);

    /// <summary>Offset of a component in a guest's area.</summary>
    /// <param name="compacted">The components of a compacted area; null for the standard format.</param>
    public static int Offset(int number, ulong? compacted)
    {
        if (compacted is not { } present) return Layout[number].Offset;
        int at = LegacyBytes + HeaderBytes;
        for (int i = FirstComponent; i < number; i++)
        {
            if ((present >> i & 1) != 0) at = Align(i, at) + Layout[i].Size;
        }

        return Align(number, at);
    }

    /// <summary>The numbers of the components beyond x87 and SSE in a mask.</summary>
    public static int Next(ulong mask, int after)
    {
        for (int i = Math.Max(after + 1, FirstComponent); i <= LastComponent; i++)
        {
            if ((mask >> i & 1) != 0 && Layout[i].Size != 0) return i;
        }

        return -1;
    }

    private static int Align(int number, int at) => Layout[number].Aligned ? (at + 63) & ~63 : at;

    private static (int Offset, int Size, bool Aligned)[] ReadLayout()
    {
        (int Offset, int Size, bool Aligned)[] layout = new (int, int, bool)[LastComponent + 1];
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < Leaf) return layout;
        for (int i = FirstComponent; i <= LastComponent; i++)
        {
            (int size, int offset, int flags, _) = X86Base.CpuId(Leaf, i);
            if (size > 0 && (flags & SupervisorBit) == 0 && offset + size <= Core.Hypervisor.VcpuState.XsaveBytes) layout[i] = (offset, size, (flags & AlignBit) != 0);
        }

        return layout;
    }
}
