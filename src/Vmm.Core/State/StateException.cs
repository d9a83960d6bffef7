namespace Vmm.Core.State;

/// <summary>A saved state that cannot be restored: wrong version, impossible value, missing or unknown node.</summary>
public sealed class StateException : Exception
{
    public StateException(string message) : base(message) { }

    public StateException(string message, Exception inner) : base(message, inner) { }

    public StateException() { }
}
