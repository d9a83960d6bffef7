using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Hypervisor;

namespace Vmm.Machine.CoreDump;

/// <summary>
/// The registers of vCPUs as notes of a core file: for each a NT_PRSTATUS as Linux writes it for a thread (struct elf_prstatus on x86-64), and
/// the note "QEMU" with control registers and descriptor tables (QEMUCPUState, version 1), by which crash(8) finds where a kernel lies.
/// </summary>
internal static class CoreNotes
{
    // struct elf_prstatus: signals, ids and times before the registers, and pr_fpvalid behind them.
    private const int PrStatusBytes = 336, PrPid = 32, PrReg = 112;

    private const int SegmentBytes = 24, ControlRegisters = 5;
    private const int CpuStateBytes = 2 * sizeof(uint) + 18 * sizeof(ulong) + 10 * SegmentBytes + ControlRegisters * sizeof(ulong) + sizeof(ulong);
    private const uint CpuStateVersion = 1, CpuStateType = 0;

    // Indices into VcpuState.Gpr.
    private const int Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7;

    /// <summary>All notes of all vCPUs.</summary>
    public static byte[] Build(IReadOnlyList<VcpuState> vcpus)
    {
        using MemoryStream notes = new();
        foreach ((int index, VcpuState vcpu) in vcpus.Index()) Append(notes, "CORE", ElfConstants.NT_PRSTATUS, PrStatus(vcpu, index + 1));
        foreach (VcpuState vcpu in vcpus) Append(notes, "QEMU", CpuStateType, CpuState(vcpu));
        return notes.ToArray();
    }

    private static void Append(MemoryStream to, string name, uint type, byte[] content)
    {
        byte[] label = Encoding.ASCII.GetBytes(name + '\0');
        Span<byte> header = stackalloc byte[ElfConstants.NoteHeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)label.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], type);
        to.Write(header);
        WritePadded(to, label);
        WritePadded(to, content);
    }

    private static void WritePadded(MemoryStream to, byte[] bytes)
    {
        to.Write(bytes);
        while (to.Length % ElfConstants.NoteAlignment != 0) to.WriteByte(0);
    }

    private static byte[] PrStatus(VcpuState v, int thread)
    {
        byte[] status = new byte[PrStatusBytes];
        BinaryPrimitives.WriteInt32LittleEndian(status.AsSpan(PrPid), thread);
        // struct user_regs_struct.
        ReadOnlySpan<ulong> registers =
        [
            v.Gpr[15], v.Gpr[14], v.Gpr[13], v.Gpr[12], v.Gpr[Rbp], v.Gpr[Rbx], v.Gpr[11], v.Gpr[10], v.Gpr[9], v.Gpr[8], v.Gpr[Rax], v.Gpr[Rcx], v.Gpr[Rdx],
            v.Gpr[Rsi], v.Gpr[Rdi], v.Gpr[Rax], v.Rip, v.Cs.Selector, v.Rflags, v.Gpr[Rsp], v.Ss.Selector, v.Fs.Base, v.Gs.Base,
            v.Ds.Selector, v.Es.Selector, v.Fs.Selector, v.Gs.Selector,
        ];
        Write(status.AsSpan(PrReg), registers);
        return status;
    }

    private static byte[] CpuState(VcpuState v)
    {
        byte[] state = new byte[CpuStateBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(state, CpuStateVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(state.AsSpan(sizeof(uint)), CpuStateBytes);
        Span<byte> at = Write(state.AsSpan(2 * sizeof(uint)),
        [
            v.Gpr[Rax], v.Gpr[Rbx], v.Gpr[Rcx], v.Gpr[Rdx], v.Gpr[Rsi], v.Gpr[Rdi], v.Gpr[Rsp], v.Gpr[Rbp],
            v.Gpr[8], v.Gpr[9], v.Gpr[10], v.Gpr[11], v.Gpr[12], v.Gpr[13], v.Gpr[14], v.Gpr[15], v.Rip, v.Rflags,
        ]);
        foreach (SegmentState segment in (ReadOnlySpan<SegmentState>)[v.Cs, v.Ds, v.Es, v.Fs, v.Gs, v.Ss, v.Ldtr, v.Tr]) at = Write(at, segment);
        at = Write(at, new SegmentState(0, v.Gdtr.Base, v.Gdtr.Limit, SegmentAttributes.None));
        at = Write(at, new SegmentState(0, v.Idtr.Base, v.Idtr.Limit, SegmentAttributes.None));
        Write(at, [v.Cr0, 0, v.Cr2, v.Cr3, v.Cr4, v.FindMsr(Msr.KERNEL_GS_BASE) ?? 0]);
        return state;
    }

    private static Span<byte> Write(Span<byte> to, SegmentState segment)
    {
        // The attributes stand as in the upper half of a descriptor.
        const int attributeShift = 8;
        BinaryPrimitives.WriteUInt32LittleEndian(to, segment.Selector);
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], segment.Limit);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], (uint)(segment.Attributes & ~SegmentAttributes.Unusable) << attributeShift);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], segment.Base);
        return to[SegmentBytes..];
    }

    private static Span<byte> Write(Span<byte> to, ReadOnlySpan<ulong> values)
    {
        foreach (ulong value in values)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(to, value);
            to = to[sizeof(ulong)..];
        }

        return to;
    }
}
