using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.TestKit;

/// <summary>Kernels of a few instructions, as ELF files with a PVH entry: 32-bit protected mode, no paging, at 1 MiB.</summary>
public static class TinyKernel
{
    /// <summary>Where the code begins.</summary>
    public const uint LoadAddress = 0x100000;

    private const int HeaderBytes = 64 + 2 * 56;
    private const int CodeOffset = 0x1000;
    private const uint XEN_ELFNOTE_PHYS32_ENTRY = 18;
    private const ushort Elf64X86 = 62;

    /// <summary>Assembles a kernel and writes it to a file.</summary>
    public static void WritePvh(string path, Action<Assembler> code)
    {
        Assembler assembler = new(32);
        code(assembler);
        using MemoryStream machineCode = new();
        assembler.Assemble(new StreamCodeWriter(machineCode), LoadAddress);
        File.WriteAllBytes(path, Elf(machineCode.ToArray()));
    }

    /// <summary>A kernel that says "&gt;" on COM1 and then what it hears there.</summary>
    public static void Echo(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.mov(dx, 0x3f8);
        a.mov(al, (sbyte)'>');
        a.@out(dx, al);
        a.Label(ref loop);
        a.mov(dx, 0x3fd);
        a.@in(al, dx);
        a.test(al, 1);
        a.je(loop);
        a.mov(dx, 0x3f8);
        a.@in(al, dx);
        a.@out(dx, al);
        a.jmp(loop);
    }

    private static byte[] Elf(byte[] code)
    {
        byte[] file = new byte[CodeOffset + code.Length];
        Span<byte> header = file;
        "\u007fELF"u8.CopyTo(header);
        header[4] = 2; // 64-bit
        header[5] = 1; // little endian
        header[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], 2); // ET_EXEC
        BinaryPrimitives.WriteUInt16LittleEndian(header[18..], Elf64X86);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(header[56..], 2);
        Segment(header[64..], type: 1, flags: 7, CodeOffset, (ulong)code.Length);

        Span<byte> note = header[HeaderBytes..];
        BinaryPrimitives.WriteUInt32LittleEndian(note, 4);
        BinaryPrimitives.WriteUInt32LittleEndian(note[4..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(note[8..], XEN_ELFNOTE_PHYS32_ENTRY);
        "Xen\0"u8.CopyTo(note[12..]);
        BinaryPrimitives.WriteUInt32LittleEndian(note[16..], LoadAddress);
        Segment(header[(64 + 56)..], type: 4, flags: 4, HeaderBytes, 20);
        code.CopyTo(file.AsSpan(CodeOffset));
        return file;
    }

    private static void Segment(Span<byte> entry, uint type, uint flags, ulong offset, ulong bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(entry, type);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], offset);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[16..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[24..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[32..], bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[40..], bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[48..], type == 1 ? 0x1000u : 4u);
    }
}
