using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace Vmm.House.Tests;

/// <summary>The order of the house: a project references lower rows only, and unsafe code stands in few rooms.</summary>
public class ReferenceOrderTests
{
    private static readonly Dictionary<string, int> Rows = new()
    {
        ["Vmm.Core"] = 0,
        ["Vmm.Cpu"] = 1,
        ["Vmm.Devices.Legacy"] = 1,
        ["Vmm.Devices.Chipset"] = 1,
        ["Vmm.Devices.Pci"] = 1,
        ["Vmm.Firmware"] = 1,
        ["Vmm.Host"] = 2,
        ["Vmm.Devices.Virtio"] = 2,
        ["Vmm.Devices.Xen"] = 2,
        ["Vmm.Kvm"] = 3,
        ["Vmm.Storage"] = 3,
        ["Vmm.Network"] = 3,
        ["Vmm.DeviceModel"] = 4,
        ["Vmm.Machine"] = 5,
        ["Vmm.Control"] = 6,
        ["Vmm.Cli"] = 7,
    };

    private static readonly string[] MayBeUnsafe = ["Vmm.Core", "Vmm.Host", "Vmm.Kvm", "Vmm.Cpu"];

    public static TheoryData<string> Projects()
    {
        TheoryData<string> data = [];
        foreach (string room in new[] { "src", "devices", "firmware" })
        {
            foreach (string file in Directory.GetFiles(Path.Combine(Root(), room), "*.csproj", SearchOption.AllDirectories)) data.Add(file);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_References_PointDownward(string file)
    {
        string name = Path.GetFileNameWithoutExtension(file);
        foreach (XElement reference in XDocument.Load(file).Descendants("ProjectReference"))
        {
            string target = Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/'));
            Assert.True(Rows[target] < Rows[name], $"{name} references {target}");
        }
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Project_Unsafe_OnlyWhereTheHouseSays(string file)
    {
        string name = Path.GetFileNameWithoutExtension(file);
        bool isUnsafe = XDocument.Load(file).Descendants("AllowUnsafeBlocks").Any(e => e.Value == "true");
        Assert.True(!isUnsafe || MayBeUnsafe.Contains(name), $"{name} allows unsafe code");
    }

    [Fact]
    public void Core_UnsafeCode_OnlyInMemory()
    {
        foreach (string file in Directory.GetFiles(Path.Combine(Root(), "src", "Vmm.Core"), "*.cs", SearchOption.AllDirectories))
        {
            if (file.Contains("/Memory/", StringComparison.Ordinal)) continue;
            Assert.DoesNotContain("unsafe ", File.ReadAllText(file), StringComparison.Ordinal);
        }
    }

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
