namespace Vmm.Core.Hypervisor;

/// <summary>The host cannot or will not do what was asked (a failed ioctl, no memory, no permission). The message is one line for the user.</summary>
public sealed class HypervisorException : Exception
{
    public HypervisorException(string message) : base(message) { }

    public HypervisorException(string message, Exception inner) : base(message, inner) { }

    public HypervisorException() { }
}
