namespace Vmm.Control.Domains;

/// <summary>A domain cannot be had, or not what was asked of it. The message is one line for the user.</summary>
public sealed class DomainException : Exception
{
    public DomainException(string message) : base(message) { }

    public DomainException(string message, Exception inner) : base(message, inner) { }

    public DomainException() { }
}
