using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"A vring state description".</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct VringState(uint Index, uint Number);
