using System.Text;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>
/// Starts a kernel directly, without a BIOS. The files are opened and their headers checked once, so that mistakes show before a machine
/// is built; <see cref="Load"/> fills guest memory at start and again at every reset.
/// </summary>
public sealed class BootLoader : IDisposable
{
    // COMMAND_LINE_SIZE of Linux on x86, less the terminating zero: for ELF kernels, which do not tell.
    private const uint ElfCommandLineSize = 2047;

    private readonly BootOptions _options;
    private readonly KernelImage _kernel;
    private readonly BootFile? _initrd;
    private readonly byte[] _commandLine;
    private readonly List<string> _notes = [];

    /// <exception cref="BootException">A file cannot be used, the command line is too long, or the protocol does not fit the kernel.</exception>
    public BootLoader(BootOptions options)
    {
        _options = options;
        _kernel = KernelImage.Open(options.KernelPath);
        try
        {
            _commandLine = EncodeCommandLine();
            CheckProtocol();
            if (options.InitrdPath is not null) _initrd = OpenInitrd(options.InitrdPath);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _initrd?.Dispose();
    }

    /// <summary>Places kernel, initrd and command line, tells the kernel of them, and gives the boot processor's first state.</summary>
    /// <param name="memory">Guest memory with RAM from address 0. Bytes beside those written are left alone.</param>
    /// <param name="rsdp">The ACPI root pointer (<c>AcpiTables.Write</c>); null without ACPI.</param>
    /// <param name="reserved">Ranges that the memory map must not call RAM, beside the usual ones.</param>
    /// <exception cref="BootException">It does not fit, or a file could not be read.</exception>
    public BootPlan Load(GuestMemory memory, GuestAddress? rsdp = null, params ReadOnlySpan<E820Entry> reserved)
    {
        E820Map map = E820Map.Build(memory, reserved);
        if (map.LowRamEnd <= BootLayout.HighMemory)
            throw _kernel.File.Error($"needs memory above 1 MiB, the guest has {Mebibytes(memory.TotalBytes)} MiB");
        List<string> notes = [.. _notes];
        PlacedKernel kernel = PlaceKernel(memory, map, notes);
        memory.Put(new GuestAddress(BootLayout.CommandLine), _commandLine);
        GuestAddress initrd = _initrd is null ? default : PlaceInitrd(memory, map, kernel.End);
        Handover handover = new(map, initrd, (ulong)(_initrd?.Length ?? 0), rsdp);
        VcpuState state = kernel.Protocol == BootProtocol.Pvh
            ? PvhEntry.Prepare(memory, handover, kernel.Entry)
            : LinuxEntry.Prepare(memory, _kernel.Header, handover, kernel.Entry);
        return new BootPlan
        {
            Protocol = kernel.Protocol,
            BootProcessor = state,
            Entry = kernel.Entry,
            KernelEnd = kernel.End,
            Initrd = _initrd is null ? null : initrd,
            Map = map,
            IsUnpackedOnHost = kernel.IsUnpacked,
            Notes = notes,
        };
    }

    private byte[] EncodeCommandLine()
    {
        byte[] line = Encoding.UTF8.GetBytes(_options.CommandLine + '\0');
        if (line.AsSpan().IndexOf((byte)0) != line.Length - 1) throw new BootException("command line: it holds a zero character");
        uint limit = Math.Min(_kernel.Header?.CommandLineSize ?? ElfCommandLineSize, BootLayout.CommandLineMaxBytes - 1);
        if ((uint)line.Length - 1 > limit)
            throw new BootException($"command line: it has {line.Length - 1} bytes, the kernel takes at most {limit}");
        return line;
    }

    private BootFile OpenInitrd(string path)
    {
        BootFile file = new("initrd", path);
        Span<byte> head = stackalloc byte[Magic.HeadBytes];
        head = head[..file.Read(0, head)];
        // Old ramdisk images are file systems, so this is no error.
        if (!Magic.IsCpio(head) && Magic.Compression(head) is PayloadCompression.Unknown or PayloadCompression.None)
            _notes.Add($"{file.Title}: is neither a cpio archive nor packed in a way Linux knows; the kernel may not be able to use it");
        return file;
    }

    /// <summary>What can be known before anything is unpacked.</summary>
    private void CheckProtocol()
    {
        if (_kernel.Elf is { } elf) Choose(elf, _kernel.ElfNotes);
        else if (_options.Protocol == BootProtocol.Pvh && !_kernel.CanUnpack)
            throw _kernel.File.Error($"has its PVH entry inside a payload that cannot be unpacked here ({Name(_kernel.Compression)})");
    }

    private PlacedKernel PlaceKernel(GuestMemory memory, E820Map map, List<string> notes)
    {
        bool unpack = _kernel.Header is null || _options.UnpackOnHost || _options.Protocol == BootProtocol.Pvh;
        if (unpack && _kernel.CanUnpack)
        {
            using ElfReader reader = _kernel.OpenElf();
            if (_kernel.Header is null || reader.IsElf()) return PlaceElf(reader, memory, map);
            if (_options.Protocol == BootProtocol.Pvh) throw _kernel.File.Error("its payload is not an ELF image, so it has no PVH entry");
            notes.Add($"{_kernel.File.Title}: its payload is not an ELF image; the kernel unpacks itself");
        }
        else if (unpack)
        {
            notes.Add($"{_kernel.File.Title}: its payload is packed with {Name(_kernel.Compression)}, which is not read here; the kernel unpacks itself");
        }

        return PlaceBzImage(_kernel.Header!, memory, map);
    }

    private PlacedKernel PlaceBzImage(SetupHeader header, GuestMemory memory, E820Map map)
    {
        ulong load = header.PreferredAddress;
        long codeBytes = _kernel.File.Length - header.SetupBytes;
        ulong end = load + Math.Max(header.InitSize, (ulong)codeBytes);
        CheckFits(map, end);
        _kernel.File.CopyTo(memory, new GuestAddress(load), header.SetupBytes, codeBytes);
        return new PlacedKernel(BootProtocol.Linux64, new GuestAddress(load + SetupHeader.Entry64Offset), new GuestAddress(end), false);
    }

    private PlacedKernel PlaceElf(ElfReader reader, GuestMemory memory, E820Map map)
    {
        SetupHeader? header = _kernel.Header;
        ElfImage elf = reader.ReadHeaders(header?.InitSize ?? (ulong)_kernel.File.Length);
        ulong end = elf.MemoryEnd;
        if (header is not null) end = Math.Max(end, header.PreferredAddress + header.InitSize);
        CheckFits(map, end);
        XenNotes notes = reader.ReadSegments(elf, memory);
        BootProtocol protocol = Choose(elf, notes);
        ulong entry = protocol == BootProtocol.Pvh ? notes.PvhEntry!.Value : elf.Entry!.Value;
        return new PlacedKernel(protocol, new GuestAddress(entry), new GuestAddress(end), header is not null);
    }

    /// <summary>Linux has both entries and its own is preferred; any other kernel with a PVH entry means that one.</summary>
    private BootProtocol Choose(ElfImage elf, XenNotes notes)
    {
        bool hasPvh = notes.PvhEntry is { } pvh && elf.Loads.Any(l => pvh - l.PhysicalAddress < l.MemoryBytes);
        bool has64 = elf.Is64Bit && elf.Entry is not null;
        switch (_options.Protocol)
        {
            case BootProtocol.Pvh:
                return hasPvh ? BootProtocol.Pvh : throw _kernel.File.Error("has no PVH entry (no XEN_ELFNOTE_PHYS32_ENTRY note, or one that points nowhere)");
            case BootProtocol.Linux64:
                return has64 ? BootProtocol.Linux64 : throw _kernel.File.Error(elf.Is64Bit ? "has no entry point inside its segments" : "is a 32-bit kernel, it has no 64-bit entry");
            default:
                if (hasPvh && !(has64 && (notes.IsLinux || _kernel.IsBzImage))) return BootProtocol.Pvh;
                if (has64) return BootProtocol.Linux64;
                throw _kernel.File.Error(elf.Is64Bit ? "has no entry point inside its segments" : "is a 32-bit kernel without a PVH entry");
        }
    }

    private GuestAddress PlaceInitrd(GuestMemory memory, E820Map map, GuestAddress kernelEnd)
    {
        ulong limit = map.LowRamEnd;
        if (_kernel.Header is { } header) limit = Math.Min(limit, header.InitrdAddressMax + 1UL);
        ulong size = (ulong)_initrd!.Length;
        ulong lowest = (kernelEnd.Value + GuestAddress.PageSize - 1) & ~(GuestAddress.PageSize - 1UL);
        if (limit < lowest || size > limit - lowest)
        {
            throw _initrd.Error($"has {Mebibytes(size)} MiB; beside the kernel, which ends at {Mebibytes(lowest)} MiB, "
                + $"there is room up to {Mebibytes(limit)} MiB (the guest has {Mebibytes(memory.TotalBytes)} MiB)");
        }

        GuestAddress at = new((limit - size) & ~(GuestAddress.PageSize - 1UL));
        _initrd.CopyTo(memory, at, 0, _initrd.Length);
        return at;
    }

    private void CheckFits(E820Map map, ulong end)
    {
        if (end > map.LowRamEnd)
            throw _kernel.File.Error($"needs memory up to {Mebibytes(end)} MiB, the guest has {Mebibytes(map.LowRamEnd)} MiB there");
    }

    private static ulong Mebibytes(ulong bytes) => (bytes + (1 << 20) - 1) >> 20;

    private static string Name(PayloadCompression compression)
        => compression == PayloadCompression.Unknown ? "an unknown compression" : compression.ToString().ToLowerInvariant();
}
