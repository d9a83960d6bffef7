using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Iced.Intel;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>A place for domains of a test's own, driven by the published executable as a user would. All that is left in it at the end is ended.</summary>
internal sealed class DomainRoom : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-domains").FullName;

    public DomainRoom() => TinyKernel.WritePvh(PathOf("kernel"), Spin);

    /// <summary>What <c>vmm</c> said.</summary>
    public sealed record Answer(int Code, string Output, string Errors)
    {
        /// <summary>The lines of the output.</summary>
        public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        /// <summary>The answer, which is good.</summary>
        public Answer Good()
        {
            Assert.True(Code == 0, $"exit code {Code}: {Errors}");
            return this;
        }
    }

    /// <summary>A file of the room.</summary>
    public string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>The folder of a domain.</summary>
    public string FolderOf(int id) => Path.Combine(PathOf("run"), id.ToString(CultureInfo.InvariantCulture));

    /// <summary>Writes a configuration with a tiny kernel on the software CPU.</summary>
    /// <returns>The file.</returns>
    public string Config(string name, string more = "", Action<Assembler>? code = null)
    {
        string kernel = PathOf("kernel");
        if (code is not null) TinyKernel.WritePvh(kernel = PathOf($"kernel-{name}"), code);
        File.WriteAllText(PathOf($"{name}.cfg"), $"name = '{name}'\nkernel = '{kernel}'\nmemory = 16\nvmm_accel = 'software'\n{more}\n");
        return PathOf($"{name}.cfg");
    }

    /// <summary>Runs <c>vmm</c> to its end.</summary>
    public Answer Run(params string[] arguments) => RunAs(Repository.Vmm, arguments);

    /// <summary>Runs the executable under another name.</summary>
    public Answer RunAs(string program, params string[] arguments)
    {
        using Process process = Process.Start(Start(program, arguments))!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        Assert.True(process.WaitForExit(Patience), $"'{string.Join(' ', arguments)}' does not end");
        return new(process.ExitCode, output.Result, errors.Result);
    }

    /// <summary>How a program is started that sees the domains of the room.</summary>
    public ProcessStartInfo Start(string program, params string[] arguments) => new(program, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        Environment = { ["VMM_RUN_DIR"] = PathOf("run"), ["VMM_DUMP_DIR"] = PathOf("dump") },
    };

    /// <summary>The number of the process that is a domain.</summary>
    public int ProcessOf(string domain)
    {
        using JsonDocument list = JsonDocument.Parse(Run("list", "-l", domain).Good().Output);
        return list.RootElement[0].GetProperty("processId").GetInt32();
    }

    /// <summary>The letters of a domain's state in the list; empty when it is not there.</summary>
    public string StateOf(string domain)
    {
        string? row = Run("list").Good().Lines.FirstOrDefault(l => l.StartsWith(domain + " ", StringComparison.Ordinal));
        return row?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4] ?? "";
    }

    /// <summary>Waits until something is so.</summary>
    public static void WaitFor(Func<bool> isSo, string what) => Assert.True(SpinWait.SpinUntil(isSo, Patience), $"it is never so that {what}");

    /// <summary>A kernel that goes round for ever.</summary>
    public static void Spin(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.jmp(loop);
    }

    public void Dispose()
    {
        foreach (string line in Run("list").Lines.Skip(2)) Run("destroy", line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
        Directory.Delete(_folder, recursive: true);
    }
}
