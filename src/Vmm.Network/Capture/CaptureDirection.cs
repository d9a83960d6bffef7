namespace Vmm.Network.Capture;

/// <summary>Which way a packet went, seen from the guest; the values are pcapng's.</summary>
internal enum CaptureDirection : uint
{
    Inbound = 1,
    Outbound = 2,
}
