using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"Log description".</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct LogDescription(ulong SizeBytes, ulong Offset);
