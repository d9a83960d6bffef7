using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <content>Rings: where they are, how they start and stop.</content>
internal sealed partial class VhostUserSession
{
    private const int PackedUsedShift = 16;

    // What a predecessor left is begun at once, but by limits on the device.
    private static readonly TimeSpan LeftPatience = TimeSpan.FromSeconds(2);

    private static Verdict SetSize(ServedRing ring, uint size)
    {
        if (ring.IsStarted) return Verdict.No("the ring is started");
        if (size == 0 || size > ring.Queue.MaxSize) return Verdict.No($"a ring of {size} entries is not from 1 to {ring.Queue.MaxSize}");
        ring.Size = (ushort)size;
        return Verdict.Done;
    }

    private Verdict SetAddresses()
    {
        if (!_message.TryGet(out VringAddresses addresses)) return Verdict.Malformed("addresses are needed");
        if (addresses.Index >= _server.Rings.Length) return Verdict.Malformed($"there is no ring {addresses.Index}");
        ServedRing ring = _server.Rings[addresses.Index];
        if (ring.IsStarted)
        {
            // Front ends repeat it to say whether the ring itself is to be logged, which it always is here.
            VringAddresses old = ring.Addresses!.Value with { Flags = addresses.Flags, Log = addresses.Log };
            return old == addresses ? Verdict.Done : Verdict.No("the ring is started");
        }

        ring.Addresses = addresses;
        return Verdict.Done;
    }

    private static Verdict SetBase(ServedRing ring, uint at)
    {
        if (ring.IsStarted) return Verdict.No("the ring is started");
        ring.Base = at;
        return Verdict.Done;
    }

    private Verdict GetBase(ServedRing ring)
    {
        StopRing(ring);
        _reply.Add(new VringState((uint)ring.Queue.Index, ring.Base));
        return Verdict.Answered;
    }

    private Verdict SetKick(ServedRing ring, LinuxFile? file)
    {
        if (ring.IsStarted) Unlisten(ring);
        ring.SetKick(file);
        // Without a descriptor the ring would have to be polled, and nobody here does.
        if (file is null) return Verdict.No("a ring without a kick descriptor is not served");
        if (!ring.IsStarted) return StartRing(ring);
        Listen(ring);
        return Verdict.Done;
    }

    private static Verdict SetCall(ServedRing ring, LinuxFile? file)
    {
        ring.SetCall(file);
        // Whoever served the ring before may have ended between giving something back and saying so.
        if (ring.IsStarted) ring.Call();
        return Verdict.Done;
    }

    private static Verdict SetError(ServedRing ring, LinuxFile? file)
    {
        ring.SetError(file);
        return Verdict.Done;
    }

    private Verdict SetEnabled(ServedRing ring, uint value)
    {
        if (value > 1) return Verdict.Malformed($"{value} is neither 0 nor 1");
        ring.IsEnabled = value == 1;
        if (!ring.IsStarted) return Verdict.Done;
        ring.Queue.Hold(!ring.IsEnabled);
        if (ring.IsEnabled) _server.Device.OnKick(ring.Queue.Index);
        else WaitIdle(ring);
        return Verdict.Done;
    }

    private Verdict StartRing(ServedRing ring)
    {
        if ((_features & VirtioFeatures.VIRTIO_F_VERSION_1) == 0) return Verdict.No("a driver of the legacy interface is not served");
        if (ring.Size == 0 || !TryPlace(ring, out VirtQueueSetup setup)) return Verdict.No("the ring's size or addresses are missing, or not memory");
        VirtRingPosition position = PositionOf(ring, setup);
        IChainLedger? ledger = null;
        if (_inflight is not null)
        {
            ledger = _inflight.Resume(ring.Queue.Index, setup, IsPacked, _server.Memory, ref position);
            if (ledger is null) return Verdict.No("the in-flight memory is not of such a ring, or makes no sense");
        }

        // Rings wait to be enabled where the front end knows how to do that.
        if ((_features & VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES) == 0) ring.IsEnabled = true;
        ring.Ledger = ledger;
        ring.Queue.Hold(!ring.IsEnabled);
        ring.Queue.Start(setup, _features, position, ledger);
        ring.IsStarted = true;
        if (!_isActive)
        {
            _isActive = true;
            if (_inflight?.Kept() is { Length: not 0 } state) _server.State?.Restore(state);
            _server.Device.Activate(new VirtioActivation(_features, [.. _server.Rings.Select(r => r.Queue)], ConfigChanged));
        }

        Listen(ring);
        ring.Call();
        _server.Device.OnKick(ring.Queue.Index);
        return Verdict.Done;
    }

    private void StopRing(ServedRing ring)
    {
        if (!ring.IsStarted) return;
        Unlisten(ring);
        Rest(ring);
        ring.Base = BaseOf(ring.Queue.Position);
        ring.Queue.Stop();
        ring.IsStarted = false;
        ring.Ledger = null;
        ring.SetKick(null);
    }

    private Verdict ResetDevice()
    {
        foreach (ServedRing ring in _server.Rings)
        {
            StopRing(ring);
            ring.IsEnabled = false;
        }

        if (_isActive) _server.Device.Reset();
        _isActive = false;
        return Verdict.Done;
    }

    /// <summary>Changes what rings lie in and point to: no request is under way meanwhile.</summary>
    private Verdict ChangeMemory(Func<string?> change)
    {
        string? problem = null;
        WithRingsHeld(() =>
        {
            // A broken one stays so until the front end starts it again.
            List<(ServedRing Ring, VirtRingPosition Position)> started = [.. _server.Rings.Where(r => r.IsStarted && !r.Queue.IsBroken).Select(r => (r, r.Queue.Position))];
            foreach ((ServedRing ring, _) in started) ring.Queue.Stop();
            problem = change();
            foreach ((ServedRing ring, VirtRingPosition position) in started)
            {
                // One that is no longer in memory is found broken, and the front end hears of it.
                _ = TryPlace(ring, out VirtQueueSetup setup);
                ring.Queue.Start(setup, _features, position, ring.Ledger);
            }
        });
        return problem is null ? Verdict.Done : Verdict.No(problem);
    }

    private void WithRingsHeld(Action act)
    {
        ServedRing[] served = [.. _server.Rings.Where(ring => ring.IsStarted)];
        foreach (ServedRing ring in served) Rest(ring);
        act();
        foreach (ServedRing ring in served)
        {
            ring.Queue.Hold(!ring.IsEnabled);
            if (ring.IsEnabled) _server.Device.OnKick(ring.Queue.Index);
        }
    }

    /// <summary>Has nothing under way in a ring, and nothing untold.</summary>
    private static void Rest(ServedRing ring)
    {
        if (ring.IsEnabled && ring.Ledger is { HasLeft: true } ledger) SpinWait.SpinUntil(() => !ledger.HasLeft || ring.Queue.IsBroken, LeftPatience);
        ring.Queue.Hold(true);
        WaitIdle(ring);
        ring.Queue.Signal();
    }

    // However long it takes: the memory that a request points to cannot go away before it ends.
    private static void WaitIdle(ServedRing ring) => SpinWait.SpinUntil(() => ring.Queue.IsIdle);

    private void Listen(ServedRing ring)
    {
        int queue = ring.Queue.Index;
        if (ring.Kick is not { } kick || _server.Device.TryListen(queue, kick.Fd)) return;
        ring.Watch = _server.Loop.Add(kick.Fd, EpollEvents.Readable | EpollEvents.EdgeTriggered, _ => _server.Device.OnKick(queue));
    }

    private void Unlisten(ServedRing ring)
    {
        if (ring.Kick is not { } kick) return;
        if (ring.Watch is null) _server.Device.StopListening(ring.Queue.Index, kick.Fd);
        else ring.Watch.Dispose();
        ring.Watch = null;
    }

    private bool TryPlace(ServedRing ring, out VirtQueueSetup setup)
    {
        setup = new VirtQueueSetup { Size = ring.Size };
        if (ring.Addresses is not { } addresses) return false;
        bool isThere = _memory.TryTranslate(addresses.Descriptors, out setup.Descriptors);
        isThere &= _memory.TryTranslate(addresses.Available, out setup.Available);
        isThere &= _memory.TryTranslate(addresses.Used, out setup.Used);
        // A size of 0 can be no ring's.
        if (!isThere) setup.Size = 0;
        return isThere;
    }

    /// <summary>The front end knows where to take; what was given back is in memory, or in the packed ring's base.</summary>
    private VirtRingPosition PositionOf(ServedRing ring, in VirtQueueSetup setup)
    {
        if (IsPacked)
        {
            ushort used = (ushort)(ring.Base >> PackedUsedShift);
            return new((ushort)ring.Base, used, used);
        }

        const ulong UsedIndexOffset = 2;
        if (!_server.Memory.TryReadAcquire(new(setup.Used + UsedIndexOffset), out ushort index)) index = (ushort)ring.Base;
        return new((ushort)ring.Base, index, index);
    }

    private uint BaseOf(in VirtRingPosition position)
        => IsPacked ? position.NextAvailable | ((uint)position.NextUsed << PackedUsedShift) : position.NextAvailable;
}
