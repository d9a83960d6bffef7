namespace Vmm.Core.Interrupts;

/// <summary>Takes message-signalled interrupts. Any thread may signal.</summary>
public interface IMsiSink
{
    /// <param name="message">Address and data.</param>
    /// <param name="requesterId">PCI bus/device/function of the sender, 0 for none.</param>
    void Signal(in MsiMessage message, ushort requesterId);
}
