using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Doctor;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm info</c>: the host, in xl's form.</summary>
internal static class InfoCommand
{
    private const int MegabyteShift = 20;

    public static Command Create()
    {
        Option<bool> numa = new("--numa", "-n") { Description = "Also which processor is where, and the memory of each node." };
        return DomainVerb.New("info", "Print what there is to say of this host; 'vmm doctor' says what it can do for guests.", result =>
        {
            StringBuilder text = new();
            foreach ((string name, string value) in Facts()) text.Append(CultureInfo.InvariantCulture, $"{name,-23}: {value}\n");
            if (result.GetValue(numa)) AppendTopology(text);
            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, numa);
    }

    // xl's tables, without the distances between nodes.
    private static void AppendTopology(StringBuilder text)
    {
        text.Append("cpu_topology           :\ncpu:    core    socket     node\n");
        for (int cpu = 0; cpu < Environment.ProcessorCount; cpu++)
        {
            string folder = string.Create(CultureInfo.InvariantCulture, $"/sys/devices/system/cpu/cpu{cpu}/topology");
            int node = HostNodes.All.FirstOrDefault(n => HostNodes.Cpus(n).Contains(cpu));
            text.Append(CultureInfo.InvariantCulture, $"{cpu,3}:    {Read($"{folder}/core_id"),4}     {Read($"{folder}/physical_package_id"),4}     {node,4}\n");
        }

        text.Append("numa_info              :\nnode:    memsize    memfree\n");
        foreach (int node in HostNodes.All) text.Append(CultureInfo.InvariantCulture, $"{node,4}:    {NodeMegabytes(node, "MemTotal:"),7}    {NodeMegabytes(node, "MemFree:"),7}\n");
    }

    // "Node 0 MemTotal:       16310896 kB"
    private static string NodeMegabytes(int node, string name)
    {
        const int KilobytesShift = 10;
        string file = string.Create(CultureInfo.InvariantCulture, $"/sys/devices/system/node/node{node}/meminfo");
        string[]? words = File.Exists(file) ? File.ReadLines(file).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).FirstOrDefault(w => w.Length > 3 && w[2] == name) : null;
        return words is not null && ulong.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out ulong kilobytes) ? Text(kilobytes >> KilobytesShift) : "unknown";
    }

    private static IEnumerable<(string Name, string Value)> Facts()
    {
        Dictionary<string, string> cpu = FirstCpu();
        int count = Environment.ProcessorCount;
        int threads = Number(cpu, "siblings") / Math.Max(1, Number(cpu, "cpu cores"));
        yield return ("host", Environment.MachineName);
        yield return ("release", Read("/proc/sys/kernel/osrelease"));
        yield return ("version", Read("/proc/sys/kernel/version"));
        yield return ("machine", "x86_64");
        yield return ("nr_cpus", Text(count));
        yield return ("max_cpu_id", Text(count - 1));
        yield return ("nr_nodes", Text(Math.Max(1, Directory.Exists("/sys/devices/system/node") ? Directory.GetDirectories("/sys/devices/system/node", "node*").Length : 1)));
        yield return ("cores_per_socket", Text(Math.Max(1, Number(cpu, "cpu cores"))));
        yield return ("threads_per_core", Text(Math.Max(1, threads)));
        yield return ("cpu_mhz", cpu.GetValueOrDefault("cpu MHz", "unknown"));
        yield return ("cpu_model", cpu.GetValueOrDefault("model name", "unknown"));
        yield return ("virt_caps", HostDoctor.Examine().Auto.Accel == Accelerator.Kvm ? "kvm software" : "software");
        yield return ("total_memory", Text((HostFacts.MemoryBytes ?? 0) >> MegabyteShift));
        yield return ("free_memory", Text((HostFacts.AvailableBytes ?? 0) >> MegabyteShift));
        yield return ("nr_domains", Text(DomainVerb.Registry().List().Count));
        yield return ("vmm_version", Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown");
        yield return ("vmm_path", Environment.ProcessPath ?? "unknown");
        yield return ("vmm_folder", DomainRegistry.DefaultRoot());
    }

    private static Dictionary<string, string> FirstCpu()
    {
        Dictionary<string, string> facts = new(StringComparer.Ordinal);
        foreach (string line in File.ReadLines("/proc/cpuinfo").TakeWhile(l => l.Length != 0))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0) facts[line[..colon].Trim()] = line[(colon + 1)..].Trim();
        }

        return facts;
    }

    private static int Number(Dictionary<string, string> facts, string key)
        => int.TryParse(facts.GetValueOrDefault(key), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 1;

    private static string Read(string path) => File.Exists(path) ? File.ReadAllText(path).Trim() : "unknown";

    private static string Text<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
