using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>What <see cref="BootLoader.Load"/> did: guest memory is filled, this is how the boot processor starts.</summary>
public sealed record BootPlan
{
    /// <summary>The entry that was chosen; never <see cref="BootProtocol.Auto"/>.</summary>
    public required BootProtocol Protocol { get; init; }

    /// <summary>The complete state to apply to vCPU 0.</summary>
    public required VcpuState BootProcessor { get; init; }

    /// <summary>The guest-physical address of the first instruction.</summary>
    public required GuestAddress Entry { get; init; }

    /// <summary>One past the last byte the kernel needs before it knows its memory.</summary>
    public required GuestAddress KernelEnd { get; init; }

    /// <summary>Where the initial ramdisk was put; null without one.</summary>
    public GuestAddress? Initrd { get; init; }

    /// <summary>The memory map the guest was given.</summary>
    public required E820Map Map { get; init; }

    /// <summary>True when a bzImage was unpacked by the host.</summary>
    public required bool IsUnpackedOnHost { get; init; }

    /// <summary>One line each for the user: a fallback and its reason, an initial ramdisk that looks foreign.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}
