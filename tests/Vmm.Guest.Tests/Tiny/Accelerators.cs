using Vmm.TestKit;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>The CPUs that tiny guests run on, and what the one behind /dev/kvm can do here.</summary>
internal static class Accelerators
{
    public const string Software = "software";
    public const string Kvm = "kvm";

    /// <summary>Null where KVM runs every mode natively, else why a test that needs this is skipped.</summary>
    public static string? NeedsNativeKvm { get; } = KvmAvailability.SkipReason
        ?? (Directory.Exists("/sys/module/kvm_pvm") ? "needs a KVM that runs ring 0 natively (kvm_pvm interprets a part of the instructions)" : null);
}
