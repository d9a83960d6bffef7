using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm list</c> and <c>vmm vm-list</c>, with xl's columns.</summary>
internal static class ListCommand
{
    private const int BytesShift = 20;

    /// <summary>Which columns there are beside those that are always there.</summary>
    private sealed record Columns(bool Verbose, bool Label, bool Pool, bool Nodes);

    public static Command Create()
    {
        Option<bool> asJson = new("--long", "-l") { Description = "Print all details as JSON." };
        Option<bool> verbose = new("--verbose", "-v") { Description = "Also UUIDs, the reasons why domains ended, and xl's security labels." };
        Option<bool> label = new("--context", "-Z") { Description = "Also xl's security labels, which nothing has here." };
        Option<bool> pool = new("--cpupool", "-c") { Description = "Also xl's pools of processors, which nothing has here." };
        Option<bool> nodes = new("--numa", "-n") { Description = "Also the host's nodes on whose processors the vCPUs may run." };
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("list", "List the domains.", result =>
        {
            string[] asked = result.GetValue(names) ?? [];
            IReadOnlyList<DomainStatus> domains = DomainStatus.Read(asked);
            bool hasHost = asked.Length == 0 || asked.Any(DomainVerb.IsHost);
            Columns columns = new(result.GetValue(verbose), result.GetValue(label), result.GetValue(pool), result.GetValue(nodes));
            result.InvocationConfiguration.Output.Write(result.GetValue(asJson) ? Json(domains, hasHost) : Table(domains, hasHost, columns));
            return (int)ExitCode.Ok;
        }, asJson, verbose, label, pool, nodes, names);
    }

    public static Command CreateVmList() => DomainVerb.New("vm-list", "List the domains by their UUIDs.", result =>
    {
        StringBuilder text = new("UUID                                  ID    name\n");
        text.Append(CultureInfo.InvariantCulture, $"{Guid.Empty}  0    {DomainVerb.HostName}\n");
        foreach (DomainStatus domain in DomainStatus.Read([])) text.Append(CultureInfo.InvariantCulture, $"{domain.Record.Uuid}  {domain.Folder.Id}    {domain.Name}\n");
        result.InvocationConfiguration.Output.Write(text);
        return (int)ExitCode.Ok;
    });

    /// <summary>The six letters of a domain's state: running, blocked, paused, shut down, why, dying.</summary>
    public static string Letters(DomainStatus domain) => (domain.Info?.State ?? domain.Record.State) switch
    {
        DomainState.Running => domain.Vcpus.Any(v => v.State == VcpuRunState.Running) ? "r-----" : "-b----",
        DomainState.Paused => "--p---",
        DomainState.Ended => $"---s{ReasonLetter(domain.Info?.LastEnd)}-",
        _ => "------",
    };

    // xl's letters: power-off, reboot, crash.
    private static char ReasonLetter(GuestEnd? end) => end?.Kind switch
    {
        null or MachineEnd.PowerOff or MachineEnd.Stopped => '-',
        MachineEnd.Reset => 'r',
        _ => 'c',
    };

    // xl's numbers: SHUTDOWN_poweroff, _reboot, _crash.
    private static string ReasonCode(GuestEnd? end) => ReasonLetter(end) switch { 'r' => "1", 'c' => "3", _ => end is null ? "-" : "0" };

    private static string Recorded(DomainState state) => state switch
    {
        DomainState.Running => "running",
        DomainState.Paused => "paused",
        DomainState.Ended => "ended",
        _ => "",
    };

    private static string Table(IReadOnlyList<DomainStatus> domains, bool hasHost, Columns columns)
    {
        StringBuilder text = new("Name                                        ID   Mem VCPUs\tState\tTime(s)");
        if (columns.Verbose) text.Append("   UUID                            Reason-Code\tSecurity Label");
        else if (columns.Label) text.Append("   Security Label");
        if (columns.Pool) text.Append("         Cpupool");
        if (columns.Nodes) text.Append(" NODE Affinity");
        text.Append('\n');
        if (hasHost) AppendRow(text, columns, DomainVerb.HostName, 0, HostStatus.MemoryMegabytes, Environment.ProcessorCount, "r-----", HostStatus.BusySeconds, Guid.Empty, "-", "all");
        foreach (DomainStatus domain in domains)
        {
            ulong megabytes = ((domain.Info?.MemoryBytes ?? 0) - (domain.Info?.BalloonBytes ?? 0)) >> BytesShift;
            AppendRow(text, columns, domain.Name, domain.Folder.Id, megabytes, domain.Info?.Vcpus ?? 0, Letters(domain), domain.Info?.CpuSeconds ?? 0,
                domain.Record.Uuid, ReasonCode(domain.Info?.State == DomainState.Ended ? domain.Info.LastEnd : null), HostNodes.Of(domain.Vcpus.SelectMany(v => v.Affinity)));
        }

        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, Columns columns, string name, int id, ulong megabytes, int vcpus, string state, double seconds, Guid uuid, string reason, string nodes)
    {
        text.Append(CultureInfo.InvariantCulture, $"{name,-40} {id,5} {megabytes,5} {vcpus,5}     {state}  {seconds,8:F1}");
        if (columns.Verbose) text.Append(CultureInfo.InvariantCulture, $" {uuid} {reason,8}");
        if (columns.Verbose || columns.Label) text.Append(CultureInfo.InvariantCulture, $" {"-",16}");
        if (columns.Pool) text.Append(CultureInfo.InvariantCulture, $" {"-",16}");
        if (columns.Nodes) text.Append(CultureInfo.InvariantCulture, $" {nodes}");
        text.Append('\n');
    }

    private static string Json(IReadOnlyList<DomainStatus> domains, bool hasHost) => JsonText.Of(json =>
    {
        json.WriteStartArray();
        if (hasHost) WriteHost(json);
        foreach (DomainStatus domain in domains) Write(json, domain);
        json.WriteEndArray();
    }) + "\n";

    // A domain that has gone since has none.
    private static JsonElement ConfigOf(DomainStatus domain)
    {
        try
        {
            return DomainVerb.Ask(domain.Folder, (d, cancellation) => d.GetConfigAsync(cancellation));
        }
        catch (Exception e) when (e is DomainException or DomainRefusedException)
        {
            return JsonDocument.Parse("null").RootElement;
        }
    }

    private static void WriteHost(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("domid", 0);
        json.WriteString("name", DomainVerb.HostName);
        json.WriteString("uuid", Guid.Empty);
        json.WriteNumber("memoryBytes", HostStatus.MemoryMegabytes << BytesShift);
        json.WriteNumber("vcpus", Environment.ProcessorCount);
        json.WriteString("state", "running");
        json.WriteNumber("cpuSeconds", HostStatus.BusySeconds);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, DomainStatus domain)
    {
        json.WriteStartObject();
        json.WriteNumber("domid", domain.Folder.Id);
        json.WriteString("name", domain.Name);
        json.WriteString("uuid", domain.Record.Uuid);
        json.WriteString("state", Recorded(domain.Info?.State ?? domain.Record.State));
        if (domain.Record.Reason is { } reason) json.WriteString("reason", reason);
        json.WriteString("created", domain.Record.Created);
        json.WriteNumber("processId", domain.Record.ProcessId);
        json.WriteString("folder", domain.Folder.Path);
        if (domain.Info is { } info)
        {
            json.WriteString("cpu", info.Cpu);
            json.WriteNumber("memoryBytes", info.MemoryBytes);
            json.WriteNumber("vcpus", info.Vcpus);
            json.WriteNumber("cpuSeconds", info.CpuSeconds);
            json.WriteNumber("uptimeSeconds", info.UptimeSeconds);
            json.WriteNumber("boots", info.Boots);
            if (info.DeviceModel is { } model)
            {
                json.WriteStartObject("deviceModel");
                json.WriteNumber("processId", model.ProcessId);
                json.WriteNumber("starts", model.Starts);
                json.WriteNumber("cpuSeconds", model.CpuSeconds);
                json.WriteEndObject();
            }

            if (info.BalloonBytes is { } balloon) json.WriteNumber("balloonBytes", balloon);
            json.WritePropertyName("config");
            ConfigOf(domain).WriteTo(json);
        }

        json.WriteEndObject();
    }
}
