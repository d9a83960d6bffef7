using Vmm.Core.Interrupts;
using Vmm.Host;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

public sealed class KvmMsiRouteTests
{
    private const ulong ApicBase = 0xfee00000, Vectors = 0x12000;
    private const ushort StepPort = 0x80;
    private const int FirstPort = 0x81;

    /// <summary>The guest asks for the next step, waits in ring 0 with interrupts on, and tells which of two vectors it got.</summary>
    [KvmFact]
    public void Route_ClosedOpenedChangedClosed_EachSignalArrivesWhereItShould()
    {
        using TestGuest guest = new();
        for (int i = 0; i < 2; i++)
        {
            int number = i;
            guest.Assemble(64, Vectors + (ulong)(i * 0x100), c =>
            {
                c.@out(unchecked((sbyte)(FirstPort + number)), al);
                c.mov(rbx, ApicBase);
                c.mov(__dword_ptr[rbx + 0xb0], 0);
                c.iretq();
            });
            guest.Assemble(64, TestGuest.Handler + (ulong)((0x40 + i) * 16), c => c.jmp(Vectors + (ulong)(number * 0x100)));
        }

        guest.Program(64, c =>
        {
            c.mov(rbx, ApicBase);
            c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
            for (int step = 0; step < 4; step++)
            {
                c.cli();
                c.@out(unchecked((sbyte)StepPort), al);
                c.sti();
                c.hlt();
            }
        });
        using IMsiRoute route = guest.Machine.Controller.TryCreateRoute()!;
        List<string> log = [];
        int steps = 0;
        guest.Io.Out = (port, _) =>
        {
            if (port != StepPort)
            {
                log.Add($"vector {port - FirstPort}");
                return;
            }

            switch (steps++)
            {
                case 0:
                    EventFd.SignalDescriptor(route.Descriptor);
                    log.Add(route.IsPending ? "kept" : "lost");
                    Assert.True(route.TryOpen(new MsiMessage(ApicBase, 0x40)));
                    break;
                case 1:
                    route.Signal();
                    break;
                case 2:
                    Assert.True(route.TryOpen(new MsiMessage(ApicBase, 0x41)));
                    route.Signal();
                    break;
                default:
                    log.Add(route.IsPending ? "left" : "clean");
                    route.Close();
                    route.Signal();
                    log.Add(route.IsPending ? "kept" : "lost");
                    guest.Machine.Interrupts.Msi.Signal(new MsiMessage(ApicBase, 0x41), 0);
                    break;
            }
        };
        guest.RunToDone(guest.LongMode());
        Assert.Equal(["kept", "vector 0", "vector 0", "vector 1", "clean", "kept", "vector 1"], log);
    }

    [KvmFact]
    public void Routes_LeftByTheirOwners_EndWithTheMachine()
    {
        TestGuest guest = new();
        IMsiRoute[] routes = [.. Enumerable.Range(0, 50).Select(_ => guest.Machine.Controller.TryCreateRoute()!)];
        foreach (IMsiRoute route in routes) Assert.True(route.TryOpen(new MsiMessage(ApicBase, 0x40)));
        guest.Dispose();
        foreach (IMsiRoute route in routes) Assert.Throws<ObjectDisposedException>(route.Signal);
    }
}
