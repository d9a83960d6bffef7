using Vmm.Core.Interrupts;

namespace Vmm.Devices.Chipset;

/// <summary>The message that is a non-maskable interrupt (Intel SDM vol. 3 §11.11.2, delivery mode 100b).</summary>
public static class NmiMessage
{
    /// <summary>To one processor.</summary>
    public static MsiMessage To(byte apicId) => ApicMessage.Encode(apicId, logical: false, ApicDeliveryMode.NMI, vector: 0, level: false);
}
