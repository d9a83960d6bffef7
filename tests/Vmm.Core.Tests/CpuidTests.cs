using Vmm.Core.Hypervisor.Cpuid;

namespace Vmm.Core.Tests;

public sealed class CpuidTests
{
    [Fact]
    public void Features_Names_AreUniqueAndOnUniqueBits()
    {
        CpuFeature[] all = CpuFeatures.All.ToArray();
        Assert.Equal(all.Length, all.Select(f => f.Name).Distinct().Count());
        Assert.Equal(all.Length, all.Select(f => (f.Word, f.Bit)).Distinct().Count());
        Assert.All(all, f => Assert.InRange(f.Bit, 0, 31));
    }

    // Bits from the Intel SDM and the AMD APM, apart from the table's own way of counting.
    [Theory]
    [InlineData("sse4.2", 1u, 0u, CpuidRegister.Ecx, 20)]
    [InlineData("hypervisor", 1u, 0u, CpuidRegister.Ecx, 31)]
    [InlineData("aes", 1u, 0u, CpuidRegister.Ecx, 25)]
    [InlineData("sse2", 1u, 0u, CpuidRegister.Edx, 26)]
    [InlineData("clflush", 1u, 0u, CpuidRegister.Edx, 19)]
    [InlineData("avx512vl", 7u, 0u, CpuidRegister.Ebx, 31)]
    [InlineData("smap", 7u, 0u, CpuidRegister.Ebx, 20)]
    [InlineData("rdpid", 7u, 0u, CpuidRegister.Ecx, 22)]
    [InlineData("pks", 7u, 0u, CpuidRegister.Ecx, 31)]
    [InlineData("la57", 7u, 0u, CpuidRegister.Ecx, 16)]
    [InlineData("ssbd", 7u, 0u, CpuidRegister.Edx, 31)]
    [InlineData("arch-capabilities", 7u, 0u, CpuidRegister.Edx, 29)]
    [InlineData("lam", 7u, 1u, CpuidRegister.Eax, 26)]
    [InlineData("mwaitx", 0x80000001u, 0u, CpuidRegister.Ecx, 29)]
    [InlineData("topoext", 0x80000001u, 0u, CpuidRegister.Ecx, 22)]
    [InlineData("lm", 0x80000001u, 0u, CpuidRegister.Edx, 29)]
    [InlineData("rdtscp", 0x80000001u, 0u, CpuidRegister.Edx, 27)]
    [InlineData("invtsc", 0x80000007u, 0u, CpuidRegister.Edx, 8)]
    [InlineData("ibpb", 0x80000008u, 0u, CpuidRegister.Ebx, 12)]
    [InlineData("btc-no", 0x80000008u, 0u, CpuidRegister.Ebx, 29)]
    [InlineData("srso-no", 0x80000021u, 0u, CpuidRegister.Eax, 29)]
    [InlineData("kvmclock-stable-bit", 0x40000001u, 0u, CpuidRegister.Eax, 24)]
    [InlineData("kvm-pv-ipi", 0x40000001u, 0u, CpuidRegister.Eax, 11)]
    [InlineData("arat", 6u, 0u, CpuidRegister.Eax, 2)]
    public void Features_Name_StandsOnItsBit(string name, uint leaf, uint subleaf, CpuidRegister register, int bit)
    {
        Assert.True(CpuFeatures.TryFind(name, out CpuFeature feature));
        Assert.Equal(new CpuFeature(name, new CpuidWord(leaf, subleaf, register), bit), feature);
    }

    [Theory]
    [InlineData("sse4_1", "sse4.1")]
    [InlineData("SSE4-1", "sse4.1")]
    [InlineData("lahf_lm", "lahf-lm")]
    [InlineData("pni", "sse3")]
    [InlineData("lzcnt", "abm")]
    public void Features_OtherSpelling_Found(string spelling, string name)
    {
        Assert.True(CpuFeatures.TryFind(spelling, out CpuFeature feature));
        Assert.Equal(name, feature.Name);
    }

    [Fact]
    public void Parse_ModelWithChanges_RoundTrips()
    {
        CpuModel model = CpuModel.Parse("x86-64-v2,+aes,-sse4.2");
        Assert.Equal("x86-64-v2,+aes,-sse4.2", model.ToString());
        Assert.Equal("aes", Assert.Single(model.Added).Name);
        Assert.Equal("sse4.2", Assert.Single(model.Removed).Name);
    }

    [Theory]
    [InlineData("x86-64-v22", "unknown CPU model 'x86-64-v22'; the models are host, x86-64-v1, x86-64-v2, x86-64-v3 (nearest: x86-64-v2)")]
    [InlineData("", "unknown CPU model ''")]
    [InlineData("host,+popcount", "unknown CPU feature 'popcount' (nearest: popcnt)")]
    [InlineData("host,aes", "CPU feature 'aes' must begin with + or -")]
    [InlineData("host,+", "CPU feature '+' must begin with + or -")]
    [InlineData("host,", "CPU feature '' must begin with + or -")]
    [InlineData("host,+aes,-aes", "CPU feature 'aes' is both added and removed")]
    public void Parse_Wrong_OneClearLine(string text, string expected)
    {
        FormatException error = Assert.Throws<FormatException>(() => CpuModel.Parse(text));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Software_Default_IsX8664V2WithAmdIdentityAndKvmclock()
    {
        CpuidBuilder builder = CpuidBuilder.Software();
        Assert.Empty(builder.Errors);
        Assert.Empty(builder.Warnings);
        CpuidTable table = builder.Build(0);
        Assert.Equal(CpuIdentity.Software, CpuIdentity.Of(table));
        foreach (CpuFeature feature in CpuModel.X8664V2.Required) Assert.True(feature.IsIn(table), feature.Name);
        foreach (string name in new[] { "kvmclock", "kvmclock-stable-bit", "invtsc", "arat", "x2apic", "tsc-deadline", "hypervisor", "erms", "auto-ibrs" })
            Assert.True(Find(name).IsIn(table), name);
        foreach (string name in new[] { "xsave", "avx", "rdrand", "mtrr", "mce", "aes", "bmi1", "ht", "kvm-pv-ipi" })
            Assert.False(Find(name).IsIn(table), name);
        CpuidEntry hypervisor = table.Lookup(CpuidLeaf.HypervisorSignature, 0);
        Assert.Equal((0x40000001u, 0x4b4d564bu, 0x564b4d56u, 0x4du), (hypervisor.Eax, hypervisor.Ebx, hypervisor.Ecx, hypervisor.Edx));
        CpuidEntry version = table.Lookup(CpuidLeaf.Version, 0);
        CpuidEntry extended = table.Lookup(CpuidLeaf.ExtendedVersion, 0);
        Assert.Equal(version.Edx & 0x0183f3ff, extended.Edx & 0x0183f3ff);
        Assert.Equal(SoftwareCpuid.PhysicalAddressBits | (48u << 8), table.Lookup(CpuidLeaf.AddressWidths, 0).Eax);
    }

    [Fact]
    public void Software_HostLacksAnInstruction_NotShownAndWarned()
    {
        CpuidTable poorHost = new(HostLike().Entries.ToArray().Select(e => e.Leaf == 1 ? e with { Ecx = e.Ecx & ~Find("popcnt").Mask } : e));
        CpuidBuilder builder = CpuidBuilder.Software(host: poorHost);
        Assert.False(Find("popcnt").IsIn(builder.Build(0)));
        Assert.Equal("CPU model x86-64-v2: this host cannot do popcnt", Assert.Single(builder.Warnings));
    }

    [Fact]
    public void Build_AddedFeatureMissing_ErrorAndNoTable()
    {
        CpuidBuilder builder = CpuidBuilder.Software(CpuModel.Parse("x86-64-v2,+avx2"));
        Assert.Equal("CPU feature +avx2 is not supported here", Assert.Single(builder.Errors));
        Assert.Throws<InvalidOperationException>(() => builder.Build(0));
    }

    [Fact]
    public void Build_BaseRemoved_DependentsGoToo()
    {
        CpuidTable table = new CpuidBuilder(CpuModel.Parse("host,-avx"), HostLike(), new CpuidOptions()).Build(0);
        foreach (string name in new[] { "avx", "avx2", "fma", "avx512f" }) Assert.False(Find(name).IsIn(table), name);
        Assert.True(Find("xsave").IsIn(table));
        CpuidEntry xsave = table.Lookup(CpuidLeaf.Xsave, 0);
        Assert.Equal((3u, 576u), (xsave.Eax, xsave.Ecx));
        Assert.Equal(0u, table.Lookup(CpuidLeaf.Xsave, 2).Eax);
    }

    [Fact]
    public void Build_XsaveNotListedButDescribed_HostModelKeepsTheDescription()
    {
        CpuidTable odd = new(HostLike().Entries.ToArray().Select(e => e.Leaf == 1 ? e with { Ecx = e.Ecx & ~Find("xsave").Mask } : e));
        Assert.Equal(0xe7u, new CpuidBuilder(CpuModel.Host, odd, new CpuidOptions()).Build(0).Lookup(CpuidLeaf.Xsave, 0).Eax);
        Assert.Equal(0u, new CpuidBuilder(CpuModel.X8664V3, odd, new CpuidOptions()).Build(0).Lookup(CpuidLeaf.Xsave, 0).Eax);
    }

    [Fact]
    public void Build_AddedFeatureWhoseBaseIsRemoved_Error()
    {
        CpuidBuilder builder = new(CpuModel.Parse("host,+avx2,-avx"), HostLike(), new CpuidOptions());
        Assert.Equal("CPU feature +avx2 needs avx", Assert.Single(builder.Errors));
    }

    [Fact]
    public void Build_V3OnCapableHost_XsaveHasAvxOnly()
    {
        CpuidBuilder builder = new(CpuModel.X8664V3, HostLike(), new CpuidOptions());
        Assert.Empty(builder.Warnings);
        CpuidTable table = builder.Build(0);
        Assert.False(Find("avx512f").IsIn(table));
        CpuidEntry xsave = table.Lookup(CpuidLeaf.Xsave, 0);
        Assert.Equal((7u, 832u), (xsave.Eax, xsave.Ecx));
        Assert.Equal(256u, table.Lookup(CpuidLeaf.Xsave, 2).Eax);
        Assert.Equal(0u, table.Lookup(CpuidLeaf.Xsave, 5).Eax);
    }

    [Theory]
    [InlineData("host")]
    [InlineData("x86-64-v1")]
    [InlineData("x86-64-v2")]
    [InlineData("x86-64-v3")]
    public void Build_AnyModel_NeverMoreThanSupported(string model)
    {
        CpuidTable supported = HostLike();
        CpuidTable table = new CpuidBuilder(CpuModel.Parse(model), supported, new CpuidOptions { VcpuCount = 1 }).Build(0);
        foreach (CpuFeature feature in CpuFeatures.All)
            Assert.True(!feature.IsIn(table) || feature.IsIn(supported) || feature.Name == "hypervisor", feature.Name);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(8, 3)]
    [InlineData(64, 6)]
    public void Build_SeveralVcpus_TopologyIsOneSocketOfSingleThreadedCores(int count, int coreBits)
    {
        CpuidBuilder builder = CpuidBuilder.Software(options: new CpuidOptions { VcpuCount = count });
        for (int vcpu = 0; vcpu < count; vcpu++)
        {
            CpuidTable table = builder.Build(vcpu);
            CpuidEntry version = table.Lookup(CpuidLeaf.Version, 0);
            Assert.Equal((uint)vcpu, version.Ebx >> 24);
            Assert.Equal((uint)count, (version.Ebx >> 16) & 0xff);
            Assert.Equal(count > 1, (version.Edx & (1 << 28)) != 0);
            CpuidEntry threads = table.Lookup(CpuidLeaf.Topology, 0);
            CpuidEntry cores = table.Lookup(CpuidLeaf.Topology, 1);
            Assert.Equal((0u, 1u, 0x100u, (uint)vcpu), (threads.Eax, threads.Ebx, threads.Ecx, threads.Edx));
            Assert.Equal(((uint)coreBits, (uint)count, 0x201u, (uint)vcpu), (cores.Eax, cores.Ebx, cores.Ecx, cores.Edx));
            Assert.Equal(((uint)coreBits << 12) | (uint)(count - 1), table.Lookup(CpuidLeaf.AddressWidths, 0).Ecx);
        }
    }

    [Fact]
    public void Host_Read_HasVendorAndLongMode()
    {
        CpuidTable host = HostCpuid.Read();
        Assert.Equal(12, CpuIdentity.Of(host).Vendor.Trim('\0').Length);
        Assert.True(Find("lm").IsIn(host));
        Assert.True(Find("sse2").IsIn(host));
    }

    private static CpuFeature Find(string name) => CpuFeatures.TryFind(name, out CpuFeature feature) ? feature : throw new ArgumentException(name);

    // Every named feature, and an XSAVE leaf with AVX and AVX-512 at their usual places.
    private static CpuidTable HostLike()
    {
        List<CpuidEntry> entries = [];
        foreach (IGrouping<(uint Leaf, uint Subleaf), CpuFeature> leaf in CpuFeatures.All.ToArray().GroupBy(f => (f.Word.Leaf, f.Word.Subleaf)))
        {
            uint Word(CpuidRegister register) => leaf.Where(f => f.Word.Register == register).Aggregate(0u, (mask, f) => mask | f.Mask);
            entries.Add(new CpuidEntry(leaf.Key.Leaf, leaf.Key.Subleaf, leaf.Key.Leaf is 7 or 0xd,
                Word(CpuidRegister.Eax), Word(CpuidRegister.Ebx), Word(CpuidRegister.Ecx), Word(CpuidRegister.Edx)));
        }

        entries.Add(new CpuidEntry(0, 0, false, 0x16, 0x68747541, 0x444d4163, 0x69746e65));
        entries.Add(new CpuidEntry(7, 0, true, 1, 0xffffffff, 0xffffffff, 0xffffffff));
        entries.RemoveAll(e => e is { Leaf: 7, Subleaf: 0, Eax: 0 });
        entries.Add(new CpuidEntry(0xd, 0, true, 0xe7, 2432, 2432, 0));
        entries.Add(new CpuidEntry(0xd, 2, true, 256, 576, 0, 0));
        entries.Add(new CpuidEntry(0xd, 5, true, 64, 832, 0, 0));
        entries.Add(new CpuidEntry(0xd, 6, true, 512, 896, 0, 0));
        entries.Add(new CpuidEntry(0xd, 7, true, 1024, 1408, 0, 0));
        entries.Add(new CpuidEntry(0x80000000, 0, false, 0x80000021, 0, 0, 0));
        return new CpuidTable(entries);
    }
}
