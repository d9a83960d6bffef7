using System.Text;

namespace Vmm.Host.Tests.Serial;

/// <summary>A pipe, through /proc so that it needs no more system calls than the host layer has.</summary>
internal static class Pipe
{
    public static (LinuxFile Read, LinuxFile Write) Create(string directory)
    {
        string path = Path.Combine(directory, $"fifo-{Guid.NewGuid():N}");
        using System.Diagnostics.Process make = System.Diagnostics.Process.Start("mkfifo", path);
        make.WaitForExit();
        LinuxFile both = LinuxFile.Open(path, Native.Libc.O_RDWR);
        LinuxFile write = LinuxFile.Open(path, Native.Libc.O_WRONLY);
        LinuxFile read = LinuxFile.Open(path, Native.Libc.O_RDONLY);
        both.Dispose();
        File.Delete(path);
        return (read, write);
    }

    /// <summary>Reads until a text has come, or nothing for a while.</summary>
    public static string ReadUntil(LinuxFile file, string text, int quietMs = 10_000)
    {
        file.SetNonBlocking(true);
        StringBuilder all = new();
        byte[] buffer = new byte[65536];
        long end = Environment.TickCount64 + quietMs;
        while (!all.ToString().Contains(text, StringComparison.Ordinal) && Environment.TickCount64 < end)
        {
            int count = file.Read(buffer);
            if (count > 0)
            {
                all.Append(Encoding.Latin1.GetString(buffer, 0, count));
                end = Environment.TickCount64 + quietMs;
            }
            else if (count == 0) break;
            else Thread.Sleep(2);
        }

        return all.ToString();
    }
}
