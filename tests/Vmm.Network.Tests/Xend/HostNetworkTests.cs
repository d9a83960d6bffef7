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
    public void Start_AnyStepFails_HostAsBefore(string name) => OnHost(before => AtEachStep(3, step =>
    {
        // The first time only: what takes the steps back works.
        _test.FailAt(step);
        if (Passes<LinuxException>(() => _test.Networks.Start(AllPlans[name]), "no more")) return false;
        Assert.Empty(_test.Store.List());
        Assert.Equal(before, TestHost.Picture());
        return true;
    }));

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void Start_CrashedAtAnyStep_StopPutsTheHostBack(string name) => OnHost(before => AtEachStep(3, step =>
    {
        // As it is after kill -9: nothing is taken back.
        _test.FailAt(step);
        if (Passes<LinuxException>(() => _test.Networks.StartWithoutRollback(AllPlans[name]), "no more")) return false;
        _test.FailAt();
        if (_test.Store.List().Count != 0) Assert.False(Assert.Single(_test.Networks.Status()).IsWhole);
        _test.Networks.Stop(AllPlans[name].Kind, null);
        Assert.Equal(before, TestHost.Picture());
        return true;
    }));

    [PrivateNetworkTheory]
    [MemberData(nameof(Plans))]
    public void Stop_BrokenOffAtAnyStep_NextStopGoesOn(string name)
        => OnHost(before => StopInTwo<InvalidOperationException>(name, before, step => _test.BreakAt(step), ""));

    [PrivateNetworkTheory]
    [InlineData("bridge")]
    [InlineData("veth")]
    [InlineData("nat")]
    public void Stop_AnyStepRefused_OthersAreDone_NextStopDoesTheRest(string name)
        => OnHost(before => StopInTwo<LinuxException>(name, before, step => _test.FailAt(step), "no more"));

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

    private void StopInTwo<TException>(string name, string before, Action<int> spoil, string said) where TException : Exception => AtEachStep(2, step =>
    {
        _test.FailAt();
        _test.Networks.Start(AllPlans[name]);
        spoil(step);
        bool isPassed = Passes<TException>(() => _test.Networks.Stop(AllPlans[name].Kind, null), said);
        if (!isPassed) Assert.Single(_test.Store.List());
        _test.FailAt();
        Assert.Equal(!isPassed, _test.Networks.Stop(AllPlans[name].Kind, null));
        Assert.Equal(before, TestHost.Picture());
        return !isPassed;
    });

    /// <summary>Does something for the first step, the second one, and so on, until it says that there are no more.</summary>
    private static void AtEachStep(int least, Func<int, bool> attempt)
    {
        int step = 1;
        while (step < MostSteps && attempt(step)) step++;
        Assert.InRange(step, least, MostSteps - 1);
    }

    private static bool Passes<TException>(Action act, string said) where TException : Exception
    {
        try
        {
            act();
            return true;
        }
        catch (TException e)
        {
            Assert.Contains(said, e.Message, StringComparison.Ordinal);
            return false;
        }
    }

    private static void OnHost(Action<string> test) => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        test(TestHost.Picture());
    });
}
