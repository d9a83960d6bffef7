using Vmm.Host;
using Vmm.Network.Xend;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class HostNetworkTests : IDisposable
{
    private const int MostSteps = 60;

    private readonly TestStore _test = new();

    public static TheoryData<string> Plans => [.. AllPlans.Keys];

    private static Dictionary<string, NetworkPlan> AllPlans { get; } = new()
    {
        ["bridge"] = new NetworkPlan(),
        ["bridge of the card's name"] = new NetworkPlan { Bridge = "eth0", Device = "eth0" },
        ["veth"] = new NetworkPlan { HasVeth = true, VethNumber = 3 },
        ["route"] = new NetworkPlan { Kind = NetworkKind.Route },
        ["nat"] = new NetworkPlan { Kind = NetworkKind.Nat, HasServer = false, Network = "10.99.0.0/16" },
    };

    public void Dispose() => _test.Dispose();

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void StartAndStop_AnyKind_HostAsBefore(string name) => OnHost(before =>
    {
        Assert.True(_test.Networks.Start(AllPlans[name]));
        string started = TestHost.Picture();
        Assert.NotEqual(before, started);
        Assert.False(_test.Networks.Start(AllPlans[name]));
        Assert.Equal(started, TestHost.Picture());
        NetworkStatus status = Assert.Single(_test.Networks.Status());
        Assert.True(status.IsWhole, string.Join("; ", status.Problems));
        Assert.True(_test.Networks.Stop(AllPlans[name].Kind, null));
        Assert.Equal(before, TestHost.Picture());
        Assert.False(_test.Networks.Stop(AllPlans[name].Kind, null));
        Assert.Empty(_test.Networks.Status());
        Assert.Equal(before, TestHost.Picture());
    });

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void Start_AnyStepFails_HostAsBefore(string name) => OnHost(before =>
    {
        int step = 1;
        for (; step < MostSteps; step++)
        {
            // The first time only: what takes the steps back works.
            _test.FailAt(step);
            try
            {
                _test.Networks.Start(AllPlans[name]);
                break;
            }
            catch (LinuxException e)
            {
                Assert.Contains("no more", e.Message, StringComparison.Ordinal);
            }

            Assert.Empty(_test.Store.List());
            Assert.Equal(before, TestHost.Picture());
        }

        Assert.InRange(step, 3, MostSteps - 1);
    });

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void Start_CrashedAtAnyStep_StopPutsTheHostBack(string name) => OnHost(before =>
    {
        int step = 1;
        for (; step < MostSteps; step++)
        {
            _test.FailAt(step);
            try
            {
                _test.Networks.StartWithoutRollback(AllPlans[name]);
                break;
            }
            catch (LinuxException)
            {
                // As it is after kill -9: nothing was taken back.
            }

            _test.FailAt();
            if (_test.Store.List().Count != 0) Assert.False(Assert.Single(_test.Networks.Status()).IsWhole);
            _test.Networks.Stop(AllPlans[name].Kind, null);
            Assert.Equal(before, TestHost.Picture());
        }

        Assert.InRange(step, 3, MostSteps - 1);
    });

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void Stop_BrokenOffAtAnyStep_NextStopGoesOn(string name) => OnHost(before =>
    {
        int step = 1;
        for (; step < MostSteps; step++)
        {
            _test.FailAt();
            _test.Networks.Start(AllPlans[name]);
            _test.BreakAt(step);
            try
            {
                _test.Networks.Stop(AllPlans[name].Kind, null);
                break;
            }
            catch (InvalidOperationException)
            {
                Assert.Single(_test.Store.List());
            }

            _test.FailAt();
            Assert.True(_test.Networks.Stop(AllPlans[name].Kind, null));
            Assert.Equal(before, TestHost.Picture());
        }

        Assert.InRange(step, 2, MostSteps - 1);
        Assert.Equal(before, TestHost.Picture());
    });

    [PrivateNetworkTheory]
    [InlineData("bridge")]
    [InlineData("veth")]
    [InlineData("nat")]
    public void Stop_AnyStepRefused_OthersAreDone_NextStopDoesTheRest(string name) => OnHost(before =>
    {
        int step = 1;
        for (; step < MostSteps; step++)
        {
            _test.FailAt();
            _test.Networks.Start(AllPlans[name]);
            _test.FailAt(step);
            try
            {
                _test.Networks.Stop(AllPlans[name].Kind, null);
                break;
            }
            catch (LinuxException e)
            {
                Assert.Contains("no more", e.Message, StringComparison.Ordinal);
                Assert.Single(_test.Store.List());
            }

            _test.FailAt();
            Assert.True(_test.Networks.Stop(AllPlans[name].Kind, null));
            Assert.Equal(before, TestHost.Picture());
        }

        Assert.InRange(step, 2, MostSteps - 1);
    });

    [PrivateNetworkTheory]
    [InlineData("veth")]
    [InlineData("nat")]
    public void Start_FailsAndAnUndoIsRefused_StopDoesTheRest(string name) => OnHost(before =>
    {
        _test.FailAt();
        _test.Networks.Start(AllPlans[name]);
        int last = _test.Steps;
        _test.Networks.Stop(AllPlans[name].Kind, null);
        for (int undo = last + 1; undo < 2 * MostSteps; undo++)
        {
            _test.FailAt(last, undo);
            Assert.Throws<LinuxException>(() => _test.Networks.Start(AllPlans[name]));
            bool isWhole = _test.Store.List().Count == 0;
            _test.FailAt();
            _test.Networks.Stop(AllPlans[name].Kind, null);
            Assert.Equal(before, TestHost.Picture());
            if (isWhole) return;
        }

        Assert.Fail("taking back has no end");
    });

    private static void OnHost(Action<string> test) => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        test(TestHost.Picture());
    });
}
