using System.Text;
using Vmm.Control.Rpc;
using Vmm.Core.Backends;
using Vmm.Host.Serial;
using Vmm.Machine;

namespace Vmm.Control.Domains;

/// <content>The consoles.</content>
internal sealed partial class DomainCommands
{
    private const int MostTypedBytes = 64 << 10;

    // hvc_console's: the next key is a SysRq key.
    private const byte ControlO = 0x0f;

    private static readonly TimeSpan TypingPatience = TimeSpan.FromSeconds(10);

    public Task<IReadOnlyList<ConsoleEntry>> GetConsolesAsync(CancellationToken cancellation)
        => Do<IReadOnlyList<ConsoleEntry>>(() => [.. host.MachineAtAnyTime.Consoles.Select(EntryOf)]);

    public Task<ConsoleEntry> AttachConsoleAsync(string? console, CancellationToken cancellation) => Do(() =>
    {
        GuestConsole found = FindConsole(console);
        _feed.Attach(found.Name, found.Tap);
        return EntryOf(found);
    });

    public Task DetachConsoleAsync(string? console, CancellationToken cancellation) => Do(() => _feed.Detach(FindConsole(console).Name));

    public async Task<int> WriteConsoleAsync(byte[] data, string? console, CancellationToken cancellation)
    {
        if (Given(data).Length > MostTypedBytes) throw new RpcException(RpcErrorCode.InvalidParameters, $"data has {data.Length} bytes; at most {MostTypedBytes} go at a time");
        _ = host.Machine;
        return await TypeAsync(FindConsole(console).Tap, data, false, cancellation).ConfigureAwait(false);
    }

    public Task ResizeConsoleAsync(int columns, int rows, string? console, CancellationToken cancellation) => Do(() =>
    {
        if (columns is < 1 or > ushort.MaxValue || rows is < 1 or > ushort.MaxValue) throw new RpcException(RpcErrorCode.InvalidParameters, $"columns and rows are from 1 to {ushort.MaxValue}");
        GuestMachine machine = host.Machine;
        GuestConsole found = FindConsole(console);
        if (found.Device is not { } device) throw new RpcException(RpcErrorCode.WrongState, $"{found.Name} is a serial port, which has no size; in the guest, 'stty columns {columns} rows {rows}' says it");
        machine.ResizeConsole(device, found.Port, new TerminalSize((ushort)columns, (ushort)rows));
    });

    public async Task SendSysrqAsync(string key, CancellationToken cancellation)
    {
        if (Given(key).Length != 1 || !char.IsAsciiLetterOrDigit(key[0])) throw new RpcException(RpcErrorCode.InvalidParameters, $"'{key}' is not one letter or digit");
        _ = host.Machine;
        GuestConsole console = FindConsole(null);
        bool isSerial = console.Device is null;
        if (isSerial && !console.Tap.TakesBreaks) throw new RpcException(RpcErrorCode.WrongState, $"{console.Name} takes no breaks");
        byte[] data = isSerial ? Encoding.ASCII.GetBytes(key) : [ControlO, (byte)key[0]];
        if (await TypeAsync(console.Tap, data, isSerial, cancellation).ConfigureAwait(false) < data.Length)
            throw new RpcException(RpcErrorCode.WrongState, $"the guest does not read from {console.Name}");
    }

    private static async Task<int> TypeAsync(TappedChar tap, byte[] data, bool beginsWithBreak, CancellationToken cancellation)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(TypingPatience);
        return await tap.TypeAsync(data, beginsWithBreak, patience.Token).ConfigureAwait(false);
    }

    private ConsoleEntry EntryOf(GuestConsole console) => new(console.Name, console.Name == host.ConsoleName, console.Path);

    private GuestConsole FindConsole(string? name)
    {
        name ??= host.ConsoleName;
        IReadOnlyList<GuestConsole> all = host.MachineAtAnyTime.Consoles;
        return all.FirstOrDefault(c => c.Name == name)
            ?? throw new RpcException(RpcErrorCode.NotFound, $"there is no console '{name}'; there are: {string.Join(", ", all.Select(c => c.Name))}");
    }
}
