namespace Vmm.Core.Bus;

/// <summary>
/// Maps address ranges to devices: the port space (0 to 0xffff) and the memory-mapped space are one each. Ranges may be attached
/// and detached while vCPUs run; a look-up takes no lock and allocates nothing.
/// </summary>
public sealed class AddressBus
{
    private readonly ulong _limit;
    private readonly Lock _change = new();
    private Mapping[] _mappings = [];

    /// <param name="name">For messages: "port" or "mmio".</param>
    /// <param name="limit">The highest address of this space.</param>
    public AddressBus(string name, ulong limit)
    {
        Name = name;
        _limit = limit;
    }

    /// <summary>A bus for the 64 Ki I/O ports.</summary>
    public static AddressBus Ports() => new("port", 0xffff);

    /// <summary>A bus for memory-mapped I/O.</summary>
    public static AddressBus Mmio() => new("mmio", ulong.MaxValue);

    /// <summary>"port" or "mmio".</summary>
    public string Name { get; }

    /// <summary>
    /// Told of accesses that no device took or that a device refused, at most once for each range and kind. Null: nobody listens.
    /// </summary>
    public Action<string>? Diagnostics { get; set; }

    /// <summary>The attached ranges in ascending order: name, first address, size in bytes.</summary>
    public IEnumerable<(string Name, ulong Start, ulong SizeBytes)> Ranges => _mappings.Select(m => (m.Name, m.Start, m.Size));

    /// <summary>Gives a range of addresses to a device.</summary>
    /// <param name="start">First address.</param>
    /// <param name="sizeBytes">Length, not zero.</param>
    /// <param name="device">Who answers. The same object may be attached several times; one lock guards it everywhere.</param>
    /// <param name="region">The tag that the device finds in <see cref="BusAccess.Region"/>.</param>
    /// <param name="name">For messages.</param>
    /// <exception cref="ArgumentException">The range is empty, leaves the space or overlaps another.</exception>
    public void Attach(ulong start, ulong sizeBytes, IBusDevice device, int region = 0, string? name = null)
    {
        name ??= device.GetType().Name;
        if (sizeBytes == 0 || start > _limit || sizeBytes - 1 > _limit - start)
            throw new ArgumentException($"{Name} range 0x{start:x}+0x{sizeBytes:x} of {name} is empty or leaves the space");
        lock (_change)
        {
            if (Overlapping(start, sizeBytes) is { } other)
                throw new ArgumentException($"{Name} range 0x{start:x}+0x{sizeBytes:x} of {name} overlaps {other.Name} at 0x{other.Start:x}");
            Add(start, sizeBytes, device, region, name);
        }
    }

    /// <summary>As <see cref="Attach"/>, for a range that the guest chose: false when it is empty, leaves the space or overlaps another.</summary>
    public bool TryAttach(ulong start, ulong sizeBytes, IBusDevice device, int region, string name)
    {
        if (sizeBytes == 0 || start > _limit || sizeBytes - 1 > _limit - start) return false;
        lock (_change)
        {
            if (Overlapping(start, sizeBytes) is not null) return false;
            Add(start, sizeBytes, device, region, name);
            return true;
        }
    }

    /// <summary>Takes back the range that starts at <paramref name="start"/>. False when there is none.</summary>
    public bool Detach(ulong start)
    {
        lock (_change)
        {
            Mapping[] kept = [.. _mappings.Where(m => m.Start != start)];
            bool found = kept.Length != _mappings.Length;
            _mappings = kept;
            return found;
        }
    }

    /// <summary>Reads; where nobody answers, all ones.</summary>
    /// <returns>False when no device took it.</returns>
    public bool Read(ulong address, Span<byte> data, int vcpu)
    {
        Mapping? mapping = Find(address, data.Length);
        if (mapping is null)
        {
            data.Fill(0xff);
            return false;
        }

        BusResult result;
        lock (mapping.Gate)
            result = mapping.Device.Read(new BusAccess(mapping.Region, address - mapping.Start, vcpu), data);
        if (result == BusResult.Ok) return true;
        data.Fill(0xff);
        Report(mapping, result, address, data.Length, "read of");
        return false;
    }

    /// <summary>Writes; where nobody answers, the data is lost.</summary>
    /// <returns>False when no device took it.</returns>
    public bool Write(ulong address, ReadOnlySpan<byte> data, int vcpu)
    {
        Mapping? mapping = Find(address, data.Length);
        if (mapping is null) return false;
        BusResult result;
        lock (mapping.Gate)
            result = mapping.Device.Write(new BusAccess(mapping.Region, address - mapping.Start, vcpu), data);
        if (result == BusResult.Ok) return true;
        Report(mapping, result, address, data.Length, "write to");
        return false;
    }

    private Mapping? Overlapping(ulong start, ulong sizeBytes)
    {
        foreach (Mapping other in _mappings)
        {
            if (start <= other.Start + (other.Size - 1) && other.Start <= start + (sizeBytes - 1)) return other;
        }

        return null;
    }

    private void Add(ulong start, ulong sizeBytes, IBusDevice device, int region, string name)
    {
        object gate = _mappings.FirstOrDefault(m => ReferenceEquals(m.Device, device))?.Gate ?? new object();
        _mappings = [.. _mappings.Append(new Mapping(start, sizeBytes, device, region, name, gate)).OrderBy(m => m.Start)];
    }

    private Mapping? Find(ulong address, int count)
    {
        Mapping[] mappings = _mappings;
        int low = 0, high = mappings.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            Mapping mapping = mappings[middle];
            if (address < mapping.Start) high = middle - 1;
            else if (address - mapping.Start >= mapping.Size) low = middle + 1;
            else return mapping.Size - (address - mapping.Start) >= (ulong)count ? mapping : null;
        }

        return null;
    }

    private void Report(Mapping mapping, BusResult result, ulong address, int count, string verb)
    {
        int bit = 1 << (int)result;
        if (Diagnostics is not { } diagnostics || (Interlocked.Or(ref mapping.Reported, bit) & bit) != 0) return;
        diagnostics($"{mapping.Name}: {verb} {Name} 0x{address:x} with {count} bytes: {result}; more of the kind are not reported");
    }

    private sealed record Mapping(ulong Start, ulong Size, IBusDevice Device, int Region, string Name, object Gate)
    {
        public int Reported;
    }
}
