using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Kvm.Tests;

public sealed class KvmProbeTests
{
    [Fact]
    public void Run_NoDevice_SaysSo()
    {
        KvmReport report = KvmProbe.Run(KvmProbe.QuickBudget, "/no/such/kvm");
        Assert.False(report.IsPresent || report.IsPermitted || report.IsUsable || report.IsRecommended);
        Assert.Null(report.Ring0Mips);
        Assert.StartsWith("/no/such/kvm does not exist", report.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_OtherDevice_SaysSo()
    {
        KvmReport report = KvmProbe.Run(KvmProbe.QuickBudget, "/dev/null");
        Assert.True(report.IsPresent && report.IsPermitted);
        Assert.False(report.IsUsable);
        Assert.Equal("/dev/null is no KVM device", report.Problem);
    }

    [KvmTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_Kvm_MeasuresRing0WithinTheBudget(bool thorough)
    {
        KvmProbe.Run(KvmProbe.QuickBudget);
        long start = Stopwatch.GetTimestamp();
        KvmReport report = KvmProbe.Run(thorough ? KvmProbe.ThoroughBudget : KvmProbe.QuickBudget);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        Assert.Null(report.Problem);
        Assert.True(report.IsUsable);
        Assert.Equal(12, report.ApiVersion);
        Assert.Contains(report.Capabilities, c => c is { Name: "IMMEDIATE_EXIT", IsPresent: true, IsNeeded: true });
        Assert.Equal(!TestGuest.Ring0IsInterpreted, report.Ring0IsNative);
        Assert.InRange(report.Ring0Mips!.Value, 0.01, 100_000);
        Assert.True(elapsed < TimeSpan.FromSeconds(1), $"took {elapsed}");
    }
}
