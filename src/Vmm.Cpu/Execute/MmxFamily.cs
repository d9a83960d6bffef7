using Iced.Intel;
using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute;

internal static unsafe class MmxFamily
{
    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i) => false;
}
