using Vmm.Host;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>Decides what "auto" takes on this host.</summary>
public static class AccelSelector
{
    private const string Device = "/dev/kvm";

    /// <summary>KVM where it is there and permitted, else the software CPU.</summary>
    public static AccelChoice Choose()
        => HostFacts.WhyNotOpen(Device) is { } why
            ? new AccelChoice(Accelerator.Software, $"{Device} {why}")
            : new AccelChoice(Accelerator.Kvm, $"{Device} can be used");
}
