using Vmm.Cli;
using Vmm.Core.Hypervisor;
using Vmm.Firmware.Boot;
using Vmm.Host;
using Vmm.Network.Xend;
using Vmm.Storage;

try
{
    if (StorePrograms.Names.Contains(Face.CalledAs)) return StorePrograms.Run(Face.CalledAs, args, Console.Out.WriteLine, StandardError.Line);
    return CommandLine.Run(args);
}
catch (Exception e) when (e is BootException or ImageException)
{
    return Fail(e, ExitCode.BadArguments);
}
catch (Exception e) when (e is HypervisorException or LinuxException or OutOfMemoryException)
{
    return Fail(e, ExitCode.HostRefused);
}
catch (Exception e)
{
    StandardError.Error($"this is a fault in vmm itself: {e.GetType().Name}: {OneLine(e)}{(Traces ? "" : " (VMM_TRACE=1 shows where)")}");
    if (Traces) StandardError.Line(e.ToString());
    return (int)ExitCode.Bug;
}

static int Fail(Exception e, ExitCode code)
{
    StandardError.Error(OneLine(e));
    if (Traces) StandardError.Line(e.ToString());
    return (int)code;
}

static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");

internal static partial class Program
{
    private static bool Traces => Environment.GetEnvironmentVariable("VMM_TRACE") is "1";
}
