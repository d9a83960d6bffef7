using Vmm.Control.Rpc;

namespace Vmm.Control.Domains;

/// <content>The consoles.</content>
internal sealed partial class DomainCommands
{
    public Task<IReadOnlyList<ConsoleEntry>> GetConsolesAsync(CancellationToken cancellation) => throw NotYet();

    public Task<ConsoleEntry> AttachConsoleAsync(string? console, CancellationToken cancellation) => throw NotYet();

    public Task DetachConsoleAsync(string? console, CancellationToken cancellation) => throw NotYet();

    public Task<int> WriteConsoleAsync(byte[] data, string? console, CancellationToken cancellation) => throw NotYet();

    public Task ResizeConsoleAsync(int columns, int rows, string? console, CancellationToken cancellation) => throw NotYet();
}
