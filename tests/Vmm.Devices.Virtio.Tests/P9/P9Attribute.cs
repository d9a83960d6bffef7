namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>Fields of Rgetattr that tests look at.</summary>
internal enum P9Attribute
{
    Path,
    Mode,
    Uid,
    Links,
    Size,
    ModifiedSeconds,
}
