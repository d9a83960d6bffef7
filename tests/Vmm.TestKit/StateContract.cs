using System.Text.Json;
using Vmm.Core.State;

namespace Vmm.TestKit;

/// <summary>What every device's saved state owes: nothing is lost in a round trip, and saving disturbs nothing.</summary>
public static class StateContract
{
    /// <summary>The state as text, for comparison.</summary>
    public static string Describe<TState>(IStateful<TState> device) where TState : class => JsonSerializer.Serialize(device.Save());

    /// <summary>Moves the state of one device into another and back into itself; each must then save the same.</summary>
    /// <exception cref="StateException">They differ; the message holds both.</exception>
    public static void Check<TState>(IStateful<TState> original, IStateful<TState> fresh) where TState : class
    {
        string expected = Describe(original);
        fresh.Restore(original.Save());
        Compare(expected, Describe(fresh), "restored elsewhere");
        original.Restore(original.Save());
        Compare(expected, Describe(original), "restored in place");
    }

    private static void Compare(string expected, string actual, string how)
    {
        if (expected != actual) throw new StateException($"state {how} differs:\n  was {expected}\n  is  {actual}");
    }
}
