namespace Vmm.Core.State;

/// <summary>Something whose guest-visible state can be taken out and put back. The state is a sealed record with a version, apart from the object.</summary>
public interface IStateful<TState> where TState : class
{
    /// <summary>A copy of the state. The machine is stopped while this runs.</summary>
    TState Save();

    /// <summary>Puts a state back, without edges on wires.</summary>
    /// <exception cref="StateException">The state cannot be this object's.</exception>
    void Restore(TState state);
}
