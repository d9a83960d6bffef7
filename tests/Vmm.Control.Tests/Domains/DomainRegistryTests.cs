using Vmm.Control.Domains;
using Vmm.Host;

namespace Vmm.Control.Tests.Domains;

public sealed class DomainRegistryTests : IDisposable
{
    private readonly string _root = Path.Combine(Directory.CreateTempSubdirectory("vmm-domains").FullName, "run");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_root)!, recursive: true);

    [Fact]
    public void Create_SeveralDomains_CountsIdsUpAlsoAfterTheyAreGone()
    {
        DomainRegistry registry = new(_root);
        DomainFolder first = registry.Create("a", Guid.NewGuid(), out LockFile claim);
        registry.Create("b", Guid.NewGuid(), out LockFile other);
        claim.Dispose();

        DomainFolder third = registry.Create("a", Guid.NewGuid(), out LockFile again);

        Assert.Equal((1, 3), (first.Id, third.Id));
        Assert.Equal(["b", "a"], registry.List().Select(f => f.TryRead()!.Name));
        other.Dispose();
        again.Dispose();
    }

    [Fact]
    public void List_DomainWhoseProcessDied_IsSweptAway()
    {
        DomainRegistry registry = new(_root);
        DomainFolder folder = registry.Create("a", Guid.NewGuid(), out LockFile claim);
        File.WriteAllText(folder.ConsoleLog, "last words");

        claim.Dispose();

        Assert.Empty(registry.List());
        Assert.False(Directory.Exists(folder.Path));
    }

    [Fact]
    public void Create_NameOrUuidOfALivingDomain_IsRefused()
    {
        DomainRegistry registry = new(_root);
        Guid uuid = Guid.NewGuid();
        registry.Create("a", uuid, out LockFile claim);

        Assert.Contains("named 'a'", Assert.Throws<DomainException>(() => registry.Create("a", Guid.NewGuid(), out _)).Message, StringComparison.Ordinal);
        Assert.Contains("UUID", Assert.Throws<DomainException>(() => registry.Create("b", uuid, out _)).Message, StringComparison.Ordinal);
        claim.Dispose();
    }

    [Fact]
    public void Find_ByNameAndById_GivesTheSame()
    {
        DomainRegistry registry = new(_root);
        registry.Create("web", Guid.NewGuid(), out LockFile claim);

        Assert.Equal(registry.Find("1").Path, registry.Find("web").Path);
        Assert.Equal("there is no domain 'nobody'", Assert.Throws<DomainException>(() => registry.Find("nobody")).Message);
        claim.Dispose();
    }

    [Fact]
    public void Rename_TakenName_IsRefusedAndAFreeOneIsTaken()
    {
        DomainRegistry registry = new(_root);
        DomainFolder folder = registry.Create("a", Guid.NewGuid(), out LockFile first);
        registry.Create("b", Guid.NewGuid(), out LockFile second);

        Assert.Throws<DomainException>(() => registry.Rename(folder, "b"));
        registry.Rename(folder, "c");

        Assert.Equal(folder.Id, registry.Find("c").Id);
        first.Dispose();
        second.Dispose();
    }

    [Fact]
    public void Claim_ByASecondProcess_IsRefused()
    {
        DomainFolder folder = new DomainRegistry(_root).Create("a", Guid.NewGuid(), out LockFile claim);

        Assert.Throws<DomainException>(folder.Claim);
        claim.Dispose();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{\"id\":7,\"name\":\"a\",\"uuid\":\"0\",\"created\":\"x\"}")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")]
    public void TryRead_BrokenRecord_IsNone(string text)
    {
        DomainRegistry registry = new(_root);
        DomainFolder folder = registry.Create("a", Guid.NewGuid(), out LockFile claim);
        File.WriteAllText(Path.Combine(folder.Path, "domain.json"), text);

        Assert.Null(folder.TryRead());
        Assert.Single(registry.List());
        claim.Dispose();
    }

    [Fact]
    public void Create_ManyAtOnce_AllGetIdsOfTheirOwn()
    {
        const int Count = 40;
        LockFile[] claims = new LockFile[Count];
        int[] ids = new int[Count];

        Parallel.For(0, Count, i => ids[i] = new DomainRegistry(_root).Create($"d{i}", Guid.NewGuid(), out claims[i]).Id);

        Assert.Equal(Enumerable.Range(1, Count), ids.Order());
        foreach (LockFile claim in claims) claim.Dispose();
    }

    [Fact]
    public void Constructor_FolderThatOthersCanWrite_IsRefused()
    {
        Directory.CreateDirectory(_root);
        File.SetUnixFileMode(_root, (UnixFileMode)0b111_111_111);

        Assert.Contains("by others", Assert.Throws<DomainException>(() => new DomainRegistry(_root)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void List_ForeignFiles_AreLeftAlone()
    {
        DomainRegistry registry = new(_root);
        Directory.CreateDirectory(Path.Combine(_root, "notes"));
        Directory.CreateDirectory(Path.Combine(_root, "0"));
        File.WriteAllText(Path.Combine(_root, "last-id"), "nonsense");

        Assert.Empty(registry.List());
        Assert.True(Directory.Exists(Path.Combine(_root, "notes")) && Directory.Exists(Path.Combine(_root, "0")));
        Assert.Equal(1, registry.Create("a", Guid.NewGuid(), out LockFile claim).Id);
        claim.Dispose();
    }
}
