using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>A device of a machine as it stands.</summary>
/// <param name="Config">As it was asked for.</param>
/// <param name="Slot">Its device number on PCI bus 0.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
public sealed record DeviceInfo(DeviceConfig Config, int Slot, bool IsLeaving)
{
    /// <summary>The name of its kind: "disk".</summary>
    public string Kind => Config.Kind;
}
