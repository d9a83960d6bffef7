using System.Globalization;
using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>
/// A hook script of Xen (vif-bridge, vif-route, vif-nat and those of the same kind), run as xend and xl do: by their arguments, their environment, and
/// a small store in the place of xenstore, which its programs on the script's PATH read and write.
/// </summary>
/// <param name="record">The interface.</param>
/// <param name="store">The file of the small store.</param>
/// <param name="networks">Where the programs' folder is.</param>
internal sealed class HookScript(VifRecord record, string store, NetworkStore networks)
{
    /// <summary>Where users have them.</summary>
    public const string Folder = "/etc/xen/scripts";

    private const int MostLines = 20;

    // As xl's.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private VifSpec Spec => record.Spec;

    /// <summary>The script of a name; null where there is none.</summary>
    public static string? Find(string name)
    {
        string path = Path.IsPathFullyQualified(name) ? name : Path.Combine(Folder, name);
        return File.Exists(path) ? path : null;
    }

    /// <summary>Fills the store for the script's first call.</summary>
    public void Prepare()
    {
        string backend = Spec.BackendPath, front = Spec.FrontendPath;
        string domain = string.Create(CultureInfo.InvariantCulture, $"/local/domain/{Spec.DomainId}"), vm = $"/vm/{Spec.DomainUuid}";
        ScriptStore values = new(store);
        values.Write(
            ($"{backend}/frontend", front), ($"{backend}/frontend-id", Number(Spec.DomainId)), ($"{backend}/handle", Number(Spec.DeviceId)), ($"{backend}/online", "1"),
            ($"{backend}/state", "1"), ($"{backend}/domain", Spec.DomainName), ($"{backend}/mac", Spec.Mac), ($"{backend}/script", record.Script!), ($"{backend}/type", "vif"),
            ($"{front}/mac", Spec.Mac), ($"{front}/handle", Number(Spec.DeviceId)), ($"{front}/backend", $"/local/domain/0/{backend}"), ($"{front}/backend-id", "0"),
            ($"{domain}/name", Spec.DomainName), ($"{domain}/vm", vm), ($"{domain}/domid", Number(Spec.DomainId)), ($"{vm}/name", Spec.DomainName), ($"{vm}/uuid", Spec.DomainUuid.ToString()));
        if (record.Bridge is not null) values.Write(($"{backend}/bridge", record.Bridge));
        if (!Spec.Addresses.IsEmpty) values.Write(($"{backend}/ip", string.Join(' ', Spec.Addresses)));
        if (Spec.Mtu is { } mtu) values.Write(($"{backend}/mtu", Number(mtu)));
        if (Spec.InterfaceName is not null) values.Write(($"{backend}/vifname", Spec.InterfaceName));
    }

    /// <summary>Calls the script.</summary>
    /// <param name="command">online, offline, add or remove.</param>
    /// <param name="isTwin">For the interface of the emulated card.</param>
    /// <param name="note">Takes what the script says.</param>
    /// <exception cref="LinuxException">It cannot be started, does not end, or says that it failed.</exception>
    public void Run(string command, bool isTwin, Action<string> note)
    {
        HostProgram program = new(record.Script!, [command, isTwin ? "type_if=tap" : "type_if=vif"]) { Environment = Variables(), Patience = Patience };
        HostProgramResult result = program.Run();
        string name = Path.GetFileName(record.Script!);
        foreach (string line in $"{result.Output}\n{result.Errors}".Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(MostLines)) note($"{name} {command}: {line}");
        string? error = new ScriptStore(store).Read($"{Spec.BackendPath}/hotplug-error");
        if (result.IsGood && string.IsNullOrEmpty(error)) return;
        string why = !string.IsNullOrEmpty(error) ? error
            : result.ExitCode is null ? $"it does not end within {Patience.TotalSeconds:0} s"
            : result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? string.Create(CultureInfo.InvariantCulture, $"exit code {result.ExitCode}");
        throw new LinuxException($"the script {name} {command} failed for {Spec.Name}: {why}");
    }

    private Dictionary<string, string> Variables() => new()
    {
        ["PATH"] = $"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{Path.Combine(networks.Folder, StorePrograms.FolderName)}",
        ["LANG"] = "POSIX",
        ["HOME"] = "/",
        ["script"] = record.Script!,
        ["XENBUS_TYPE"] = "vif",
        ["XENBUS_PATH"] = Spec.BackendPath,
        ["XENBUS_BASE_PATH"] = "backend",
        ["netdev"] = Spec.GatewayDevice ?? "",
        ["vif"] = Spec.PlainName,
        ["INTERFACE"] = Spec.PlainName + Vif.TwinSuffix,
        ["bridge"] = record.Bridge ?? "",
        ["ip"] = string.Join(' ', Spec.Addresses),
        ["mac"] = Spec.Mac,
        [ScriptStore.Variable] = store,
    };

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
