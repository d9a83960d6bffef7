using Vmm.Core.Time;

namespace Vmm.Machine.Served;

/// <summary>What can be changed of a served device while it runs. A new process is told it again.</summary>
/// <param name="Limits">Of a disk.</param>
/// <param name="ReceiveLimits">Of a network device.</param>
/// <param name="SendLimits">Of a network device.</param>
/// <param name="IsLinkUp">The cable of a network device is in.</param>
internal sealed record ServedSettings(RateLimits Limits, RateLimits ReceiveLimits, RateLimits SendLimits, bool IsLinkUp = true);
