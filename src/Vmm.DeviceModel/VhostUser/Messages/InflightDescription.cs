using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"Inflight description", with the padding that every implementation sends because its compiler adds it.</summary>
[StructLayout(LayoutKind.Explicit, Size = 24)]
internal readonly record struct InflightDescription(
    [field: FieldOffset(0)] ulong SizeBytes, [field: FieldOffset(8)] ulong Offset, [field: FieldOffset(16)] ushort Queues, [field: FieldOffset(18)] ushort QueueSize);
