using Vmm.TestKit;

namespace Vmm.Guest.Tests.Disk;

/// <summary>The program of <c>tests/proofs/blockio</c> and an initial RAM disk that runs it, built once.</summary>
internal static class BlockIo
{
    private static readonly Lazy<string> Built = new(Build);

    /// <summary>The initial RAM disk.</summary>
    public static string Initrd => Path.Combine(Built.Value, "initrd.img");

    /// <summary>Makes the content that a device of some size must have after a run that verified it.</summary>
    /// <param name="path">A new raw file.</param>
    /// <param name="sizeBytes">The device's size.</param>
    /// <param name="seed">As in the guest.</param>
    public static void Expect(string path, long sizeBytes, int seed)
    {
        using (FileStream file = File.Create(path)) file.SetLength(sizeBytes);
        (int code, string output) = DiskGuest.Run(Path.Combine(Built.Value, "blockio"), "expect", path, $"{seed}");
        Assert.True(code == 0, output);
    }

    private static string Build()
    {
        string folder = Directory.CreateTempSubdirectory("vmm-blockio").FullName;
        (int code, string output) = DiskGuest.Run(Path.Combine(Repository.Root, "tests", "proofs", "blockio", "build.sh"), folder);
        Assert.True(code == 0, output);
        return folder;
    }
}
