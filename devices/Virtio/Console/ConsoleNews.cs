namespace Vmm.Devices.Virtio.Console;

/// <summary>What a driver has still to be told of a port; told in this order.</summary>
[Flags]
internal enum ConsoleNews
{
    None = 0,
    Added = 1 << 0,
    IsConsole = 1 << 1,
    Name = 1 << 2,
    Size = 1 << 3,
    Open = 1 << 4,
    All = Added | IsConsole | Name | Size | Open,
}
