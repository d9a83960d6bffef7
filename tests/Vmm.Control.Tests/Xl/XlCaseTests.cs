using Vmm.TestKit;

namespace Vmm.Control.Tests.Xl;

/// <summary>Two hundred configuration files, valid and invalid, each with its whole result.</summary>
public class XlCaseTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Vmm.Control.Tests", "Xl", "cases");

    public static TheoryData<string, string> Titles()
    {
        TheoryData<string, string> data = [];
        foreach (string file in Directory.GetFiles(Folder, "*.txt").Order(StringComparer.Ordinal))
        {
            foreach (XlCase one in XlCase.Read(file)) data.Add(Path.GetFileName(file), one.Title);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Titles))]
    public void Build_Case_GivesWhatStandsBehindIt(string file, string title)
    {
        XlCase one = XlCase.Read(Path.Combine(Folder, file)).Single(c => c.Title == title);

        Assert.Equal(one.Expected, one.Actual);
    }

    [Fact]
    public void Cases_All_AreManyOfBothKinds()
    {
        XlCase[] all = [.. Directory.GetFiles(Folder, "*.txt").SelectMany(XlCase.Read)];

        Assert.True(all.Length >= 200, $"{all.Length} cases");
        Assert.True(all.Count(c => c.Expected.Any(e => e.StartsWith("error ", StringComparison.Ordinal))) >= 80);
        Assert.True(all.Count(c => c.Expected.All(e => !e.StartsWith("error ", StringComparison.Ordinal))) >= 80);
    }
}
