using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Devices.Virtio.Transport;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Tests.Devices;

public sealed class VirtioTransportsTests : IDisposable
{
    private static readonly VirtioDoorbell Bell = new(0xc000_3000, null, 0), Moved = new(0xc800_3000, 7, 4);

    private readonly FakeMachine _machine = new();
    private readonly FakeTransport _transport = new();
    private readonly VirtioTransports _transports;

    public VirtioTransportsTests() => _transports = new VirtioTransports(_machine);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Doorbells_ComeMoveAndGo_BoundWhereTheyAre()
    {
        IDisposable registration = _transports.Add(_transport);
        Assert.Empty(_machine.Bound);
        _transport.Place(Bell);
        Assert.Equal([(Bell, 100)], _machine.Bound);
        _transport.Place(Moved);
        Assert.Equal([(Moved, 100)], _machine.Bound);
        _transport.Place(null);
        Assert.Empty(_machine.Bound);
        _transport.Place(Bell);
        registration.Dispose();
        Assert.Empty(_machine.Bound);
        _transport.Place(Moved);
        Assert.Empty(_machine.Bound);
    }

    [Fact]
    public void Doorbells_OfAnotherDriver_MayHaveOtherDescriptors()
    {
        using IDisposable registration = _transports.Add(_transport);
        _transport.Place(Bell);
        _transport.Descriptor = 101;
        _transport.Place(null);
        Assert.Empty(_machine.Bound);
        _transport.Place(Bell);
        Assert.Equal([(Bell, 101)], _machine.Bound);
    }

    [Fact]
    public void Doorbells_RefusedByTheHypervisor_TriedAgainAtTheNextPlace()
    {
        _machine.Refuses = true;
        using IDisposable registration = _transports.Add(_transport);
        _transport.Place(Bell);
        Assert.Empty(_machine.Bound);
        _machine.Refuses = false;
        _transport.Place(Moved);
        Assert.Equal([(Moved, 100)], _machine.Bound);
    }

    [Fact]
    public void Hold_UntilRelease_AlsoThoseThatComeMeanwhile()
    {
        using IDisposable registration = _transports.Add(_transport);
        Assert.True(_transports.Hold());
        FakeTransport late = new();
        using IDisposable another = _transports.Add(late);
        Assert.True(_transport.IsHeld && late.IsHeld);
        _transports.Release();
        Assert.False(_transport.IsHeld || late.IsHeld);
    }

    private sealed class FakeTransport : IVirtioTransport
    {
        private VirtioDoorbell? _place;

        public event Action? DoorbellsChanged;

        public int QueueCount => 2;

        public bool IsIdle => true;

        public bool IsHeld { get; private set; }

        public int Descriptor { get; set; } = 100;

        public void Place(VirtioDoorbell? doorbell)
        {
            _place = doorbell;
            DoorbellsChanged?.Invoke();
        }

        public VirtioDoorbell? Doorbell(int queue) => _place;

        // The second queue has no worker that could be woken from outside.
        public int KickDescriptor(int queue) => queue == 0 ? Descriptor : -1;

        public void Kick(int queue) { }

        public void Hold() => IsHeld = true;

        public void Release() => IsHeld = false;
    }

    private sealed class FakeMachine : IVirtualMachine
    {
        public List<(VirtioDoorbell Doorbell, int Descriptor)> Bound { get; } = [];

        public bool Refuses { get; set; }

        public IInterruptController Interrupts => throw new NotSupportedException();

        public IVcpu CreateVcpu(int index) => throw new NotSupportedException();

        public bool TryBindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd)
        {
            if (!Refuses) Bound.Add((new VirtioDoorbell(gpa, match, sizeBytes), eventFd));
            return !Refuses;
        }

        public void UnbindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd)
            => Assert.True(Bound.Remove((new VirtioDoorbell(gpa, match, sizeBytes), eventFd)));

        public void Dispose() { }
    }
}
