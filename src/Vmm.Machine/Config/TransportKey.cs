namespace Vmm.Machine.Config;

/// <summary>The key "transport" of a device: pci, which is the default, or mmio.</summary>
internal static class TransportKey
{
    private const string Key = "transport";

    public static VirtioTransportKind Take(OptionText keys)
    {
        switch (keys.Take(Key))
        {
            case null or "pci":
                return VirtioTransportKind.Pci;
            case "mmio":
                return VirtioTransportKind.Mmio;
            case var other:
                keys.Refuse(Key, $"is pci or mmio, not '{other}'");
                return VirtioTransportKind.Pci;
        }
    }
}
