namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>Flags of a message (vhost-user, "Header"); the lower two bits are the version.</summary>
[Flags]
internal enum VhostUserFlags : uint
{
    None = 0,
    Version1 = 1,
    VersionMask = 3,
    Reply = 1 << 2,
    NeedReply = 1 << 3,
}
