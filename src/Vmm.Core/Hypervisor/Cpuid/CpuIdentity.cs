namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>What a CPU calls itself.</summary>
/// <param name="Vendor">Twelve characters: AuthenticAMD, GenuineIntel.</param>
/// <param name="Signature">Family, model and stepping as leaf 1 shows them in EAX.</param>
/// <param name="Brand">Up to 48 ASCII characters.</param>
public sealed record CpuIdentity(string Vendor, uint Signature, string Brand)
{
    public const string Amd = "AuthenticAMD";
    public const string Intel = "GenuineIntel";

    /// <summary>
    /// The software CPU: a K8 (family 0fh, model 6bh), for which Linux knows of no Meltdown, L1TF, MDS, SSB, Retbleed or SRSO, so
    /// that no guest spends time on mitigations of faults which this CPU does not have.
    /// </summary>
    public static CpuIdentity Software { get; } = new(Amd, 0x00060fb1, "Vmm x86-64 software CPU");

    /// <summary>True for AMD's leaves (and Hygon's).</summary>
    public bool IsAmd => Vendor is Amd or "HygonGenuine";

    /// <summary>The identity that a table shows.</summary>
    public static CpuIdentity Of(CpuidTable table)
    {
        CpuidEntry vendor = table.Lookup(CpuidLeaf.Vendor, 0);
        Span<char> text = stackalloc char[12];
        Unpack(vendor.Ebx, text);
        Unpack(vendor.Edx, text[4..]);
        Unpack(vendor.Ecx, text[8..]);
        Span<char> brand = stackalloc char[48];
        for (uint leaf = CpuidLeaf.BrandFirst; leaf <= CpuidLeaf.BrandLast; leaf++)
        {
            CpuidEntry part = table.Lookup(leaf, 0);
            Span<char> to = brand[(int)((leaf - CpuidLeaf.BrandFirst) * 16)..];
            Unpack(part.Eax, to);
            Unpack(part.Ebx, to[4..]);
            Unpack(part.Ecx, to[8..]);
            Unpack(part.Edx, to[12..]);
        }

        return new CpuIdentity(new string(text), table.Lookup(CpuidLeaf.Version, 0).Eax, new string(brand).TrimEnd('\0').Trim());
    }

    /// <summary>Four characters of <paramref name="text"/> as a register shows them; zero where the text has ended.</summary>
    internal static uint Pack(string text, int at)
    {
        uint value = 0;
        for (int i = 0; i < 4 && at + i < text.Length; i++) value |= (uint)(byte)text[at + i] << (8 * i);
        return value;
    }

    private static void Unpack(uint value, Span<char> to)
    {
        for (int i = 0; i < 4; i++) to[i] = (char)(byte)(value >> (8 * i));
    }
}
