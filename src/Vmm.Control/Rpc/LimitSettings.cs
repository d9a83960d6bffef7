using System.Text.Json.Serialization;
using PolyType;
using Vmm.Core.Time;

namespace Vmm.Control.Rpc;

/// <summary>Limits of a device or direction; 0 is no limit.</summary>
/// <param name="BytesPerSecond">Bytes.</param>
/// <param name="BytesBurst">Bytes at once after a rest; 0 for a tenth of a second's.</param>
/// <param name="OperationsPerSecond">Requests of a disk, packets of a network device.</param>
/// <param name="OperationsBurst">Operations at once after a rest; 0 for a tenth of a second's.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record LimitSettings(ulong BytesPerSecond = 0, ulong BytesBurst = 0, ulong OperationsPerSecond = 0, ulong OperationsBurst = 0)
{
    /// <summary>Null where there is no limit.</summary>
    internal static LimitSettings? Of(RateLimits limits) => limits.IsLimited
        ? new(limits.Bytes.PerSecond, limits.Bytes.Burst, limits.Operations.PerSecond, limits.Operations.Burst)
        : null;

    internal RateLimits ToLimits() => new(new TokenRate(BytesPerSecond, BytesBurst), new TokenRate(OperationsPerSecond, OperationsBurst));
}
