namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>Numbers of the CPUID leaves (Intel SDM vol. 2 CPUID, AMD APM vol. 3 app. E, Linux Documentation/virt/kvm/x86/cpuid.rst).</summary>
public static class CpuidLeaf
{
    public const uint Vendor = 0;
    public const uint Version = 1;
    public const uint CacheDescriptors = 2;
    public const uint SerialNumber = 3;
    public const uint CacheParameters = 4;
    public const uint MonitorMwait = 5;
    public const uint Thermal = 6;
    public const uint ExtendedFeatures = 7;
    public const uint Topology = 0xb;
    public const uint Xsave = 0xd;
    public const uint TopologyV2 = 0x1f;
    public const uint HypervisorSignature = 0x40000000;
    public const uint KvmFeatures = 0x40000001;
    public const uint ExtendedMaximum = 0x80000000;
    public const uint ExtendedVersion = 0x80000001;
    public const uint BrandFirst = 0x80000002;
    public const uint BrandLast = 0x80000004;
    public const uint AmdL1Cache = 0x80000005;
    public const uint AmdL2Cache = 0x80000006;
    public const uint Power = 0x80000007;
    public const uint AddressWidths = 0x80000008;
    public const uint Svm = 0x8000000a;
    public const uint AmdCacheProperties = 0x8000001d;
    public const uint AmdTopology = 0x8000001e;
    public const uint AmdEncryption = 0x8000001f;
    public const uint AmdExtendedFeatures2 = 0x80000021;

    /// <summary>First leaf of the range that hypervisors use.</summary>
    public const uint HypervisorFirst = 0x40000000;

    /// <summary>Last leaf of that range.</summary>
    public const uint HypervisorLast = 0x4fffffff;
}
