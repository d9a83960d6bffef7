using System.Globalization;
using System.Text;
using Vmm.Host;

namespace Vmm.Cli;

/// <summary>A bar on the terminal while work goes on; nothing where standard error is no terminal, unless -t says so.</summary>
internal sealed class ProgressBar : IDisposable
{
    private const int Width = 40;
    private const int Steps = 1000;

    private readonly LinuxFile? _terminal = Terminal.IsTerminal(2) || GlobalFlags.ShowsProgress ? LinuxFile.Standard(2) : null;
    private int _shown = -1;

    /// <summary>What to call with the part that is done; null where nobody would see it.</summary>
    public Action<double>? Report => _terminal is null ? null : Show;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_shown >= 0) Write("\r" + new string(' ', Width + 12) + "\r");
    }

    private void Show(double part)
    {
        int step = (int)(Math.Clamp(part, 0, 1) * Steps);
        if (step == _shown) return;
        _shown = step;
        int done = step * Width / Steps;
        Write(string.Create(CultureInfo.InvariantCulture, $"\r[{new string('#', done)}{new string(' ', Width - done)}] {step / 10.0,5:F1} %"));
    }

    private void Write(string text)
    {
        try
        {
            _terminal?.Write(Encoding.ASCII.GetBytes(text));
        }
        catch (LinuxException)
        {
            // The work matters more than its display.
        }
    }
}
