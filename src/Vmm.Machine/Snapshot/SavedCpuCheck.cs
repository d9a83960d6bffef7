using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.State;
using Vmm.Machine.Build;

namespace Vmm.Machine.Snapshot;

/// <summary>Whether a CPU has all that it told a guest which was saved elsewhere.</summary>
internal static class SavedCpuCheck
{
    private const int MostNamed = 8;

    /// <exception cref="StateException">It has not.</exception>
    public static void Check(SnapshotReader saved, ICpuPlatform platform)
    {
        if (saved.Manifest.Vcpus < 1) throw new StateException("a saved guest without vCPUs cannot be");
        CpuidTable supported = platform.SupportedCpuid;
        for (int vcpu = 0; vcpu < saved.Manifest.Vcpus; vcpu++)
        {
            CpuidTable shown = saved.CpuidOf(vcpu);
            List<string> missing = [];
            foreach (CpuFeature feature in CpuFeatures.All)
            {
                if (feature.IsIn(shown) && !feature.IsIn(supported) && !IsOfTheMachine(feature)) missing.Add(feature.Name);
            }

            if (missing.Count == 0) continue;
            string names = string.Join(", ", missing.Take(MostNamed)) + (missing.Count > MostNamed ? $" and {missing.Count - MostNamed} more" : "");
            throw new StateException($"the guest was saved on {saved.Manifest.Cpu} with CPU features that {platform.Name} has not got here: {names}");
        }
    }

    // What follows from there being a hypervisor, and several vCPUs.
    private static bool IsOfTheMachine(CpuFeature feature) => feature.Name is "hypervisor" or "ht" or "cmp-legacy";
}
