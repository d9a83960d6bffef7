using System.Globalization;
using Vmm.Host;
using Vmm.Network.Xend;

namespace Vmm.Control.Domains;

/// <summary>
/// The domains of a host, or of a user: a folder for each under one root, no process behind it. Whoever looks removes what crashed
/// domains left, so that it is right after any death. Any number of processes may use it at once.
/// </summary>
public sealed class DomainRegistry
{
    /// <summary>The largest id that fits the name of an interface, "vif32751.99-emu".</summary>
    public const int LargestId = 32751;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10), DeviceModelPatience = TimeSpan.FromSeconds(3);

    private readonly string _root;

    /// <param name="root">Its folder; made if it is not there, for this user alone.</param>
    /// <exception cref="DomainException">It cannot be made, or is another's.</exception>
    public DomainRegistry(string root)
    {
        _root = root;
        try
        {
            const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            DirectoryInfo folder = Directory.CreateDirectory(root, Private);
            if (folder.LinkTarget is not null) throw new DomainException($"{root} is a link, not a folder");
            // A folder that others can write to could hold anything.
            if ((folder.UnixFileMode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0) throw new DomainException($"{root} can be written by others than its owner");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DomainException($"the folder of the domains cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Where it is written down what was done to the host's network for the domains.</summary>
    internal string NetworkFolder => Path.Combine(_root, "network");

    private string AllocationLock => Path.Combine(_root, "lock");

    private DomainHistory History => new(Path.Combine(_root, "history"));

    private string LastIdFile => Path.Combine(_root, "last-id");

    /// <summary>$VMM_RUN_DIR; where that is not set /run/vmm for root, else $XDG_RUNTIME_DIR/vmm.</summary>
    /// <exception cref="DomainException">There is no such place.</exception>
    public static string DefaultRoot()
    {
        if (Environment.GetEnvironmentVariable("VMM_RUN_DIR") is { Length: > 0 } chosen) return Path.GetFullPath(chosen);
        if (Environment.IsPrivilegedProcess) return "/run/vmm";
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return string.IsNullOrEmpty(runtime) ? throw new DomainException("XDG_RUNTIME_DIR is not set, so there is no place for the domains of this user") : Path.Combine(runtime, "vmm");
    }

    /// <summary>Makes the folder of a new domain, claimed by this process.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="uuid">Its UUID.</param>
    /// <param name="claim">The claim: the domain lives as long as this is held.</param>
    /// <exception cref="DomainException">The name is taken, or no id is free.</exception>
    public DomainFolder Create(string name, Guid uuid, out LockFile claim)
    {
        using LockFile allocation = LockFile.Take(AllocationLock, Patience);
        foreach (DomainFolder other in Living())
        {
            if (other.TryRead() is not { } record) continue;
            if (record.Name == name) throw new DomainException($"a domain named '{name}' is there already, with id {record.Id}");
            if (record.Uuid == uuid) throw new DomainException($"domain '{record.Name}' has the UUID {uuid} already");
        }

        int id = NextId();
        DomainFolder folder = FolderOf(id);
        Directory.CreateDirectory(folder.Path);
        claim = folder.Claim();
        folder.Write(new DomainRecord { Id = id, Name = name, Uuid = uuid, Created = DateTimeOffset.UtcNow, ProcessId = Environment.ProcessId });
        File.WriteAllText(LastIdFile, id.ToString(CultureInfo.InvariantCulture));
        return folder;
    }

    /// <summary>The domains that live, in the order of their ids. What dead ones left is removed.</summary>
    public IReadOnlyList<DomainFolder> List()
    {
        List<DomainFolder> living;
        using (LockFile allocation = LockFile.Take(AllocationLock, Patience)) living = [.. Living()];
        // Every time: a dying process lets go of its locks in any order.
        SweepInterfaces();
        return living;
    }

    /// <summary>The last domains that are gone, with the reasons, the one that went first at the beginning.</summary>
    public IReadOnlyList<DomainRecord> Gone()
    {
        using LockFile allocation = LockFile.Take(AllocationLock, Patience);
        foreach (DomainFolder living in Living()) _ = living;
        return History.Read();
    }

    /// <summary>A domain by its id or its name; a name of digits only is found by its id.</summary>
    /// <exception cref="DomainException">There is none.</exception>
    public DomainFolder Find(string text)
    {
        bool isId = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id);
        return List().FirstOrDefault(f => isId ? f.Id == id : f.TryRead()?.Name == text) ?? throw new DomainException($"there is no domain '{text}'");
    }

    /// <summary>Gives a domain another name.</summary>
    /// <param name="folder">The domain.</param>
    /// <param name="name">Its new name.</param>
    /// <param name="uuid">A new UUID, too; null to keep it.</param>
    /// <exception cref="DomainException">The name is taken, or the domain is gone.</exception>
    public void Rename(DomainFolder folder, string name, Guid? uuid = null)
    {
        using LockFile allocation = LockFile.Take(AllocationLock, Patience);
        foreach (DomainFolder other in Living())
        {
            if (other.Id != folder.Id && other.TryRead()?.Name == name) throw new DomainException($"a domain named '{name}' is there already, with id {other.Id}");
        }

        DomainRecord record = folder.TryRead() ?? throw new DomainException($"domain {folder.Id} is gone");
        folder.Write(record with { Name = name, Uuid = uuid ?? record.Uuid });
    }

    /// <summary>Removes a domain of this process.</summary>
    internal void Remove(DomainFolder folder, LockFile claim)
    {
        using LockFile allocation = LockFile.Take(AllocationLock, Patience);
        Bury(folder, "it was not started");
        claim.Dispose();
    }

    // Under the allocation lock: a folder that is being made is not swept.
    private IEnumerable<DomainFolder> Living()
    {
        foreach (DomainFolder folder in Folders())
        {
            if (folder.IsAlive) yield return folder;
            else Bury(folder, "its process died");
        }
    }

    /// <summary>Takes back what the interfaces of a dead domain have left: rules, and what scripts did.</summary>
    private void SweepInterfaces()
    {
        if (!HostPrivilege.HasNetAdmin || !Directory.Exists(NetworkFolder)) return;
        try
        {
            Vif.Sweep(new NetworkStore(NetworkFolder), _ => { });
        }
        catch (LinuxException)
        {
            // The next domain with an interface does it.
        }
    }

    private void Bury(DomainFolder folder, string reasonWithoutOne)
    {
        DomainRecord? record = folder.TryRead();
        // It ends by itself when its domain does, after it has flushed what it has.
        record?.DeviceModel?.WaitOrKill(DeviceModelPatience);
        if (record is not null) History.Add(record with { State = DomainState.Ended, Reason = record.Reason ?? reasonWithoutOne, DeviceModel = null, Gone = DateTimeOffset.UtcNow });
        folder.Remove();
    }

    private IEnumerable<DomainFolder> Folders()
        => Directory.EnumerateDirectories(_root)
            .Select(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : 0)
            .Where(id => id is > 0 and <= LargestId)
            .Order()
            .Select(FolderOf);

    private int NextId()
    {
        int last = 0;
        if (File.Exists(LastIdFile)) _ = int.TryParse(File.ReadAllText(LastIdFile), NumberStyles.None, CultureInfo.InvariantCulture, out last);
        last = Math.Clamp(last, 0, LargestId);
        for (int i = 0; i < LargestId; i++)
        {
            last = (last % LargestId) + 1;
            if (!Directory.Exists(FolderOf(last).Path)) return last;
        }

        throw new DomainException($"all {LargestId} ids are in use");
    }

    private DomainFolder FolderOf(int id) => new(Path.Combine(_root, id.ToString(CultureInfo.InvariantCulture)), id);
}
