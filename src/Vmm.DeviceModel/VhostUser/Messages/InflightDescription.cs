using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"Inflight description".</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct InflightDescription(ulong SizeBytes, ulong Offset, ushort Queues, ushort QueueSize);
