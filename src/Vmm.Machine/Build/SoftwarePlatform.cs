using Vmm.Core.Hypervisor;
using Vmm.Machine.Config;

namespace Vmm.Machine.Build;

/// <summary>The software CPU.</summary>
internal sealed class SoftwarePlatform : ICpuPlatform
{
    public SoftwarePlatform(MachineConfig config)
        => throw new HypervisorException($"{config.Name}: the software CPU is not part of this build");

    public string Name => "software";

    public IReadOnlyList<string> Warnings => [];

    public ulong? Instructions => null;

    public static IInstructionEmulator? Emulator() => null;

    public IVirtualMachine CreateMachine(Board board) => throw new HypervisorException("the software CPU is not part of this build");

    public void Dispose() { }
}
