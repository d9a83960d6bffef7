using System.Collections.Immutable;
using Vmm.Host;

namespace Vmm.Machine.Doctor;

/// <summary>The part of the report about KVM.</summary>
internal static class KvmDoctor
{
    private const string Device = "/dev/kvm";

    /// <summary>Adds what it finds.</summary>
    /// <returns>What "auto" takes.</returns>
    public static AccelChoice Examine(ImmutableArray<HostCheck>.Builder checks)
    {
        AccelChoice auto = AccelSelector.Choose();
        string? whyNot = HostFacts.WhyNotOpen(Device);
        checks.Add(whyNot is null
            ? new HostCheck(Device, HostCheckState.Ok, "can be opened")
            : new HostCheck(Device, HostCheckState.Missing, whyNot, "guests run on the software CPU"));
        return auto;
    }
}
