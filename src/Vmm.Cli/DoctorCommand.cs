using System.CommandLine;
using System.Text;
using Vmm.Machine.Doctor;

namespace Vmm.Cli;

/// <summary><c>vmm doctor</c>: what this host can do for guests.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        Option<bool> json = new("--json") { Description = "Print the report as JSON." };
        Command command = new("doctor", "Say what this host can do for guests, and why not.") { json };
        command.SetAction(result =>
        {
            HostReport report = HostDoctor.Examine();
            result.InvocationConfiguration.Output.WriteLine(result.GetValue(json) ? report.ToJson() : Table(report));
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Table(HostReport report)
    {
        int nameWidth = report.Checks.Max(c => c.Name.Length);
        StringBuilder text = new();
        foreach (HostCheck check in report.Checks)
        {
            text.Append(Mark(check.State)).Append("  ").Append(check.Name.PadRight(nameWidth)).Append("  ").Append(check.Found).Append('\n');
            if (check.Consequence is not null) text.Append(' ', nameWidth + 10).Append("-> ").Append(check.Consequence).Append('\n');
        }

        return text.Append('\n').Append("--accel auto takes ").Append(report.Auto.Accel == Machine.Config.Accelerator.Kvm ? "KVM" : "the software CPU")
            .Append(": ").Append(report.Auto.Why).ToString();
    }

    private static string Mark(HostCheckState state) => state switch
    {
        HostCheckState.Ok => "ok     ",
        HostCheckState.Limited => "limited",
        HostCheckState.Missing => "missing",
        _ => "info   ",
    };
}
