using System.CommandLine;
using Vmm.Control.Domains;
using Vmm.Control.Xl;
using Vmm.Machine.Config;
using Vmm.Storage;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm clone</c>: another domain like one that is there, as virt-clone makes it.</summary>
internal static class CloneCommand
{
    private const string Help = """

        The clone has a UUID and addresses of its own, and each disk that the guest can write becomes a copy (--disk copy) or a qcow2 image over the
        one that is there (--disk overlay), which must not change any more then. A disk that a running domain uses cannot be cloned.
        """;

    public static Command Create()
    {
        Option<string> name = new("--name", "-n") { HelpName = "NAME", Required = true, Description = "The clone's name." };
        Option<string> disk = new("--disk") { HelpName = "copy|overlay", DefaultValueFactory = _ => "copy", Description = "What becomes of the disks." };
        Option<string?> folder = new("--folder") { HelpName = "DIR", Description = "Where the new disks go. [default: beside the old ones]" };
        Option<string?> output = new("--output", "-o") { HelpName = "FILE", Description = "The new configuration file. [default: NAME.cfg beside the old one]" };
        Argument<string> source = new("FILE") { Description = "The configuration file of the domain to clone." };
        Command command = DomainVerb.New("clone", "Make another domain like one that is there: its configuration file and its disks.", result =>
        {
            bool isOverlay = result.GetRequiredValue(disk) switch { "copy" => false, "overlay" => true, string other => throw new DomainException($"'{other}' is none of copy, overlay") };
            return ImageCommand.Run(() => Clone(result.GetRequiredValue(source), result.GetRequiredValue(name), isOverlay, result.GetValue(folder), result.GetValue(output)),
                (int)ExitCode.Failed);
        }, name, disk, folder, output, source);
        CommandLine.AppendToHelp(command, Help);
        return command;
    }

    private static int Clone(string path, string name, bool isOverlay, string? folder, string? output)
    {
        DomainFile file = DomainFile.Read(path, []);
        DomainConfig? config = file.Build(out IReadOnlyList<XlError> errors, out _);
        foreach (XlError error in errors) StandardError.Error(error.ToString());
        if (config is null) return (int)ExitCode.BadArguments;
        if (ConfigValidator.Validate(config.Machine with { Name = name }, hasTerminal: false) is [var wrong, ..]) throw new DomainException(wrong.ToString());
        string target = output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $"{name}.cfg");
        if (File.Exists(target)) throw new DomainException($"{target} is there already");

        DiskCloner cloner = new(config.Name, name, folder, isOverlay);
        (DiskConfig From, DiskConfig To)[] disks = [.. config.Machine.Disks.Select(d => (d, cloner.Plan(d)))];
        // Only when all of it can be done is the first file made.
        foreach ((DiskConfig from, DiskConfig to) in disks) cloner.Check(from, to);
        foreach ((DiskConfig from, DiskConfig to) in disks) cloner.Make(from, to);
        WarnOfShared(config);
        Write(target, Describe(file, name, [.. disks.Select(d => d.To)]));
        StandardError.Note($"{target} describes '{name}'; 'vmm create {target}' starts it");
        return (int)ExitCode.Ok;
    }

    private static string Describe(DomainFile file, string name, DiskConfig[] disks)
    {
        XlEditor editor = new(file.Name, file.Text);
        editor.Set("name", XlEditor.Quoted(name));
        editor.Set("uuid", XlEditor.Quoted(Guid.NewGuid().ToString()));
        if (disks.Length != 0) editor.Set("disk", XlEditor.ListOf(disks.Select(XlDevices.Words)));
        XlDocument document = new();
        document.Read(file.Name, file.Text);
        // An address that is not given follows from the name. Names of interfaces cannot be there twice.
        if (document.Find("vif")?.Value is XlList vifs) editor.Set("vif", XlEditor.ListOf(vifs.Items.OfType<XlText>().Select(v => Without(v.Value, "mac", "vifname"))));
        return editor.ToString();
    }

    private static string Without(string entry, params string[] keys)
        => string.Join(",", entry.Split(',').Where(item => !keys.Contains(item.Split('=')[0].Trim()))).Trim();

    private static void WarnOfShared(DomainConfig config)
    {
        foreach (SerialConfig port in config.Machine.Serial.Where(p => p.Path is not null))
            StandardError.Note($"warning: both domains have the serial port {port.Path}; change it before they run at once");
    }

    private static void Write(string path, string text)
    {
        try
        {
            using FileStream stream = new(path, FileMode.CreateNew, FileAccess.Write);
            using StreamWriter writer = new(stream);
            writer.Write(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImageException($"{path} cannot be written: {e.Message}", e);
        }
    }
}
