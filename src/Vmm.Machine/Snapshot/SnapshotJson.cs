using System.Text.Json.Serialization;
using Vmm.Devices.Chipset;
using Vmm.Devices.Legacy;
using Vmm.Devices.Pci;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Console;
using Vmm.Devices.Virtio.Net;
using Vmm.Devices.Virtio.P9;
using Vmm.Devices.Virtio.Pmem;
using Vmm.Devices.Virtio.Transport;
using Vmm.Devices.Virtio.Vsock;

namespace Vmm.Machine.Snapshot;

/// <summary>Every state as JSON; the code is generated, nothing is found by reflection. What is not known is refused: it would be lost.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, IncludeFields = true,
    IgnoreReadOnlyProperties = true, RespectNullableAnnotations = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SnapshotManifest))]
[JsonSerializable(typeof(SavedVcpu))]
[JsonSerializable(typeof(InterruptChipsState))]
[JsonSerializable(typeof(AcpiPmState))]
[JsonSerializable(typeof(PmTimerState))]
[JsonSerializable(typeof(Mc146818RtcState))]
[JsonSerializable(typeof(ResetControlState))]
[JsonSerializable(typeof(I8042State))]
[JsonSerializable(typeof(Uart16550State))]
[JsonSerializable(typeof(DebugConsoleState))]
[JsonSerializable(typeof(PciHostBridgeState))]
[JsonSerializable(typeof(PciFunctionState))]
[JsonSerializable(typeof(PciHotPlugState))]
[JsonSerializable(typeof(MsixState))]
[JsonSerializable(typeof(VirtioPciState))]
[JsonSerializable(typeof(VirtioMmioState))]
[JsonSerializable(typeof(VirtioBlockState))]
[JsonSerializable(typeof(VirtioNetState))]
[JsonSerializable(typeof(VirtioConsoleState))]
[JsonSerializable(typeof(VirtioBalloonState))]
[JsonSerializable(typeof(VirtioVsockState))]
[JsonSerializable(typeof(Virtio9pState))]
[JsonSerializable(typeof(VirtioPmemState))]
internal sealed partial class SnapshotJson : JsonSerializerContext;
