using System.Text.Json;
using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>The guests' interfaces of a host, for whoever cleans up after a domain that has died. The process that holds the lock of one owns it.</summary>
internal sealed class VifStore
{
    private const string Suffix = ".json";
    private const int MostBytes = 1 << 20;

    private readonly NetworkStore _networks;
    private readonly string _folder;

    public VifStore(NetworkStore networks)
    {
        _networks = networks;
        _folder = Path.Combine(networks.Folder, "vifs");
        Directory.CreateDirectory(_folder);
    }

    /// <summary>Removes what dead domains left, and takes a name.</summary>
    /// <exception cref="LinuxException">The name is in use.</exception>
    public LockFile Claim(string name, Action<string> note)
    {
        using LockFile only = _networks.Lock();
        SweepLocked(note);
        return LockFile.TryTake(LockOf(name)) ?? throw new LinuxException($"the interface {name} is another domain's");
    }

    /// <summary>Removes what dead domains left.</summary>
    public void Sweep(Action<string> note)
    {
        if (!Dead().Any()) return;
        using LockFile only = _networks.Lock();
        SweepLocked(note);
    }

    /// <summary>Removes what dead domains left, for who has the networks' lock.</summary>
    public void SweepLocked(Action<string> note)
    {
        foreach (VifRecord record in Dead().ToArray())
        {
            VifUndo.Run(record, this, _networks, note);
            Remove(record.Spec.Name);
        }
    }

    public void Write(VifRecord record)
    {
        string path = PathOf(record.Spec.Name);
        try
        {
            File.WriteAllBytes(path + ".new", JsonSerializer.SerializeToUtf8Bytes(record, NetworkJson.Default.VifRecord));
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Where the settings for scripts are.</summary>
    public string StoreOf(string name) => Path.Combine(_folder, name + ".store");

    /// <summary>Forgets one. Its lock is let go afterwards.</summary>
    public void Remove(string name)
    {
        File.Delete(StoreOf(name));
        File.Delete(StoreOf(name) + ".lock");
        File.Delete(PathOf(name));
        File.Delete(LockOf(name));
    }

    /// <summary>All that are written down.</summary>
    public IEnumerable<VifRecord> List() => Directory.EnumerateFiles(_folder, "*" + Suffix).Order(StringComparer.Ordinal).Select(Read).OfType<VifRecord>();

    private IEnumerable<VifRecord> Dead()
    {
        string here = NetworkStore.CurrentNamespace;
        return List().Where(record => record.Namespace == here && !LockFile.IsHeld(LockOf(record.Spec.Name)));
    }

    private static VifRecord? Read(string path)
    {
        try
        {
            return new FileInfo(path).Length > MostBytes ? null : JsonSerializer.Deserialize(File.ReadAllBytes(path), NetworkJson.Default.VifRecord);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // Half written, or removed just now by its owner.
            return null;
        }
    }

    private string PathOf(string name) => Path.Combine(_folder, name + Suffix);

    private string LockOf(string name) => Path.Combine(_folder, name + ".lock");
}
