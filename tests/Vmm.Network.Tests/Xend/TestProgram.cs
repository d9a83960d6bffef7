namespace Vmm.Network.Tests.Xend;

/// <summary>The executable vmm, as the solution's build leaves it beside the tests.</summary>
internal static class TestProgram
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        // .artifacts/bin/Vmm.Network.Tests/debug
        DirectoryInfo own = new(AppContext.BaseDirectory);
        string path = System.IO.Path.Combine(own.Parent!.Parent!.FullName, "Vmm.Cli", $"{own.Name}_linux-x64", "vmm");
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is not there: build the solution");
    }
}
