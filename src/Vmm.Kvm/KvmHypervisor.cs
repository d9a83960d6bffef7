using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Native;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>Runs guests on the processor's virtualisation through /dev/kvm (Linux Documentation/virt/kvm/api.rst). Thread-safe.</summary>
public sealed unsafe class KvmHypervisor : IHypervisor
{
    /// <summary>The only API version there has been since Linux 2.6.22.</summary>
    internal const int KVM_API_VERSION = 12;

    private const int CpuidHeaderBytes = 8;
    private const int MaximumCpuidEntries = 1024;
    private const string ParavirtualModule = "/sys/module/kvm_pvm";
    private static readonly string[] HypercallFeatures = ["kvm-pv-unhalt", "kvm-pv-ipi", "kvm-pv-sched-yield"];

    private readonly LinuxFile _device;

    /// <summary>Opens the device and judges the options.</summary>
    /// <exception cref="HypervisorException">No KVM, no permission, a KVM too old, or a CPU model that cannot be had; one line.</exception>
    public KvmHypervisor(KvmOptions options)
    {
        Options = options;
        _device = OpenDevice(options.Device);
        try
        {
            CheckVersion();
            CheckNeededCapabilities();
            AllowsHypercalls = options.AllowHypercalls ?? !Directory.Exists(ParavirtualModule);
            RunBytes = (nuint)KvmCall.Must(Fd, KvmIoctl.KVM_GET_VCPU_MMAP_SIZE, 0, "asking for the size of the vCPU page");
            SupportedCpuid = ReadSupportedCpuid();
            MsrIndices = ReadMsrIndices();
            CheckVcpuCount(options.VcpuCount);
            if (options.InterruptMode == KvmInterruptMode.Split && options.SplitChips is null)
                throw new HypervisorException("KVM: the split interrupt controller needs its user-space chips");
            Cpuid = new CpuidBuilder(options.CpuModel, SupportedCpuid, new CpuidOptions { VcpuCount = options.VcpuCount });
            if (Cpuid.Errors.Count != 0) throw new HypervisorException(string.Join("; ", Cpuid.Errors));
        }
        catch
        {
            _device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name => "kvm";

    /// <summary>What it was made with.</summary>
    public KvmOptions Options { get; }

    /// <summary>Everything this host's KVM can show a guest.</summary>
    public CpuidTable SupportedCpuid { get; }

    /// <summary>The guest's CPUID; its warnings are for the user.</summary>
    public CpuidBuilder Cpuid { get; }

    /// <summary>Whether guests may use VMCALL, see <see cref="KvmOptions.AllowHypercalls"/>.</summary>
    public bool AllowsHypercalls { get; }

    internal int Fd => _device.Fd;

    /// <summary>Bytes of a vCPU's shared mapping.</summary>
    internal nuint RunBytes { get; }

    /// <summary>The MSRs that KVM saves and restores.</summary>
    internal uint[] MsrIndices { get; }

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(GuestMemory memory) => CreateKvmMachine(memory);

    /// <summary>As <see cref="CreateMachine"/>, with the type that also has irqfd, the dirty log and the state of the chips.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public KvmMachine CreateKvmMachine(GuestMemory memory) => new(this, memory);

    /// <summary>The value of a capability; 0 when it is missing.</summary>
    public int CheckExtension(int capability) => Math.Max(0, KvmCall.Try(Fd, KvmIoctl.KVM_CHECK_EXTENSION, capability));

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();

    /// <summary>Opens the device node, with a line for each usual reason why it cannot be.</summary>
    internal static LinuxFile OpenDevice(string path)
    {
        try
        {
            return LinuxFile.Open(path, Libc.O_RDWR);
        }
        catch (LinuxException e)
        {
            string reason = e.Error switch
            {
                Errno.ENOENT => $"{path} does not exist: the kvm module is not loaded, or the processor's virtualisation is off",
                Errno.EACCES or Errno.EPERM => $"no permission to open {path}: join the group that owns it (usually kvm)",
                Errno.ENXIO or Errno.ENODEV => $"{path} is no working KVM device: the processor's virtualisation is off or in use",
                _ => e.Message,
            };
            throw new HypervisorException(reason, e);
        }
    }

    private void CheckVersion()
    {
        int version = KvmCall.Try(Fd, KvmIoctl.KVM_GET_API_VERSION, 0);
        if (version < 0) throw new HypervisorException($"{Options.Device} is no KVM device");
        if (version != KVM_API_VERSION) throw new HypervisorException($"{Options.Device} speaks KVM API version {version}, needed is {KVM_API_VERSION}");
    }

    private void CheckNeededCapabilities()
    {
        List<string> missing = [.. KvmCapabilityTable.All.Where(c => c.IsNeeded && CheckExtension(c.Number) == 0).Select(c => c.Name)];
        if (missing.Count != 0) throw new HypervisorException($"this host's KVM lacks {string.Join(", ", missing)}");
    }

    private void CheckVcpuCount(int count)
    {
        // xAPIC ids end at 254; more needs the x2APIC ids of KVM_CAP_X2APIC_API, which in turn changes the saved local APIC.
        const int xapicLimit = 255;
        int limit = Math.Min(xapicLimit, CheckExtension(KvmCapability.KVM_CAP_MAX_VCPUS));
        if (count < 1 || count > limit) throw new HypervisorException($"{count} vCPUs are not possible: this host's KVM takes 1 to {limit}");
    }

    private CpuidTable ReadSupportedCpuid()
    {
        for (int capacity = 128; capacity <= MaximumCpuidEntries; capacity *= 2)
        {
            byte[] buffer = new byte[CpuidHeaderBytes + (capacity * sizeof(KvmCpuidEntry2))];
            fixed (byte* start = buffer)
            {
                // SAFETY: the buffer holds the header and as many entries as the header says.
                *(uint*)start = (uint)capacity;
                if (KvmCall.Try(Fd, KvmIoctl.KVM_GET_SUPPORTED_CPUID, (nint)start) >= 0)
                    return Adjust(new ReadOnlySpan<KvmCpuidEntry2>(start + CpuidHeaderBytes, (int)Math.Min(*(uint*)start, (uint)capacity)));
                if (Marshal.GetLastPInvokeError() != Errno.E2BIG) throw KvmCall.Failure("asking for the supported CPUID");
            }
        }

        throw new HypervisorException("KVM: the supported CPUID is too large");
    }

    private CpuidTable Adjust(ReadOnlySpan<KvmCpuidEntry2> entries)
    {
        // The in-kernel local APIC brings these two, which older kernels leave out of the list.
        uint ecx = CpuFeatures.Get("x2apic").Mask;
        if (CheckExtension(KvmCapability.KVM_CAP_TSC_DEADLINE_TIMER) != 0) ecx |= CpuFeatures.Get("tsc-deadline").Mask;
        uint hidden = AllowsHypercalls ? 0 : HypercallFeatures.Aggregate(0u, (mask, name) => mask | CpuFeatures.Get(name).Mask);
        List<CpuidEntry> table = [];
        foreach (KvmCpuidEntry2 e in entries)
        {
            bool hasSubleaves = (e.Flags & KvmCpuidEntry2.KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
            CpuidEntry entry = new(e.Function, e.Index, hasSubleaves, e.Eax, e.Ebx, e.Ecx, e.Edx);
            if (e.Function == CpuidLeaf.Version) entry = entry with { Ecx = entry.Ecx | ecx };
            if (e.Function == CpuidLeaf.KvmFeatures) entry = entry with { Eax = entry.Eax & ~hidden };
            table.Add(entry);
        }

        return new CpuidTable(table);
    }

    private uint[] ReadMsrIndices()
    {
        const int capacity = 1024;
        uint* list = stackalloc uint[1 + capacity];
        list[0] = capacity;
        // SAFETY: a count and as many indices as it says.
        KvmCall.Must(Fd, KvmIoctl.KVM_GET_MSR_INDEX_LIST, (nint)list, "asking for the list of MSRs");
        return new ReadOnlySpan<uint>(list + 1, (int)Math.Min(list[0], capacity)).ToArray();
    }
}
