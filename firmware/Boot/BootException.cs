namespace Vmm.Firmware.Boot;

/// <summary>The guest cannot be started with what was given. The message is one line for the user: which file, what, why.</summary>
public sealed class BootException : Exception
{
    public BootException(string message) : base(message) { }

    public BootException(string message, Exception inner) : base(message, inner) { }

    public BootException() { }
}
