using Vmm.Core.Bus;

namespace Vmm.Devices.Legacy;

/// <summary>
/// Port 0x80, where firmware shows its progress and where everybody else writes to pass the time: keeps the last value, as the DMA page
/// register that stands there does.
/// </summary>
public sealed class PostCodePort : BytePortDevice
{
    /// <summary>Where it stands.</summary>
    public const ushort Port = 0x80;

    /// <summary>The last value written.</summary>
    public byte LastCode { get; private set; }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset) => LastCode;

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value) => LastCode = value;
}
