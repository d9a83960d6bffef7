using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm vcpu-list</c>, <c>vcpu-pin</c> and <c>vcpu-set</c>.</summary>
internal static class VcpuCommands
{
    public static Command List()
    {
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("vcpu-list", "List the vCPUs of domains, with the processors on which they run and may run.", result =>
        {
            StringBuilder text = new($"{"Name",-32} {"ID",5} {"VCPU",5} {"CPU",5} {"State",5} {"Time(s)",9} Affinity (Hard / Soft)\n");
            foreach (DomainStatus domain in DomainStatus.Read(result.GetValue(names) ?? []))
            {
                foreach (VcpuInfo vcpu in domain.Vcpus) Append(text, domain, vcpu);
            }

            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, names);
    }

    public static Command Pin()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> vcpu = new("VCPU") { Description = "Its number, or all." };
        Argument<string> hard = new("HARD") { Description = "The processors on which it may run: 0-3,5,^1, all, nodes:0; - leaves them as they are." };
        Argument<string?> soft = new("SOFT") { Description = "The processors that it likes better: only - and all, for none are liked better.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> force = new("--force", "-f") { Description = "Undo what the hypervisor has pinned for itself: without effect, as nothing is." };
        return DomainVerb.New("vcpu-pin", "Say on which processors of the host vCPUs may run.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            if (result.GetValue(soft) is not (null or "-" or "all")) throw new DomainException("vCPUs cannot like processors better here: the soft affinity is - or all");
            int? index = IndexOf(result.GetRequiredValue(vcpu));
            if (result.GetRequiredValue(hard) is not "-") Place(folder, index, result.GetRequiredValue(hard));
            return (int)ExitCode.Ok;
        }, force, domain, vcpu, hard, soft);
    }

    public static Command Set()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<int> count = new("COUNT") { Description = "How many." };
        Option<bool> ignore = new("--ignore-host", "-i") { Description = "Also more than the host has processors." };
        return DomainVerb.New("vcpu-set", "Set how many vCPUs a domain has. Refused, unless it has so many: they do not come and go while a guest runs yet.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            int asked = result.GetRequiredValue(count), has = DomainVerb.Ask(folder, (d, cancellation) => d.GetInfoAsync(cancellation)).Vcpus;
            if (asked == has) return (int)ExitCode.Ok;
            throw new DomainRefusedException(ExitCode.Failed, $"domain '{DomainVerb.NameOf(folder)}' has {has} vCPUs, which cannot be {asked} while it is there: write vcpus={asked} into its file and create it "
                + "anew (in Linux, 'echo 0 >/sys/devices/system/cpu/cpuN/online' puts one to rest)");
        }, ignore, domain, count);
    }

    private static void Place(DomainFolder folder, int? index, string hard)
    {
        IReadOnlyList<int> cpus = XlCpuList.Parse(hard, Environment.ProcessorCount, out string? error) ?? throw new DomainException(error!);
        DomainVerb.Tell(folder, (d, cancellation) => d.PinVcpuAsync(cpus, index, cancellation));
    }

    private static int? IndexOf(string text)
    {
        if (text == "all") return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : throw new DomainException($"'{text}' is no vCPU: a number or all");
    }

    private static void Append(StringBuilder text, DomainStatus domain, VcpuInfo vcpu)
    {
        char running = vcpu.State == VcpuRunState.Running ? 'r' : '-', blocked = vcpu.State == VcpuRunState.Blocked ? 'b' : '-';
        string affinity = XlCpuList.Format(vcpu.Affinity, Environment.ProcessorCount);
        text.Append(CultureInfo.InvariantCulture, $"{domain.Name,-32} {domain.Folder.Id,5} {vcpu.Index,5} {vcpu.Cpu,5} {running,3}{blocked}- {vcpu.CpuSeconds,9:F1} {affinity} / all\n");
    }
}
