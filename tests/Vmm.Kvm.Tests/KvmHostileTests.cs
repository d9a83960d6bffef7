using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.TestKit;

namespace Vmm.Kvm.Tests;

/// <summary>Random bytes run as code: whatever they do, a run ends with a reason and never with an exception.</summary>
public sealed class KvmHostileTests
{
    private const int Programs = 60;

    [KvmTheory]
    [InlineData(16, 1)]
    [InlineData(32, 2)]
    [InlineData(64, 3)]
    [InlineData(64, 0)]
    public void RandomCode_InEachMode_EveryRunEndsAndTheNextOneWorks(int bits, int seed)
    {
        // Seed 0 stands for a fresh one, told when the test fails.
        int used = seed == 0 ? Random.Shared.Next() : seed;
        Random random = new(used);
        using TestGuest guest = new();
        byte[] code = new byte[0x1000];
        for (int program = 0; program < Programs; program++)
        {
            random.NextBytes(code);
            guest.Memory.TryCopyIn(new GuestAddress(TestGuest.Code), code);
            VcpuState state = bits switch
            {
                16 => TestGuest.RealMode(),
                32 => TestGuest.ProtectedMode(),
                _ => guest.LongMode(program % 2 == 0 ? 0 : 3),
            };
            for (int i = 0; i < 16; i++) if (i != 4) state.Gpr[i] = (ulong)random.NextInt64() >> random.Next(64);
            guest.Io.Log.Clear();
            guest.Vcpu.Apply(state);
            using Timer end = new(_ => guest.Vcpu.Kick(), null, 3, 3);
            VcpuExit exit = guest.Vcpu.Run(guest.Io);
            Assert.True(exit != VcpuExit.Failed || !string.IsNullOrEmpty(guest.Vcpu.FailureReason), $"seed {used}, program {program}");
            Assert.True(exit is VcpuExit.Interrupted or VcpuExit.TripleFault or VcpuExit.Failed, $"seed {used}, program {program}: {exit}");
            guest.Vcpu.Capture(state);
        }
    }
}
