using System.Buffers.Binary;

namespace Vmm.Firmware.Boot;

/// <summary>The setup header of a bzImage, judged (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").</summary>
internal sealed class SetupHeader
{
    /// <summary>Offset of the header in the file and in boot_params.</summary>
    public const int Offset = 0x1f1;

    /// <summary>Enough of the file for every field read here.</summary>
    public const int HeadBytes = 0x280;

    /// <summary>The 64-bit entry, from the start of the protected-mode code.</summary>
    public const ulong Entry64Offset = 0x200;

    private const int SectorBytes = 512;
    private const int DefaultSetupSectors = 4;
    private const ushort BootFlag = 0xaa55;
    private const uint Magic = 0x53726448; // "HdrS"
    private const ushort Version2_12 = 0x020c;
    private const int JumpBase = 0x202;

    private readonly byte[] _bytes;

    private SetupHeader(byte[] bytes) => _bytes = bytes;

    /// <summary>The header as it stands in the file, from <see cref="Offset"/> up to the end that the jump at 0x200 names.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    public ushort Version { get; private init; }

    public XLoadFlags XLoadFlags { get; private init; }

    /// <summary>Bytes of boot sector and real-mode code before the protected-mode code.</summary>
    public long SetupBytes { get; private init; }

    /// <summary>Where the kernel wants to be loaded.</summary>
    public ulong PreferredAddress { get; private init; }

    /// <summary>Bytes of contiguous memory the kernel needs from its load address until it has read the memory map.</summary>
    public uint InitSize { get; private init; }

    /// <summary>The highest address a byte of the initrd may have.</summary>
    public uint InitrdAddressMax { get; private init; }

    /// <summary>Longest command line in bytes, without the terminating zero.</summary>
    public uint CommandLineSize { get; private init; }

    /// <summary>Offset of the compressed kernel in the file.</summary>
    public long PayloadOffset { get; private init; }

    /// <summary>Bytes of the compressed kernel; 0 when the header does not tell or its claim does not fit the file.</summary>
    public long PayloadLength { get; private init; }

    /// <summary>True when the head of a file carries the header's marks.</summary>
    public static bool IsPresent(ReadOnlySpan<byte> head)
        => head.Length >= JumpBase + 4 && Word(head, 0x1fe) == BootFlag && Long(head, JumpBase) == Magic;

    /// <summary>Reads and checks the header.</summary>
    /// <param name="file">For messages and the length.</param>
    /// <param name="head">The first bytes of the file, at most <see cref="HeadBytes"/>.</param>
    public static SetupHeader Parse(BootFile file, ReadOnlySpan<byte> head)
    {
        if (head.Length < HeadBytes) throw file.Error($"is too short for a bzImage ({file.Length} bytes)");
        ushort version = Word(head, 0x206);
        if (version < Version2_12)
            throw file.Error($"speaks boot protocol {version >> 8}.{version & 0xff:00}; a 64-bit kernel needs 2.12 or later (Linux 3.8)");
        XLoadFlags flags = (XLoadFlags)Word(head, 0x236);
        if ((flags & XLoadFlags.XLF_KERNEL_64) == 0) throw file.Error("has no 64-bit entry: a 32-bit kernel");
        if (((LoadFlags)head[0x211] & LoadFlags.LOADED_HIGH) == 0) throw file.Error("is a zImage that loads below 1 MiB; only bzImages are supported");

        int end = JumpBase + head[0x201];
        if (end < 0x264 || end > HeadBytes) throw file.Error($"its setup header ends at 0x{end:x}, outside what protocol 2.12 and later have");
        long setupBytes = ((head[Offset] == 0 ? DefaultSetupSectors : head[Offset]) + 1L) * SectorBytes;
        if (setupBytes + (long)Entry64Offset >= file.Length) throw file.Error("is truncated: there is no kernel after its setup code");
        ulong codeBytes = Long(head, 0x1f4) * 16UL;
        if ((ulong)(file.Length - setupBytes) < codeBytes)
            throw file.Error($"is truncated: the header promises {setupBytes + (long)codeBytes} bytes, the file has {file.Length}");

        ulong preferred = Quad(head, 0x258);
        uint initSize = Long(head, 0x260);
        uint alignment = Long(head, 0x230);
        if (preferred < BootLayout.HighMemory || preferred + initSize > BootLayout.FourGiB || preferred > BootLayout.FourGiB)
            throw file.Error($"wants to be loaded at 0x{preferred:x} with 0x{initSize:x} bytes, which is not between 1 MiB and 4 GiB");
        if (head[0x234] != 0 && (alignment == 0 || (alignment & (alignment - 1)) != 0 || preferred % alignment != 0))
            throw file.Error($"its preferred address 0x{preferred:x} does not have its own alignment 0x{alignment:x}");
        if (initSize < (ulong)(file.Length - setupBytes) && initSize < codeBytes)
            throw file.Error($"its init_size 0x{initSize:x} is smaller than the kernel itself");

        long payloadOffset = setupBytes + Long(head, 0x248);
        long payloadLength = Long(head, 0x24c);
        return new SetupHeader(head[Offset..end].ToArray())
        {
            Version = version,
            XLoadFlags = flags,
            SetupBytes = setupBytes,
            PreferredAddress = preferred,
            InitSize = initSize,
            InitrdAddressMax = Long(head, 0x22c),
            CommandLineSize = Long(head, 0x238),
            PayloadOffset = payloadOffset,
            PayloadLength = payloadOffset + payloadLength <= file.Length ? payloadLength : 0,
        };
    }

    private static ushort Word(ReadOnlySpan<byte> head, int at) => BinaryPrimitives.ReadUInt16LittleEndian(head[at..]);

    private static uint Long(ReadOnlySpan<byte> head, int at) => BinaryPrimitives.ReadUInt32LittleEndian(head[at..]);

    private static ulong Quad(ReadOnlySpan<byte> head, int at) => BinaryPrimitives.ReadUInt64LittleEndian(head[at..]);
}
