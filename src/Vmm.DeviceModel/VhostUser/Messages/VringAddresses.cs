using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"A vring address description": in the front end's own address space, but the log's, which is guest-physical.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct VringAddresses(uint Index, uint Flags, ulong Descriptors, ulong Used, ulong Available, ulong Log);
