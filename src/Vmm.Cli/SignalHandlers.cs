using System.Runtime.InteropServices;

namespace Vmm.Cli;

/// <summary>Takes the signals that ask a process to end, until it is disposed.</summary>
internal sealed class SignalHandlers : IDisposable
{
    private static readonly (PosixSignal Signal, int Number, string Name)[] EndingSignals =
    [
        (PosixSignal.SIGHUP, 1, "SIGHUP"),
        (PosixSignal.SIGINT, 2, "SIGINT"),
        (PosixSignal.SIGQUIT, 3, "SIGQUIT"),
        (PosixSignal.SIGTERM, 15, "SIGTERM"),
    ];

    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <param name="handle">Told the signal's number and name. Any thread.</param>
    public SignalHandlers(Action<int, string> handle)
    {
        foreach ((PosixSignal signal, int number, string name) in EndingSignals)
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                handle(number, name);
            }));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
    }
}
