using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Host;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm top</c>: what domains use, again and again.</summary>
internal static class TopCommand
{
    private const string Home = "\e[H", ClearRest = "\e[J", ClearLine = "\e[K", HideCursor = "\e[?25l", ShowCursor = "\e[?25h", Clear = "\e[2J";
    private const double LeastSeconds = 0.1, DefaultSeconds = 3;

    public static Command Create()
    {
        Option<bool> batch = new("--batch", "-b") { Description = "Print table after table, for files and pipes. This is so without a terminal, too." };
        Option<int?> count = new("--iterations", "-n") { HelpName = "N", Description = "End after so many tables. [default: 1 without a terminal]" };
        Option<double?> delay = new("--delay", "-d") { HelpName = "SECONDS", Description = "The time between tables. [default: 3]" };
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("top", "Show what domains use, as xentop does; q leaves.", result =>
        {
            double seconds = result.GetValue(delay) ?? DefaultSeconds;
            if (seconds is not (>= LeastSeconds and <= 3600)) throw new DomainException($"the time between tables is from {LeastSeconds.ToString(CultureInfo.InvariantCulture)} to 3600 s");
            bool isLive = Terminal.IsTerminal(1) && Terminal.IsTerminal(0) && !result.GetValue(batch);
            int most = result.GetValue(count) ?? (isLive || result.GetValue(batch) ? int.MaxValue : 1);
            if (isLive) ShowLive(result.GetValue(names) ?? [], TimeSpan.FromSeconds(seconds), most);
            else Print(result.GetValue(names) ?? [], TimeSpan.FromSeconds(seconds), most, result.InvocationConfiguration.Output);
            return (int)ExitCode.Ok;
        }, batch, count, delay, names);
    }

    private static void Print(string[] names, TimeSpan delay, int most, TextWriter output)
    {
        IReadOnlyList<TopSample> before = [];
        for (int i = 0; i < most; i++)
        {
            if (i != 0) Thread.Sleep(delay);
            IReadOnlyList<TopSample> now = TopSample.Take(names);
            foreach (string line in TopTable.Lines(now, before)) output.WriteLine(line);
            output.Flush();
            before = now;
        }
    }

    private static void ShowLive(string[] names, TimeSpan delay, int most)
    {
        // It goes last: the terminal may tell of its size up to its end.
        using AutoResetEvent again = new(false);
        using Terminal terminal = Terminal.TryEnterRaw(0)!;
        using ManualResetEventSlim leave = new();
        terminal.Resized += () => again.Set();
        WaitHandle[] wakes = [leave.WaitHandle, again];
        new Thread(() => WaitForKey(leave)) { IsBackground = true, Name = "keys" }.Start();
        Write(HideCursor + Clear);
        try
        {
            IReadOnlyList<TopSample> before = [];
            for (int i = 0; i < most; i++)
            {
                IReadOnlyList<TopSample> now = TopSample.Take(names);
                Write(Screen(now, before, terminal.Size));
                before = now;
                if (WaitHandle.WaitAny(wakes, delay) == 0) return;
            }
        }
        finally
        {
            Write(ShowCursor + "\r\n");
        }
    }

    private static string Screen(IReadOnlyList<TopSample> now, IReadOnlyList<TopSample> before, Core.Backends.TerminalSize? size)
    {
        int columns = size?.Columns ?? int.MaxValue, rows = size?.Rows ?? int.MaxValue;
        StringBuilder text = new(Home);
        string title = string.Create(CultureInfo.InvariantCulture, $"vmm top  {DateTime.Now:HH:mm:ss}   {now.Count} domains, {Environment.ProcessorCount} CPUs, {(HostFacts.AvailableBytes ?? 0) >> 20} MiB free");
        foreach (string line in TopTable.Lines(now, before).Prepend(title).Take(rows - 1)) text.Append(line.Length > columns ? line[..columns] : line).Append(ClearLine).Append("\r\n");
        return text.Append(ClearRest).ToString();
    }

    // In raw mode Ctrl-C is a character, too.
    private static void WaitForKey(ManualResetEventSlim leave)
    {
        const byte CtrlC = 3;
        LinuxFile input = LinuxFile.Standard(0);
        byte[] key = new byte[1];
        try
        {
            while (input.Read(key) == 1 && key[0] is not ((byte)'q' or (byte)'Q' or CtrlC or ConsoleClient.CtrlBracket)) { }
            leave.Set();
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            // The terminal is gone, or top has ended.
        }
    }

    private static void Write(string text) => LinuxFile.Standard(1).Write(Encoding.UTF8.GetBytes(text));
}
