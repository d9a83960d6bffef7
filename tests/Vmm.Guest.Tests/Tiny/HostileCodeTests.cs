using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Xunit.Abstractions;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>
/// Random bytes run as code on the software CPU, in every mode, with whatever tables they make for themselves: nothing of it may end in an exception of
/// ours, or keep the CPU from hearing a kick.
/// </summary>
public sealed class HostileCodeTests(ITestOutputHelper output)
{
    private const int FixedSeed = 20261123;
    private const int BytesEach = 1 << 20;
    private const int ChunkBytes = 1 << 14;
    private const ulong RandomAt = 0x100000;

    // A burst is cut short by a kick after so many port or MMIO accesses, or after this time.
    private const int MaxAccesses = 400;
    private const int BurstMs = 4;

    // A million bytes take about a second; on a very busy machine some are left out.
    private const int MostMs = 6000;
    private const byte OutDxEax = 0xef;

    [Theory]
    [InlineData("real")]
    [InlineData("16")]
    [InlineData("32")]
    [InlineData("compatibility")]
    [InlineData("long")]
    [InlineData("long user")]
    public void RandomBytes_AsCode_NeverHurtUs(string mode)
    {
        Torment(mode, FixedSeed);
        Torment(mode, Environment.TickCount);
    }

    private void Torment(string mode, int seed)
    {
        output.WriteLine($"{mode}: seed {seed}");
        Random random = new(seed);
        using TinyGuest guest = new(Accelerators.Software);
        guest.Io.Records = false;
        // Real-mode code runs off its chunk soon, and on through zeroes without end; ports cut that short.
        if (mode == "real") guest.Memory.TryFill(default, 0x110000, OutDxEax);
        if (mode == "16") guest.Memory.TryFill(new GuestAddress(0x8000), 0x108000, OutDxEax);
        byte[] code = new byte[ChunkBytes];
        int done = 0;
        long runs = 0;
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        while (done < BytesEach && watch.ElapsedMilliseconds < MostMs)
        {
            Prepare(guest, mode, random, code);
            done += code.Length;
            for (int entry = 0; entry < 32; entry++, runs++)
            {
                VcpuState state = Start(mode, random);
                guest.Vcpu.Apply(state);
                Burst(guest);
            }
        }

        output.WriteLine($"{runs} starts, {done} bytes");
        VcpuState last = guest.Capture();
        Assert.NotNull(last.ToDump());
    }

    private static void Prepare(TinyGuest guest, string mode, Random random, byte[] code)
    {
        random.NextBytes(code);
        if (random.Next(2) == 0) Mutate(code, random);
        ulong at = mode is "real" or "16" ? TinyGuest.Code : RandomAt;
        Assert.True(guest.Memory.TryCopyIn(new GuestAddress(at), code));
        if (random.Next(4) != 0) return;
        // Broken tables: random bytes in the IDT, the GDT, the TSS or page tables.
        ulong[] tables = [TinyGuest.Idt, TinyGuest.Gdt, TinyGuest.Tss, 0x40000, 0x41000, 0x42000];
        for (int i = 0; i < 8; i++) guest.Put(tables[random.Next(tables.Length)] + (ulong)(random.Next(64) * 8), (ulong)random.NextInt64());
        guest.Put(0x40000, 0x41007);
        guest.Put(0x41000, 0x42007);
        guest.Put(0x42000, 0xe7);
    }

    // Plain instructions with bytes changed here and there reach deeper than noise does.
    private static void Mutate(byte[] code, Random random)
    {
        ReadOnlySpan<byte> frequent = [0x48, 0x66, 0xf3, 0xf2, 0xf0, 0x0f, 0x8b, 0x89, 0x8e, 0xa4, 0xab, 0xcd, 0xcf, 0xcb, 0x9a, 0xea, 0xff, 0x01, 0x20, 0x22, 0x23, 0x90, 0xfb, 0xfa, 0xf4, 0x9d, 0x9c, 0xae, 0xc7, 0x30, 0x32];
        for (int i = 0; i < code.Length; i++)
        {
            if (random.Next(3) != 0) code[i] = frequent[random.Next(frequent.Length)];
        }
    }

    private static VcpuState Start(string mode, Random random)
    {
        VcpuState state = mode switch
        {
            "real" => TinyGuest.RealMode(),
            "16" => TinyGuest.Protected16(),
            "32" => TinyGuest.Protected32(random.Next(2) * 3, cr3: 0x41000, cr4: 0x30),
            "compatibility" => TinyGuest.Compatibility(random.Next(2) * 3),
            "long" => TinyGuest.LongMode(),
            _ => TinyGuest.LongMode(3),
        };
        ulong offset = (ulong)random.Next(ChunkBytes);
        state.Rip = mode switch { "real" => offset, "16" => TinyGuest.Code + offset, _ => RandomAt + offset };
        for (int i = 0; i < 16; i++)
        {
            if (i != 4) state.Gpr[i] = random.Next(3) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(0x200000);
        }

        if (random.Next(4) == 0) state.Gpr[4] = (ulong)random.NextInt64();
        if (random.Next(8) == 0) state.Rflags |= (ulong)random.Next() & 0x47fd5;
        if (random.Next(8) == 0) state.Dr7 = (ulong)(uint)random.Next() & 0xffff03ff;
        for (int i = 0; i < 4; i++) state.Dr[i] = RandomAt + (ulong)random.Next(ChunkBytes);
        if (random.Next(8) == 0) state.Cr4 |= 0x300800; // SMEP, SMAP, UMIP
        return state;
    }

    private static void Burst(TinyGuest guest)
    {
        CountingIo io = new(guest.Vcpu, MaxAccesses);
        using Timer guard = new(_ => guest.Vcpu.Kick(), null, BurstMs, 5);
        VcpuExit exit = guest.Vcpu.Run(io);
        Assert.True(exit is VcpuExit.Interrupted or VcpuExit.TripleFault or VcpuExit.Halted, $"{exit}: {guest.Vcpu.FailureReason}");
    }

    private sealed class CountingIo(IVcpu vcpu, int limit) : IVcpuIo
    {
        private int _left = limit;

        public void PortIn(ushort port, Span<byte> data) => Count(data);

        public void PortOut(ushort port, ReadOnlySpan<byte> data) => Count([]);

        public void MmioRead(ulong gpa, Span<byte> data) => Count(data);

        public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) => Count([]);

        private void Count(Span<byte> data)
        {
            data.Fill(0xa5);
            if (--_left == 0) vcpu.Kick();
        }
    }
}
