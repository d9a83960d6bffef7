using System.Buffers;
using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Host;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>
/// One KVM virtual machine: memory slots, in-kernel chips, vCPUs. Restore its state before the levels of its lines and before the
/// vCPUs run. Dispose the vCPUs first.
/// </summary>
public sealed unsafe class KvmMachine : IVirtualMachine, IStateful<KvmMachineState>
{
    // The last megabyte below 4 GiB without the firmware's 256 KiB: one page of identity map and three of TSS (api.rst 4.32, 4.34).
    private const ulong IdentityMapAddress = 0xfffbc000;
    private const long TssAddress = 0xfffbd000;

    private readonly KvmHypervisor _hypervisor;
    private readonly LinuxFile _vm;
    private readonly KvmVcpu?[] _vcpus;
    private readonly bool _manualDirtyLog;
    private readonly bool _hasPit;

    // kvmclock while the machine stands still.
    private ulong? _pausedClockNs;

    internal KvmMachine(KvmHypervisor hypervisor, GuestMemory memory)
    {
        _hypervisor = hypervisor;
        Memory = memory;
        _vcpus = new KvmVcpu?[hypervisor.Options.VcpuCount];
        KickSignal.Install();
        _vm = new LinuxFile(KvmCall.Must(hypervisor.Fd, KvmIoctl.KVM_CREATE_VM, 0, "creating a virtual machine"));
        try
        {
            SetIntelRealModePages();
            if (!hypervisor.AllowsHypercalls) ForbidHypercalls();
            _hasPit = CreateChips();
            _manualDirtyLog = EnableManualDirtyLog();
            for (int i = 0; i < memory.Regions.Length; i++) SetSlot(i, logDirty: false);
            Controller = new KvmInterrupts(this, hypervisor.Options.InterruptMode);
        }
        catch
        {
            _vm.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IInterruptController Interrupts => Controller;

    /// <summary>The interrupt inputs with what KVM has beyond the contract: irqfd and the routes of the split mode.</summary>
    public KvmInterrupts Controller { get; }

    /// <summary>The guest's memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Instructions that were handed to the emulator, all vCPUs together.</summary>
    public long EmulatedInstructions => _vcpus.Sum(v => v?.EmulatedInstructions ?? 0);

    internal int Fd => _vm.Fd;

    internal KvmHypervisor Hypervisor => _hypervisor;

    /// <inheritdoc/>
    public IVcpu CreateVcpu(int index) => CreateKvmVcpu(index);

    /// <summary>As <see cref="CreateVcpu"/>, with the type that also counts.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public KvmVcpu CreateKvmVcpu(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, _vcpus.Length);
        KvmVcpu vcpu = new(this, index);
        _vcpus[index] = vcpu;
        return vcpu;
    }

    /// <summary>Split mode: the 8259's INTR has changed; the boot processor looks at it again soon. Any thread.</summary>
    public void ExternalInterruptChanged() => _vcpus[0]?.Nudge();

    /// <inheritdoc/>
    public bool TryBindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd) => ChangeDoorbell(gpa, match, sizeBytes, eventFd, 0);

    /// <inheritdoc/>
    public void UnbindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd)
        => ChangeDoorbell(gpa, match, sizeBytes, eventFd, KvmIoEventFdRequest.KVM_IOEVENTFD_FLAG_DEASSIGN);

    /// <summary>Switches the log of the guest's writes on or off. Reads-only regions are left out.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public void SetDirtyLog(bool on)
    {
        for (int i = 0; i < Memory.Regions.Length; i++)
        {
            if (!Memory.Regions[i].IsReadOnly) SetSlot(i, on);
        }
    }

    /// <summary>
    /// Collects and clears the dirty marks of one region: what the guest wrote (while the log was on) and what devices wrote through
    /// <see cref="GuestMemory"/>. Copy the pages after this call. vCPUs may run.
    /// </summary>
    /// <param name="region">Index in <see cref="GuestMemory.Regions"/>.</param>
    /// <param name="bitmap">Bit n of word n/64 is page n; at least one bit for each page, rounded up to a word.</param>
    /// <exception cref="HypervisorException">The log is off.</exception>
    public void CollectDirty(int region, Span<ulong> bitmap)
    {
        ulong pages = Memory.Regions[region].SizeBytes >> GuestAddress.PageShift;
        int words = (int)((pages + 63) / 64);
        Memory.CollectDirty(region, bitmap);
        ulong[] guest = ArrayPool<ulong>.Shared.Rent(words);
        try
        {
            fixed (ulong* start = guest)
            {
                // SAFETY: KVM fills one bit a page, rounded up to 64 pages; the array has that many words.
                KvmDirtyLog log = new() { Slot = (uint)region, Bitmap = (ulong)start };
                KvmCall.Must(Fd, KvmIoctl.KVM_GET_DIRTY_LOG, ref log, "reading the dirty log");
                if (_manualDirtyLog) ClearDirtyLog((uint)region, start, words, pages);
            }

            for (int i = 0; i < words; i++) bitmap[i] |= guest[i];
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(guest);
        }
    }

    /// <inheritdoc/>
    public KvmMachineState Save()
    {
        bool inKernel = _hypervisor.Options.InterruptMode == KvmInterruptMode.InKernel;
        return new KvmMachineState
        {
            PicMaster = inKernel ? ReadChip(KvmIrqchip.KVM_IRQCHIP_PIC_MASTER) : null,
            PicSlave = inKernel ? ReadChip(KvmIrqchip.KVM_IRQCHIP_PIC_SLAVE) : null,
            IoApic = inKernel ? ReadChip(KvmIrqchip.KVM_IRQCHIP_IOAPIC) : null,
            Pit = _hasPit ? ReadPit() : null,
            ClockNs = _pausedClockNs ?? ReadClock(),
        };
    }

    /// <inheritdoc/>
    public void Restore(KvmMachineState state)
    {
        if (state.Version != KvmMachineState.CurrentVersion) throw new StateException($"KVM machine state of version {state.Version} is unknown");
        bool inKernel = _hypervisor.Options.InterruptMode == KvmInterruptMode.InKernel;
        CheckLength(state.PicMaster, inKernel, KvmIrqchip.ChipBytes, "master 8259");
        CheckLength(state.PicSlave, inKernel, KvmIrqchip.ChipBytes, "slave 8259");
        CheckLength(state.IoApic, inKernel, KvmIrqchip.ChipBytes, "IOAPIC");
        CheckLength(state.Pit, _hasPit, sizeof(KvmPitState2), "8254");
        if (inKernel)
        {
            WriteChip(KvmIrqchip.KVM_IRQCHIP_PIC_MASTER, state.PicMaster!);
            WriteChip(KvmIrqchip.KVM_IRQCHIP_PIC_SLAVE, state.PicSlave!);
            WriteChip(KvmIrqchip.KVM_IRQCHIP_IOAPIC, state.IoApic!);
        }

        if (_hasPit)
        {
            KvmPitState2 pit = MemoryMarshal.Read<KvmPitState2>(state.Pit);
            KvmCall.Must(Fd, KvmIoctl.KVM_SET_PIT2, ref pit, "restoring the 8254");
        }

        if (_pausedClockNs is not null) _pausedClockNs = state.ClockNs;
        else WriteClock(state.ClockNs);
    }

    /// <inheritdoc/>
    public void Pause() => _pausedClockNs ??= ReadClock();

    /// <inheritdoc/>
    public void Resume()
    {
        if (_pausedClockNs is not { } clock) return;
        _pausedClockNs = null;
        WriteClock(clock);
        foreach (KvmVcpu? vcpu in _vcpus) vcpu?.ForgivePause();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (KvmVcpu? vcpu in _vcpus) vcpu?.Dispose();
        Controller.DisposeRoutes();
        _vm.Dispose();
    }

    private ulong ReadClock()
    {
        KvmClockData clock = default;
        KvmCall.Must(Fd, KvmIoctl.KVM_GET_CLOCK, ref clock, "reading kvmclock");
        return clock.ClockNs;
    }

    private void WriteClock(ulong ns)
    {
        KvmClockData clock = new() { ClockNs = ns };
        KvmCall.Must(Fd, KvmIoctl.KVM_SET_CLOCK, ref clock, "restoring kvmclock");
    }

    private void SetIntelRealModePages()
    {
        if (_hypervisor.CheckExtension(KvmCapability.KVM_CAP_SET_IDENTITY_MAP_ADDR) != 0)
        {
            ulong address = IdentityMapAddress;
            KvmCall.Must(Fd, KvmIoctl.KVM_SET_IDENTITY_MAP_ADDR, ref address, "placing the identity map");
        }

        if (_hypervisor.CheckExtension(KvmCapability.KVM_CAP_SET_TSS_ADDR) != 0)
            KvmCall.Must(Fd, KvmIoctl.KVM_SET_TSS_ADDR, unchecked((nint)TssAddress), "placing the real-mode TSS");
        KvmCall.Must(Fd, KvmIoctl.KVM_SET_BOOT_CPU_ID, 0, "naming the boot processor");
    }

    private void ForbidHypercalls()
    {
        if ((_hypervisor.CheckExtension(KvmCapability.KVM_CAP_DISABLE_QUIRKS2) & (int)KvmEnableCap.KVM_X86_QUIRK_FIX_HYPERCALL_INSN) != 0)
            Enable(KvmCapability.KVM_CAP_DISABLE_QUIRKS2, KvmEnableCap.KVM_X86_QUIRK_FIX_HYPERCALL_INSN, "making VMCALL an invalid instruction");
    }

    private bool CreateChips()
    {
        if (_hypervisor.Options.InterruptMode == KvmInterruptMode.Split)
        {
            Enable(KvmCapability.KVM_CAP_SPLIT_IRQCHIP, KvmInterrupts.IoApicPins, "creating local APICs without the other interrupt controllers");
            return false;
        }

        KvmCall.Must(Fd, KvmIoctl.KVM_CREATE_IRQCHIP, 0, "creating the interrupt controllers");
        if (!_hypervisor.Options.InKernelPit) return false;
        KvmPitConfig pit = new() { Flags = KvmPitConfig.KVM_PIT_SPEAKER_DUMMY };
        KvmCall.Must(Fd, KvmIoctl.KVM_CREATE_PIT2, ref pit, "creating the interval timer");
        return true;
    }

    private bool EnableManualDirtyLog()
    {
        if (_hypervisor.CheckExtension(KvmCapability.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) == 0) return false;
        Enable(KvmCapability.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KvmEnableCap.KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, "choosing the manual dirty log");
        return true;
    }

    private void Enable(int capability, ulong argument, string what)
    {
        KvmEnableCap enable = new() { Capability = (uint)capability, Argument0 = argument };
        KvmCall.Must(Fd, KvmIoctl.KVM_ENABLE_CAP, ref enable, what);
    }

    private void SetSlot(int index, bool logDirty)
    {
        GuestMemoryRegion region = Memory.Regions[index];
        if (region.IsReadOnly && _hypervisor.CheckExtension(KvmCapability.KVM_CAP_READONLY_MEM) == 0)
            throw new HypervisorException("this host's KVM lacks READONLY_MEM: no ROM is possible");
        KvmUserspaceMemoryRegion slot = new()
        {
            Slot = (uint)index,
            Flags = (region.IsReadOnly ? KvmUserspaceMemoryRegion.KVM_MEM_READONLY : 0) | (logDirty ? KvmUserspaceMemoryRegion.KVM_MEM_LOG_DIRTY_PAGES : 0),
            GuestAddress = region.Start.Value,
            SizeBytes = region.SizeBytes,
            HostAddress = (ulong)region.HostAddress,
        };
        KvmCall.Must(Fd, KvmIoctl.KVM_SET_USER_MEMORY_REGION, ref slot, $"giving the guest {region.SizeBytes >> 20} MiB of memory at {region.Start}");
    }

    // The call takes a 32-bit number of pages and wants multiples of 64, except at the slot's end.
    private void ClearDirtyLog(uint slot, ulong* bitmap, int words, ulong pages)
    {
        const int wordsAtOnce = 1 << 20;
        for (int at = 0; at < words; at += wordsAtOnce)
        {
            ulong first = (ulong)at * 64;
            KvmClearDirtyLog clear = new()
            {
                Slot = slot,
                FirstPage = first,
                PageCount = (uint)Math.Min(pages - first, (ulong)wordsAtOnce * 64),
                Bitmap = (ulong)(bitmap + at),
            };
            KvmCall.Must(Fd, KvmIoctl.KVM_CLEAR_DIRTY_LOG, ref clear, "clearing the dirty log");
        }
    }

    private bool ChangeDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd, uint flags)
    {
        if (match is not null && sizeBytes == 0) return false;
        KvmIoEventFdRequest request = new()
        {
            Address = gpa,
            Length = (uint)sizeBytes,
            FileDescriptor = eventFd,
            DataMatch = match ?? 0,
            Flags = flags | (match is null ? 0 : KvmIoEventFdRequest.KVM_IOEVENTFD_FLAG_DATAMATCH),
        };
        return KvmCall.Try(Fd, KvmIoctl.KVM_IOEVENTFD, ref request) >= 0;
    }

    private byte[] ReadChip(uint chip)
    {
        KvmIrqchip state = new() { Chip = chip };
        KvmCall.Must(Fd, KvmIoctl.KVM_GET_IRQCHIP, ref state, "reading an interrupt controller");
        // SAFETY: the fixed buffer has ChipBytes bytes.
        return new ReadOnlySpan<byte>(state.Bytes, KvmIrqchip.ChipBytes).ToArray();
    }

    private void WriteChip(uint chip, byte[] bytes)
    {
        KvmIrqchip state = new() { Chip = chip };
        // SAFETY: the fixed buffer has ChipBytes bytes, and the length was checked.
        bytes.CopyTo(new Span<byte>(state.Bytes, KvmIrqchip.ChipBytes));
        KvmCall.Must(Fd, KvmIoctl.KVM_SET_IRQCHIP, ref state, "restoring an interrupt controller");
    }

    private byte[] ReadPit()
    {
        KvmPitState2 pit = default;
        KvmCall.Must(Fd, KvmIoctl.KVM_GET_PIT2, ref pit, "reading the 8254");
        return MemoryMarshal.AsBytes(new ReadOnlySpan<KvmPitState2>(in pit)).ToArray();
    }

    private static void CheckLength(byte[]? bytes, bool expected, int length, string what)
    {
        if ((bytes?.Length ?? 0) != (expected ? length : 0))
            throw new StateException($"KVM machine state: the {what} has {bytes?.Length ?? 0} bytes instead of {(expected ? length : 0)}");
    }
}
