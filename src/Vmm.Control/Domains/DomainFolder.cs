using System.Text.Json;
using Vmm.Host;

namespace Vmm.Control.Domains;

/// <summary>The folder of one domain. Who holds the lock in it is the domain: when its process dies, however it dies, the lock is free.</summary>
public sealed class DomainFolder
{
    private const string RecordFile = "domain.json";
    private const int MostRecordBytes = 64 << 10;

    internal DomainFolder(string path, int id) => (Path, Id) = (path, id);

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>The domain's id.</summary>
    public int Id { get; }

    /// <summary>The JSON-RPC socket.</summary>
    public string Socket => System.IO.Path.Combine(Path, "socket");

    /// <summary>The socket of the guest's first serial port.</summary>
    public string Console => System.IO.Path.Combine(Path, "console");

    /// <summary>What the domain's process says.</summary>
    public string Log => System.IO.Path.Combine(Path, "log");

    /// <summary>What the guest writes to its console.</summary>
    public string ConsoleLog => System.IO.Path.Combine(Path, "console.log");

    /// <summary>Whether the domain's process lives.</summary>
    public bool IsAlive => LockFile.IsHeld(LockPath);

    private string LockPath => System.IO.Path.Combine(Path, "lock");

    /// <summary>Makes this process the domain, until it ends or the lock is disposed.</summary>
    /// <exception cref="DomainException">Another process is this domain.</exception>
    public LockFile Claim() => LockFile.TryTake(LockPath) ?? throw new DomainException($"another process is domain {Id} already");

    /// <summary>What is written down; null where the record is missing or broken, as after a crash in its making.</summary>
    public DomainRecord? TryRead()
    {
        try
        {
            FileInfo file = new(System.IO.Path.Combine(Path, RecordFile));
            if (file.Length > MostRecordBytes) return null;
            using FileStream stream = file.OpenRead();
            DomainRecord? record = JsonSerializer.Deserialize(stream, DomainJson.Default.DomainRecord);
            return record?.Id == Id ? record : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes the record in one step: who reads sees the old or the new one.</summary>
    /// <exception cref="DomainException">It cannot be written.</exception>
    public void Write(DomainRecord record)
    {
        string path = System.IO.Path.Combine(Path, RecordFile);
        string draft = $"{path}.{Environment.ProcessId}";
        try
        {
            File.WriteAllBytes(draft, JsonSerializer.SerializeToUtf8Bytes(record, DomainJson.Default.DomainRecord));
            File.Move(draft, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DomainException($"domain {Id}: its record cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Removes the folder with all that is in it.</summary>
    internal void Remove()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Another did it.
        }
    }
}
